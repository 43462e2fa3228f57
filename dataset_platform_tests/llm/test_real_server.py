"""Against a real OpenAI-compatible server: ``transformers serve`` with a tiny model made on the spot."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataset_platform.llm.backends.openai_http import OpenAIHTTP
from dataset_platform.llm.backends.transformers import TransformersModel
from dataset_platform.llm.errors import FatalError
from dataset_platform.llm.request import Message, Request
from dataset_platform_tests.llm.backends import tiny_model

ABSENT = [m for m in ("fastapi", "uvicorn", "accelerate") if importlib.util.find_spec(m) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(ABSENT), reason=f"needs transformers[serving]: {', '.join(ABSENT)} not installed"),
]
REQUESTS = [
    Request((Message("system", "s"), Message("user", f"what is the answer {i}")), max_tokens=10 + i) for i in range(6)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.make(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def url(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    code = "from transformers.cli.transformers import main; main()"
    command = [sys.executable, "-c", code, "serve", str(folder), "--port", str(port), "--device", "cpu"]
    offline = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "HF_HOME": str(log.parent)}
    with log.open("wb") as sink:
        server = subprocess.Popen(command, stdout=sink, stderr=sink, env=offline)
    try:
        deadline = time.monotonic() + 200
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    break
            except (urllib.error.URLError, OSError):
                assert server.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(30)


def ask(url: str, model: str, requests: list[Request]) -> list:
    async def main():
        backend = OpenAIHTTP(url, model, timeout_s=60, concurrency=3)
        done = await asyncio.gather(*[backend.complete(r) for r in requests], return_exceptions=True)
        await backend.close()
        return done

    return asyncio.run(main())


def test_the_server_answers_as_the_model_does_in_process(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Greedy decoding in float32: the same texts, counts and reasons by way of HTTP and without it."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    served = ask(url, str(folder), REQUESTS)

    async def in_process():
        model = TransformersModel(str(folder), engine={"device": "cpu"})
        done = await model.complete_batch(REQUESTS, [r.key(model.model) for r in REQUESTS])
        await model.close()
        return done

    for one, other in zip(served, asyncio.run(in_process()), strict=True):
        assert (one.text, one.usage, one.finish_reason) == (other.text, other.usage, other.finish_reason)
    assert {one.finish_reason for one in served} <= {"stop", "length"} and len({one.text for one in served}) > 1


def test_stop_schema_and_sampling_parameters(url: str, folder: Path):
    [whole] = ask(url, str(folder), [REQUESTS[5]])
    stop = whole.text[2:4]
    stopped = Request(REQUESTS[5].messages, max_tokens=15, stop=(stop,))
    schema = Request(REQUESTS[0].messages, max_tokens=5, schema={"type": "integer"})
    sampled = Request(REQUESTS[0].messages, max_tokens=12, temperature=0.9, seed=1, top_p=0.95)
    cut, asked, drawn = ask(url, str(folder), [stopped, schema, sampled])
    assert cut.text == whole.text[: whole.text.find(stop)] and cut.finish_reason == "stop"
    assert asked.usage.prompt_tokens > 60, "the server does not heed response_format, so the prompt must ask"
    assert 0 < drawn.usage.completion_tokens <= 12


def test_another_model_than_the_served(url: str):
    [error] = ask(url, "org/none-such", REQUESTS[:1])
    assert isinstance(error, FatalError)
