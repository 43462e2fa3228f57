"""A stratified sample of a day's traces for annotators: rare kinds are seen as well as frequent ones.

Places are dealt to the strata in turn (equal allocation; a small stratum gives what it has, the rest goes on), the traces
of a stratum taken by a hash of their id. Each carries its inclusion probability, so a figure of the whole day is
estimated without bias by weighting with its inverse (Horvitz and Thompson 1952).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import xxhash


@dataclass(frozen=True, slots=True)
class Stratum:
    """What makes traces alike for annotators."""

    complexity: str
    generator: str
    passed: bool

    def __str__(self) -> str:
        return f"{self.complexity}/{self.generator}/{'passed' if self.passed else 'failed'}"


@dataclass(frozen=True, slots=True)
class Sampled:
    """A trace in the sample; ``weight`` traces of its stratum stand behind it."""

    trace_id: str
    stratum: Stratum
    weight: float


def stratified(traces: Iterable[tuple[str, Stratum]], count: int, seed: int = 0) -> list[Sampled]:
    """At most ``count`` traces, sorted by id; the same for the same traces in any order."""
    strata: dict[Stratum, list[str]] = defaultdict(list)
    for trace_id, stratum in traces:
        strata[stratum].append(trace_id)
    places = allocate({stratum: len(ids) for stratum, ids in strata.items()}, count)
    drawn = []
    for stratum, ids in strata.items():
        taken = sorted(ids, key=lambda i: (xxhash.xxh3_64_intdigest(f"{seed}\0{i}".encode()), i))[: places[stratum]]
        drawn += [Sampled(i, stratum, len(ids) / places[stratum]) for i in taken]
    return sorted(drawn, key=lambda s: s.trace_id)


def allocate(sizes: dict[Stratum, int], count: int) -> dict[Stratum, int]:
    """Places per stratum: equal shares, what a stratum cannot fill goes to the others."""
    places = dict.fromkeys(sizes, 0)
    left = min(count, sum(sizes.values()))
    # smallest first: each takes its share of what is left, so larger ones share the rest
    ordered = sorted(sizes, key=lambda s: (sizes[s], str(s)))
    for at, stratum in enumerate(ordered):
        places[stratum] = min(sizes[stratum], left // (len(ordered) - at))
        left -= places[stratum]
    return places
