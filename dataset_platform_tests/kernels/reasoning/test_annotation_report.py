"""The report on annotations: means per field, agreement beyond chance, rejected traces apart."""

from __future__ import annotations

from dataset_platform.kernels.reasoning.agreement import agreement
from dataset_platform.kernels.reasoning.annotation_report import Annotated, report
from dataset_platform_tests.kernels.reasoning.llm_scene import hand_trace


def annotated(number: int, who: str, action: str, status: str = "corrected") -> Annotated:
    generated = hand_trace(number)
    plan = generated.trajectory_plan.model_copy(update={"longitudinal": action})
    trace = generated.model_copy(update={"trajectory_plan": plan})
    return Annotated(generated.frame_id, who, status, trace, generated, agreement(trace, generated))


def cells(text: str, name: str) -> list[list[str]]:
    return [
        [c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith(f"| {name} |")
    ]


def test_means_count_what_was_compared_and_rejections_say_nothing():
    rows = [annotated(0, "a", "maintain"), annotated(1, "a", "stop"), annotated(2, "b", "stop", "rejected")]
    text = report(rows)
    [mean, beyond] = cells(text, "longitudinal")
    assert mean == ["longitudinal", "0.500", "2"]
    assert cells(text, "lateral")[0] == ["lateral", "1.000", "2"]
    assert text.startswith("3 annotations of 3 frames by 2 annotators; 1 reject their trace.")
    assert beyond[2] == "not defined", "nobody annotated a frame twice"


def test_annotators_who_agree_with_each_other_and_not_with_the_model():
    rows = [annotated(n, who, ("stop", "yield")[n % 2]) for n in range(6) for who in ("a", "b", "c")]
    [_, beyond] = cells(report(rows), "longitudinal")
    assert beyond == ["longitudinal", "0.000", "1.000"]
    assert cells(report(rows), "lateral")[1] == ["lateral", "not defined", "not defined"]
