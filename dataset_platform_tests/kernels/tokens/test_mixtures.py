import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dataset_platform.errors import InputError, MixtureError
from dataset_platform.kernels.tokens import manifest, mixtures
from dataset_platform.kernels.tokens.mixtures import MixtureConfig, PhaseConfig

DAY = "2024-05-01"


def corpus(**sources: list[list[int]]):
    """Entries and their record lengths from ``source=[[lengths of a shard], …]``."""
    entries, lengths = [], {}
    for source, files in sources.items():
        for index, records in enumerate(files):
            name = manifest.shard_id(DAY, source, 0, index)
            facts = {"bucket": 0, "size_bytes": 1, "file_sha256": "0" * 64, "seed": 17, "tokenizer_fingerprint": "f"}
            facts |= {"records": len(records), "tokens": sum(records), "ingestion_date": DAY, "source": source}
            entries.append(manifest.ShardEntry(shard_id=name, path=manifest.shard_path(name), **facts))
            lengths[name] = np.array(records)
    return entries, lambda entry: lengths[entry.shard_id]


def planned(entries, lengths, **config):
    return json.loads(mixtures.plan(entries, lengths, MixtureConfig(**config)))


def none_but(**phase):
    """Config in which only phase_1 asks for anything."""
    return {"phase_1": PhaseConfig(**phase), "phase_2": PhaseConfig(tokens=0), "final": PhaseConfig(tokens=0)}


def test_by_default_the_phases_together_read_everything_once():
    rng = np.random.default_rng(1)
    files = {name: [rng.integers(1, 50, 30).tolist() for _ in range(4)] for name in ("web", "traces")}
    out = planned(*corpus(**files))
    for source, shards in files.items():
        parts = [out[phase]["sources"][source] for phase in mixtures.PHASES]
        assert sum(part["records"] for part in parts) == 120
        assert sum(part["tokens"] for part in parts) == sum(map(sum, shards)) == out["available"][source]["tokens"]
        assert parts[-1]["repeats"] == 1.0
        assert [part["start"]["record"] for part in parts] == [0, parts[0]["records"], 120 - parts[2]["records"]]
    for phase, share in zip(mixtures.PHASES, (0.7, 0.2, 0.1), strict=True):
        everything = sum(facts["tokens"] for facts in out["available"].values())
        assert out[phase]["tokens_asked"] == pytest.approx(share * everything, abs=1)
        assert out[phase]["tokens"] == pytest.approx(share * everything, abs=50)
        assert sum(out[phase]["weights"].values()) == pytest.approx(1)
        assert sum(out[phase]["achieved"].values()) == pytest.approx(1)


def test_weights_are_met_by_repeating_the_small_source():
    entries, lengths = corpus(web=[[10] * 100], small=[[10] * 10])
    out = planned(entries, lengths, **none_but(weights={"web": 0.75, "small": 0.25}, tokens=1_200))["phase_1"]
    assert out["achieved"] == {"small": 0.25, "web": 0.75}
    assert out["sources"]["small"] == {
        "weight": 0.25,
        "achieved": 0.25,
        "tokens_asked": 300,
        "tokens": 300,
        "records": 30,
        "start": {"pass": 0, "record": 0},
        "repeats": 3.0,
        "cap": 4.0,
    }


