"""The Messages API by the real SDK over real HTTP: bodies, answers, and every way to fail."""

from __future__ import annotations

import asyncio
import socket

import orjson
import pytest
from aiohttp import web

from dataset_platform.llm.backends.anthropic import AnthropicModel
from dataset_platform.llm.errors import CallError, FatalError, RetryableError
from dataset_platform.llm.request import Image, Message, Request, Usage
from dataset_platform_tests.llm.backends.wire_server import Answer, Asked, reply, serving

ASK = Request(
    (Message("system", "Be brief."), Message("user", "2+2?"), Message("assistant", "5"), Message("user", "Sure?")),
    max_tokens=50,
    temperature=0.3,
    seed=1,
)
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer", "minimum": 1}},
    "required": ["a"],
    "additionalProperties": False,
}


def message(text: str = "4", stop: str = "end_turn", **usage: int) -> dict:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-2026",
        "content": [{"type": "thinking", "thinking": "hm", "signature": "x"}, {"type": "text", "text": text}],
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 3} | usage,
    }


def refusal(status: int, text: str, kind: str = "invalid_request_error", **headers: str) -> web.Response:
    return reply({"type": "error", "error": {"type": kind, "message": text}}, status, headers)


def call(answer: Answer, request: Request = ASK, times: int = 1, timeout_s: float = 5.0):
    async def run():
        async with serving(answer) as server:
            backend = AnthropicModel("claude-x", "key", base_url=server.url, timeout_s=timeout_s, concurrency=4)
            results: list = []
            for _ in range(times):
                try:
                    results.append(await backend.complete(request))
                except CallError as e:
                    results.append(e)
            await backend.close()
            return results, server.asked

    return asyncio.run(run())


def test_body_and_answer():
    [done], [asked] = call(lambda _: reply(message(cache_read_input_tokens=7, cache_creation_input_tokens=5)))
    assert (asked.method, asked.path) == ("POST", "/v1/messages")
    # the one or the other, by the SDK's version
    assert asked.headers.get("x-api-key") == "key" or asked.headers.get("authorization") == "Bearer key"
    assert asked.body == {
        "model": "claude-x",
        "max_tokens": 50,
        "system": "Be brief.",
        "temperature": 0.3,
        "messages": [
            {"role": "user", "content": "2+2?"},
            {"role": "assistant", "content": "5"},
            {"role": "user", "content": "Sure?"},
        ],
    }
    assert (done.text, done.finish_reason, done.model) == ("4", "stop", "claude-2026")
    assert done.usage == Usage(prompt_tokens=22, completion_tokens=3, cached_tokens=7)


def test_images_and_stop():
    request = Request((Message("user", "What?", (Image(b"abc", "image/png"),)),), stop=("END",))
    _, [asked] = call(lambda _: reply(message()), request)
    image, text = asked.body["messages"][0]["content"]
    assert image == {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "YWJj"}}
    assert text == {"type": "text", "text": "What?"} and asked.body["stop_sequences"] == ["END"]


@pytest.mark.parametrize(
    ("stop", "reason"),
    [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("refusal", "refusal"),
     ("model_context_window_exceeded", "length")],
)  # fmt: skip
def test_stop_reasons(stop: str, reason: str):
    [done], _ = call(lambda _: reply(message(stop=stop)))
    assert done.finish_reason == reason


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 504, 529])
def test_statuses_worth_another_try(status: int):
    [error], asked = call(lambda _: refusal(status, "busy", "overloaded_error", **{"retry-after": "3"}))
    assert isinstance(error, RetryableError) and len(asked) == 1, "the SDK must not retry by itself"
    assert (error.status, error.retry_after_s) == (status, 3.0) and "busy" in error.message
    assert error.is_rate_limit == (status in (429, 529))


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413])
def test_statuses_that_are_final(status: int):
    [error], asked = call(lambda _: refusal(status, "your credit\nbalance is too low"))
    assert isinstance(error, FatalError) and error.status == status and len(asked) == 1
    assert "your credit balance is too low" in error.message


def test_unreadable_answers_may_have_been_charged():
    for answer in (
        web.Response(body=orjson.dumps(message())[:-15], content_type="application/json"),
        web.Response(text="<html>"),
        reply({"type": "message"}),
        reply([]),
    ):
        made = [answer]
        [error], _ = call(lambda _, made=made: made.pop())  # type: ignore[misc]
        assert isinstance(error, RetryableError) and error.billed, answer


def test_hangs_and_broken_connections():
    async def hang(_: Asked) -> web.Response:
        await asyncio.sleep(30)
        return reply({})

    [error], _ = call(hang, timeout_s=0.4)
    assert isinstance(error, RetryableError) and error.billed and "within 0.4 s" in error.message

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"Sure?")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{")
        await writer.drain()
        writer.close()

    async def run(url: str) -> CallError:
        backend = AnthropicModel("m", "k", base_url=url, timeout_s=2)
        with pytest.raises(RetryableError) as caught:
            await backend.complete(ASK)
        await backend.close()
        return caught.value

    async def broken() -> CallError:
        server = await asyncio.start_server(cut, "127.0.0.1", 0)
        try:
            return await run(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        finally:
            server.close()

    assert asyncio.run(broken()).billed
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert not asyncio.run(run(f"http://127.0.0.1:{port}")).billed


def test_refused_parameters_are_learned_once():
    def answer(asked: Asked) -> web.Response:
        if "temperature" in asked.body:
            return refusal(400, "`temperature` is deprecated for this model.")
        return reply(message())

    results, asked = call(answer, times=3)
    assert [r.text for r in results] == ["4"] * 3 and len(asked) == 4


def test_of_two_that_exclude_each_other_one_is_kept():
    def answer(asked: Asked) -> web.Response:
        if {"temperature", "top_p"} <= asked.body.keys():
            return refusal(400, "`temperature` and `top_p` cannot both be specified for this model.")
        return reply(message())

    request = Request((Message("user", "?"),), temperature=0.5, top_p=0.9)
    [done], asked = call(answer, request)
    assert done.text == "4" and asked[-1].body["temperature"] == 0.5


def test_schema_as_structured_output_and_else_in_the_prompt():
    request = Request((Message("user", "Give a."),), schema=SCHEMA)
    _, [asked] = call(lambda _: reply(message('{"a": 1}')), request)
    form = asked.body["output_config"]["format"]
    assert form["type"] == "json_schema"
    assert form["schema"]["required"] == ["a"] and form["schema"]["additionalProperties"] is False

    def none(asked: Asked) -> web.Response:
        if "output_config" in asked.body:
            return refusal(400, "output_config.format: this model does not support structured outputs")
        return reply(message('{"a": 1}'))

    results, asked = call(none, request, times=2)
    assert len(asked) == 3 and [r.text for r in results] == ['{"a": 1}'] * 2
    assert orjson.dumps(SCHEMA).decode() in asked[-1].body["messages"][-1]["content"]
