"""Annotations in all the forms they come in: whole traces, edits, verdicts; nothing is dropped, nothing taken unread."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import orjson
import pytest

from dataset_platform.contracts import CotAnnotations
from dataset_platform.kernels.reasoning import annotation_forms as forms
from dataset_platform.kernels.reasoning.annotations import Generated, read_annotations
from dataset_platform.kernels.reasoning.sampling import Sampled, Stratum
from dataset_platform.kernels.reasoning.trace import CoTTrace
from dataset_platform_tests.kernels.reasoning.llm_scene import hand_trace

SCHEMA = CotAnnotations.labelled_schema().remove_metadata()
TRACES = [hand_trace(n) for n in range(6)]
FACTS = [
    {"subject": "ego", "quantity": "speed", "value": 6.0, "word": None, "unit": "mps", "uncertainty": 0.1},
    {"subject": "agent:7", "quantity": "type", "value": None, "word": "vehicle", "unit": "", "uncertainty": None},
]
TASKS = [forms.task(Sampled(t.trace_id, Stratum("SIMPLE", "rules", True), 2.0), t, FACTS) for t in TRACES]


def lookup(traces=TRACES):
    stored = [Generated(t.trace_id, t.frame_id, t.model_dump_json()) for t in traces]
    return lambda ids, frames: [g for g in stored if g.trace_id in ids or g.frame_id in frames]


def read(content: dict[str, bytes], generated=None) -> list[dict[str, Any]]:
    def opened(path: str):
        return io.BytesIO(content[path]), len(content[path])

    batches = list(read_annotations(content, opened, generated or lookup(), SCHEMA))
    assert all(b.schema == SCHEMA for b in batches)
    rows = [row for b in batches for row in b.to_pylist()]
    tallies = [r["tally"] for r in rows if r["tally"] is not None]
    data = [r for r in rows if r["tally"] is None]
    assert len(tallies) == len(content) and sum(tallies) == len(data)
    return data


def lines(*records: Any) -> dict[str, bytes]:
    return {"a.jsonl": b"".join(orjson.dumps(r) + b"\n" for r in records)}


def plain(trace: CoTTrace) -> dict[str, Any]:
    return trace.model_dump(mode="json")


def test_a_whole_trace_is_compared_with_the_generated_one():
    changed = plain(TRACES[0]) | {"annotator": "ada"}
    changed["trajectory_plan"]["longitudinal"] = "decelerate"
    [row] = read(lines(changed))
    assert row["reason"] is None and row["status"] == "corrected" and row["annotator"] == "ada"
    assert (row["trace_id"], row["frame_id"]) == (TRACES[0].trace_id, TRACES[0].frame_id)
    figures = {m["metric"]: m["value"] for m in row["agreement"]}
    assert figures["longitudinal"] == 0.0 and figures["lateral"] == 1.0
    assert CoTTrace.model_validate_json(row["trace"]).trajectory_plan.longitudinal == "decelerate"
    assert row["text"] == CoTTrace.model_validate_json(row["trace"]).text()


def test_what_was_not_generated_is_written_and_has_no_agreement():
    [row] = read(lines({"trace": plain(TRACES[0]), "annotator": "ada"}), lookup([]))
    assert row["status"] == "written" and row["trace_id"] is None and row["agreement"] == []


def test_the_trace_of_a_frame_is_found_without_its_id():
    record = plain(TRACES[2]) | {"status": "accepted"}
    del record["trace_id"]
    [row] = read(lines(record))
    assert row["trace_id"] == TRACES[2].trace_id and row["status"] == "accepted"


def test_edits_rest_on_what_was_seen_and_else_on_the_table():
    edit = {"edits": {"scene_description_text": "A car ahead.", "confidence": "0.25"}, "annotator": "b"}
    by_table = {**edit, "trace_id": TRACES[1].trace_id}
    seen = plain(TRACES[1]) | {"scenario_id": "seen"}
    [one, two] = read(lines(by_table, {**edit, "trace": seen, "id": 5}))
    assert one["status"] == two["status"] == "corrected"
    assert (one["scenario_id"], two["scenario_id"]) == (TRACES[1].scenario_id, "seen")
    for row in (one, two):
        trace = CoTTrace.model_validate_json(row["trace"])
        assert trace.scene_description.text == "A car ahead." and trace.justification.confidence == 0.25
    [lost] = read(lines(by_table), lookup([]))
    assert lost["reason"] == "no_trace"


def argilla(task: dict[str, Any], answers: dict[str, dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A record as ``Record.to_dict`` of Argilla 2 gives it, answered by some users."""
    responses: dict[str, list[dict[str, Any]]] = {}
    for user, values in answers.items():
        for question, value in values.items():
            responses.setdefault(question, []).append({"value": value, "user_id": user})
    return {**forms.argilla_record(task), "responses": responses, **more}


