"""One call over HTTP: the body sent, the answer read, every way to fail, and what is learned from refusals."""

from __future__ import annotations

import asyncio
import socket
from email.utils import formatdate

import orjson
import pytest
from aiohttp import web

from dataset_platform.llm.backends.openai_http import OpenAIHTTP
from dataset_platform.llm.backends.openai_wire import is_strict, retry_after_s
from dataset_platform.llm.errors import CallError, FatalError, RetryableError
from dataset_platform.llm.request import Image, Message, Request, Usage
from dataset_platform_tests.llm.backends.wire_server import Answer, Asked, reply, serving

ASK = Request((Message("system", "Be brief."), Message("user", "2+2?")), max_tokens=50, temperature=0.7, seed=3)
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}


def chat(text: str | None = "4", finish: str = "stop", usage: object = "default", **message: object) -> dict:
    if usage == "default":
        usage = {"prompt_tokens": 12, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 8}}
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    return {"id": "x", "model": "m-2026", "choices": [choice], "usage": usage}


def call(answer: Answer, request: Request = ASK, times: int = 1, name: str = "http", timeout_s: float = 5.0):
    """What came of ``times`` calls one after the other, completions or errors, and what the server was asked."""

    async def run():
        async with serving(answer) as server:
            backend = OpenAIHTTP(f"{server.url}/v1/", "m", "key", timeout_s=timeout_s, concurrency=4, name=name)
            results = []
            for _ in range(times):
                try:
                    results.append(await backend.complete(request))
                except CallError as e:
                    results.append(e)
            await backend.close()
            return results, server.asked

    return asyncio.run(run())


def test_body_and_answer():
    [done], [asked] = call(lambda _: reply(chat()))
    assert (asked.method, asked.path, asked.headers["authorization"]) == ("POST", "/v1/chat/completions", "Bearer key")
    assert asked.body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+2?"}],
        "max_tokens": 50,
        "temperature": 0.7,
        "seed": 3,
    }
    assert (done.text, done.finish_reason, done.model, done.usage) == ("4", "stop", "m-2026", Usage(12, 1, 8))


def test_openai_is_asked_with_its_name_of_the_bound():
    _, [asked] = call(lambda _: reply(chat()), name="openai")
    assert asked.body["max_completion_tokens"] == 50 and "max_tokens" not in asked.body


def test_optional_parameters_and_images():
    picture = Image(b"\xff\xd8\xff" * 300_000)  # also larger than what is written at once
    request = Request((Message("user", "What is it?", (picture,)),), top_p=0.5, stop=("\n", "END"))
    _, [asked] = call(lambda _: reply(chat()), request)
    assert asked.body["top_p"] == 0.5 and asked.body["stop"] == ["\n", "END"] and "seed" not in asked.body
    text, image = asked.body["messages"][0]["content"]
    assert text == {"type": "text", "text": "What is it?"}
    assert image["type"] == "image_url" and image["image_url"]["url"].startswith("data:image/jpeg;base64,/9j/")
    assert len(image["image_url"]["url"]) == len("data:image/jpeg;base64,") + 1_200_000


@pytest.mark.parametrize(
    ("answer", "reason", "text"),
    [
        (chat("cut", "length"), "length", "cut"),
        (chat("half", "content_filter"), "refusal", "half"),
        (chat(None, "stop", refusal="I will not."), "refusal", "I will not."),
        (chat(None, "stop"), "stop", ""),
        (chat([{"type": "thinking", "thinking": []}, {"type": "text", "text": "4"}]), "stop", "4"),  # type: ignore[arg-type]
    ],
)
def test_ways_to_finish(answer: dict, reason: str, text: str):
    [done], _ = call(lambda _: reply(answer))
    assert (done.finish_reason, done.text) == (reason, text)


