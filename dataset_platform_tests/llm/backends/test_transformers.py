"""A real model in this process: rows do not depend on their neighbours, counts are exact, failures are typed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from dataset_platform.errors import ConfigError
from dataset_platform.llm.backend import BatchBackend
from dataset_platform.llm.backends.transformers import TransformersModel, prompt_tokens
from dataset_platform.llm.errors import FatalError
from dataset_platform.llm.request import Completion, Image, Message, Request
from dataset_platform_tests.llm.backends import tiny_model

pytestmark = pytest.mark.usefixtures("offline")


@pytest.fixture(scope="module")
def offline():
    import torch

    patch = pytest.MonkeyPatch()
    patch.setenv("HF_HUB_OFFLINE", "1")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for a model this small, threads that wait for each other are the whole cost
    yield
    torch.set_num_threads(threads)
    patch.undo()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, offline: None) -> Path:
    return tiny_model.make(tmp_path_factory.mktemp("tiny"))


def ask(text: str, **options) -> Request:
    return Request((Message("system", "s"), Message("user", text)), **({"max_tokens": 16} | options))


REQUESTS = [ask("what is " + "the answer " * (i * 3 % 7) + str(i)) for i in range(9)]
SAMPLED = [ask("name a number", temperature=1.0, seed=i // 2, sample=i % 2) for i in range(8)]


def run(folder: Path, requests: list[Request], batch_size: int = 4, **engine):
    model = TransformersModel(str(folder), batch_size=batch_size, engine={"device": "cpu", **engine})
    assert isinstance(model, BatchBackend)

    async def main():
        found = await model.complete_batch(requests, [r.key(model.model) for r in requests])
        await model.close()
        return found

    return asyncio.run(main())


@pytest.fixture(scope="module")
def alone(folder: Path) -> list[Completion]:
    """Each request in a batch of its own."""
    return run(folder, REQUESTS + SAMPLED, batch_size=1)


@pytest.mark.parametrize("batch_size", [2, 5, 32])
def test_answers_do_not_depend_on_the_batch(folder: Path, alone: list[Completion], batch_size: int):
    assert run(folder, REQUESTS + SAMPLED, batch_size) == alone
    backwards = run(folder, (REQUESTS + SAMPLED)[::-1], batch_size)
    assert backwards[::-1] == alone


def test_answers_differ_between_prompts_and_seeds(alone: list[Completion]):
    assert len({c.text for c in alone[: len(REQUESTS)]}) > 3
    assert len({c.text for c in alone[len(REQUESTS) :]}) > 4


def test_usage_and_finish(folder: Path, alone: list[Completion]):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    for request, done in zip(REQUESTS + SAMPLED, alone, strict=True):
        assert done.usage is not None
        assert done.usage.prompt_tokens == len(prompt_tokens(tokenizer, request))
        if done.finish_reason == "length":
            assert done.usage.completion_tokens == request.max_tokens
        else:
            assert done.usage.completion_tokens <= request.max_tokens
    text = tokenizer.decode(prompt_tokens(tokenizer, REQUESTS[0]))
    assert text == "<|system|>s<|end|><|user|>what is 0<|end|><|assistant|>"


def test_an_answer_ends_at_the_end_token(folder: Path):
    """A generation that reached its end with room to spare is the same, however much room there was."""
    many = [ask("hm", temperature=1.5, seed=i, max_tokens=100) for i in range(20)]
    done = run(folder, many)
    ended = [(r, d) for r, d in zip(many, done, strict=True) if d.finish_reason == "stop"]
    assert ended and len(ended) < len(many)
    for _, d in ended:
        assert "<|" not in d.text and 1 <= d.usage.completion_tokens <= 100


def test_stop_strings_cut(folder: Path, alone: list[Completion]):
    at, done = next((i, c) for i, c in enumerate(alone[: len(REQUESTS)]) if len(c.text) > 8)
    stop = done.text[4:6]
    others = [replace(r, stop=(stop,)) for r in REQUESTS]
    found = run(folder, others, batch_size=9)[at]
    assert found.text == done.text[: done.text.find(stop)]
    assert found.finish_reason == "stop"
    assert found.usage.completion_tokens < done.usage.completion_tokens
    assert found == run(folder, others, batch_size=1)[at]


def test_a_model_without_chat_template_reads_a_transcript(tmp_path: Path):
    from transformers import AutoTokenizer

    folder = tiny_model.make(tmp_path / "plain", chat=False)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.decode(prompt_tokens(tokenizer, ask("q"))) == "System: s\n\nUser: q\n\nAssistant:"
    [done] = run(folder, [ask("q")])
    assert done.usage.completion_tokens > 0


def test_what_cannot_be_answered_spares_the_rest(folder: Path, alone: list[Completion]):
    too_long = ask("x" * 600)
    picture = Request((Message("user", "?", (Image(b"1"),)),))
    first, long, seen, last = run(folder, [REQUESTS[0], too_long, picture, REQUESTS[1]])
    assert (first, last) == (alone[0], alone[1])
    assert isinstance(long, FatalError) and "512" in long.message
    assert isinstance(seen, FatalError) and "pictures" in seen.message


def test_a_schema_is_asked_for_in_the_prompt(folder: Path):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = tokenizer.decode(prompt_tokens(tokenizer, ask("q", schema={"type": "integer"})))
    assert '{"type":"integer"}' in text and text.endswith("<|end|><|assistant|>")


def test_sampling_leaves_other_generators_alone(folder: Path):
    import torch

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(folder, SAMPLED[:2])
    assert torch.equal(torch.rand(3), expected)


def test_a_folder_without_a_model(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot load"):
        run(tmp_path, [REQUESTS[0]])


@pytest.mark.slow
def test_on_a_gpu(folder: Path):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    cpu = run(folder, REQUESTS)
    gpu = run(folder, REQUESTS, device="cuda", dtype="float32")
    assert [c.usage.prompt_tokens for c in gpu] == [c.usage.prompt_tokens for c in cpu]
    assert sum(a.text == b.text for a, b in zip(cpu, gpu, strict=True)) >= len(cpu) - 1
    assert all(c.text for c in run(folder, REQUESTS, device="cuda"))
