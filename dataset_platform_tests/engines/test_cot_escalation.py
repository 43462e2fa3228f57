"""Hybrid runs: what is escalated, what is kept when the better model is none, and what all of it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from dataset_platform.config import LLMConfig
from dataset_platform.demo.driving.world import sample_scenes
from dataset_platform.engines.cot_runs import CotJob, standard_job
from dataset_platform.engines.cot_writer import Keyframe
from dataset_platform.kernels.reasoning import rule_traces
from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.level_checks import FIELD_VALIDATORS
from dataset_platform.kernels.reasoning.planner import Decision, decide
from dataset_platform.kernels.reasoning.quality.evaluate import VALIDATORS
from dataset_platform.kernels.reasoning.trace import LEVEL_MODELS, LEVELS, CoTTrace
from dataset_platform.llm.backends.simulated import SimulatedModel, respond
from dataset_platform.llm.errors import BudgetReached, FatalError, RetryableError
from dataset_platform.llm.ledger import Ledger
from dataset_platform.llm.request import Completion, Request
from dataset_platform_tests.engines.cot_run import FRAMES, PRICES, config, http, kept, run
from dataset_platform_tests.kernels.reasoning.llm_scene import keyframe, keyframes
from dataset_platform_tests.kernels.reasoning.real_keyframes import input_of, keyframes_of
from dataset_platform_tests.llm.fault_server import serving
from dataset_platform_tests.llm.level_answers import spoiled


@pytest.fixture(scope="module")
def server():
    with serving() as running:
        yield running


def careless(share: float) -> tuple[Callable[[Keyframe], CoTTrace], set[str]]:
    """Rules that state what is not so in one level of a share of their traces; and which traces those are."""
    job, bad = standard_job(config("rules"), 1), set()

    def write(frame: Keyframe) -> CoTTrace:
        trace = job.rules(frame)
        number = int(frame.trace_id[:6], 16)
        if number % 100 >= 100 * share:
            return trace
        bad.add(frame.trace_id)
        level = LEVELS[number // 100 % 5]
        value = spoiled(level, getattr(trace, level).model_dump(mode="json"))
        return trace.model_copy(update={level: LEVEL_MODELS[level].model_validate(value)})

    return write, bad


def test_escalation_catches_what_a_careless_writer_got_wrong(tmp_path):
    frames = keyframes(120)
    write, bad = careless(0.5)
    job = replace(standard_job(config("hybrid"), len(frames)), rules=write)
    rows = {r["trace_id"]: r for r in run(tmp_path, job, frames, SimulatedModel())}
    caught = {i for i, r in rows.items() if r["route"] == "escalated"}
    assert 40 < len(bad) < 80 and len(caught & bad) >= 0.95 * len(bad)
    assert len(caught - bad) <= 0.15 * (len(frames) - len(bad))
    known = {*VALIDATORS, *FIELD_VALIDATORS}
    for identity in caught:
        row = rows[identity]
        assert row["generator"] == "llm" and row["escalated_because"] and set(row["escalated_because"]) <= known
    assert all(rows[i]["generator"] == "rules" and not rows[i]["failed_validators"] for i in rows.keys() - caught)


def test_a_good_cheap_writer_is_seldom_escalated(tmp_path):
    frames = keyframes(120)
    rows = run(tmp_path, standard_job(config("hybrid"), len(frames)), frames, SimulatedModel())
    assert Counter(r["route"] for r in rows)["escalated"] <= 0.15 * len(frames)


def test_routes_by_complexity_and_share(tmp_path):
    frames = [*keyframes(10, "COMPLEX"), *keyframes(30)[10:]]
    job = standard_job(config("hybrid", llm_share=0.4), len(frames))
    rows = run(tmp_path, job, frames, SimulatedModel())
    routes = Counter((r["complexity"], r["route"], r["generator"]) for r in rows)
    assert routes["COMPLEX", "complexity", "llm"] == 10
    assert routes["SIMPLE", "share", "llm"] > 0 and routes["SIMPLE", "simple", "rules"] > 0
    assert sum(routes.values()) == 30


def test_escalation_is_rationed_whatever_the_window(tmp_path):
    frames = keyframes(40)
    write, _ = careless(0.9)
    found = []
    for name, latency in (("a", 0.0), ("b", 0.003)):
        settings = config("hybrid", max_escalated_share=0.25)
        job = replace(standard_job(settings, len(frames)), rules=write)
        rows = run(tmp_path / name, job, frames, SimulatedModel(latency_s=latency))
        found.append([r["trace_id"] for r in rows if r["route"] == "escalated"])
        assert any(r["failed_validators"] for r in rows if r["route"] == "simple"), "what had no room is kept as it is"
    assert found[0] == found[1] and len(found[0]) == 10


def test_without_escalation_bad_traces_are_kept_and_marked(tmp_path):
    write, bad = careless(0.5)
    job = replace(standard_job(config("hybrid", escalate=False), len(FRAMES)), rules=write)
    rows = run(tmp_path, job, llm=SimulatedModel())
    assert {r["route"] for r in rows} == {"simple"}
    assert {r["trace_id"] for r in rows if r["failed_validators"]} >= bad


def test_a_cheap_model_is_escalated_to_a_better_one_and_both_are_paid(tmp_path, server):
    server.set()
    job = standard_job(config("hybrid", cheap="llm"), 6)
    rows = run(tmp_path, job, FRAMES[:6], http(server), http(server, "careless"))
    assert {(r["generator"], r["route"], r["model"]) for r in rows} == {("llm", "escalated", "m")}
    assert all(r["escalated_because"] == ["invalid_level"] for r in rows)
    good = run(tmp_path / "good", job, FRAMES[:6], http(server), http(server, "m"))
    assert {r["route"] for r in good} <= {"simple", "escalated"} and {r["generator"] for r in good} == {"llm"}
    assert Counter(r["route"] for r in good)["simple"] >= 5


def uncomfortable(settings: Any, count: int, **fields: Any) -> CotJob:
    """A job whose cheap traces, all of them, fail one validator, and whose model's traces fail none."""

    def failing(trace: CoTTrace, *_: Any) -> list[str]:
        return [] if trace.scene_description.text.startswith("[simulated] ") else ["comfort_pass"]

    return replace(standard_job(settings, count), failing=failing, **fields)


