"""A local model on vLLM, offline, through Ray Data LLM (ray 2.60: ``vLLMEngineProcessorConfig``, ``build_processor``).

Ray Data starts the engine for each data set and stops it at its end, so this backend gathers many requests before it
begins. Where a conversation's next turn waits for the last, ``vllm serve MODEL`` named as ``http://HOST:8000/v1#MODEL``
keeps the engine warm between turns and is the better choice.

What was run of this module where it was written (no GPU, no vLLM): prompts, rows, their way through Ray Data, the
processor's configuration and the reading of results and errors. What was not: vLLM itself. Field names are those of
``ray/llm/_internal/batch/stages/vllm_engine_stage.py`` of ray 2.60.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from dataset_platform.engines.progress import report
from dataset_platform.errors import ConfigError
from dataset_platform.llm.backends.openai_wire import one_line
from dataset_platform.llm.backends.transformers import prompt_tokens, sampling_seed
from dataset_platform.llm.errors import CallError, FatalError, RetryableError
from dataset_platform.llm.request import Completion, FinishReason, Request, Usage

_PROCESSOR_SETTINGS = ("batch_size", "concurrency", "max_concurrent_batches", "accelerator_type", "runtime_env")
# vLLM's ValueErrors about one request, as against an engine that failed
_NEVER_AGAIN = ("longer than the maximum", "max_model_len", "maximum context length", "ValueError", "ValidationError")


class VLLMModel:
    """One model, on as many engines as ``concurrency`` says.

    Args:
        path: folder or Hub id.
        engine: ``concurrency`` (engines, 1), ``batch_size`` (rows handed to an engine at once, 64),
            ``max_concurrent_batches``, ``accelerator_type`` and ``runtime_env`` of Ray's processor; everything else is
            vLLM's ``engine_kwargs``.

    Raises:
        ConfigError: (from ``complete_batch``) the tokenizer cannot be loaded, the configuration is refused, or there is no GPU.
    """

    name = "vllm"
    simulated = False
    batch_size = 16_384
    linger_s = 5.0

    def __init__(self, path: str, engine: Mapping[str, Any] | None = None) -> None:
        self.model = path
        settings = {"batch_size": 64, "concurrency": 1} | dict(engine or {})
        self._processor = {name: settings.pop(name) for name in _PROCESSOR_SETTINGS if name in settings}
        self._engine_kwargs = settings
        self._tokenizer: Any = None
        self._one_at_a_time = asyncio.Lock()

    async def complete_batch(self, requests: Sequence[Request], keys: Sequence[str]) -> list[Completion | CallError]:
        """Answers in the order of the requests; see ``BatchBackend``."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._answer, requests)

    async def close(self) -> None:
        """Nothing to let go of: engines end with their data set."""

    def config(self) -> Any:
        """Ray's configuration of the processor.

        Raises:
            ConfigError: Ray refuses it.
        """
        from ray.data.llm import vLLMEngineProcessorConfig

        try:
            return vLLMEngineProcessorConfig(
                model_source=self.model,
                engine_kwargs=dict(self._engine_kwargs),
                should_continue_on_error=True,
                # prompts come as tokens, and vLLM itself makes text of them: it knows where a stop string cut
                chat_template_stage=False,
                tokenize_stage=False,
                detokenize_stage=False,
                prepare_multimodal_stage=False,
                **self._processor,
            )
        except ValueError as e:
            raise ConfigError(f"llm.engine is refused: {one_line(str(e))}", "Mend it in the config file.") from None

    def _answer(self, requests: Sequence[Request]) -> list[Completion | CallError]:
        tokenizer = self._tokenizer = self._tokenizer or self._load_tokenizer()
        found: dict[int, Completion | CallError] = {}
        rows = []
        for at, request in enumerate(requests):
            try:
                rows.append(row_of(at, request, prompt_tokens(tokenizer, request), self.model))
            except FatalError as e:
                found[at] = e
        if rows:
            report(f"vllm {self.model}: {len(rows)} requests")
            try:
                for result in self._run(rows):
                    at = int(result["row"])
                    found[at] = read_row(result, requests[at], self.model)
            except ConfigError:
                raise
            except Exception as e:  # Ray wraps whatever an engine died of
                failed = RetryableError(f"vLLM failed on {self.model}: {one_line(str(e))}")
                found = {i: found.get(i, failed) for i in range(len(requests))}
        lost = RetryableError("vLLM returned no row for this request.")
        return [found.get(i, lost) for i in range(len(requests))]

    def _run(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        import ray
        from ray.data.llm import build_processor

        from dataset_platform.engines import ray as engine

        engine.start()
        self._check_gpu(ray.cluster_resources().get("GPU", 0))
        processor = build_processor(self.config(), preprocess=unpack, postprocess=keep)
        result: list[dict[str, Any]] = processor(ray.data.from_items(rows)).take_all()
        return result

    def _check_gpu(self, gpus: float) -> None:
        # Ray would wait for a GPU for ever; a cluster of one's own may still bring one
        if gpus < 1 and not os.environ.get("DATASET_PLATFORM_RAY_ADDRESS"):
            raise ConfigError(
                f"vllm:{self.model} needs a GPU, and Ray sees none here.",
                "Run where there is one, or name the model as transformers:PATH.",
            )

    def _load_tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        try:
            return AutoTokenizer.from_pretrained(self.model)
        except (OSError, ValueError, KeyError) as e:
            raise ConfigError(
                f"No tokenizer at '{self.model}': {one_line(str(e))}", "Name a folder with a model, or a Hub id."
            ) from None


def row_of(at: int, request: Request, tokens: list[int], model: str) -> dict[str, Any]:
    """One row of the data set: its number, and prompt and sampling as JSON.

    JSON, because Arrow would give the structs of all rows the same fields, and a schema with foreign fields is another.
    """
    sampling: dict[str, Any] = {
        "temperature": request.temperature,
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "max_tokens": request.max_tokens,
        "stop": list(request.stop),
        "seed": sampling_seed(request, model) % 2**31 if request.temperature > 0 else 0,
    }
    schema = "" if request.schema is None else orjson.dumps(request.schema).decode()
    return {"row": at, "request": orjson.dumps([tokens, sampling]).decode(), "schema": schema}


def unpack(row: dict[str, Any]) -> dict[str, Any]:
    """What the engine stage reads; every row has the same fields, for the same reason as in ``row_of``."""
    tokens, sampling = orjson.loads(row["request"])
    # a JSON schema may be given to vLLM as text; without one the entry is empty and ray leaves it out
    sampling["structured_outputs"] = {"json": row["schema"]} if row["schema"] else None
    return {"row": row["row"], "prompt": "", "tokenized_prompt": tokens, "sampling_params": sampling}


def keep(row: dict[str, Any]) -> dict[str, Any]:
    """What is kept of the engine stage's output."""
    return {name: row[name] for name in ("row", "generated_text", "num_input_tokens", "num_generated_tokens")}


def read_row(row: Mapping[str, Any], request: Request, model: str) -> Completion | CallError:
    """The answer or the error in a result row.

    Ray leaves out vLLM's finish reason: an answer of exactly ``max_tokens`` tokens counts as cut.
    """
    if error := row.get("__inference_error__"):
        said = f"vLLM: {one_line(str(error))}"
        return FatalError(said) if any(sign in said for sign in _NEVER_AGAIN) else RetryableError(said)
    made = int(row["num_generated_tokens"])
    reason: FinishReason = "length" if made >= request.max_tokens else "stop"
    return Completion(row["generated_text"], reason, Usage(int(row["num_input_tokens"]), made), model)