def test_usage_that_is_not_told_is_none():
    [done], _ = call(lambda _: reply(chat(usage=None)))
    assert done.usage is None


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_statuses_worth_another_try(status: int):
    [error], asked = call(lambda _: reply({"error": {"message": "not\nnow"}}, status, {"Retry-After": "7"}))
    assert isinstance(error, RetryableError) and len(asked) == 1
    assert (error.status, error.retry_after_s) == (status, 7.0)
    assert "not now" in error.message and error.is_rate_limit == (status in (429, 529))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_statuses_that_are_final(status: int):
    [error], asked = call(lambda _: reply({"error": {"message": "prompt is too long"}}, status))
    assert isinstance(error, FatalError) and error.status == status and len(asked) == 1
    assert "prompt is too long" in error.message


def test_exhausted_quota_is_final():
    body = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
    [error], _ = call(lambda _: reply(body, 429))
    assert isinstance(error, FatalError) and "credit" in error.hint


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "20", "retry-after-ms": "250"}, 0.25),
        ({"Retry-After": formatdate(1_000_030, usegmt=True), "Date": formatdate(1_000_000, usegmt=True)}, 30.0),
        ({"Retry-After": formatdate(1_000_000, usegmt=True), "Date": formatdate(1_000_030, usegmt=True)}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "nan"}, None),
    ],
)
def test_waits_that_servers_ask_for(headers: dict[str, str], wait: float | None):
    assert retry_after_s(headers) == wait


def _half(_: Asked) -> web.StreamResponse:
    return web.Response(body=orjson.dumps(chat())[:-20], content_type="application/json")


@pytest.mark.parametrize(
    "answer",
    [
        _half,
        lambda _: web.Response(text="<html>busy</html>"),
        lambda _: reply({"error": {"message": "upstream"}}),
        lambda _: reply({"choices": []}),
        lambda _: reply([1]),
    ],
)
def test_unreadable_answers_may_have_been_charged(answer: Answer):
    [error], _ = call(answer)
    assert isinstance(error, RetryableError) and error.billed