def label_studio(task: dict[str, Any], values: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A task of Label Studio's JSON export with one annotation."""
    kinds = dict.fromkeys((*forms.CHOICES, forms.VERDICT), ("choices", "choices")) | {
        "confidence": ("number", "number")
    }
    result = []
    for name, value in values.items():
        kind, key = kinds.get(name, ("textarea", "text"))
        given = value if kind == "number" else [value]
        result.append({"id": "r", "from_name": name, "to_name": "shown", "type": kind, "value": {key: given}})
    own = {"id": 31, "completed_by": {"id": 4, "email": "eve@example.org"}, "was_cancelled": False, "result": result}
    return {"id": 9, "data": forms.label_studio_task(task)["data"], "annotations": [own | more], "predictions": []}


def test_argilla_comes_back():
    answers = forms.answers(plain(TRACES[0]))
    accepted = {**answers, "verdict": "accepted"}
    del accepted["confidence"]
    corrected = {"verdict": "corrected", "longitudinal": "stop", "justification_text": "", "comment": "no"}
    record = argilla(TASKS[0], {"u1": accepted, "u2": corrected, "u3": {"verdict": "rejected"}})
    rows = read({"export.json": orjson.dumps([record, argilla(TASKS[1], {})])})
    assert [(r["annotator"], r["status"]) for r in rows[:3]] == [
        ("u1", "accepted"),
        ("u2", "corrected"),
        ("u3", "rejected"),
    ]
    assert {r["format"] for r in rows} == {"argilla"} and len({r["annotation_id"] for r in rows}) == 4
    assert {r["frame_id"] for r in rows[:3]} == {TRACES[0].frame_id}
    trace = CoTTrace.model_validate_json(rows[1]["trace"])
    assert trace.trajectory_plan.longitudinal == "stop" and trace.justification == TRACES[0].justification
    assert rows[3]["reason"] == "not_submitted" and rows[3]["frame_id"] == TRACES[1].frame_id


def flattened(record: dict[str, Any], status: str) -> dict[str, Any]:
    """The record as ``to_list(flatten=True)`` of Argilla 2 gives it."""
    flat = {k: v for k, v in record.items() if k not in ("fields", "metadata", "responses", "suggestions", "vectors")}
    flat |= record["fields"] | record["metadata"] | {"status": "completed"}
    for question, answers in record["responses"].items():
        flat[f"{question}.responses"] = [a["value"] for a in answers]
        flat[f"{question}.responses.users"] = [a["user_id"] for a in answers]
        flat[f"{question}.responses.status"] = [status for _ in answers]
    for question, suggestion in record["suggestions"].items():
        flat |= {f"{question}.suggestion{end}": suggestion[k] for end, k in SUGGESTED.items()}
    return flat


SUGGESTED = {"": "value", ".score": "score", ".agent": "agent"}


def test_flattened_argilla_is_no_plain_line():
    answers = {"u1": {"verdict": "corrected", "longitudinal": "stop"}, "u2": {"verdict": "rejected"}}
    record = flattened(argilla(TASKS[0], answers), "submitted")
    draft = flattened(argilla(TASKS[1], {"u1": {"verdict": "accepted"}}), "draft")
    unanswered = flattened(argilla(TASKS[2], {}), "")
    normalised = {**unanswered, **{k: None for k in record if ".responses" in k}}
    assert "fields" not in record and record["trace"] and record["text"]
    rows = read({"export.json": orjson.dumps([record, draft, unanswered, normalised])})
    assert [(r["annotator"], r["status"] or r["reason"]) for r in rows] == [
        ("u1", "corrected"),
        ("u2", "rejected"),
        ("u1", "not_submitted"),
        ("unnamed", "not_submitted"),
        ("unnamed", "not_submitted"),
    ]
    assert {r["format"] for r in rows} == {"argilla"}
    assert [r["frame_id"] for r in rows[2:]] == [TRACES[n].frame_id for n in (1, 2, 2)]
    assert CoTTrace.model_validate_json(rows[0]["trace"]).trajectory_plan.longitudinal == "stop"


def test_argilla_in_its_other_shapes():
    record = argilla(TASKS[0], {})
    old = record | {
        "responses": [
            {
                "user_id": "u1",
                "status": "submitted",
                "values": {"verdict": {"value": "corrected"}, "lateral": {"value": "left_turn"}},
            },
            {"user_id": "u2", "status": "discarded", "values": {"verdict": {"value": "accepted"}}},
            {"user_id": "u3", "status": "draft", "values": None},
        ]
    }
    flat = flattened(argilla(TASKS[0], {"u9": {"verdict": "accepted"}}), status="submitted")
    rows = read(lines(old, flat))
    assert [(r["annotator"], r["status"], r["reason"]) for r in rows] == [
        ("u1", "corrected", None),
        ("u2", None, "not_submitted"),
        ("u3", None, "not_submitted"),
        ("u9", "accepted", None),
    ]


def test_label_studio_comes_back():
    whole = plain(TRACES[2])
    whole["scene_description"]["vehicle_count"] = 4
    records = [
        label_studio(TASKS[0], {"verdict": "accepted", **forms.answers(plain(TRACES[0]))}),
        label_studio(TASKS[1], {"verdict": "corrected", "overall_risk": "high", "confidence": 0.4}),
        label_studio(TASKS[2], {"verdict": "corrected", "trace_json": json.dumps(whole)}),
        label_studio(TASKS[3], {}, was_cancelled=True),
        {"id": 3, "data": forms.label_studio_task(TASKS[4])["data"], "annotations": []},
    ]
    rows = read({"export.json": orjson.dumps(records)})
    assert [r["status"] or r["reason"] for r in rows] == [
        "accepted",
        "corrected",
        "corrected",
        "not_submitted",
        "not_submitted",
    ]
    assert [r["offset"] for r in rows] == [0, 1, 2, 3, 4]
    assert rows[0]["annotator"] == "eve@example.org" and rows[0]["format"] == "label_studio"
    second = CoTTrace.model_validate_json(rows[1]["trace"])
    assert second.situation_assessment.overall_risk == "high" and second.justification.confidence == 0.4
    assert CoTTrace.model_validate_json(rows[2]["trace"]).scene_description.vehicle_count == 4


def test_corrections_that_got_lost_are_not_taken_for_acceptance():
    task, trace = TASKS[0], plain(TRACES[0])
    renamed = argilla(task, {"u1": {"verdict": "accepted", "speed_action": "stop"}})
    records = [
        (task, "not_submitted", "no verdict"),
        (task | {"annotator": "ada"}, "not_submitted", "no verdict"),
        (forms.argilla_record(task), "not_submitted", "not answered"),
        (forms.label_studio_task(task), "not_submitted", "not answered"),
        (task | {"annotator": "ada", "text": task["text"] + " More."}, "unknown_edit", "its text"),
        (task | {"edits": {"longitudnal": "stop"}}, "unknown_edit", "longitudnal"),
        (renamed, "unknown_edit", "speed_action"),
        (label_studio(task, {"verdict": "accepted", "plan": "stop"}), "unknown_edit", "plan"),
        (argilla(task, {"u1": {"verdict": "corrected", "comment": "too fast"}}), "nothing_corrected", "corrected"),
        (label_studio(task, {"verdict": "corrected", **forms.answers(trace)}), "nothing_corrected", "corrected"),
        (label_studio(task, forms.answers(trace)), "nothing_corrected", "its answers"),
        ({"trace": trace, "status": "corrected"}, "nothing_corrected", "corrected"),
        ({"trace": trace, "status": "written"}, "nothing_corrected", "written"),
    ]
    rows = read(lines(*(record for record, _, _ in records)))
    assert [(r["reason"], r["status"]) for r in rows] == [(reason, None) for _, reason, _ in records]
    for row, (_, _, said) in zip(rows, records, strict=True):
        assert said in row["detail"]


def test_a_rejection_needs_no_known_answers_and_a_change_no_verdict():
    changed = plain(TRACES[0])
    changed["trajectory_plan"]["longitudinal"] = "stop"
    rejected = argilla(TASKS[0], {"u1": {"verdict": "rejected", "why": "all wrong"}})
    accepted = TASKS[0] | {"status": "accepted", "annotator": "ada"}
    rows = read(lines(rejected, TASKS[0] | {"trace": changed}, accepted))
    assert [r["status"] for r in rows] == ["rejected", "corrected", "accepted"]


def test_records_that_would_break_a_day_are_rows():
    flat = flattened(argilla(TASKS[0], {"u1": {"verdict": "accepted"}, "u2": {"verdict": "accepted"}}), "submitted")
    deep: Any = "end"
    for _ in range(400):
        deep = [deep]
    records = [
        (flat | {"verdict.responses.users": ["u1"]}, "unknown_form", "2 answers of 1 users"),
        (flat | {"verdict.responses.status": []}, None, None),
        (flat | {"verdict.responses.status": ["submitted"] * 3}, "unknown_form", "in 3 states"),
        ({"trace": plain(TRACES[0]) | {"step": 2**63}}, "invalid_trace", "step"),
        ({"trace": plain(TRACES[0]) | {"step": -1}}, "invalid_trace", "step"),
    ]
    content = [orjson.dumps(record) for record, _, _ in records]
    content.append(json.dumps({"trace_id": TRACES[0].trace_id, "edits": {"scene_description_text": deep}}).encode())
    rows = read({"a.jsonl": b"\n".join(content)})
    assert rows[-1]["reason"] == "invalid_trace"
    by_place = {r["offset"]: r for r in rows}
    assert len(by_place) == len(content)
    for row, (_, reason, said) in zip(by_place.values(), records, strict=False):
        assert row["reason"] == reason and (said is None or said in row["detail"])


def test_label_studio_in_its_short_form():
    task = forms.label_studio_task(TASKS[0])["data"]
    short = {
        **task,
        "id": 9,
        "annotation_id": 2,
        "annotator": "eve@example.org",
        "lead_time": 3.0,
        "verdict": "corrected",
    }
    short |= {"lateral": {"choices": ["right_turn"]}, "scene_description_text": ["Another text."]}
    [row] = read({"min.json": orjson.dumps([short])})
    trace = CoTTrace.model_validate_json(row["trace"])
    assert (row["status"], trace.trajectory_plan.lateral) == ("corrected", "right_turn")
    assert trace.scene_description.text == "Another text."


def test_the_plain_task_comes_back_with_edits():
    [row] = read(lines({**TASKS[0], "annotator": "c", "edits": {"longitudinal": "yield"}}))
    assert row["status"] == "corrected" and row["annotator"] == "c"


@pytest.mark.parametrize(
    ("record", "reason", "said"),
    [
        ([1, 2], "unknown_form", "not a JSON object"),
        ({"hello": 1}, "unknown_form", "neither a trace"),
        ({"fields": {}, "responses": {"verdict": 3}}, "unknown_form", "not as its form has it"),
        ({"trace": "no json"}, "unknown_form", "a trace in the record is not JSON"),
        ({"edits": [1]}, "unknown_form", "edits is not a JSON object"),
        ({"status": "accepted", "frame_id": "nobody:1"}, "no_trace", "no generated trace"),
        ({"trace": plain(TRACES[0]), "status": "fine"}, "unknown_status", "'fine'"),
        ({"trace": plain(TRACES[0]), "frame_id": "other:3"}, "other_frame", "other:3"),
        ({"trace": plain(TRACES[0]) | {"justification": None}}, "invalid_trace", "justification"),
        ({"trace_id": TRACES[0].trace_id, "edits": {"longitudinal": "fly"}}, "invalid_trace", "longitudinal"),
        ({"trace_id": TRACES[0].trace_id, "edits": {"confidence": 7}}, "invalid_trace", "confidence"),
        ({"trace": {**plain(TRACES[0]), "extra": 1}}, "invalid_trace", "extra"),
    ],
)
def test_what_cannot_be_used_is_rejected_by_name(record, reason, said):
    rows = read(lines(record, plain(TRACES[5]) | {"status": "accepted"}))
    assert (rows[0]["reason"], rows[1]["reason"]) == (reason, None)
    assert said in rows[0]["detail"] and "UnknownForm" not in rows[0]["detail"]


def test_broken_bytes_are_quarantined_and_the_rest_is_read():
    good = orjson.dumps(plain(TRACES[0]))
    content = {
        "a.jsonl": b"\xef\xbb\xbf" + good + b"\n\n{broken\n" + orjson.dumps(plain(TRACES[1])),
        "b.jsonl.gz": gzip.compress(good + b"\n" + orjson.dumps(plain(TRACES[2])))[:-12],
        "c.json": b"[{]",
        "d.json": b"[]",
    }
    rows = read(content)
    by_file = {f: [r for r in rows if r["file"] == f] for f in content}
    assert [r["error"] is None for r in by_file["a.jsonl"]] == [True, False, True]
    assert by_file["a.jsonl"][1]["offset"] == len(good) + 3 + 2
    assert by_file["b.jsonl.gz"][-1]["error"] is not None
    assert len(by_file["c.json"]) == 1 and "not JSON" in by_file["c.json"][0]["error"]
    assert by_file["d.json"] == []


def test_ids_are_those_of_the_annotation_and_not_of_its_file():
    record = {"trace": plain(TRACES[0]), "annotator": "ada"}
    first, second = read(lines(record)), read({"other.jsonl": b"\n" + orjson.dumps(record)})
    assert first[0]["annotation_id"] == second[0]["annotation_id"]
    assert read(lines({**record, "annotator": "bob"}))[0]["annotation_id"] != first[0]["annotation_id"]


def test_forms_ask_for_what_the_import_reads():
    settings = forms.argilla_settings()
    names = {q["name"] for q in settings["questions"]}
    assert names | {"confidence"} == {*forms.PLACES, forms.VERDICT, forms.WHOLE, forms.COMMENT}
    record = forms.argilla_record(TASKS[0])
    assert set(record["suggestions"]) <= names and set(record["fields"]) == {f["name"] for f in settings["fields"]}
    from xml.etree import ElementTree

    config = ElementTree.fromstring(forms.label_studio_config())
    controls = {e.get("name") for e in config if e.get("toName")}
    task = forms.label_studio_task(TASKS[0])
    assert controls == {*forms.PLACES, forms.VERDICT, forms.WHOLE, forms.COMMENT}
    assert {r["from_name"] for r in task["predictions"][0]["result"]} <= controls
    assert all(e.get("value", "$")[1:] in task["data"] for e in config if e.tag == "Text")
    assert TASKS[0]["facts"].splitlines() == ["ego: speed 6 mps", "agent:7: type vehicle"]
