"""One level of a trace on its way from a model: its JSON schema, and reading it. What it says is held against the facts by
``level_checks``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError

from dataset_platform.errors import InputError
from dataset_platform.kernels.reasoning.trace import LEVEL_MODELS

TITLE = "cot_"
_DROPPED = ("default", "minLength", "title", "$defs")  # no part of strict structured outputs, or of no use there


class LevelError(InputError):
    """A level that is none; the message says in words for the model what is wrong."""


@lru_cache(maxsize=16)
def _schema(level: str) -> dict[str, Any]:
    raw = LEVEL_MODELS[level].model_json_schema()
    return {"title": f"{TITLE}{level}", **strict(raw, raw.get("$defs", {}))}


def schema_of(level: str) -> dict[str, Any]:
    """JSON schema of a level, as strict structured outputs take it: no references, every property required, no others.

    What is optional in the model may be null here. The title tells the level.
    """
    return _schema(level)


def strict(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """A schema with references written out and objects closed."""
    if isinstance(schema, list):
        return [strict(part, definitions) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    if "$ref" in schema:
        return strict(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    properties = {name: strict(part, definitions) for name, part in schema.get("properties", {}).items()}
    closed = {k: strict(v, definitions) for k, v in schema.items() if k not in (*_DROPPED, "properties")}
    if properties:
        closed |= {"properties": properties, "required": list(properties), "additionalProperties": False}
    return closed


def parse(level: str, value: Any) -> BaseModel:
    """The level's model of a JSON value.

    Raises:
        LevelError: the value does not fit the model.
    """
    try:
        return LEVEL_MODELS[level].model_validate(value)
    except ValidationError as e:
        where = [f"{'.'.join(str(p) for p in error['loc']) or 'the value'}: {error['msg']}" for error in e.errors()[:5]]
        raise LevelError("; ".join(where)) from None
