"""Annotations as they come back: JSON lines of anybody's, exports of Argilla, exports of Label Studio.

- JSON lines: the trace record itself, or ``{"trace": …}`` around it, or ``{"edits": {…}}`` by the names of the form's
  questions; beside it ``annotator``, ``status``, ``trace_id`` and ``frame_id``.
- Argilla: records of ``to_json``/``to_list`` with nested or flattened responses, and those of version 1.
- Label Studio: JSON with ``annotations``, and JSON-MIN.

Sources: ``argilla/records/_resource.py`` (to_dict), labelstud.io/guide/task_format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from dataset_platform.kernels.reasoning.annotation_forms import COMMENT, PLACES, VERDICT, WHOLE
from dataset_platform.kernels.reasoning.trace import LEVELS

NO_NAME = "unnamed"
_QUESTIONS = frozenset({*PLACES, VERDICT, WHOLE, COMMENT})


@dataclass(frozen=True)
class Annotation:
    """One person's word on one frame.

    Attributes:
        seen: the trace that was shown, where the record has it.
        trace: a whole trace, written or edited.
        edits: values by question of the form.
        source_id: the record's own id, or "".
        skipped: why it is no annotation: skipped, a draft, discarded, or not answered at all.
        unknown: questions that were answered but that no form of ours asks.
        text: the whole trace in words, where the record has it beside the trace.
    """

    format: str
    annotator: str
    trace_id: str | None = None
    frame_id: str | None = None
    status: str | None = None
    seen: Mapping[str, Any] | None = None
    trace: Mapping[str, Any] | None = None
    edits: Mapping[str, Any] = field(default_factory=dict)
    source_id: str = ""
    skipped: str | None = None
    unknown: tuple[str, ...] = ()
    text: str | None = None


class UnknownForm(ValueError):
    """A record that is none of the forms; says what was looked for."""


def annotations_of(record: Any) -> list[Annotation]:
    """The annotations in one record, at least one: a task that nobody answered is one that was skipped.

    Raises:
        UnknownForm: the record is none of the forms, or a part of it is not of the kind it must be.
    """
    if not isinstance(record, Mapping):
        raise UnknownForm("the record is not a JSON object")
    try:
        # flattened, the fields and the metadata lie at the top; who has not answered has only suggestions there
        flattened = any(k.endswith((".responses", ".suggestion")) for k in record)
        if flattened or ("fields" in record and "responses" in record):
            return list(_argilla(record)) or [_unanswered("argilla", record.get("metadata") or record, record)]
        if "data" in record and any(k in record for k in ("annotations", "completions", "predictions")):
            return list(_label_studio(record)) or [_unanswered("label_studio", record["data"], record)]
        if "annotation_id" in record and "annotator" in record and "lead_time" in record:
            return [_label_studio_min(record)]
        return [_line(record)]
    except UnknownForm:
        raise
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise UnknownForm(f"a part of the record is not as its form has it: {error!r}") from None


def _line(record: Mapping[str, Any]) -> Annotation:
    if all(level in record for level in LEVELS):
        names = (*LEVELS, "trace_id", "frame_id", "scenario_id", "step")
        trace: Mapping[str, Any] | None = {n: record[n] for n in names if n in record}
    else:
        trace = _json(record.get("trace"))
    edits = record.get("edits") or {}
    if not isinstance(edits, Mapping):
        raise UnknownForm("edits is not a JSON object")
    if trace is None and not edits and record.get("status") not in ("accepted", "rejected"):
        raise UnknownForm("neither a trace of five levels, nor edits, nor a status that says accepted or rejected")
    # with edits the trace is what they were made on
    given = {"seen" if edits else "trace": trace} | _answers(edits)
    if record.get("status"):
        given["status"] = str(record["status"])
    return Annotation(
        format="jsonl",
        annotator=_name(record.get("annotator")),
        trace_id=_id(record.get("trace_id") or (trace or {}).get("trace_id")),
        frame_id=_id(record.get("frame_id") or (trace or {}).get("frame_id")),
        source_id=_id(record.get("id")) or "",
        text=record["text"] if isinstance(record.get("text"), str) else None,
        **given,
    )


def _argilla(record: Mapping[str, Any]) -> Iterator[Annotation]:
    known = record.get("metadata") or record
    for user, (values, state) in _argilla_users(record).items():
        skipped = state if state in ("discarded", "draft", "pending") else None
        yield Annotation(
            format="argilla",
            annotator=_name(user),
            source_id=_id(record.get("id")) or "",
            skipped=skipped,
            **_task(known, record.get("id")),
            **_answers(values),
        )


def _argilla_users(record: Mapping[str, Any]) -> dict[str, tuple[dict[str, Any], str | None]]:
    """Values and state of the response per user."""
    users: dict[str, tuple[dict[str, Any], str | None]] = {}

    def put(user: Any, question: str, value: Any, state: Any) -> None:
        values, _ = users.get(str(user), ({}, None))
        users[str(user)] = ({**values, question: value}, state)

    responses = record.get("responses")
    if isinstance(responses, list):  # version 1: a response per user
        for response in responses:
            for question, answer in (response.get("values") or {"": {"value": None}}).items():
                put(response.get("user_id"), question, (answer or {}).get("value"), response.get("status"))
    elif isinstance(responses, Mapping):
        for question, answers in responses.items():
            for answer in answers or ():
                put(answer.get("user_id"), question, answer.get("value"), answer.get("status"))
    for name in (n for n in record if n.endswith(".responses")):  # flattened
        given = record[name] or ()
        people = record.get(f"{name}.users") or [None] * len(given)
        states = record.get(f"{name}.status") or [None] * len(given)
        if not len(given) == len(people) == len(states):
            raise UnknownForm(f"{name} has {len(given)} answers of {len(people)} users in {len(states)} states")
        for value, user, state in zip(given, people, states, strict=True):
            put(user, name.removesuffix(".responses"), value, state)
    return users


def _label_studio(record: Mapping[str, Any]) -> Iterator[Annotation]:
    for annotation in record.get("annotations") or record.get("completions") or ():
        values: dict[str, Any] = {}
        for region in annotation.get("result") or ():
            value = region.get("value") or {}
            answer = next((v for k, v in value.items() if k in ("choices", "text", "number")), value or None)
            if region.get("from_name") is not None:  # relations between regions have none
                values[region["from_name"]] = answer
        by = annotation.get("completed_by")
        yield Annotation(
            format="label_studio",
            annotator=_name(by.get("email") or by.get("id") if isinstance(by, Mapping) else by),
            source_id=f"{_id(record.get('id')) or ''}/{_id(annotation.get('id')) or ''}",
            skipped="skipped" if annotation.get("was_cancelled") else None,
            **_task(record["data"], None),
            **_answers(values),
        )


def _label_studio_min(record: Mapping[str, Any]) -> Annotation:
    by = record["annotator"]
    return Annotation(
        format="label_studio",
        annotator=_name(by.get("email") if isinstance(by, Mapping) else by),
        source_id=f"{_id(record.get('id')) or ''}/{_id(record['annotation_id']) or ''}",
        **_task(record, None),
        **_answers(
            {k: v.get("choices", v) if isinstance(v, Mapping) else v for k, v in record.items() if k in _QUESTIONS}
        ),
    )


def _unanswered(form: str, known: Any, record: Mapping[str, Any]) -> Annotation:
    task = _task(known or {}, record.get("id") if form == "argilla" else None)
    return Annotation(form, NO_NAME, source_id=_id(record.get("id")) or "", skipped="not answered", **task)


def _task(known: Mapping[str, Any], own_id: Any) -> dict[str, Any]:
    """What the task said of the frame and the trace that was shown."""
    seen = _json(known.get("trace"))
    return {
        "trace_id": _id(known.get("trace_id") or own_id),
        "frame_id": _id(known.get("frame_id") or (seen or {}).get("frame_id")),
        "seen": seen,
    }


def _answers(values: Mapping[str, Any]) -> dict[str, Any]:
    """Edits, whole trace and verdict of a form's values; what was left blank says nothing."""
    plain = {n: _only(v) for n, v in values.items()}
    given = {n: v for n, v in plain.items() if v is not None and v != ""}
    found: dict[str, Any] = {"edits": {n: v for n, v in given.items() if n in PLACES}}
    found["unknown"] = tuple(sorted(str(n) for n in given if n not in _QUESTIONS))
    if WHOLE in given:
        found["trace"] = _json(given[WHOLE])
    if VERDICT in given:
        found["status"] = str(given[VERDICT])
    return found


def _only(value: Any) -> Any:
    """What a list of one holds; of several answers to one question none may be chosen."""
    return (value[0] if value else None) if isinstance(value, list) and len(value) < 2 else value


def _json(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, str) and value.strip():
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise UnknownForm(f"a trace in the record is not JSON: {error}") from None
    if value is None or value == "":
        return None
    if not isinstance(value, Mapping):
        raise UnknownForm("a trace in the record is not a JSON object")
    return value


def _id(value: Any) -> str | None:
    return None if value is None else str(value)


def _name(value: Any) -> str:
    return NO_NAME if value in (None, "", "None") else str(value)
