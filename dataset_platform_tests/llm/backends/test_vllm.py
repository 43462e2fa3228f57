"""All around vLLM that runs without it: prompts, rows through Ray Data, the processor, results and errors."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import orjson
import pytest

from dataset_platform.errors import ConfigError
from dataset_platform.llm.backend import BatchBackend
from dataset_platform.llm.backends.transformers import prompt_tokens
from dataset_platform.llm.backends.vllm import VLLMModel, keep, read_row, row_of, unpack
from dataset_platform.llm.errors import FatalError, RetryableError
from dataset_platform.llm.request import Completion, Message, Request, Usage
from dataset_platform_tests.llm.backends import tiny_model

SCHEMAS = [{"type": "integer"}, {"type": "object", "properties": {"a": {"type": "string"}}}, None]
REQUESTS = [
    Request(
        (Message("user", f"question {i}"),),
        max_tokens=5 + i,
        temperature=float(i % 2),
        top_p=0.9 if i % 4 == 0 else None,
        seed=i if i % 3 == 0 else None,
        stop=("x", "y") if i % 5 == 0 else (),
        schema=SCHEMAS[i % 3],
    )
    for i in range(30)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.make(tmp_path_factory.mktemp("tiny"))


def test_rows_reach_the_engine_stage_unchanged(ray_engine):
    """Arrow gives all rows one shape; prompts, sampling and each schema must come out as they went in."""
    import ray

    ray_engine.start()
    rows = [row_of(i, r, list(range(i + 1)), "m") for i, r in enumerate(REQUESTS)]
    dataset = ray.data.from_items(rows, override_num_blocks=3).map(unpack).map_batches(lambda b: b, batch_size=7)
    found = {row["row"]: row for row in dataset.take_all()}
    assert sorted(found) == list(range(30))
    for i, request in enumerate(REQUESTS):
        row, sampling = found[i], found[i]["sampling_params"]
        assert list(row["tokenized_prompt"]) == list(range(i + 1))
        assert sampling["temperature"] == request.temperature and sampling["max_tokens"] == request.max_tokens
        assert sampling["top_p"] == (request.top_p or 1.0) and list(sampling["stop"]) == list(request.stop)
        structured = sampling["structured_outputs"]
        assert (orjson.loads(structured["json"]) if structured else None) == request.schema


def test_seeds_come_from_the_request():
    def seed(i: int, model: str = "m") -> int:
        return orjson.loads(row_of(7, REQUESTS[i], [1], model)["request"])[1]["seed"]

    sampled = [seed(i) for i in range(1, 30, 2)]
    assert len(set(sampled)) == len(sampled) and all(0 <= s < 2**31 for s in sampled)
    assert [seed(i) for i in range(1, 30, 2)] == sampled and seed(1, "other") != sampled[0]
    assert seed(0) == 0  # greedy: vLLM would make a generator for it


def test_the_processor_is_built_by_ray(ray_engine, folder: Path):
    from ray.data.llm import build_processor

    ray_engine.start()
    model = VLLMModel(str(folder), {"max_model_len": 512, "concurrency": 2, "batch_size": 16})
    assert isinstance(model, BatchBackend)
    config = model.config()
    assert (config.model_source, config.concurrency, config.batch_size) == (str(folder), 2, 16)
    assert config.engine_kwargs["max_model_len"] == 512 and config.should_continue_on_error
    processor = build_processor(config, preprocess=unpack, postprocess=keep)
    assert processor.list_stage_names() == ["vLLMEngineStage"]


def test_settings_that_ray_refuses(folder: Path):
    with pytest.raises(ConfigError, match="llm.engine"):
        VLLMModel(str(folder), {"concurrency": "many"}).config()


def test_results_and_errors():
    from ray.llm._internal.batch.stages.base import wrap_postprocess

    data = {
        "row": 3, "generated_text": "hi", "num_input_tokens": 4, "num_generated_tokens": 2, "prompt": "", "metrics": None,
    }  # fmt: skip
    post = wrap_postprocess(keep, "__data", include_error_column=True)
    request = Request((Message("user", "?"),), max_tokens=3)
    whole = read_row(post({"__data": dict(data)}), request, "m")
    assert whole == Completion("hi", "stop", Usage(4, 2), "m")
    cut = read_row(post({"__data": data | {"num_generated_tokens": 3}}), request, "m")
    assert isinstance(cut, Completion) and cut.finish_reason == "length"
    for said, kind in (
        ("ValueError: The decoder prompt is longer than the maximum model length", FatalError),
        ("RuntimeError: something\nbroke", RetryableError),
    ):
        failed = post({"__data": data | {"__inference_error__": said}})
        error = read_row(failed, request, "m")
        assert failed["row"] == 3 and isinstance(error, kind) and "\n" not in error.message


def test_prompts_are_the_chat_template_s(folder: Path):
    tokenizer = VLLMModel(str(folder))._load_tokenizer()
    tokens = prompt_tokens(tokenizer, Request((Message("user", "hi"),)))
    assert tokenizer.decode(tokens) == "<|user|>hi<|end|><|assistant|>"


def test_no_tokenizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match="tokenizer"):
        asyncio.run(VLLMModel(str(tmp_path)).complete_batch(REQUESTS[:1], ["k"]))


def test_without_a_gpu_it_says_so_rather_than_wait(ray_engine, folder: Path, monkeypatch: pytest.MonkeyPatch):
    import ray

    ray_engine.start()
    if ray.cluster_resources().get("GPU", 0) >= 1:
        pytest.skip("there is a GPU")
    monkeypatch.delenv("DATASET_PLATFORM_RAY_ADDRESS", raising=False)
    with pytest.raises(ConfigError, match="GPU"):
        asyncio.run(VLLMModel(str(folder)).complete_batch(REQUESTS[:1], ["k"]))


@pytest.mark.slow
def test_on_a_gpu(folder: Path):
    import torch

    if not torch.cuda.is_available() or importlib.util.find_spec("vllm") is None:
        pytest.skip("needs a GPU and vLLM")
    found = asyncio.run(VLLMModel(str(folder), {"max_model_len": 512}).complete_batch(REQUESTS, ["k"] * len(REQUESTS)))
    assert all(isinstance(f, Completion) and f.usage.completion_tokens > 0 for f in found)