def test_a_phase_goes_on_where_the_one_before_stopped():
    entries, lengths = corpus(web=[[10] * 5, [10] * 5])
    phase = PhaseConfig(weights={"web": 1.0}, tokens=140)
    out = planned(entries, lengths, phase_1=phase, phase_2=phase, final=PhaseConfig(tokens=0))
    assert out["phase_2"]["sources"]["web"]["start"] == {"pass": 1, "record": 4}
    assert out["final"]["sources"]["web"]["start"] == {"pass": 2, "record": 8}
    assert out["final"]["sources"]["web"]["repeats"] == 2.8


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=8), min_size=1, max_size=4),
    st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=8), min_size=1, max_size=4),
    st.floats(0.05, 0.95),
    st.integers(0, 400),
)
def test_a_source_is_within_half_a_document_of_what_was_asked(left, right, weight, budget):
    weights = {"a": weight, "b": 1 - weight}
    phase = PhaseConfig(weights=weights, tokens=budget)
    config = {"max_repeats": 10_000.0, "phase_1": phase, "phase_2": phase, "final": phase}
    out = planned(*corpus(a=left, b=right), **config)
    for source, files in (("a", left), ("b", right)):
        flat, asked, read, position = [n for file in files for n in file], 0.0, 0, 0
        for name in mixtures.PHASES:
            part = out[name]["sources"][source]
            assert part["start"] == {"pass": position // len(flat), "record": position % len(flat)}
            assert part["tokens"] == sum(flat[(position + k) % len(flat)] for k in range(part["records"]))
            asked, read, position = asked + budget * weights[source], read + part["tokens"], position + part["records"]
            assert abs(read - asked) <= max(flat) / 2 + 1e-6


def test_more_than_the_cap_is_refused_with_what_would_fit():
    entries, lengths = corpus(web=[[10] * 100], small=[[10] * 10])
    weights = {"web": 0.5, "small": 0.5}
    with pytest.raises(MixtureError) as caught:
        planned(entries, lengths, **none_but(weights=weights, tokens=1_000))
    assert "500 tokens of small" in caught.value.message and "leaves 400" in caught.value.message
    assert "at most 800 tokens" in caught.value.hint and "at most 0.4" in caught.value.hint
    fits = planned(entries, lengths, **none_but(weights=weights, tokens=800))
    assert fits["phase_1"]["sources"]["small"]["repeats"] == 4.0
    fits = planned(entries, lengths, **none_but(weights={"web": 0.6, "small": 0.4}, tokens=1_000))
    assert fits["phase_1"]["sources"]["small"]["repeats"] == 4.0
    more = planned(entries, lengths, source_max_repeats={"small": 5}, **none_but(weights=weights, tokens=1_000))
    assert more["phase_1"]["sources"]["small"]["cap"] == 5


def test_the_cap_counts_all_phases_and_is_never_passed():
    entries, lengths = corpus(web=[[7, 9, 11]])
    phase = PhaseConfig(weights={"web": 1}, tokens=20)
    out = planned(entries, lengths, max_repeats=60 / 27, phase_1=phase, phase_2=phase, final=phase)
    assert out["final"]["sources"]["web"]["repeats"] <= 60 / 27
    with pytest.raises(MixtureError, match="final.*after 40 in earlier phases"):
        planned(entries, lengths, max_repeats=2, phase_1=phase, phase_2=phase, final=phase)


def test_unknown_sources_and_no_shards_are_errors():
    entries, lengths = corpus(web=[[10]], traces=[[10]])
    with pytest.raises(MixtureError, match="wbe, but only traces, web"):
        planned(entries, lengths, **none_but(weights={"wbe": 1}))
    with pytest.raises(InputError):
        planned([], lengths)


def test_odd_weights_are_noted():
    entries, lengths = corpus(web=[[10] * 9], traces=[[1000]])
    out = planned(entries, lengths, **none_but(weights={"web": 3, "traces": 1}, tokens=80))
    assert out["phase_1"]["weights"] == {"traces": 0.25, "web": 0.75}
    assert any("sum to 4" in note for note in out["notes"])
    assert any("traces gets no record" in note for note in out["notes"])
    assert out["phase_1"]["achieved"] == {"traces": 0.0, "web": 1.0}


@pytest.mark.parametrize("weights", [{"a": -1}, {"a": float("nan")}, {"a": 0}, {}])
def test_weights_that_are_no_shares_are_refused(weights):
    with pytest.raises(ValidationError):
        PhaseConfig(weights=weights)
