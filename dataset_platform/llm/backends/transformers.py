"""A local model in this process, through transformers: any folder or Hub id that ``AutoModelForCausalLM`` loads.

Rows are padded on the left, with attention mask and positions that leave the padding out, so in float32 a row's greedy
answer does not depend on its neighbours. Sampled rows run alone, each under a seed made from its request (``seed`` and
``sample`` among the rest), for the same reason. For many rows on a large GPU, vLLM is the faster engine.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dataset_platform.errors import ConfigError
from dataset_platform.llm.backends.openai_wire import cut_at_stop, one_line, schema_instruction
from dataset_platform.llm.errors import CallError, FatalError, RetryableError
from dataset_platform.llm.request import Completion, FinishReason, Request, Usage

Group = tuple[float, float | None, tuple[str, ...], int, int | None]


class TransformersModel:
    """One model, loaded at the first call, on the GPU where there is one.

    Args:
        path: folder or Hub id.
        batch_size: most rows of one ``generate``; ``engine["batch_size"]`` goes before it.
        engine: ``batch_size``, ``dtype`` (bfloat16 on a GPU, float32 elsewhere by default), ``device``; everything else
            is handed to ``generate``.

    Raises:
        ConfigError: (from ``complete_batch``) the model cannot be loaded.
    """

    name = "transformers"
    simulated = False
    linger_s = 0.02

    def __init__(self, path: str, *, batch_size: int = 16, engine: dict[str, Any] | None = None) -> None:
        settings = dict(engine or {})
        self.model = path
        self.batch_size = int(settings.pop("batch_size", batch_size))
        self._dtype, self._device = settings.pop("dtype", None), settings.pop("device", None)
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="transformers")
        self._closing = threading.Event()
        self._loaded: tuple[Any, Any] | None = None

    async def complete_batch(self, requests: Sequence[Request], keys: Sequence[str]) -> list[Completion | CallError]:
        """Answers in the order of the requests; see ``BatchBackend``."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._answer, list(requests))

    async def close(self) -> None:
        """Let go of the model once the running batch is through."""
        self._closing.set()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)
        self._loaded = None

    def _answer(self, requests: list[Request]) -> list[Completion | CallError]:
        tokenizer, model = self._loaded = self._loaded or self._load()
        found: list[Completion | CallError | None] = [None] * len(requests)
        prompts: list[list[int]] = []
        for at, request in enumerate(requests):
            try:
                prompts.append(prompt_tokens(tokenizer, request))
                self._check_length(model, len(prompts[-1]), request)
            except FatalError as e:
                prompts += [[]] * (at + 1 - len(prompts))
                found[at] = e
        for rows in _groups(requests, [p if found[i] is None else [] for i, p in enumerate(prompts)], self.batch_size):
            if self._closing.is_set():
                break
            try:
                done = self._generate(tokenizer, model, [prompts[i] for i in rows], requests[rows[0]])
            except RuntimeError as e:  # out of memory, above all: smaller batches may do
                self._free()
                failed = RetryableError(f"{self.model} failed on {len(rows)} rows: {one_line(str(e))}")
                found = [failed if i in rows else f for i, f in enumerate(found)]
                continue
            for i, completion in zip(rows, done, strict=True):
                found[i] = completion
        stopped = RetryableError(f"{self.model} was closed before it answered.")
        return [f if f is not None else stopped for f in found]

    def _load(self) -> tuple[Any, Any]:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = self._dtype or ("bfloat16" if str(device).startswith("cuda") else "float32")
        try:
            tokenizer = AutoTokenizer.from_pretrained(self.model)
            model: Any = AutoModelForCausalLM.from_pretrained(self.model, dtype=getattr(torch, str(dtype)))
        except (OSError, ValueError, KeyError, AttributeError) as e:
            raise ConfigError(
                f"transformers cannot load '{self.model}': {one_line(str(e))}",
                "Name a folder with a causal language model and its tokenizer, or a Hub id.",
            ) from None
        return tokenizer, model.to(device).eval()

    def _check_length(self, model: Any, prompt_tokens: int, request: Request) -> None:
        most = getattr(model.config, "max_position_embeddings", None)
        if most is not None and prompt_tokens + request.max_tokens > most:
            raise FatalError(
                f"{self.model} takes {most} tokens; the prompt has {prompt_tokens} and the answer may have "
                f"{request.max_tokens}.",
                "Shorten the prompt or lower max_tokens.",
            )

    def _generate(self, tokenizer: Any, model: Any, prompts: list[list[int]], request: Request) -> list[Completion]:
        """One ``generate`` over rows that share everything but their prompts."""
        import torch

        ends = _end_tokens(tokenizer, model)
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else min(ends, default=0)
        width = max(map(len, prompts))
        ids = torch.full((len(prompts), width), pad, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) :] = torch.tensor(prompt)
            mask[row, width - len(prompt) :] = 1
        options: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        if request.temperature > 0:
            # no top-k: transformers' own default of 50 is not what was asked for
            options = {"do_sample": True, "temperature": request.temperature, "top_p": request.top_p, "top_k": 0}
        if request.stop:
            options |= {"stop_strings": list(request.stop), "tokenizer": tokenizer}
        options |= {"max_new_tokens": request.max_tokens, "pad_token_id": pad} | self._settings
        devices = [model.device] if model.device.type == "cuda" else []
        # generate() draws from the global generators: they are set for this call and put back after it
        with torch.random.fork_rng(devices), torch.inference_mode():
            if request.temperature > 0:
                torch.manual_seed(sampling_seed(request, self.model))
            made = model.generate(input_ids=ids.to(model.device), attention_mask=mask.to(model.device), **options)
        rows = made[:, width:].tolist()
        return [self._completion(tokenizer, p, r, ends, request) for p, r in zip(prompts, rows, strict=True)]

    def _completion(
        self, tokenizer: Any, prompt: list[int], row: list[int], ends: set[int], request: Request
    ) -> Completion:
        end = next((i for i, token in enumerate(row) if token in ends), None)
        tokens = row if end is None else row[:end]
        text, stopped = cut_at_stop(tokenizer.decode(tokens, skip_special_tokens=True), request.stop)
        if stopped and end is None:
            # rows that stop before their neighbours are filled up with padding, which was not generated
            tokens = _shortest_with(tokenizer, tokens, request.stop)
        reason: FinishReason = "stop" if stopped or end is not None else "length"
        made = len(tokens) + (end is not None and not stopped)  # the end token was generated, too
        return Completion(text, reason, Usage(len(prompt), made), self.model)

    def _free(self) -> None:
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def prompt_tokens(tokenizer: Any, request: Request) -> list[int]:
    """Token ids of the conversation, in the model's chat template or as a plain transcript where it has none.

    Raises:
        FatalError: there are pictures, or the template refuses the roles.
    """
    if any(m.images for m in request.messages):
        raise FatalError(
            "The request has pictures, which local models are not asked about.", "Name a server: http://HOST/v1#MODEL."
        )
    messages = [{"role": m.role, "content": m.content} for m in request.messages]
    if request.schema is not None:
        asked = schema_instruction(request.schema)
        if messages and messages[-1]["role"] == "user":
            messages[-1] = {"role": "user", "content": f"{messages[-1]['content']}\n\n{asked}"}
        else:
            messages.append({"role": "user", "content": asked})
    if not tokenizer.chat_template:
        lines = [f"{m['role'].capitalize()}: {m['content']}" for m in messages]
        return list(tokenizer("\n\n".join([*lines, "Assistant:"]))["input_ids"])
    try:
        text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    except Exception as e:  # a template is a program of its own and raises what it likes
        raise FatalError(f"The chat template refuses the conversation: {one_line(str(e))}") from None
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def sampling_seed(request: Request, model: str) -> int:
    """The seed of a sampled request: 63 bits of its identity."""
    return int(request.key(model)[:16], 16) >> 1


