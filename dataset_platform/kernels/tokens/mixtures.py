"""Mixtures: how many records of which source each training phase reads, planned so that the shares really come out.

A source is one endless stream: its shards in manifest order, the records of each in order, then again from the
start. A phase goes on where the phase before it stopped. Only whole documents are read, so a phase ends a source at
the record boundary nearest to what was asked, and the plan states what that comes to.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from dataset_platform.errors import InputError, MixtureError
from dataset_platform.kernels.tokens.manifest import ShardEntry, canonical_json

FORMAT_VERSION = 1
MIXTURES_PATH = "tokens/mixtures/mixtures.json"  # relative to artifacts/
PHASES = ("phase_1", "phase_2", "final")

Lengths = Callable[[ShardEntry], np.ndarray]


class PhaseConfig(BaseModel):
    """What one phase asks for.

    ``weights`` are token shares per source, None for shares in proportion to the tokens there are. ``tokens`` is the
    phase's budget, None for ``share`` (0 to 1 or more) of all tokens there are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: dict[str, float] | None = None
    tokens: int | None = Field(default=None, ge=0)
    share: float = Field(default=1.0, ge=0.0, allow_inf_nan=False)

    @field_validator("weights")
    @classmethod
    def _weights_can_be_shares(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        if value is not None and (
            any(not math.isfinite(weight) or weight < 0 for weight in value.values()) or sum(value.values()) <= 0
        ):
            raise ValueError("weights must be finite, not negative, and not all zero")
        return value


class MixtureConfig(BaseModel):
    """The three phases and how often a source may be read over all of them together.

    Four passes is where Muennighoff et al. 2023 (arXiv:2305.16264) find repeated tokens to be worth about as much as
    new ones; ``source_max_repeats`` overrides it per source. ``seed`` decides which source goes first when a reader
    owes two the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    phase_1: PhaseConfig = PhaseConfig(share=0.7)
    phase_2: PhaseConfig = PhaseConfig(share=0.2)
    final: PhaseConfig = PhaseConfig(share=0.1)
    max_repeats: float = Field(default=4.0, gt=0.0, allow_inf_nan=False)
    source_max_repeats: dict[str, float] = Field(default_factory=dict)
    seed: int = Field(default=17, ge=0, lt=2**32)

    @field_validator("source_max_repeats")
    @classmethod
    def _caps_are_positive(cls, value: dict[str, float]) -> dict[str, float]:
        if any(not math.isfinite(cap) or cap <= 0 for cap in value.values()):
            raise ValueError("source_max_repeats must be positive and finite")
        return value

    def cap(self, source: str) -> float:
        """Passes that all phases together may make over a source."""
        return self.source_max_repeats.get(source, self.max_repeats)


@dataclass
class _Stream:
    """A source while phases are laid over it: what was asked of it so far, and where the last phase stopped."""

    name: str
    entries: list[ShardEntry]
    lengths: Lengths
    asked: float = 0.0
    position: int = 0  # records read so far, over all passes
    read: int = 0  # tokens read so far, over all passes

    def __post_init__(self) -> None:
        self.token_ends = np.cumsum([entry.tokens for entry in self.entries])
        self.record_ends = np.cumsum([entry.records for entry in self.entries])
        self.tokens = int(self.token_ends[-1])
        self.records = int(self.record_ends[-1])

    def boundary(self, target: float, most: float) -> tuple[int, int]:
        """The record boundary nearest to ``target`` tokens and not beyond ``most``: (records, tokens) before it."""
        passes, rest = divmod(target, self.tokens)
        # only the shard that holds the boundary has its records' lengths read; the manifest knows the others' sums
        shard = min(int(np.searchsorted(self.token_ends, rest, side="left")), len(self.entries) - 1)
        entry = self.entries[shard]
        ends = np.concatenate([[0], np.cumsum(self.lengths(entry))]) + int(self.token_ends[shard]) - entry.tokens
        allowed = ends[ends + passes * self.tokens <= most]
        place = int(np.argmin(np.abs(allowed - rest))) if len(allowed) else 0
        before = int(passes) * self.records + int(self.record_ends[shard]) - entry.records
        return before + place, int(passes) * self.tokens + int(ends[place])


def manifest_identity(entries: Sequence[ShardEntry]) -> str:
    """SHA-256 over the shards' names and hashes in manifest order: a plan holds for these shards and no others."""
    lines = (f"{entry.shard_id}\t{entry.file_sha256}\n" for entry in entries)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def plan(entries: Sequence[ShardEntry], lengths: Lengths, config: MixtureConfig) -> bytes:
    """The bytes of mixtures.json.

    Args:
        entries: all shards, in manifest order.
        lengths: gives the tokens of each record of a shard, in its order (``shards.record_lengths`` of its TSV).
        config: the phases.

    Returns:
        JSON with ``manifest`` (identity of the shards), ``available`` (tokens, records and shards per source),
        ``notes`` and, under the name of each phase, ``tokens_asked``, ``tokens``, ``records``, ``weights`` (shares
        asked), ``achieved`` (shares of the tokens really read) and ``sources``. The last gives per source: weight,
        achieved, tokens_asked, tokens, records, start (``pass``, ``record``), repeats (passes over the source up to
        the phase's end) and cap.

    Raises:
        InputError: there are no shards.
        MixtureError: a weight names a source that does not exist, or asks for more than its cap allows.
    """
    streams: dict[str, _Stream] = {}
    for source in sorted({entry.source for entry in entries}):
        streams[source] = _Stream(source, [entry for entry in entries if entry.source == source], lengths)
    if not streams:
        raise InputError("There are no shards to mix.", "Materialize tokens/tokenized_shards first.")
    unknown = sorted(set(config.source_max_repeats) - set(streams))
    notes = [f"source_max_repeats names {source}, which has no shards" for source in unknown]
    phases = {name: _plan_phase(name, getattr(config, name), streams, config, notes) for name in PHASES}
    available = {
        source: {"tokens": stream.tokens, "records": stream.records, "shards": len(stream.entries)}
        for source, stream in streams.items()
    }
    content = {
        "format_version": FORMAT_VERSION,
        "seed": config.seed,
        "manifest": {"shards": len(entries), "identity": manifest_identity(entries)},
        "available": available,
        "max_repeats": config.max_repeats,
        "notes": notes,
        **phases,
    }
    return canonical_json(content)


def _plan_phase(
    name: str, phase: PhaseConfig, streams: dict[str, _Stream], config: MixtureConfig, notes: list[str]
) -> dict[str, Any]:
    weights = _shares(name, phase, streams, notes)
    everything = sum(stream.tokens for stream in streams.values())
    budget = phase.tokens if phase.tokens is not None else round(phase.share * everything)
    _hold_caps(name, weights, budget, streams, config)
    sources: dict[str, dict[str, Any]] = {}
    for source, weight in weights.items():
        stream = streams[source]
        passed, record = divmod(stream.position, stream.records)
        before, cap = (stream.position, stream.read), config.cap(source)
        if weight * budget > 0:  # else float noise in the sum could move the boundary of a phase that asks for nothing
            stream.asked += weight * budget
            # half a token over the cap is rounding, a record over it is not
            stream.position, stream.read = stream.boundary(stream.asked, max(cap * stream.tokens + 0.5, before[1]))
        sources[source] = {
            "weight": weight,
            "achieved": 0.0,
            "tokens_asked": round(weight * budget),
            "tokens": stream.read - before[1],
            "records": stream.position - before[0],
            "start": {"pass": passed, "record": record},
            "repeats": stream.read / stream.tokens,
            "cap": cap,
        }
        if weight * budget > 0 and stream.position == before[0]:
            notes.append(f"{name}: {source} gets no record, its share is less than half of the next document")
    tokens = sum(reading["tokens"] for reading in sources.values())
    for reading in sources.values():
        reading["achieved"] = reading["tokens"] / tokens if tokens else 0.0
    return {
        "tokens_asked": budget,
        "tokens": tokens,
        "records": sum(reading["records"] for reading in sources.values()),
        "weights": weights,
        "achieved": {source: reading["achieved"] for source, reading in sources.items()},
        "sources": sources,
    }


def _shares(name: str, phase: PhaseConfig, streams: dict[str, _Stream], notes: list[str]) -> dict[str, float]:
    """Token share asked of each source, sorted by name and summing to 1."""
    if phase.weights is None:
        everything = sum(stream.tokens for stream in streams.values())
        return {source: stream.tokens / everything if everything else 0.0 for source, stream in streams.items()}
    unknown = sorted(set(phase.weights) - set(streams))
    if unknown:
        raise MixtureError(
            f"{name} asks for {', '.join(unknown)}, but only {', '.join(streams)} have shards.",
            "Correct the name, or materialize the source's shards and the manifest.",
        )
    total = math.fsum(phase.weights.values())
    if not math.isclose(total, 1.0, rel_tol=0.0, abs_tol=1e-9):
        notes.append(f"{name}: the weights sum to {total:g} and were divided by it")
    return {source: phase.weights[source] / total for source in sorted(phase.weights)}


def _hold_caps(
    name: str, weights: dict[str, float], budget: int, streams: dict[str, _Stream], config: MixtureConfig
) -> None:
    """Refuse a phase that needs more of a source than its cap leaves; names the source that limits it most."""
    left = {source: max(config.cap(source) * streams[source].tokens - streams[source].asked, 0.0) for source in weights}
    over = [source for source, weight in weights.items() if weight * budget > left[source] * (1 + 1e-9)]
    if not over:
        return
    source = min(over, key=lambda one: (left[one] / weights[one], one))
    stream, cap = streams[source], config.cap(source)
    earlier = f" after {round(stream.asked):,} in earlier phases" if stream.asked else ""
    share = math.floor(left[source] / budget * 1e6) / 1e6
    raise MixtureError(
        f"{name} needs {round(weights[source] * budget):,} tokens of {source}{earlier}; "
        f"{stream.tokens:,} are available and may be read {cap:g} times, which leaves {math.floor(left[source]):,}.",
        f"Set the budget of {name} to at most {math.floor(left[source] / weights[source]):,} tokens "
        f"or the share of {source} to at most {share:g}, or raise its source_max_repeats.",
    )
