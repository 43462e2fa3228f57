"""A small value that a JSON schema allows, for the simulated model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_DEPTH = 32


def example(schema: Mapping[str, Any], text: str = "[simulated]") -> Any:
    """A minimal instance: required properties, least lengths and bounds, first of an enum or of alternatives.

    Args:
        text: filled into strings that may hold anything.

    Raises:
        ValueError: no instance was found; patterns, conditions and mutual exclusions are not solved.
    """
    from jsonschema import ValidationError, validate

    value = _value(schema, schema, text, 0)
    try:
        validate(value, dict(schema))
    except ValidationError as e:
        raise ValueError(e.message) from None
    return value


def _value(schema: Any, root: Mapping[str, Any], text: str, depth: int) -> Any:
    if depth > _DEPTH:
        raise ValueError("the schema requires itself")
    if not isinstance(schema, Mapping):  # true: anything
        return None
    schema = _merged(schema, root)
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    if "enum" in schema:
        return schema["enum"][0]
    for name in ("anyOf", "oneOf"):
        if name in schema:
            return _first(schema, name, root, text, depth)
    kind = schema.get("type") or ("object" if "properties" in schema else "array" if "items" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        properties = schema.get("properties", {})
        wanted = [*schema.get("required", ())]
        return {name: _value(properties.get(name, {}), root, text, depth + 1) for name in wanted}
    if kind == "array":
        parts = list(schema.get("prefixItems", ()))
        count = max(int(schema.get("minItems", 0)), len(parts))
        items = schema.get("items", {})
        return [_value(parts[i] if i < len(parts) else items, root, text, depth + 1) for i in range(count)]
    if kind in ("integer", "number"):
        return _number(schema, kind)
    if kind in ("boolean", "null"):
        return False if kind == "boolean" else None
    return _string(schema, text)


def _merged(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with its reference followed and its ``allOf`` folded in."""
    merged = dict(schema)
    for _ in range(_DEPTH):
        if (ref := merged.pop("$ref", None)) is not None:
            merged = {**_resolve(ref, root), **merged}
        elif (parts := merged.pop("allOf", None)) is not None:
            for part in parts:
                part = _merged(part, root)
                merged["properties"] = {**merged.get("properties", {}), **part.pop("properties", {})}
                merged["required"] = [*dict.fromkeys([*merged.get("required", ()), *part.pop("required", ())])]
                merged = {**part, **merged}
        else:
            return merged
    raise ValueError("the schema refers to itself")


def _resolve(ref: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    if not ref.startswith("#"):
        raise ValueError(f"{ref} lies outside the schema")
    found: Any = root
    for part in filter(None, ref[1:].split("/")):
        try:
            found = found[part.replace("~1", "/").replace("~0", "~")]
        except (KeyError, TypeError):
            raise ValueError(f"{ref} names nothing") from None
    return found


def _first(schema: Mapping[str, Any], name: str, root: Mapping[str, Any], text: str, depth: int) -> Any:
    rest = {k: v for k, v in schema.items() if k != name}
    failed = "no alternative"
    for option in schema[name]:
        try:
            return _value(
                {**rest, **_merged(option, root)} if isinstance(option, Mapping) else rest, root, text, depth + 1
            )
        except ValueError as e:
            failed = str(e)
    raise ValueError(failed)


def _number(schema: Mapping[str, Any], kind: str) -> float | int:
    """The first that the schema allows of 0, the bounds, the points beside and between them, on the grid if any."""
    step = schema.get("multipleOf", 1 if kind == "integer" else None)
    bounds = [schema[n] for n in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum") if n in schema]
    middle = [sum(bounds) / len(bounds)] if bounds else []
    for near in (0, *bounds, *middle, *(b + d for b in bounds for d in (1, -1))):
        for value in (near,) if step is None else (math.floor(near / step) * step, math.ceil(near / step) * step):
            if (
                schema.get("minimum", value) <= value <= schema.get("maximum", value)
                and not value <= schema.get("exclusiveMinimum", value - 1)
                and not value >= schema.get("exclusiveMaximum", value + 1)
            ):
                return int(value) if kind == "integer" else value
    raise ValueError("no number fits the bounds")


def _string(schema: Mapping[str, Any], text: str) -> str:
    at_least, at_most = int(schema.get("minLength", 0)), schema.get("maxLength")
    text = text + "." * (at_least - len(text))
    known = {"date": "2000-01-01", "date-time": "2000-01-01T00:00:00Z", "email": "simulated@example.org"}
    text = known.get(schema.get("format", ""), text)
    return text if at_most is None else text[: int(at_most)]
