"""The counterfactual testbed: its numbers are the published ones, contexts see no gold, and policies meet their bars."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dataset_platform.errors import InputError
from dataset_platform.kernels.self_correction.contexts import FAILURE_MODES, Context
from dataset_platform.kernels.self_correction.policy import PolicyConfig, new_policy
from dataset_platform.kernels.self_correction.testbed import (
    BARS,
    MODELS,
    FullInformation,
    compare,
    first_context,
    load_gsm8k,
    main,
    run,
)

POLICIES = {
    a: PolicyConfig.model_validate({"algorithm": a}) for a in ("pooled", "thompson_flat", "thompson", "epsilon_greedy")
}


@pytest.fixture(scope="module")
def helped(real_data: Path) -> FullInformation:
    return load_gsm8k(real_data / "gsm8k", *BARS[0])


@pytest.fixture(scope="module")
def harmed(real_data: Path) -> FullInformation:
    return load_gsm8k(real_data / "gsm8k", *BARS[1])


def generated(count: int, fix: tuple[float, ...], breaks: tuple[float, ...], seed: int = 0) -> FullInformation:
    rng = np.random.default_rng(seed)
    confidence = rng.random(count)
    before = (rng.random(count) < confidence).astype(float)
    flip = rng.random((count, len(fix))) < np.where(before[:, None] > 0, breaks, fix)
    return FullInformation(
        questions=tuple(f"q{i}" for i in range(count)),
        contexts=tuple(Context(FAILURE_MODES[int(c > 0.5) * 3], float(c), 0) for c in confidence),
        before=before,
        after=np.where(flip, 1 - before[:, None], before[:, None]),
        tokens=rng.integers(40, 80, size=(count, len(fix))),
        arms=tuple(f"arm{i}" for i in range(len(fix))),
    )


def test_the_facts_of_the_file(real_data: Path) -> None:
    """Accuracies and transitions as counted apart from this code (shared notes, §4.4)."""
    whole = load_gsm8k(real_data / "gsm8k", MODELS[0], MODELS)
    assert len(whole.questions) == 1319
    assert whole.after.mean(axis=0).round(4).tolist() == [0.2168, 0.3904, 0.3472, 0.5625]
    assert round(whole.after.max(axis=1).mean(), 4) == 0.6725
    better, worse = (whole.after > whole.before[:, None]).sum(0), (whole.after < whole.before[:, None]).sum(0)
    assert better.tolist() == [0, 293, 260, 499]
    assert worse.tolist() == [0, 64, 88, 43]


def test_rewards_of_fixed_arms(helped: FullInformation, harmed: FullInformation) -> None:
    assert helped.rewards(0.001).mean(axis=0) == pytest.approx([0, 0.110, 0.067, 0.2745], abs=6e-4)
    assert harmed.rewards(0.001).mean(axis=0) == pytest.approx([0, -0.237, -0.106], abs=6e-4)
    assert helped.rewards(0.001).max(axis=1).mean() == pytest.approx(0.427, abs=6e-4)


def test_contexts_come_from_the_answer_alone(real_data: Path) -> None:
    rows = [json.loads(r) for r in (real_data / "gsm8k" / "example_model_solutions.jsonl").open(encoding="utf-8")]
    testbed = load_gsm8k(real_data / "gsm8k", *BARS[0])
    assert testbed.contexts == tuple(first_context(r["6b_finetuning"]["solution"]) for r in rows)
    # and they say something: right answers are the more confident ones
    confidence = np.array([c.confidence for c in testbed.contexts])
    assert confidence[testbed.before == 1].mean() > confidence[testbed.before == 0].mean() + 0.03


def test_what_an_answer_shows() -> None:
    good = "Half of 12 is 12/2=<<12/2=6>>6\nSo 6+1=<<6+1=7>>7\nA: 7"
    assert first_context(good).confidence > 0.6
    for bad in (good.replace("=6>>", "=9>>"), good.removesuffix("A: 7"), "", "A: x"):
        assert first_context(bad).confidence == 0.05
    # a rounded result, a division by zero or letters are no miscalculation
    for fine in ("10/3=<<10/3=3.33>>3.33\nA: 3", "<<1/0=1>>\nA: 3", "<<2*x=4>>\nA: 3", "<<--3=3>>\nA: 3"):
        assert first_context(fine).confidence > 0.05
    assert first_context("1\n2\nA: 7").confidence > first_context("1\n2\n3\n4\nA: 7").confidence


def test_a_run_is_a_function_of_its_seed_and_adds_up() -> None:
    testbed = generated(300, (0.5, 0.1), (0.1, 0.3))
    runs = [
        run(new_policy(PolicyConfig(arms=testbed.arms)), testbed, seed, 0.001, update_every=10) for seed in (3, 3, 4)
    ]
    assert (runs[0].actions == runs[1].actions).all()
    assert (runs[0].rewards == runs[1].rewards).all()
    assert (runs[0].actions != runs[2].actions).any()
    best = testbed.rewards(0.001).mean(axis=0).max()
    for r in runs:
        assert r.regret.sum() == pytest.approx(best * 300 - r.rewards.sum())
        assert (r.rewards[r.actions == 0] == 0).all()


def test_a_generated_testbed_runs_too() -> None:
    """Asking pays where answers are wrong and harms where they are right: no fixed arm is best everywhere."""
    testbed = generated(1_500, (0.7, 0.2), (0.5, 0.5))
    rows = {r.policy: r for r in compare(testbed, POLICIES, range(3), update_every=10)}
    fixed = max(r.mean_reward for name, r in rows.items() if name.startswith("always"))
    assert rows["oracle"].mean_reward > rows["pooled"].mean_reward > fixed + 0.05
    assert rows["pooled"].mean_reward > rows["thompson_flat"].mean_reward + 0.05
    assert rows["pooled"].mean_reward > rows["thompson"].mean_reward
    for row in rows.values():
        assert sum(row.shares.values()) == pytest.approx(1.0)


def test_where_everything_harms_the_policy_stops() -> None:
    testbed = generated(1_000, (0.05, 0.05), (0.5, 0.4))
    (row,) = [r for r in compare(testbed, {"pooled": POLICIES["pooled"]}, range(3), 10) if r.policy == "pooled"]
    assert row.mean_reward > -0.02
    assert row.shares["none"] > 0.85


def test_quick_bars(helped: FullInformation, harmed: FullInformation) -> None:
    """Two seeds, updates of ten: far from the bars' precision, but a broken policy shows."""
    pooled = {"pooled": POLICIES["pooled"]}
    assert compare(helped, pooled, range(2), 10)[-1].mean_reward > 0.23
    assert compare(harmed, pooled, range(2), 10)[-1].mean_reward > -0.02


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_bars(helped: FullInformation, harmed: FullInformation) -> None:
    """50 seeds: as good as flat Thompson, within 10 % of the best fixed arm; hardly a loss where every arm harms."""
    compared = {name: POLICIES[name] for name in ("pooled", "thompson_flat", "thompson")}
    rows = {r.policy: r.mean_reward for r in compare(helped, compared, range(50))}
    assert rows["pooled"] >= rows["thompson_flat"]
    assert rows["pooled"] >= 0.9 * rows["always 175b_verification"]
    assert rows["pooled"] > rows["thompson"]
    rows = {r.policy: r.mean_reward for r in compare(harmed, compared, range(50))}
    assert rows["pooled"] >= -0.01
    assert rows["pooled"] >= max(rows["thompson_flat"], rows["thompson"])


def test_the_table_is_printed(real_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(real_data / "gsm8k"), "--seeds", "1", "--update-every", "60"]) == 0
    said = capsys.readouterr().out
    assert "base 6b_finetuning" in said and "always 175b_verification    0.2745" in said
    assert said.count("pooled") == 2


def test_missing_or_foreign_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="example_model_solutions"):
        load_gsm8k(tmp_path, *BARS[0])
    (tmp_path / "example_model_solutions.jsonl").write_text('{"question": "q"}\n')
    (tmp_path / "test.jsonl").write_text('{"question": "q"}\n')
    with pytest.raises(InputError, match="published"):
        load_gsm8k(tmp_path, *BARS[0])
    (tmp_path / "test.jsonl").write_text('{"question": "other"}\n')
    with pytest.raises(InputError, match="different questions"):
        load_gsm8k(tmp_path, *BARS[0])