@pytest.mark.parametrize("model", ["stubborn", "careless"])
def test_a_cheap_trace_stays_when_the_model_writes_none(tmp_path, server, model):
    server.set()
    rows = run(tmp_path, uncomfortable(config("hybrid"), 6), FRAMES[:6], http(server, model))
    assert len(kept(rows)) == 6, [r["detail"] for r in rows]
    for row in rows:
        assert (row["generator"], row["route"], row["model"], row["created_at"]) == ("rules", "simple", "rules", None)
        assert row["failed_validators"] == row["escalated_because"] == ["comfort_pass"]
    counts = server.counts()
    assert sum(r["calls"] for r in rows) == counts["calls"] > 0
    assert sum(r["prompt_tokens"] + r["completion_tokens"] for r in rows) == counts["billed_tokens"]


class _Fails:
    """A model that answers three levels, and then fails in one way."""

    name, simulated, model = "fails", True, "simulated"

    def __init__(self, how: str | Exception) -> None:
        self.how = how

    async def complete(self, request: Request) -> Completion:
        done = respond(request)
        if not request.label.endswith(":trajectory_plan"):
            return done
        if isinstance(self.how, Exception):
            raise self.how
        return replace(done, finish_reason=self.how, text="" if self.how == "stop" else done.text)

    async def close(self) -> None:
        pass


FAILURES = ["refusal", "length", "stop", FatalError("never"), RetryableError("not now")]


@pytest.mark.parametrize("how", FAILURES, ids=str)
def test_a_cheap_trace_stays_however_the_model_fails(tmp_path, how):
    settings = LLMConfig(max_attempts=1, max_error_share=1.0)
    job = uncomfortable(config("hybrid"), 6)
    rows = run(tmp_path / "cheap", job, FRAMES[:6], _Fails(how), settings=settings)
    assert {(r["reason"], r["route"], r["generator"], r["calls"]) for r in rows} == {(None, "simple", "rules", 3)}
    alone = run(tmp_path / "alone", standard_job(config("llm"), 6), FRAMES[:6], _Fails(how), settings=settings)
    assert None not in {r["reason"] for r in alone} and {r["calls"] for r in alone} == {3}
    assert [(r["prompt_tokens"], r["completion_tokens"]) for r in alone] == [
        (r["prompt_tokens"], r["completion_tokens"]) for r in rows
    ]
    assert all(r["prompt_tokens"] > 0 for r in alone)


def test_the_trace_that_fails_fewer_validators_is_kept(tmp_path):
    def run_with(name: str, model_fails: list[str]) -> list[dict[str, Any]]:
        def failing(trace: CoTTrace, *_: Any) -> list[str]:
            return model_fails if trace.scene_description.text.startswith("[simulated] ") else ["comfort_pass"]

        job = replace(standard_job(config("hybrid"), 6), failing=failing)
        return run(tmp_path / name, job, FRAMES[:6], SimulatedModel())

    worse = run_with("worse", ["on_road", "comfort_pass"])
    assert {(r["route"], r["generator"]) for r in worse} == {("simple", "rules")}
    assert all(r["failed_validators"] == r["escalated_because"] == ["comfort_pass"] for r in worse)
    assert {r["calls"] for r in worse} == {5}, "what the model was paid for a trace that is not kept counts"
    other = run_with("other", ["on_road"])
    assert {(r["route"], r["generator"]) for r in other} == {("escalated", "llm")}
    assert all(r["failed_validators"] == ["on_road"] and r["escalated_because"] == ["comfort_pass"] for r in other)


def test_the_budget_ends_a_run_that_has_cheap_traces_too(tmp_path, server):
    server.set()
    job = uncomfortable(config("hybrid"), len(FRAMES))
    with pytest.raises(BudgetReached):
        run(tmp_path, job, llm=http(server), ledger=Ledger(PRICES, max_tokens=60_000))