def _groups(requests: Sequence[Request], prompts: Sequence[list[int]], batch_size: int) -> Iterable[list[int]]:
    """Rows that one ``generate`` may take: the same sampling parameters, of like length, sampled ones alone."""
    groups: dict[Group, list[int]] = {}
    for i, r in enumerate(requests):
        if not prompts[i]:
            continue
        alone = i if r.temperature > 0 else None
        groups.setdefault((r.temperature, r.top_p, r.stop, r.max_tokens, alone), []).append(i)
    for rows in groups.values():
        rows.sort(key=lambda i: len(prompts[i]))
        for start in range(0, len(rows), batch_size):
            yield rows[start : start + batch_size]


def _end_tokens(tokenizer: Any, model: Any) -> set[int]:
    """The tokens that end an answer: the model's own and the tokenizer's."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    ends = configured if isinstance(configured, list) else [configured]
    return {int(e) for e in (*ends, tokenizer.eos_token_id) if e is not None}


def _shortest_with(tokenizer: Any, tokens: list[int], stop: tuple[str, ...]) -> list[int]:
    """The tokens up to the one that completed a stop string."""
    low, high = 0, len(tokens)
    while low < high:
        middle = (low + high) // 2
        if cut_at_stop(tokenizer.decode(tokens[:middle], skip_special_tokens=True), stop)[1]:
            high = middle
        else:
            low = middle + 1
    return tokens[:low]
