"""Finding and checking JSON in answers."""

from __future__ import annotations

import pytest

from dataset_platform.errors import ConfigError
from dataset_platform.llm.request import Message, Request
from dataset_platform.llm.structured import SchemaMismatch, check_schema, parse_answer, repair_request

SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 0}, "tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["n"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "text",
    [
        '{"n": 3}',
        '  \n{"n": 3}\n',
        'Here you are:\n```json\n{"n": 3}\n```\nAnything else?',
        '```\n{"n": 3}\n```',
        '```JSON\r\n{"n": 3}\r\n```',
        'The answer {as asked} is {"n": 3}, I think.',
        'First {"m": 1}, no: {"n": 3}.',
        '[1, 2] is no object, but {"n": 3} is',
        '```json\n{"n": -1}\n```\nor rather\n```json\n{"n": 3}\n```',
        '{"n": 3} {"n": 4}',
    ],
)
def test_the_first_value_that_fits_is_found(text: str) -> None:
    assert parse_answer(text, SCHEMA) == {"n": 3}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON"),
        ("I do not know", "no JSON"),
        ('{"n": 3', "no JSON"),
        ('{"n": NaN}', "no JSON"),
        ('{"n": "3"}', "$.n"),
        ('{"n": -1}', "minimum"),
        ('{"m": 1}', "n"),
        ("[" * 5_000, "no JSON"),
        ("{" * 5_000, "no JSON"),
        ('{"n": 1, "tags": ["a", 2]}', "$.tags[1]"),
    ],
)
def test_what_does_not_fit_is_named(text: str, words: str) -> None:
    with pytest.raises(SchemaMismatch) as wrong:
        parse_answer(text, SCHEMA)
    assert words in str(wrong.value)


def test_values_other_than_objects() -> None:
    assert parse_answer("[1, 2]", {"type": "array"}) == [1, 2]
    assert parse_answer("7", {"type": "integer"}) == 7
    assert parse_answer('"yes"', {"enum": ["yes", "no"]}) == "yes"


def test_a_schema_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="schema"):
        check_schema({"type": "objekt"})


def test_the_repair_turn_carries_the_conversation_the_answer_and_the_problem() -> None:
    request = Request((Message("system", "s"), Message("user", "u")), schema=SCHEMA, sample=2)
    repaired = repair_request(request, "bad", "the value at $.n does not fit")
    assert repaired.messages[:2] == request.messages
    assert [m.role for m in repaired.messages[2:]] == ["assistant", "user"]
    assert repaired.messages[2].content == "bad" and "$.n" in repaired.messages[3].content
    assert (repaired.schema, repaired.sample) == (SCHEMA, 2)
    assert repaired.key("m") != request.key("m")
    assert repair_request(request, "  ", "x").messages[2].content.strip()
