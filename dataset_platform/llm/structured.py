"""Answers that must be JSON of a given schema: finding the JSON, checking it, and asking once more when it does not fit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from dataset_platform.errors import ConfigError
from dataset_platform.llm.request import Message, Request

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_FENCE = re.compile(r"```[ \t]*(?:json)?[ \t]*\r?\n(.*?)```", re.DOTALL | re.IGNORECASE)
_MAX_STARTS = 1_000  # places in a text at which an object or array is looked for
_MISSING = object()


class SchemaMismatch(ValueError):
    """The text holds no JSON, or none that the schema allows; says what is wrong in words for the model."""


def check_schema(schema: Mapping[str, Any]) -> None:
    """Refuse a schema that is none before anything is spent on it.

    Raises:
        ConfigError: it is no JSON schema.
    """
    _validator(orjson.dumps(schema))


def parse_answer(text: str, schema: Mapping[str, Any]) -> Any:
    """The first JSON value in ``text`` that satisfies ``schema``: the whole text, a fenced block, or what stands in prose.

    Raises:
        SchemaMismatch: there is none.
    """
    validator = _validator(orjson.dumps(schema))
    problem = ""
    for value in _candidates(text):
        error = _first_error(validator, value)
        if error is None:
            return value
        problem = problem or error
    raise SchemaMismatch(problem or "it contains no JSON value")


def repair_request(request: Request, answer: str, problem: str) -> Request:
    """The request that asks once more: the conversation, the answer that did not fit, and what is wrong with it."""
    asked = (
        f"Your last answer could not be used, because {problem}. Answer the question again with one JSON value that "
        "satisfies the schema, and write nothing before or after it. The schema:\n"
        f"{orjson.dumps(request.schema).decode()}"
    )
    # some servers refuse an assistant turn without text
    turns = (Message("assistant", answer if answer.strip() else "(no answer)"), Message("user", asked))
    return replace(request, messages=request.messages + turns)


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Validator:
    from jsonschema import SchemaError
    from jsonschema.validators import validator_for

    content = orjson.loads(schema)
    kind = validator_for(content)
    try:
        kind.check_schema(content)
    except SchemaError as e:
        raise ConfigError(f"The JSON schema of a request is not valid: {e.message}.", "Mend the schema.") from None
    return kind(content)


def _first_error(validator: Validator, value: Any) -> str | None:
    from jsonschema.exceptions import best_match

    error = best_match(validator.iter_errors(value))
    if error is None:
        return None
    where = "the value" if error.json_path == "$" else f"the value at {error.json_path}"
    return f"{where} does not fit the schema: {error.message[:500]}"


def _candidates(text: str) -> Any:
    whole = _loads(text)
    if whole is not _MISSING:
        yield whole
        return
    for block in _FENCE.findall(text):
        value = _loads(block)
        if value is not _MISSING:
            yield value
    decoder = json.JSONDecoder(parse_constant=_no_constant)
    at = 0
    for _ in range(_MAX_STARTS):
        start = min((i for i in (text.find("{", at), text.find("[", at)) if i >= 0), default=-1)
        if start < 0:
            return
        try:
            value, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            at = start + 1
        else:
            yield value


def _loads(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return _MISSING


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
