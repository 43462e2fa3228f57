"""The self-correction lane through the command line: questions in, traces, policy and evaluation out; nothing is lost to
a kill, nothing is asked twice, the budget holds, and gold never steers a decision."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from dataset_platform.contracts import Questions, Rejections, Traces
from dataset_platform.contracts.self_correction import TRACE_RECORD, TURN_RECORD
from dataset_platform.kernels.self_correction.arithmetic import generate
from dataset_platform.lake import policy_states, receipts
from dataset_platform_tests.cli.command import Home
from dataset_platform_tests.llm.fault_server import FaultServer, serving

FIRST, SECOND = "2026-01-05", "2026-01-06"
RANGE = f"{FIRST}:{SECOND}"
LANE = "self_correction/*"
COUNT = 40


@pytest.fixture(scope="module")
def server():
    with serving() as running:
        yield running


def make_home(path: Path, count: int = COUNT, days: tuple[str, ...] = (FIRST, SECOND), **settings: object) -> Home:
    for number, day in enumerate(days):
        folder = path / "raw" / "questions" / day.replace("-", "/")
        folder.mkdir(parents=True)
        rows = [
            {"id": p.question_id, "question": p.question, "reference_answer": p.reference_answer}
            for p in generate(11, number * count, count)
        ]
        (folder / "problems.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    config = path / "settings.yaml"
    lane = {"traces": {"max_answer_tokens": 200}, "checkers": {"questions": "gsm8k"}}
    content = {"self_correction": {**lane, "evaluation": {"testbed_seeds": 1, "bootstrap": 200}}}
    for name, value in settings.items():
        section, _, key = name.partition("__")
        content.setdefault(section, {})[key] = value  # type: ignore[index]
    config.write_text(yaml.safe_dump(content))
    return Home(path, config)


def materialize(home: Home, *args: str, llm: str = "simulated", days: str = RANGE):
    return home.run("materialize", LANE, "-p", days, "--json", *args, DATASET_PLATFORM_LLM=llm)


def rows_by_id(home: Home) -> dict[str, dict]:
    return {r["trace_id"]: r for r in home.rows(Traces)}


def without_times(row: dict) -> dict:
    turns = [{k: v for k, v in t.items() if k != "timestamp"} for t in row["turns"]]
    return {**row, "turns": turns, "created_at": None}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Two days through the whole lane."""
    home = make_home(tmp_path_factory.mktemp("lane"))
    result = materialize(home)
    assert result.code == 0, result.stderr
    return home


def test_every_question_becomes_a_trace_and_every_check_passes(filled):
    for day in (FIRST, SECOND):
        asked = {r["question_id"] for r in filled.rows(Questions, day)}
        answered = filled.rows(Traces, day)
        assert len(answered) == COUNT and {r["question_id"] for r in answered} == asked
    result = filled.run("check", LANE, "-p", RANGE, "--json")
    assert result.code == 0, result.stderr
    blocking = [c for c in result.json["checks"] if c["severity"] == "ERROR"]
    assert blocking and all(c["passed"] for c in blocking)


def test_every_row_says_that_the_model_is_simulated(filled):
    for row in filled.rows(Traces):
        assert row["simulated"] and row["model"] == "simulated"
        assert all(t["answer"].startswith("[simulated]") for t in row["turns"])


def test_decisions_carry_what_off_policy_evaluation_needs(filled):
    for row in filled.rows(Traces):
        for i, turn in enumerate(row["turns"]):
            last = i == len(row["turns"]) - 1
            assert turn["chosen"] in turn["arms_offered"] and 0 < turn["propensity"] <= 1
            assert (turn["chosen"] == "none") == last
            assert (turn["prompt_id"] is None) == (i == 0) == (turn["prompt_text"] is None)
            if i:
                assert turn["prompt_id"] == row["turns"][i - 1]["chosen"]
                assert turn["delta_accuracy"] == turn["accuracy"] - row["turns"][i - 1]["accuracy"]
        assert len(row["turns"]) <= 5
        assert row["total_tokens"] == sum(t["token_count"] for t in row["turns"])


