"""Proof that the metrics work: one defect is put into a sound trace, and the metrics that it must move have to move.

Each mutation names the metrics that it must move and those that may follow from them (a Brier score follows from a
collision). All others have to stay. ``detection_matrix`` counts both over many traces. Controlled perturbation of
reasoning steps is known from FACT-E; a matrix for driving traces is not, as far as we know.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from dataset_platform.contracts.reasoning import METRICS
from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.trace import CoTTrace
from dataset_platform.kernels.reasoning.view import LoggedFuture, PlanView

STEADY_M = 0.1
"""Displacements that change by less than this have not moved."""
STEADY = 1e-9
LESS_IS_BETTER = frozenset(
    {"hallucinated_agent_rate", "future_leak", "contradiction_rate", "redundancy", "confidence_brier"}
)
EITHER_WAY = frozenset(m for m in METRICS if m.endswith("_m"))
"""Displacements: a broken plan may by chance lie nearer to the log."""


@dataclass(frozen=True, eq=False)
class Case:
    """A trace with what it is judged against."""

    trace: CoTTrace
    facts: Facts
    view: PlanView
    future: LoggedFuture | None


Mutate = Callable[[Case], CoTTrace | None]


@dataclass(frozen=True)
class Mutation:
    """One kind of defect.

    Attributes:
        moves: metrics that must get worse (displacements: change).
        follows: metrics that may change because of those, or because of what the defect does to the scene; not counted.
        apply: the trace with the defect; None where it has nothing to put it into.
    """

    name: str
    what: str
    moves: tuple[str, ...]
    apply: Mutate
    follows: tuple[str, ...] = ()


@dataclass
class Detection:
    """What became of one mutation over all cases: how often it was applied, and changes per metric.

    ``worse`` counts declared metrics that moved as they must, out of ``judged``; ``changed`` all that changed at all.
    """

    mutation: Mutation
    applied: int = 0
    judged: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    worse: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    changed: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def detected(self, metric: str) -> float | None:
        """Share of cases in which a declared metric moved; None when it could never be judged."""
        return self.worse[metric] / self.judged[metric] if self.judged[metric] else None

    def stayed(self) -> float | None:
        """Share of undeclared figures that stayed; None when the mutation was never applied."""
        others = [m for m in METRICS if m not in self.mutation.moves and m not in self.mutation.follows]
        total = self.applied * len(others)
        return 1 - sum(self.changed[m] for m in others) / total if total else None

    def strays(self) -> dict[str, float]:
        """Undeclared metrics that changed, with the share of cases."""
        declared = {*self.mutation.moves, *self.mutation.follows}
        return {m: n / self.applied for m, n in self.changed.items() if n and m not in declared}


def worse(metric: str, before: float | None, after: float | None) -> bool:
    """Whether a figure got worse, or, of displacements, changed; one that was not judged before is below its best."""
    if after is None:
        return False
    if before is None:
        return after > STEADY if metric in LESS_IS_BETTER | EITHER_WAY else after < 1 - STEADY
    if metric in EITHER_WAY:
        return abs(after - before) > STEADY_M
    return after - before > STEADY if metric in LESS_IS_BETTER else before - after > STEADY


def changed(metric: str, before: float | None, after: float | None) -> bool:
    """Whether a figure changed beyond its tolerance, or came or went."""
    if before is None or after is None:
        return before is not after
    return abs(after - before) > (STEADY_M if metric in EITHER_WAY else STEADY)


def at_worst(metric: str, value: float | None) -> bool:
    """Whether a figure is as bad as it gets, so that no defect can move it."""
    return value is not None and metric not in EITHER_WAY and value == (1.0 if metric in LESS_IS_BETTER else 0.0)


def detection_matrix(cases: Iterable[Case], mutations: Sequence[Mutation] | None = None) -> list[Detection]:
    """Put every mutation into every case and count what moved.

    A declared metric is not judged where the sound trace is already at its worst or, for displacements, the log is too
    short for it.
    """
    from dataset_platform.kernels.reasoning.mutants import MUTATIONS
    from dataset_platform.kernels.reasoning.quality.evaluate import evaluate

    found = [Detection(m) for m in (MUTATIONS if mutations is None else mutations)]
    for case in cases:
        before = evaluate(case.trace, case.facts, case.view, case.future).metrics
        for detection in found:
            mutant = detection.mutation.apply(case)
            if mutant is None:
                continue
            after = evaluate(mutant, case.facts, case.view, case.future).metrics
            detection.applied += 1
            for metric in METRICS:
                detection.changed[metric] += changed(metric, before[metric], after[metric])
            for metric in detection.mutation.moves:
                if at_worst(metric, before[metric]) or (before[metric] is None and after[metric] is None):
                    continue
                detection.judged[metric] += 1
                detection.worse[metric] += worse(metric, before[metric], after[metric])
    return found
