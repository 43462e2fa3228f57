"""Tasks for annotators: plain JSON lines, and ready forms for Argilla and Label Studio over the same questions.

The trace that an annotator sees travels in the task, so what comes back is held against what was seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args
from xml.sax.saxutils import quoteattr

import orjson

from dataset_platform.kernels.reasoning.sampling import Sampled
from dataset_platform.kernels.reasoning.trace import LEVELS, CoTTrace, Lateral, Longitudinal, RiskBand

VERDICTS = ("accepted", "corrected", "rejected")
VERDICT, WHOLE, COMMENT = "verdict", "trace_json", "comment"
CHOICES: dict[str, tuple[str, ...]] = {
    "overall_risk": get_args(RiskBand),
    "longitudinal": get_args(Longitudinal),
    "lateral": get_args(Lateral),
}
# what a form's question changes in the trace
PLACES: dict[str, tuple[str, str]] = {f"{level}_text": (level, "text") for level in LEVELS} | {
    "overall_risk": ("situation_assessment", "overall_risk"),
    "longitudinal": ("trajectory_plan", "longitudinal"),
    "lateral": ("trajectory_plan", "lateral"),
    "confidence": ("justification", "confidence"),
}
GUIDELINES = (
    "Read the facts, then the five levels of the trace. Accept the trace when everything in it is true of the facts and "
    "the plan is what a good driver would do. Correct a text or an action where it is not; for anything else edit the "
    "record in 'trace_json', which then counts as a whole. Reject what cannot be mended."
)


def task(sampled: Sampled, trace: CoTTrace, facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One line of ``tasks.jsonl``. ``weight`` is the inverse of the chance with which the trace was drawn."""
    return {
        "trace_id": trace.trace_id,
        "frame_id": trace.frame_id,
        "scenario_id": trace.scenario_id,
        "step": trace.step,
        "stratum": str(sampled.stratum),
        "weight": sampled.weight,
        "facts": facts_text(facts),
        "trace": trace.model_dump(mode="json"),
        "text": trace.text(),
    }


def facts_text(facts: Sequence[Mapping[str, Any]]) -> str:
    """Facts for people, a line per subject."""
    lines: dict[str, list[str]] = {}
    for fact in facts:
        shown = fact["word"] if fact["word"] is not None else f"{fact['value']:.4g} {fact['unit']}".strip()
        lines.setdefault(fact["subject"], []).append(f"{fact['quantity']} {shown}")
    return "\n".join(f"{subject}: {', '.join(known)}" for subject, known in lines.items())


def answers(trace: Mapping[str, Any]) -> dict[str, Any]:
    """What the form's questions are prefilled with."""
    return {question: trace[level][name] for question, (level, name) in PLACES.items()}


def argilla_settings() -> dict[str, Any]:
    """The data set's settings as ``argilla.Settings.from_json`` reads them (``settings.json``)."""
    texts = [_argilla_question(f"{level}_text", "text", {"use_markdown": False}, required=False) for level in LEVELS]
    choices = [
        _argilla_question(name, "label_selection", {"options": _options(values)}, required=False)
        for name, values in CHOICES.items()
    ]
    verdict = _argilla_question(VERDICT, "label_selection", {"options": _options(VERDICTS)}, required=True)
    free = [_argilla_question(name, "text", {"use_markdown": False}, required=False) for name in (WHOLE, COMMENT)]
    fields = [
        {"name": name, "title": name, "required": True, "settings": {"type": "text", "use_markdown": False}}
        for name in ("facts", "text")
    ]
    return {
        "guidelines": GUIDELINES,
        "allow_extra_metadata": True,
        "fields": fields,
        "questions": [verdict, *texts, *choices, *free],
        "metadata": [],
        "vectors": [],
    }


def argilla_record(task: Mapping[str, Any]) -> dict[str, Any]:
    """One record as ``Dataset.records.from_json`` reads it, the trace's own answers as suggestions."""
    suggested = {n: v for n, v in answers(task["trace"]).items() if n in CHOICES or n.endswith("_text")}
    return {
        "id": task["trace_id"],
        "fields": {"facts": task["facts"], "text": task["text"]},
        "metadata": {
            **{name: task[name] for name in ("trace_id", "frame_id", "stratum", "weight")},
            "trace": orjson.dumps(task["trace"]).decode(),
        },
        "suggestions": {n: {"value": v, "score": None, "agent": "generated"} for n, v in suggested.items()},
        "responses": {},
        "vectors": {},
        "_server_id": None,
    }


def label_studio_config() -> str:
    """The project's labelling configuration."""
    parts = [
        "<View>",
        f"  <Header value={quoteattr(GUIDELINES)}/>",
        '  <Text name="facts" value="$facts"/>',
        '  <Text name="shown" value="$text"/>',
        _choices(VERDICT, VERDICTS, required=True),
        *(_area(f"{level}_text", f"{level.replace('_', ' ')}") for level in LEVELS),
        *(_choices(name, values, required=False) for name, values in CHOICES.items()),
        '  <Header value="confidence"/>',
        '  <Number name="confidence" toName="shown" min="0" max="1" step="0.01"/>',
        _area(WHOLE, "the whole record, where more than the above must be corrected"),
        _area(COMMENT, "comment"),
        "</View>",
    ]
    return "\n".join(parts) + "\n"


def label_studio_task(task: Mapping[str, Any]) -> dict[str, Any]:
    """One task of an import file, the trace's own answers as a prediction."""
    result = []
    for name, value in answers(task["trace"]).items():
        kind, given = _label_studio_value(name, value)
        result.append({"from_name": name, "to_name": "shown", "type": kind, "value": given})
    data = {n: task[n] for n in ("trace_id", "frame_id", "stratum", "weight", "facts", "text", "trace")}
    return {"data": data, "predictions": [{"model_version": "generated", "result": result}]}


def _label_studio_value(name: str, value: Any) -> tuple[str, dict[str, Any]]:
    if name in CHOICES:
        return "choices", {"choices": [value]}
    if name == "confidence":
        return "number", {"number": value}
    return "textarea", {"text": [value]}


def _argilla_question(name: str, kind: str, settings: Mapping[str, Any], required: bool) -> dict[str, Any]:
    return {"name": name, "title": name, "required": required, "settings": {"type": kind, **settings}}


def _options(values: Sequence[str]) -> list[dict[str, str]]:
    return [{"value": v, "text": v.replace("_", " ")} for v in values]


def _choices(name: str, values: Sequence[str], required: bool) -> str:
    inner = "".join(f"<Choice value={quoteattr(v)}/>" for v in values)
    head = f"  <Header value={quoteattr(name.replace('_', ' '))}/>\n"
    return f'{head}  <Choices name="{name}" toName="shown" choice="single" required="{str(required).lower()}">{inner}</Choices>'


def _area(name: str, title: str) -> str:
    head = f"  <Header value={quoteattr(title)}/>\n"
    return f'{head}  <TextArea name="{name}" toName="shown" rows="4" maxSubmissions="1" editable="true"/>'
