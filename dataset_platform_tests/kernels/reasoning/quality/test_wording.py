"""What texts state, and what it is said of."""

from __future__ import annotations

import pytest

from dataset_platform.kernels.reasoning.facts import Fact, Facts
from dataset_platform.kernels.reasoning.quality.claims import resolve
from dataset_platform.kernels.reasoning.quality.evaluate import evaluate
from dataset_platform.kernels.reasoning.quality.wording import (
    agent_references,
    lane_references,
    light_claims,
    number_claims,
    sentences,
    unnamed_agents,
)
from dataset_platform.kernels.reasoning.rule_traces import KeyframeInput, write
from dataset_platform.kernels.reasoning.trace import CoTTrace
from dataset_platform_tests.kernels.reasoning.quality.cases import small_facts, street

FACTS = small_facts()


@pytest.fixture(scope="module")
def cases_trace() -> CoTTrace:
    return write(KeyframeInput("0" * 32, "street:10", "street", 10, FACTS, street()))


def matched(text: str) -> list[tuple[str, str] | None]:
    found = [resolve(c, FACTS) for c in number_claims("scene_description", text, FACTS)]
    return [None if f is None else f[:2] for f in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Vehicle 12 is 25.3 m ahead, at 6.0 m/s.", [("agent:12", "distance"), ("agent:12", "speed")]),
        ("The ego drives at 36 km/h.", [("ego", "speed")]),
        ("We go 22.4 mph.", [("ego", "speed")]),
        ("Vehicle 12 is 82 ft away.", [("agent:12", "distance")]),
        ("25 m ahead is car 12.", [("agent:12", "distance")]),
        ("Time to collision with vehicle 12 is 5.1 s, time headway 2.0 s.", [("agent:12", "ttc"), ("agent:12", "thw")]),
        ("Pedestrian 7 stands 80° to the right.", [("agent:7", "bearing")]),
        ("The lead vehicle is 25 m away.", [("agent:12", "distance")]),
        ("The stop line lies 37.6 m ahead.", [("signal:1", "distance")]),
        ("There are 1 pedestrians near.", [("scene", "pedestrian_count")]),
        ("The car drives at 36 km/h.", [("ego", "speed")]),
        ("The automated car goes 10 m/s.", [("ego", "speed")]),
        ("We are in a 30 mph zone.", [("ego", "speed_limit")]),
        ("Vehicle 12 will be reached in 5.1 s.", [("agent:12", "ttc")]),
        ("The gap to vehicle 12 is 20.2 m.", [("agent:12", "gap")]),
        ("Vehicle 12 needs a deceleration of 0.4 m/s².", [("agent:12", "drac")]),
    ],
)
def test_numbers_are_held_against_what_they_are_said_of(text: str, expected: list[tuple[str, str]]) -> None:
    assert matched(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Vehicle 12 is 37.5 m away.",
        "Time to collision with vehicle 12 is 2.0 s.",
        "The gap to vehicle 12 is 25 m.",
        "Vehicle 12 is ahead, closing at 6.0 m/s.",
        "There is a 2.0 s time to collision with vehicle 12.",
        "Vehicle 12 drives at 6 km/h.",
        "Pedestrian 7 is 25 m away.",
        "Vehicle 99 is 25 m away.",
        "There are 3 pedestrians near.",
        "The ego drives at 15 m/s.",
    ],
)
def test_numbers_that_are_no_facts_match_none(text: str) -> None:
    assert matched(text) == [None]


def test_times_that_the_trace_speaks_of_beforehand_are_its_own() -> None:
    claims = list(
        number_claims("behavior_prediction", "In 3 s vehicle 12 is there (probability 0.75), or 60 %.", FACTS)
    )
    assert [(c.value, c.unit, c.own) for c in claims] == [(3.0, "s", True), (0.6, "share", True), (0.75, "share", True)]


def test_a_named_quantity_is_not_taken_for_a_time_of_the_plan(cases_trace: CoTTrace) -> None:
    text = "Time to collision with vehicle 12 is 2.0 s."
    level = cases_trace.justification.model_copy(update={"text": text})
    quality = evaluate(cases_trace.model_copy(update={"justification": level}), FACTS, street(), None)
    told = [c for c in quality.claims if c["metric"] == "number_groundedness" and c["level"] == "justification"]
    assert [c["passed"] for c in told] == [False]


def test_counts_of_one_place_need_not_be_all() -> None:
    facts = Facts([Fact("scene", "vehicle_count", 5.0, None, "count")])

    def passes(text: str) -> list[bool]:
        return [resolve(c, facts) is not None for c in number_claims("scene_description", text, facts)]

    assert passes(
        "Two vehicles in the left lane wait. In the right lane there are three cars. Four parked vehicles."
    ) == [
        True,
        True,
        True,
    ]
    assert passes("Six vehicles in the left lane wait.") == [False]
    assert passes("There are two vehicles.") == [False]


def test_ids_of_any_length_are_read() -> None:
    text = f"Vehicle {'9' * 5000} and vehicles 3 and {'8' * 5000} wait in lane {'7' * 5000}."
    assert len(list(agent_references(text))) == 3
    assert [len(str(i)) for i, _ in lane_references(text)] == [18]


def test_spans_are_those_of_the_text() -> None:
    text = "A first sentence. Vehicle 12 is 25.0 m ahead; the ego drives at 10 m/s."
    claims = list(number_claims("scene_description", text, FACTS))
    assert [text[slice(*c.span)] for c in claims if c.span] == ["25.0 m", "10 m/s"]
    assert "".join(text[a:b] for a, b in sentences(text)) == text


def test_agents_are_named_by_type_and_id() -> None:
    refs = list(agent_references("Vehicles 3, 5 and 8 wait; cyclist 4 and car #9 move. Vehicle 6 is 7 m away."))
    assert [(r.subject, r.kind) for r in refs] == [
        ("agent:3", "vehicle"),
        ("agent:5", "vehicle"),
        ("agent:8", "vehicle"),
        ("agent:4", "cyclist"),
        ("agent:9", "vehicle"),
        ("agent:6", "vehicle"),
    ]


def test_road_users_without_an_id_are_claims_too() -> None:
    assert list(unnamed_agents("A cyclist crosses.")) == [("cyclist", "A cyclist")]
    assert list(unnamed_agents("The lead vehicle brakes.")) == [("lead", "The lead vehicle")]
    assert not list(unnamed_agents("The car slows down. The ego vehicle stands. The automated car goes on."))
    assert list(unnamed_agents("The car ahead brakes.")) == [("vehicle", "The car")]
    assert not list(unnamed_agents("There is no pedestrian. A cyclist could come. The vehicle 12 waits."))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The signal of lane 1 shows a red arrow.", [("signal:1", "stop")]),
        ("The light is green.", [("signal:1", "go")]),
        ("There is an amber light ahead.", [("signal:1", "caution")]),
        ("It waits until the light is green.", []),
        ("Driving on would run the red light.", []),
    ],
)
def test_lights_are_read_as_they_are_now(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(s, state) for s, state, _, _ in light_claims(text, FACTS)] == expected


def test_lanes_are_named_by_id() -> None:
    assert [i for i, _ in lane_references("From lane 548 to lane 455.")] == [548, 455]