def test_broken_connections_and_timeouts():
    """The server closes without a word, promises more than it sends, or never answers."""

    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"2+2")
        broken.calls += 1  # type: ignore[attr-defined]
        if broken.calls == 2:  # type: ignore[attr-defined]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
            await writer.drain()
        if broken.calls < 3:  # type: ignore[attr-defined]
            writer.close()

    async def run():
        broken.calls = 0  # type: ignore[attr-defined]
        server = await asyncio.start_server(broken, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        backend = OpenAIHTTP(f"http://127.0.0.1:{port}/v1", "m", timeout_s=0.5)
        found = await asyncio.gather(*[backend.complete(ASK) for _ in range(3)], return_exceptions=True)
        await backend.close()
        server.close()
        return found

    found = asyncio.run(run())
    assert all(isinstance(e, RetryableError) and e.billed and e.status is None for e in found), found
    assert sum("within 0.5 s" in str(e) for e in found) == 1


def test_a_refused_connection_was_not_charged():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    async def run():
        backend = OpenAIHTTP(f"http://127.0.0.1:{port}/v1", "m")
        try:
            await backend.complete(ASK)
        finally:
            await backend.close()

    with pytest.raises(RetryableError, match="Cannot connect") as caught:
        asyncio.run(run())
    assert not caught.value.billed


def test_redirects_are_not_followed():
    [error], asked = call(lambda _: web.Response(status=307, headers={"Location": "https://elsewhere/v1"}))
    assert isinstance(error, FatalError) and "https://elsewhere/v1" in error.message and len(asked) == 1


def refuser(*names: str, style: str = "openai") -> Answer:
    """Takes everything but these parameters, and names one of them at a time."""

    def answer(asked: Asked) -> web.Response:
        refused = [n for n in names if n in asked.body]
        if not refused:
            return reply(chat("yes END no"))
        name = refused[0]
        if style == "openai":
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            return reply({"error": {"message": message, "param": name, "code": "unsupported_parameter"}}, 400)
        if style == "prose":
            return reply({"error": {"message": f"`{name}` is deprecated for this model."}}, 400)
        detail = [{"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}]
        return reply({"detail": detail}, 422)

    return answer


@pytest.mark.parametrize("style", ["openai", "prose", "fastapi"])
@pytest.mark.parametrize(
    ("refused", "name"), [(("temperature",), "openai"), (("seed", "temperature"), "http"), (("max_tokens",), "http")]
)
def test_refused_parameters_are_learned_once(refused: tuple[str, ...], name: str, style: str):
    results, asked = call(refuser(*refused, style=style), times=3, name=name)
    assert [r.text for r in results] == ["yes END no"] * 3
    assert len(asked) == 3 + len(refused)
    assert all(not set(refused) & a.body.keys() for a in asked[len(refused) :])
    assert all(a.body.get("max_tokens", a.body.get("max_completion_tokens")) == 50 for a in asked)


def test_stop_strings_hold_where_the_server_takes_none():
    request = Request((Message("user", "?"),), stop=("END",))
    results, _ = call(refuser("stop"), request, times=2)
    assert [r.text for r in results] == ["yes ", "yes "]


def test_the_bound_is_never_given_up():
    results, asked = call(refuser("max_tokens", "max_completion_tokens"), times=2)
    assert all(isinstance(r, FatalError) for r in results)
    assert len(asked) == 3


def test_a_value_out_of_range_is_no_unknown_parameter():
    body = {"error": {"message": "temperature: must be at most 1", "param": "temperature", "code": "invalid_value"}}
    [error], asked = call(lambda _: reply(body, 400))
    assert isinstance(error, FatalError) and len(asked) == 1


def test_many_calls_at_once_learn_together():
    async def run():
        async with serving(refuser("temperature", "seed")) as server:
            backend = OpenAIHTTP(server.url, "m", concurrency=16)
            done = await asyncio.gather(*[backend.complete(ASK) for _ in range(32)])
            await backend.close()
            return done, len(server.asked)

    done, calls = asyncio.run(run())
    assert len(done) == 32 and 34 <= calls <= 32 * 3


def test_schema_is_asked_for_in_the_format_and_else_in_the_prompt():
    request = Request((Message("system", "S"), Message("user", "Give a.")), schema=SCHEMA)
    for name, text in (("openai", "Give a."), ("http", "Give a.\n\n")):
        _, [asked] = call(lambda _: reply(chat()), request, name=name)
        said = asked.body["messages"][-1]["content"]
        assert said.startswith(text) and (orjson.dumps(SCHEMA).decode() in said) == (name == "http")
    wanted = asked.body["response_format"]["json_schema"]
    assert asked.body["response_format"]["type"] == "json_schema"
    assert (wanted["schema"], wanted["strict"]) == (SCHEMA, True)

    results, asked = call(refuser("response_format"), request, times=2, name="openai")
    assert len(asked) == 3 and all(r.text for r in results)
    for body in (a.body for a in asked[1:]):
        assert "response_format" not in body
        assert body["messages"][0]["content"] == "S"
        assert body["messages"][-1]["content"].startswith("Give a.\n\n")
        assert orjson.dumps(SCHEMA).decode() in body["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (SCHEMA, True),
        ({"type": "string"}, True),
        ({**SCHEMA, "additionalProperties": True}, False),
        ({**SCHEMA, "required": []}, False),
        ({"type": "array", "items": {"type": "object", "properties": {}}}, False),
        ({**SCHEMA, "properties": {"a": {"anyOf": [{"type": "null"}, {"type": "object"}]}}}, False),
        ({**SCHEMA, "properties": {"a": SCHEMA}, "$defs": {"x": SCHEMA}}, True),
    ],
)
def test_strict_only_where_the_schema_allows_it(schema: dict, strict: bool):
    assert is_strict(schema) == strict


def test_one_backend_serves_one_loop_after_another():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    backend = OpenAIHTTP(f"http://127.0.0.1:{port}/v1", "m")

    async def answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"2+2")
        body = orjson.dumps(chat())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async def main() -> str:
        server = await asyncio.start_server(answer_all, "127.0.0.1", port)
        done = await backend.complete(ASK)  # not closed: the next loop finds an old session
        server.close()
        return done.text

    assert [asyncio.run(main()) for _ in range(2)] == ["4", "4"]
    asyncio.run(backend.close())