def test_exports_have_exactly_the_published_fields(filled):
    folder = filled.artifacts / "self_correction" / "traces"
    for day in (FIRST, SECOND):
        lines = (folder / f"traces_{day.replace('-', '')}.jsonl").read_text().splitlines()
        table = {r["trace_id"]: r for r in filled.rows(Traces, day)}
        assert len(lines) == COUNT
        for line in lines:
            record = json.loads(line)
            assert tuple(record) == TRACE_RECORD
            assert all(tuple(t) == tuple(f.name for f in TURN_RECORD) for t in record["turns"])
            assert record["turns"][0]["prompt_id"] is None and record["turns"][0]["prompt_text"] is None
            assert record["final_accuracy"] == table[record["trace_id"]]["final_accuracy"]
    [summary] = [json.loads(f.read_text()) for f in folder.glob(f"summary_{FIRST.replace('-', '')}_*.json")]
    assert set(summary) == {
        "pipeline_stats",
        "policy_stats",
        "duration_seconds",
        "traces_per_second",
        "avg_turns_per_trace",
        "completed_at",
    }
    assert set(summary["pipeline_stats"]) == {"traces_processed", "total_turns", "policy_updates", "start_time"}
    assert {"algorithm", "total_actions"} <= set(summary["policy_stats"])
    assert summary["pipeline_stats"]["traces_processed"] == COUNT


def test_a_day_is_taken_under_the_policy_of_the_day_before(filled):
    state = policy_states.read(str(filled.artifacts), FIRST)
    assert state is not None and state.outcomes > 0
    assert {r["policy_version"] for r in filled.rows(Traces, FIRST)} == {"prior"}
    assert {r["policy_version"] for r in filled.rows(Traces, SECOND)} == {state.version}
    later = policy_states.read(str(filled.artifacts), SECOND)
    assert later is not None and later.previous == state.version


def test_materializing_again_calls_nothing_and_changes_nothing(filled, tmp_path):
    home = filled.copy(tmp_path / "again", "raw", "lake", "artifacts")
    before = [receipts.read(str(home.path / "lake"), Traces, d).content_hash for d in (FIRST, SECOND)]
    # a server that is not there: every call would fail
    result = materialize(home)
    assert result.code == 0, result.stderr
    assert [receipts.read(str(home.path / "lake"), Traces, d).content_hash for d in (FIRST, SECOND)] == before
    assert rows_by_id(home) == rows_by_id(filled)
    calls = [line for f in home.path.rglob("_calls/**/*.jsonl") for line in f.read_text().splitlines()]
    earlier = [line for f in filled.path.rglob("_calls/**/*.jsonl") for line in f.read_text().splitlines()]
    assert sum('"text"' in c for c in calls) == sum('"text"' in c for c in earlier) > 0


def test_the_rows_do_not_depend_on_concurrency(filled, tmp_path):
    home = make_home(tmp_path / "narrow", llm__concurrency=1)
    assert materialize(home).code == 0
    ours, theirs = rows_by_id(home), rows_by_id(filled)
    assert {k: without_times(v) for k, v in ours.items()} == {k: without_times(v) for k, v in theirs.items()}


def test_gold_never_steers_a_decision(filled, tmp_path):
    """Other reference answers: other grades, the same calls, answers and decisions (on the day whose policy is the prior)."""
    home = make_home(tmp_path / "blind", days=(FIRST,))
    file = next((home.raw / "questions").rglob("*.jsonl"))
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps({**r, "reference_answer": "#### 123456789"}) + "\n" for r in rows))
    assert materialize(home, days=FIRST).code == 0
    decided = {
        i: [(t["answer"], t["chosen"], t["propensity"]) for t in r["turns"]] for i, r in rows_by_id(home).items()
    }
    there = {r["trace_id"]: r for r in filled.rows(Traces, FIRST)}
    assert decided == {i: [(t["answer"], t["chosen"], t["propensity"]) for t in r["turns"]] for i, r in there.items()}
    assert all(r["final_accuracy"] == 0 for r in home.rows(Traces))


