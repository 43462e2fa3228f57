"""Both vendors' batch APIs by the real SDKs against local servers that speak their wire formats."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from dataset_platform.engines.progress import listening
from dataset_platform.llm.backend import BatchBackend
from dataset_platform.llm.backends.anthropic_batch import AnthropicBatch
from dataset_platform.llm.backends.batch_state import BatchState
from dataset_platform.llm.backends.openai_batch import OpenAIBatch
from dataset_platform.llm.backends.vendor_batch import VendorBatch
from dataset_platform.llm.errors import FatalError, RetryableError
from dataset_platform.llm.request import Completion, Message, Request
from dataset_platform_tests.llm.backends.wire_server import Asked, reply, serving


@dataclass
class Vendor:
    """What both fake vendors share: rows in, results by what the prompt says, in reverse order.

    Attributes:
        looks: times a batch is looked at before it has ended.
        broken: answers to be given once each, before anything else, as (path part, response).
    """

    looks: int = 2
    broken: list[tuple[str, web.Response]] = field(default_factory=list)
    batches: dict[str, list[dict]] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    failed: dict | None = None

    def __call__(self, asked: Asked) -> web.Response:
        for at, (part, response) in enumerate(self.broken):
            if part in f"{asked.method} {asked.path}":
                del self.broken[at]
                return response
        return self.route(asked)

    def route(self, asked: Asked) -> web.Response:
        raise NotImplementedError

    def ended(self, batch_id: str) -> bool:
        self.seen[batch_id] = self.seen.get(batch_id, 0) + 1
        return self.seen[batch_id] > self.looks

    @property
    def rows(self) -> list[dict]:
        return [row for rows in self.batches.values() for row in rows]


@dataclass
class OpenAIVendor(Vendor):
    files: dict[str, bytes] = field(default_factory=dict)
    expired: bool = False

    def open(self, url: str, folder: Path, **options) -> VendorBatch:
        return OpenAIBatch("m", "key", base_url=f"{url}/v1", state_dir=folder, poll_s=0.01, poll_max_s=0.05, **options)

    def ids(self) -> list[str]:
        return [row["custom_id"] for row in self.rows]

    def route(self, asked: Asked) -> web.Response:
        if (asked.method, asked.path) == ("POST", "/v1/files"):
            name = f"file-{len(self.files)}"
            assert b'name="purpose"\r\n\r\nbatch' in asked.raw
            self.files[name] = re.search(rb"filename=.*?\r\n\r\n(.*?)\r\n--", asked.raw, re.DOTALL).group(1)  # type: ignore[union-attr]
            return reply({"id": name, "object": "file", "purpose": "batch", "status": "processed"})
        if (asked.method, asked.path) == ("POST", "/v1/batches"):
            assert asked.body["endpoint"] == "/v1/chat/completions" and asked.body["completion_window"] == "24h"
            batch_id = f"batch_{len(self.batches)}"
            self.batches[batch_id] = [orjson.loads(x) for x in self.files[asked.body["input_file_id"]].splitlines()]
            return reply(self.batch(batch_id, "validating"))
        if found := re.fullmatch(r"/v1/batches/(\w+)", asked.path):
            if found[1] not in self.batches:
                return reply({"error": {"message": "No such batch"}}, 404)
            if self.failed:
                return reply(self.batch(found[1], "failed", errors={"object": "list", "data": [self.failed]}))
            if not self.ended(found[1]):
                return reply(self.batch(found[1], "in_progress"))
            files = {"output_file_id": f"out_{found[1]}", "error_file_id": f"err_{found[1]}"}
            return reply(self.batch(found[1], "expired" if self.expired else "completed", **files))
        found = re.fullmatch(r"/v1/files/(out|err)_(\w+)/content", asked.path)
        assert found, asked.path
        made = [(self.result(row), row) for row in reversed(self.batches[found[2]])]
        lines = [orjson.dumps(r) for (kind, r), _ in made if kind == found[1]]
        return web.Response(body=b"\n".join(lines) + b"\n", content_type="application/octet-stream")

    def batch(self, batch_id: str, status: str, **more) -> dict:
        counts = {"total": len(self.batches[batch_id]), "completed": 1, "failed": 0}
        base = {"id": batch_id, "object": "batch", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        return base | {"status": status, "created_at": 1, "input_file_id": "f", "request_counts": counts} | more

    def result(self, row: dict) -> tuple[str, dict]:
        text = row["body"]["messages"][-1]["content"]
        head = {"id": "r", "custom_id": row["custom_id"], "error": None}
        if text == "late":
            return "err", head | {"response": None, "error": {"code": "batch_expired", "message": "expired"}}
        if text == "bad" or (text == "picky" and "temperature" in row["body"]):
            said = "too long" if text == "bad" else "Unsupported parameter: 'temperature'"
            return "err", head | {"response": {"status_code": 400, "body": {"error": {"message": said}}}}
        if text == "busy":
            return "err", head | {"response": {"status_code": 500, "body": {"error": {"message": "oops"}}}}
        choice = {"message": {"content": f"re {text}"}, "finish_reason": "length" if text == "long" else "stop"}
        body = {"model": "m-1", "choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
        return "out", head | {"response": {"status_code": 200, "body": body}}


@dataclass
class AnthropicVendor(Vendor):
    url: str = ""

    def open(self, url: str, folder: Path, **options) -> VendorBatch:
        self.url = url
        return AnthropicBatch("m", "key", base_url=url, state_dir=folder, poll_s=0.01, poll_max_s=0.05, **options)

    def ids(self) -> list[str]:
        return [row["custom_id"] for row in self.rows]

    def route(self, asked: Asked) -> web.Response:
        if (asked.method, asked.path) == ("POST", "/v1/messages/batches"):
            batch_id = f"msgbatch_{len(self.batches)}"
            self.batches[batch_id] = asked.body["requests"]
            assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", r["custom_id"]) for r in asked.body["requests"])
            return reply(self.batch(batch_id, False))
        found = re.fullmatch(r"/v1/messages/batches/(\w+?)(/results)?", asked.path)
        assert found, asked.path
        if found[1] not in self.batches:
            return reply({"type": "error", "error": {"type": "not_found_error", "message": "none"}}, 404)
        if not found[2]:
            return reply(self.batch(found[1], self.ended(found[1])))
        lines = [orjson.dumps(self.result(row)) for row in reversed(self.batches[found[1]])]
        return web.Response(body=b"\n".join(lines) + b"\n", content_type="application/binary")

    def batch(self, batch_id: str, ended: bool) -> dict:
        count = len(self.batches[batch_id])
        counts = {"processing": 0, "succeeded": count, "errored": 0, "canceled": 0, "expired": 0}
        times = {"created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z"}
        status = "ended" if ended else "in_progress"
        results = f"{self.url}/v1/messages/batches/{batch_id}/results" if ended else None
        return {
            "id": batch_id, "type": "message_batch", "processing_status": status, "request_counts": counts,
            "results_url": results, **times,
        }  # fmt: skip

    def result(self, row: dict) -> dict:
        text = row["params"]["messages"][-1]["content"]
        kinds = {"bad": "invalid_request_error", "busy": "api_error"}
        if text == "late":
            result: dict = {"type": "expired"}
        elif text in kinds or (text == "picky" and "temperature" in row["params"]):
            said = (
                "too long"
                if text == "bad"
                else "`temperature` is deprecated for this model."
                if text == "picky"
                else "oops"
            )
            error = {"type": kinds.get(text, "invalid_request_error"), "message": said}
            result = {"type": "errored", "error": {"type": "error", "error": error, "request_id": "x"}}
        else:
            message = {
                "id": "x", "type": "message", "role": "assistant", "model": "m-1",
                "content": [{"type": "text", "text": f"re {text}"}],
                "stop_reason": "max_tokens" if text == "long" else "end_turn",
                "usage": {"input_tokens": 3, "output_tokens": 2},
            }  # fmt: skip
            result = {"type": "succeeded", "message": message}
        return {"custom_id": row["custom_id"], "result": result}


VENDORS: list[Callable[..., Vendor]] = [OpenAIVendor, AnthropicVendor]


def asks(*texts: str) -> tuple[list[Request], list[str]]:
    requests = [Request((Message("user", t),)) for t in texts]
    return requests, [r.key("m") for r in requests]


def run(vendor: Vendor, folder: Path, *rounds: tuple[str, ...], adjust: Callable[[VendorBatch], None] = lambda _: None):
    """Each round by a backend of its own, as if by another process."""

    async def main():
        async with serving(vendor) as server:
            found = []
            for texts in rounds:
                backend = vendor.open(server.url, folder)  # type: ignore[attr-defined]
                assert isinstance(backend, BatchBackend)
                adjust(backend)
                found.append(await backend.complete_batch(*asks(*texts)))
                await backend.close()
            return found

    return asyncio.run(main())


def texts_of(found: list) -> list[str]:
    return [f.text if isinstance(f, Completion) else type(f).__name__ for f in found]


@pytest.fixture(params=VENDORS, ids=["openai", "anthropic"])
def vendor(request: pytest.FixtureRequest) -> Vendor:
    return request.param()


def test_results_come_back_by_key(vendor: Vendor, tmp_path: Path):
    said: list[str] = []
    with listening(said.append):
        [found] = run(vendor, tmp_path, ("a", "long", "bad", "b", "busy", "late"))
    assert texts_of(found) == ["re a", "re long", "FatalError", "re b", "RetryableError", "RetryableError"]
    assert (found[0].finish_reason, found[1].finish_reason, found[0].model) == ("stop", "length", "m-1")
    assert (found[0].usage.prompt_tokens, found[0].usage.completion_tokens) == (3, 2)
    assert "too long" in found[2].message
    assert len(vendor.batches) == 1 and any("answered" in line for line in said)


def test_answers_of_a_killed_run_are_not_paid_for_twice(vendor: Vendor, tmp_path: Path):
    first, second = run(vendor, tmp_path, ("a", "b", "bad", "late"), ("b", "c", "late", "a"))
    assert texts_of(second) == ["re b", "re c", "RetryableError", "re a"]
    assert sorted(vendor.ids()) == sorted(asks("a", "b", "bad", "late", "c", "late")[1])
    assert first[0] == second[3]


def test_what_failed_is_asked_anew(vendor: Vendor, tmp_path: Path):
    """A parameter that the model refuses is left out of the next batch of the same backend."""

    async def main():
        async with serving(vendor) as server:
            backend = vendor.open(server.url, tmp_path)  # type: ignore[attr-defined]
            found = [await backend.complete_batch(*asks("picky", "picky", "x")) for _ in range(2)]
            await backend.close()
            return found

    first, second = asyncio.run(main())
    assert texts_of(first) == ["RetryableError", "RetryableError", "re x"]
    assert texts_of(second) == ["re picky", "re picky", "re x"]


def test_a_batch_that_the_vendor_lost_is_sent_again(vendor: Vendor, tmp_path: Path):
    run(vendor, tmp_path, ("a", "b"))
    vendor.batches.clear()
    [found] = run(vendor, tmp_path, ("a", "b"))
    assert texts_of(found) == ["re a", "re b"]


def test_limits_split_batches(vendor: Vendor, tmp_path: Path):
    def by_count(backend: VendorBatch) -> None:
        backend.max_requests = 3

    [found] = run(vendor, tmp_path / "1", tuple(f"q{i}" for i in range(8)), adjust=by_count)
    assert texts_of(found) == [f"re q{i}" for i in range(8)]
    assert sorted(map(len, vendor.batches.values())) == [2, 3, 3]
    vendor.batches.clear()
    vendor.seen.clear()

    def by_bytes(backend: VendorBatch) -> None:
        backend.max_bytes = 2_000

    [found] = run(vendor, tmp_path / "2", tuple(f"{i}" * 500 for i in range(8)), adjust=by_bytes)
    assert texts_of(found) == [f"re {f'{i}' * 500}" for i in range(8)]
    assert all(len(rows) <= 3 for rows in vendor.batches.values()) and len(vendor.rows) == 8


def test_a_vendor_that_stumbles(vendor: Vendor, tmp_path: Path):
    """Looking again is free; submitting again would not be, and is left to the engine."""
    vendor.broken = [("GET", reply({"error": {"message": "down"}}, 503)), ("GET", reply({"error": {}}, 529))]
    [found] = run(vendor, tmp_path, ("a",))
    assert texts_of(found) == ["re a"]
    vendor.broken = [("POST", reply({"error": {"message": "slow down"}}, 429, {"retry-after": "2"}))]
    [[error]] = run(vendor, tmp_path, ("b",))
    assert isinstance(error, RetryableError) and error.retry_after_s == 2.0 and len(vendor.batches) == 1
    vendor.broken = [("GET", reply({"error": {"message": "bad key"}}, 401))]
    again, found = run(vendor, tmp_path, ("a",), ("a",))
    assert texts_of(again) == ["FatalError"] and texts_of(found) == ["re a"]


def test_truncated_results_are_fetched_again(vendor: Vendor, tmp_path: Path):
    part = "content" if isinstance(vendor, OpenAIVendor) else "results"
    vendor.broken = [(part, web.Response(body=b'{"custom_id": "x', content_type="application/binary"))]
    [found] = run(vendor, tmp_path, ("a", "b"))
    assert texts_of(found) == ["re a", "re b"]


def test_an_expired_batch_returns_what_was_answered(tmp_path: Path):
    [found] = run(OpenAIVendor(expired=True), tmp_path, ("a", "late"))
    assert texts_of(found) == ["re a", "RetryableError"]


@pytest.mark.parametrize(
    ("code", "kind"), [("invalid_json_line", FatalError), ("token_limit_exceeded", RetryableError)]
)
def test_a_batch_that_is_not_taken(tmp_path: Path, code: str, kind: type):
    vendor = OpenAIVendor(failed={"code": code, "message": "not like this"})
    [found] = run(vendor, tmp_path, ("a", "b"))
    assert all(isinstance(f, kind) and "not like this" in f.message for f in found)
    vendor.failed = None
    [found] = run(vendor, tmp_path, ("a", "b"))
    assert texts_of(found) == ["re a", "re b"]


def test_a_killed_process_finds_its_batch(vendor: Vendor, tmp_path: Path):
    """SIGKILL while waiting: the next process polls what the first submitted."""
    vendor.looks = 10**9
    code = (
        "import asyncio, sys; from dataset_platform_tests.llm.backends.test_batches import *\n"
        f"v = {type(vendor).__name__}(); b = v.open(sys.argv[1], Path(sys.argv[2]))\n"
        "asyncio.run(b.complete_batch(*asks('a', 'b')))"
    )

    async def main():
        async with serving(vendor) as server:
            if isinstance(vendor, AnthropicVendor):
                vendor.url = server.url
            child = subprocess.Popen([sys.executable, "-c", code, server.url, str(tmp_path)])
            for _ in range(6_000):
                if vendor.seen:
                    break
                assert child.poll() is None
                await asyncio.sleep(0.01)
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
            vendor.looks = 0
            backend = vendor.open(server.url, tmp_path)  # type: ignore[attr-defined]
            found = await backend.complete_batch(*asks("b", "a"))
            await backend.close()
            return found

    assert texts_of(asyncio.run(main())) == ["re b", "re a"]
    assert len(vendor.batches) == 1


def test_state_is_apart_by_endpoint_and_forgotten_in_time(tmp_path: Path):
    one, other = BatchState(tmp_path, "one"), BatchState(tmp_path, "other")
    assert one.load() == []
    kept = [one.keep("b1", ["k1", "k2"]), one.keep("b2", ["k3"])]
    assert sorted(b.batch_id for b in one.load()) == ["b1", "b2"] and other.load() == []
    one.keep("b1", [])
    assert one.load() == kept[1:]
    (tmp_path / "torn.json").write_text("{")
    assert one.load() == kept[1:]
    [path] = [p for p in tmp_path.glob("*.json") if p.name != "torn.json"]
    long_ago = time.time() - 40 * 86_400
    os.utime(path, (long_ago, long_ago))
    assert one.load() == [] and not path.exists()
