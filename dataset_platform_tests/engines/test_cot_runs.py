"""Traces by rules, by a model over HTTP, and by both: routes, escalation, repair, pictures, and what it all costs."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from dataset_platform.config import LLMConfig
from dataset_platform.engines.cot_runs import run_cot, standard_job
from dataset_platform.engines.judge_runs import ToJudge, run_judge
from dataset_platform.kernels.reasoning.level_checks import failing_levels
from dataset_platform.kernels.reasoning.quality.evaluate import failing_validators
from dataset_platform.kernels.reasoning.trace import LEVELS, CoTTrace
from dataset_platform.llm.backends.simulated import SimulatedModel
from dataset_platform.llm.engine import Engine
from dataset_platform.llm.errors import BudgetReached, FatalError
from dataset_platform.llm.ledger import Ledger
from dataset_platform.llm.request import Completion, Request
from dataset_platform.llm.response_log import ResponseLog
from dataset_platform_tests.engines.cot_run import FRAMES, PRICES, config, http, kept, run
from dataset_platform_tests.kernels.reasoning.llm_scene import hand_trace, keyframes
from dataset_platform_tests.llm.fault_server import serving


@pytest.fixture(scope="module")
def server():
    with serving() as running:
        yield running


def test_rules_need_no_model(tmp_path):
    rows = run(tmp_path, standard_job(config("rules"), len(FRAMES)))
    assert [r["trace_id"] for r in rows] == [f.trace_id for f in FRAMES]
    for row, frame in zip(rows, FRAMES, strict=True):
        trace = CoTTrace.model_validate_json(row["trace"])
        assert (trace.trace_id, trace.frame_id, row["text"]) == (frame.trace_id, frame.frame_id, trace.text())
        assert (row["generator"], row["route"], row["model"], row["calls"], row["cost_usd"]) == (
            *("rules", "configured", "rules", 0, 0.0),
        )
        assert not row["simulated"] and row["created_at"] is None
        assert row["failed_validators"] == failing_validators(trace, frame.facts, frame.view)
        assert failing_levels(trace, frame.facts, frame.view) == []


def test_blocks_keep_the_order_of_the_keyframes(tmp_path, monkeypatch):
    monkeypatch.setattr("dataset_platform.engines.cot_runs.BLOCK_KEYFRAMES", 7)
    rows = run(tmp_path, standard_job(config("llm"), len(FRAMES)), llm=SimulatedModel(latency_s=0.002))
    assert [r["trace_id"] for r in rows] == [f.trace_id for f in FRAMES]
    assert len(list(tmp_path.glob("*.parquet"))) == 4


def test_a_model_writes_five_levels_and_the_row_says_what_they_cost(tmp_path, server):
    server.set()
    rows = run(tmp_path, standard_job(config("llm"), len(FRAMES)), llm=http(server))
    assert len(kept(rows)) == len(FRAMES), [r["detail"] for r in rows]
    counts = server.counts()
    assert counts["calls"] == 5 * len(FRAMES) == sum(r["calls"] for r in rows)
    assert sum(r["prompt_tokens"] + r["completion_tokens"] for r in rows) == counts["billed_tokens"]
    for row in rows:
        assert (row["generator"], row["route"], row["model"]) == ("llm", "configured", "m")
        assert row["cost_usd"] == pytest.approx((row["prompt_tokens"] + 2 * row["completion_tokens"]) / 1e6)
        assert row["created_at"] is not None


def test_the_simulated_model_says_so_in_every_row_and_level(tmp_path):
    rows = run(tmp_path, standard_job(config("llm"), len(FRAMES)), llm=SimulatedModel())
    assert len(kept(rows)) == len(FRAMES), [r["detail"] for r in rows]
    for row in rows:
        trace = CoTTrace.model_validate_json(row["trace"])
        assert row["simulated"] and row["model"] == "simulated"
        assert all(getattr(trace, level).text.startswith("[simulated] ") for level in LEVELS)


def test_a_level_that_is_not_so_is_mended_in_one_turn(tmp_path, server):
    server.set()
    rows = run(tmp_path, standard_job(config("llm"), 6), FRAMES[:6], http(server, "mending"))
    assert len(kept(rows)) == 6 and {r["calls"] for r in rows} == {10}
    plain = run(tmp_path / "plain", standard_job(config("llm"), 6), FRAMES[:6], http(server))
    assert [r["trace"] for r in rows] == [r["trace"] for r in plain]


def test_a_level_that_cannot_be_mended_rejects_its_trace_by_name(tmp_path, server):
    server.set()
    rows = run(tmp_path, standard_job(config("llm"), 6), FRAMES[:6], http(server, "stubborn"))
    assert {r["reason"] for r in rows} == {"invalid_level"} and all(r["trace"] is None for r in rows)
    assert all("trajectory_plan" in r["detail"] and "5.0 m from the ego" in r["detail"] for r in rows)
    assert {r["frame_id"] for r in rows} == {f.frame_id for f in FRAMES[:6]} and all(r["file"] for r in rows)
    assert server.counts()["calls"] == 6 * 5, "the levels below an unusable one were asked for all the same"


def test_a_call_that_fails_for_good_rejects_its_trace(tmp_path, server):
    server.set(share_500=0.6)
    settings = LLMConfig(concurrency=8, max_attempts=1, max_error_share=1.0)
    rows = run(tmp_path, standard_job(config("llm"), len(FRAMES)), llm=http(server), settings=settings)
    assert {r["reason"] for r in rows} <= {None, "retries_exhausted"} and len(rows) == len(FRAMES)
    assert [r["trace_id"] for r in rows] == [f.trace_id for f in FRAMES]


def test_the_budget_ends_the_run_and_the_answers_are_kept(tmp_path, server):
    server.set()
    job = standard_job(config("llm"), len(FRAMES))
    with pytest.raises(BudgetReached):
        run(tmp_path / "a", job, llm=http(server), log=tmp_path / "log", ledger=Ledger(PRICES, max_tokens=60_000))
    spent = server.counts()
    assert 0 < spent["billed_tokens"] <= 60_000
    rows = run(tmp_path / "b", job, llm=http(server), log=tmp_path / "log")
    assert len(kept(rows)) == len(FRAMES)
    assert set(server.counts()["answered"].values()) == {1}, "an answer that was kept was asked for again"
    assert sum(r["calls"] for r in rows) == 5 * len(FRAMES), "calls count answers, from the log as well"


def test_interrupted_runs_lose_and_double_nothing_and_repeat_only_calls_in_flight(tmp_path, server):
    """Cancelled at random moments, each time with the log that the run before left; then once to the end."""
    server.set(latency_s=0.03, share_500=0.05)
    frames, draw, stops, concurrency = keyframes(40), random.Random(7), 0, 8
    job = standard_job(config("hybrid", llm_complexities=("SIMPLE",)), len(frames))
    settings = LLMConfig(concurrency=concurrency, backoff_base_s=0.01)

    async def interrupted(after_s: float) -> bool:
        async with Engine(http(server), settings, Ledger(PRICES), ResponseLog(str(tmp_path / "log"))) as engine:
            try:
                await asyncio.wait_for(run_cot(iter(frames), job, engine, 9, str(tmp_path / "rows")), after_s)
            except TimeoutError:
                return True
            return False

    for _ in range(6):
        stops += asyncio.run(interrupted(draw.uniform(0.05, 0.4)))
    rows = run(tmp_path / "rows", job, frames, http(server), log=tmp_path / "log", settings=settings)
    assert stops >= 4 and [r["trace_id"] for r in kept(rows)] == [f.trace_id for f in frames]
    answered = server.counts()["answered"]
    assert len(answered) == 5 * len(frames) == sum(r["calls"] for r in rows)
    assert sum(answered.values()) - len(answered) <= stops * concurrency


class _Sees:
    """A simulated model that looks at pictures, or refuses them."""

    name, simulated = "sees", True

    def __init__(self, takes: bool) -> None:
        self.takes, self.seen, self.refused, self.model = takes, [], 0, "simulated"

    async def complete(self, request: Request) -> Completion:
        from dataset_platform.llm.backends.simulated import respond

        images = [i for m in request.messages for i in m.images]
        if images and not self.takes:
            self.refused += 1
            raise FatalError("no pictures here")
        if images:
            self.seen.append((request.label.rsplit(":", 1)[1], images[0].data))
        return respond(request)

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("takes", [True, False])
def test_pictures_go_with_level_one_to_models_that_take_them(tmp_path, takes):
    frames = [replace(f, picture=b"jpeg %d" % n if n % 2 else None) for n, f in enumerate(FRAMES)]
    model = _Sees(takes)
    rows = run(tmp_path, standard_job(config("llm"), len(frames)), frames, model)
    assert len(kept(rows)) == len(frames)
    if takes:
        assert sorted(model.seen) == sorted(("scene_description", f.picture) for f in frames if f.picture)
    else:
        assert model.refused == 1, "a model that refuses pictures is shown one, not all"
    blind = _Sees(True)
    run(tmp_path / "off", standard_job(config("llm", images=False), len(frames)), frames, blind)
    assert not blind.seen


def test_rows_do_not_depend_on_the_order_of_answers(tmp_path, server):
    server.set(share_500=0.1, share_truncated=0.05)
    job = standard_job(config("hybrid", llm_share=0.5), len(FRAMES))
    settings = LLMConfig(concurrency=3, backoff_base_s=0.01)
    one = run(tmp_path / "a", job, llm=http(server), settings=settings)
    two = run(tmp_path / "b", job, llm=http(server))
    assert [r | {"created_at": None} for r in one] == [r | {"created_at": None} for r in two]


def test_a_simulated_judge_is_no_judge(tmp_path):
    trace = hand_trace()

    async def work() -> list[tuple[str, str]]:
        async with Engine(SimulatedModel(), LLMConfig(), Ledger(PRICES)) as engine:
            return [v async for v in run_judge([ToJudge(trace, FRAMES[1].facts, "rules")], engine, 4)]

    assert asyncio.run(work()) == [(trace.trace_id, "not run: the model is simulated")]