def test_without_gold_rewards_are_estimated_and_never_mixed(tmp_path):
    home = make_home(tmp_path, days=(FIRST,))
    file = next((home.raw / "questions").rglob("*.jsonl"))
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for row in rows[: COUNT // 2]:
        del row["reference_answer"]
    file.write_text("".join(json.dumps(r) + "\n" for r in rows))
    result = materialize(home, days=FIRST)
    assert result.code == 0, result.stderr
    traces = home.rows(Traces)
    assert sum(r["reward_source"] == "estimated" for r in traces) == COUNT // 2
    assert all((r["final_accuracy"] is None) == (r["reward_source"] == "estimated") for r in traces)
    receipt = receipts.read(str(home.path / "lake"), "self_correction/rts_policy", FIRST)
    assert (receipt.rows_kept, receipt.rows_rejected) == (COUNT // 2, COUNT // 2)
    assert receipt.reasons == {"other_reward_source": COUNT // 2}


def test_grading_again_calls_no_model(filled, tmp_path):
    settings = yaml.safe_load(filled.config.read_text())
    settings["self_correction"]["checkers"] = {"questions": "gsm8k_strict"}
    config = tmp_path / "strict.yaml"
    config.write_text(yaml.safe_dump(settings))
    home = filled.copy(tmp_path / "regraded", "raw", "lake", "artifacts", config=config)
    result = materialize(home, "--regrade", llm="http://127.0.0.1:9/v1#nobody")
    assert result.code == 0, result.stderr
    ours, theirs = rows_by_id(home), rows_by_id(filled)
    assert {r["checker"] for r in ours.values()} == {"gsm8k_strict"}
    for identity, row in ours.items():
        same = [(t["answer"], t["chosen"], t["propensity"]) for t in theirs[identity]["turns"]]
        assert [(t["answer"], t["chosen"], t["propensity"]) for t in row["turns"]] == same


def test_no_model_is_chosen_by_accident(tmp_path):
    home = make_home(tmp_path, days=(FIRST,), count=2)
    result = home.run("materialize", LANE, "-p", FIRST, DATASET_PLATFORM_LLM="")
    assert result.code == 1
    assert any("DATASET_PLATFORM_LLM" in line for line in result.errors)


def test_a_policy_that_was_not_made_yet_is_worked_out_from_the_traces(filled, tmp_path):
    """As in a backfill, where Dagster may run the next day's traces before this day's policy."""
    home = filled.copy(tmp_path / "gap", "raw", "lake", "artifacts")
    for day in (FIRST, SECOND):
        policy_states.remove(str(home.artifacts), day)
    result = home.run("materialize", "self_correction/traces", "-p", SECOND, DATASET_PLATFORM_LLM="simulated")
    assert result.code == 0, result.stderr
    assert rows_by_id(home) == rows_by_id(filled)


def test_traces_taken_before_an_earlier_day_was_there_are_named(filled, tmp_path):
    home = make_home(tmp_path / "late")
    assert materialize(home, days=SECOND).code == 0
    assert {r["policy_version"] for r in home.rows(Traces)} == {"prior"}
    assert materialize(home, days=FIRST).code == 0
    result = home.run("check", "self_correction/rts_policy", "-p", SECOND, "--json")
    failed = {c["name"] for c in result.json["checks"] if not c["passed"]}
    assert {"current", "sequence"} <= failed
    assert materialize(home, days=SECOND).code == 0
    assert {k: without_times(v) for k, v in rows_by_id(home).items()} == {
        k: without_times(v) for k, v in rows_by_id(filled).items()
    }


def test_a_small_day_without_any_answer_is_no_success(tmp_path):
    home = make_home(tmp_path, days=(FIRST,), count=3, llm__max_attempts=1)
    result = materialize(home, llm="http://127.0.0.1:9/v1#nobody", days=FIRST)
    assert result.code == 1
    assert any("answered none" in line for line in result.errors), result.stderr


def test_failed_calls_are_rejected_by_name_and_never_answers(tmp_path, server: FaultServer):
    """A model that the server does not have: nothing is an answer, and the run stops early."""
    server.set(refuse_all=404)
    home = make_home(tmp_path, days=(FIRST,), llm__concurrency=4)
    result = materialize(home, llm=f"{server.base_url}#absent", days=FIRST)
    assert result.code == 1
    assert any("404" in line for line in result.errors)
    assert not home.table(Traces).exists() or not home.rows(Traces)
    assert server.counts()["calls"] < COUNT


def test_the_budget_is_never_passed_and_what_was_answered_is_kept(tmp_path, server: FaultServer):
    server.set(latency_s=0.01)
    home = make_home(tmp_path, days=(FIRST,), llm__concurrency=8)
    llm = f"{server.base_url}#m"
    limit = 8_000
    result = materialize(home, "--max-tokens", str(limit), llm=llm, days=FIRST)
    assert result.code == 1
    assert any("budget" in line.lower() or "max-tokens" in line for line in result.errors), result.stderr
    first = server.counts()
    assert 0 < first["billed_tokens"] <= limit
    result = materialize(home, llm=llm, days=FIRST)
    assert result.code == 0, result.stderr
    after = server.counts()
    assert len(home.rows(Traces)) == COUNT
    assert set(after["answered"].values()) == {1}, "an answer that was kept was asked for again"


def test_questions_from_all_kinds_of_files(tmp_path):
    home = make_home(tmp_path, days=(FIRST,), count=3)
    folder = home.raw / "questions" / FIRST.replace("-", "/")
    (folder / "boolq").mkdir()
    row = {"question": "is ice cold", "passage": "Ice is frozen water.", "answer": "True"}
    (folder / "boolq" / "dev.jsonl").write_text(json.dumps(row) + "\n{broken\n")
    (folder / "own.csv").write_text('id,question,reference_answer\na,"What is 2, and 2?",4\nb,,5\n')
    (folder / "readme.txt").write_text("not a question")
    result = materialize(home, days=FIRST)
    assert result.code == 0, result.stderr
    [asset] = [a for a in result.json["assets"] if a["key"] == "self_correction/questions"]
    assert (asset["rows_in"], asset["rows_kept"], asset["rows_rejected"], asset["rows_quarantined"]) == (7, 5, 1, 1)
    [empty] = [r for r in home.rows(Rejections) if r["stage"] == "questions"]
    assert empty["reason"] == "empty_question"


def test_trace_tells_the_conversation(filled):
    row = filled.rows(Traces)[0]
    for target in (row["trace_id"], row["question_id"]):
        result = filled.run("trace", target, "--json")
        assert result.code == 0
        [found] = result.json["conversations"]
        assert found["trace"]["trace_id"] == row["trace_id"] and found["bytes_verified"]
        assert "SIMULATED" in result.stdout


@pytest.mark.slow
def test_a_killed_run_loses_nothing_and_repeats_only_calls_in_flight(tmp_path, server: FaultServer):
    """SIGKILL at random moments of the real command, then the same command again."""
    server.set(latency_s=0.03, share_500=0.05, share_truncated=0.02)
    home = make_home(tmp_path, days=(FIRST,), count=150, llm__concurrency=16)
    draw = random.Random(3)
    environment = os.environ | {
        "DATASET_PLATFORM_HOME": str(home.path),
        "DATASET_PLATFORM_CONFIG": str(home.config),
        "DATASET_PLATFORM_LLM": f"{server.base_url}#m",
    }
    command = [sys.executable, "-m", "dataset_platform", "materialize", LANE, "-p", FIRST]
    kills = 0
    while kills < 6:
        child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seen = server.counts()["calls"]
        deadline = time.monotonic() + 60
        while server.counts()["calls"] == seen and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(draw.uniform(0.0, 0.4))
        if child.poll() is not None:
            break
        child.send_signal(signal.SIGKILL)
        child.wait()
        kills += 1
    assert kills, "the run ended before it could be killed"
    assert (
        subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode == 0
    )
    traces = home.rows(Traces)
    assert len(traces) == len({r["trace_id"] for r in traces}) == 150
    counts = server.counts()
    # an answer that came twice was in flight when its run was killed
    assert sum(counts["answered"].values()) - len(counts["answered"]) <= kills * 16


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_stops_at_once_and_goes_on_later(tmp_path, server: FaultServer, number):
    server.set(latency_s=0.1)
    home = make_home(tmp_path, days=(FIRST,), count=60, llm__concurrency=8)
    environment = os.environ | {
        "DATASET_PLATFORM_HOME": str(home.path),
        "DATASET_PLATFORM_CONFIG": str(home.config),
        "DATASET_PLATFORM_LLM": f"{server.base_url}#m",
    }
    command = [sys.executable, "-m", "dataset_platform", "materialize", LANE, "-p", FIRST]
    child = subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 60
    while server.counts()["calls"] < 8 and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(number)
    _, said = child.communicate(timeout=30)
    assert child.returncode == 130, said.decode()
    assert b"run the command again" in said
    calls = server.counts()["calls"]
    assert calls < 60
    assert materialize(home, llm=f"{server.base_url}#m", days=FIRST).code == 0
    assert len(home.rows(Traces)) == 60
    # no answer that had come was asked for again
    assert sum(server.counts()["answered"].values()) - len(server.counts()["answered"]) <= 8