@pytest.mark.parametrize("least", [0.0, 0.9, 1.0])
def test_a_cheap_trace_that_is_none_is_escalated_whatever_share_must_pass(tmp_path, server, least):
    server.set()
    job = standard_job(config("hybrid", cheap="llm", min_validated=least), 6)
    rows = run(tmp_path, job, FRAMES[:6], http(server), http(server, "stubborn"))
    assert {(r["reason"], r["route"], r["model"]) for r in rows} == {(None, "escalated", "m")}
    counts = server.counts()
    assert sum(r["calls"] for r in rows) == counts["calls"] == 6 * (5 + 5)
    assert sum(r["prompt_tokens"] + r["completion_tokens"] for r in rows) == counts["billed_tokens"]


def test_rejected_rows_say_what_they_cost(tmp_path, server):
    server.set()
    job = standard_job(config("hybrid", cheap="llm"), 6)
    rows = run(tmp_path / "both", job, FRAMES[:6], http(server, "stubborn"), http(server, "careless"))
    assert {r["reason"] for r in rows} == {"invalid_level"} and all(r["trace"] is None for r in rows)
    counts = server.counts()
    assert sum(r["calls"] for r in rows) == counts["calls"]
    assert sum(r["prompt_tokens"] + r["completion_tokens"] for r in rows) == counts["billed_tokens"]
    server.set()
    still = standard_job(config("hybrid", cheap="llm", escalate=False), 6)
    rows = run(tmp_path / "cheap", still, FRAMES[:6], http(server), http(server, "careless"))
    assert {r["reason"] for r in rows} == {"invalid_level"}
    for row in rows:
        assert row["cost_usd"] == pytest.approx(0.1 * (row["prompt_tokens"] + row["completion_tokens"]) / 1e6)
    assert sum(r["prompt_tokens"] + r["completion_tokens"] for r in rows) == server.counts()["billed_tokens"]


Blind = Callable[[Facts], frozenset[str]]


def no_road_users(facts: Facts) -> frozenset[str]:
    return frozenset(s for s in facts.subjects if s.startswith("agent:"))


def no_signals(facts: Facts) -> frozenset[str]:
    return frozenset(s for s in facts.subjects if s.startswith(("signal:", "stop_sign:")))


def street_frames() -> Iterator[Keyframe]:
    """Keyframes of the sample scenes, and hand-made ones with signals and leads at many distances."""
    for scene in sample_scenes(26, 8):
        for row in keyframes_of(scene):
            given = input_of(row)
            names = ("trace_id", "frame_id", "scenario_id", "step", "facts", "view")
            yield replace(FRAMES[0], **{n: getattr(given, n) for n in names})
    yield from keyframes(24)
    for n in range(24):
        ahead = 12.0 + 2.0 * n
        yield keyframe(100 + n, ego_speed=9.0, lead=(ahead, 0.2 * n))
        yield keyframe(200 + n, ego_speed=9.0, lead=None, signal=("stop", ahead))


@pytest.fixture(scope="module")
def street() -> list[Keyframe]:
    return list(street_frames())


@pytest.mark.parametrize("blind", [no_road_users, no_signals])
def test_a_writer_that_decides_blindly_is_escalated(tmp_path, monkeypatch, street, blind: Blind):
    """Every field of its traces is so; what it leaves out of account is what it should have decided by."""

    def decided(facts: Facts, *, without: frozenset[str] = frozenset(), only: frozenset[str] | None = None) -> Decision:
        return decide(facts, without=without | blind(facts), only=only)

    job = standard_job(config("hybrid"), len(street))
    seeing = {f.trace_id: job.rules(f) for f in street}
    with monkeypatch.context() as patched:
        patched.setattr(rule_traces, "decide", decided)
        blindly = {f.trace_id: job.rules(f) for f in street}

    def actions(trace: CoTTrace) -> tuple[str, str]:
        return trace.trajectory_plan.longitudinal, trace.trajectory_plan.lateral

    bad = {i for i in seeing if actions(seeing[i]) != actions(blindly[i])}
    rows = run(tmp_path, replace(job, rules=lambda f: blindly[f.trace_id]), street, SimulatedModel())
    caught = {r["trace_id"] for r in rows if r["escalated_because"]} & bad
    print(f"{blind.__name__}: {len(caught)} of {len(bad)} caught; {len(street)} frames")
    assert len(bad) >= 20
    assert len(caught) >= 0.95 * len(bad), [blindly[i].trajectory_plan.text for i in bad - caught]


def test_a_writer_that_sees_is_seldom_escalated_on_the_sample_scenes(tmp_path, street):
    rows = run(tmp_path, standard_job(config("hybrid"), len(street)), street, SimulatedModel())
    escalated = [r["escalated_because"] for r in rows if r["escalated_because"]]
    print(f"good: {len(escalated)} of {len(street)} escalated")
    assert len(escalated) <= 0.15 * len(street), escalated
