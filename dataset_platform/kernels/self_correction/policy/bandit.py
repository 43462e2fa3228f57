"""What all policies share: which arms are offered, the draw, the folding of outcomes, the state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dataset_platform.errors import InputError, StateError
from dataset_platform.kernels.self_correction.contexts import Context
from dataset_platform.kernels.self_correction.policy.decision import Decision, Outcome
from dataset_platform.kernels.self_correction.policy.draws import Lottery, uniform
from dataset_platform.kernels.self_correction.policy.recalibration import Recalibration, bin_of, empty_counts
from dataset_platform.kernels.self_correction.policy.settings import PolicyConfig
from dataset_platform.kernels.self_correction.policy.statistics import (
    CELL_FIELDS,
    Cell,
    distinct,
    steps,
)
from dataset_platform.kernels.self_correction.templates import NONE, load_templates

Situation = tuple[str, int]

STATE_VERSION = 1
CALIBRATE_EVERY = 100
"""Traces between two calibrations of an online policy."""


class Bandit(ABC):
    """Base of the policies; a subclass says how likely each arm is in a situation.

    Args:
        config: the settings; arms are those named, or all templates of the library or file.
    """

    algorithm: str

    def __init__(self, config: PolicyConfig) -> None:
        learned = config.arms if config.arms is not None else tuple(load_templates(config.templates_file))
        self.config = config
        self.learned: tuple[str, ...] = tuple(learned)
        self.arms: tuple[str, ...] = (NONE, *self.learned)
        self.cells: dict[tuple[str, str], Cell] = {}
        self.outcomes = 0
        self.stopped = 0
        self.traces = 0
        self.calibration = empty_counts()
        self.applied = empty_counts()
        self._right: Recalibration | None = None
        self.calibrated_at = 0
        self._lotteries: dict[tuple[Situation, tuple[str, ...]], Lottery] = {}
        self._offers: dict[tuple[str, ...], tuple[str, ...]] = {}

    def decide(self, context: Context, seed: int, arms: Sequence[str] | None = None) -> Decision:
        """See ``Policy.decide``; after the last permitted answer only ``none`` is offered.

        Raises:
            InputError: an arm is offered that the policy does not have.
        """
        offered = self._offered(context, arms)
        if len(offered) == 1:
            return Decision(offered, NONE, 1.0)
        situation = self._situation(context)
        lottery = self._lotteries.get((situation, offered))
        if lottery is None:
            lottery = Lottery(offered, self._shares(situation, offered[1:]), self.config.exploration)
            self._lotteries[situation, offered] = lottery
        chosen, propensity = lottery.draw(uniform("decide", seed, self.config.seed))
        return Decision(offered, chosen, propensity)

    def propensities(self, context: Context, arms: Sequence[str] | None = None) -> dict[str, float]:
        """The probability of every arm offered in this context."""
        offered = self._offered(context, arms)
        if len(offered) == 1:
            return {NONE: 1.0}
        self.decide(context, 0, arms)
        return dict(zip(offered, self._lotteries[self._situation(context), offered].propensities, strict=True))

    def update(self, outcomes: Iterable[Outcome]) -> None:
        """See ``Policy.update``.

        Raises:
            InputError: an outcome is out of range, contradicts another or is of an unknown arm.
        """
        batch = distinct(outcomes)
        unknown = sorted({o.arm for o in batch} - set(self.arms))
        if unknown:
            raise InputError(f"Outcomes of unknown arms: {', '.join(unknown)}.", "Name the arms in the settings.")
        for o in batch:
            before = steps(o.before)
            counts = self.calibration[bin_of(o.context.confidence)]
            counts[0] += 1
            counts[1] += before
            counts[2] += steps(o.context.confidence)
            self.traces += o.turn == 0
            if o.arm == NONE:
                self.stopped += 1
                continue
            self.outcomes += 1
            key = (self._cell_key(o.context), o.arm)
            self.cells.setdefault(key, Cell()).add(before, steps(o.after), o.tokens)
            self._touch(*key)
        if batch:
            self._calibrate()
            self._lotteries.clear()

    def parameters(self) -> dict[str, Any]:
        """Counts and, per arm, its tries and mean reward; subclasses add their own."""
        arms = {}
        for arm in self.learned:
            cells = [c for (_, a), c in sorted(self.cells.items()) if a == arm]
            n, total = sum(c.outcomes for c in cells), sum(c.rewards(self.config.token_cost)[1] for c in cells)
            arms[arm] = {"tries": n, "mean_reward": round(total / n, 6) if n else None}
        return {
            "algorithm": self.algorithm,
            "token_cost": self.config.token_cost,
            "exploration": self.config.exploration,
            "outcomes": self.outcomes,
            "stopped": self.stopped,
            "cells": len(self.cells),
            "arms": arms,
        }

    def to_state(self) -> dict[str, Any]:
        """See ``Policy.to_state``; keys are sorted, so equal states are equal texts."""
        cells: dict[str, dict[str, list[int]]] = {}
        for (key, arm), cell in sorted(self.cells.items()):
            cells.setdefault(key, {})[arm] = cell.to_list()
        state: dict[str, Any] = {
            "algorithm": self.algorithm,
            "version": STATE_VERSION,
            "arms": list(self.arms),
            "token_cost": self.config.token_cost,
            "reward": self.config.reward,
            "update": self.config.update,
            "outcomes": self.outcomes,
            "stopped": self.stopped,
            "traces": self.traces,
            "cell_fields": list(CELL_FIELDS),
            "cells": cells,
            "calibration": [list(c) for c in self.calibration],
        }
        if self.config.update == "online":
            state["calibration_applied"] = [list(c) for c in self.applied]
            state["calibrated_at"] = self.calibrated_at
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Takes over what ``to_state`` gave.

        Raises:
            StateError: see ``load_policy``.
        """
        start_anew = "Set it back, or start the policy anew from its first day."
        for name, here in (("algorithm", self.algorithm), ("reward", self.config.reward), ("version", STATE_VERSION)):
            if state.get(name) != here:
                raise StateError(f"The policy's state has {name} {state.get(name)!r}, not {here!r}.", start_anew)
        gone = sorted(set(state.get("arms", ())) - set(self.arms))
        if gone:
            raise StateError(f"The policy's state knows arms that are gone: {', '.join(gone)}.", start_anew)
        try:
            self.outcomes, self.stopped, self.traces = state["outcomes"], state["stopped"], state["traces"]
            self.calibration = [list(c) for c in state["calibration"]]
            self.applied = [list(c) for c in state.get("calibration_applied", state["calibration"])]
            self.calibrated_at = state.get("calibrated_at", self.traces)
            names = state["cell_fields"]
            self.cells = {
                (key, arm): Cell(**dict(zip(names, sums, strict=True)))
                for key, arms in state["cells"].items()
                for arm, sums in arms.items()
            }
        except (KeyError, TypeError, ValueError) as e:
            raise StateError(f"The policy's state is incomplete: {e}.", start_anew) from None
        self._right = None
        self._lotteries.clear()
        for key in sorted(self.cells):
            self._touch(*key)

    def right(self, confidence: float) -> float:
        """The stated confidence, corrected by how often answers of like confidence were right so far.

        Each bin's record is shrunk to a line through all bins, which counts as ``pooled.calibration_weight`` answers.
        """
        if self._right is None:
            self._right = Recalibration(self.applied, self.config.pooled.calibration_weight)
        return self._right(confidence)

    @abstractmethod
    def credible_interval(self, context: Context, arm: str, level: float = 0.95) -> tuple[float, float]:
        """See ``Policy.credible_interval``."""

    @abstractmethod
    def _shares(self, situation: Situation, learned: tuple[str, ...]) -> np.ndarray:
        """Probabilities of ``none`` and of the arms in a situation, before the even exploration."""

    def _situation(self, context: Context) -> Situation:
        """What the decision depends on: the cell, and a level within it where there are levels."""
        return self._cell_key(context), 0

    def _cell_key(self, context: Context) -> str:
        """Where outcomes in this context are counted."""
        return context.key

    def _touch(self, key: str, arm: str) -> None:
        """Called for each cell that changed."""
        return

    def _calibrate(self) -> None:
        if self.config.update == "daily" or self.traces - self.calibrated_at >= CALIBRATE_EVERY:
            self.calibrated_at = self.traces
            self.applied = [list(c) for c in self.calibration]
            self._right = None

    def _offered(self, context: Context, arms: Sequence[str] | None) -> tuple[str, ...]:
        if context.turn >= self.config.max_turns - 1:
            return (NONE,)
        if arms is None:
            return self.arms
        named = tuple(arms)
        offered = self._offers.get(named)
        if offered is None:
            if set(named) - set(self.arms):
                raise InputError(
                    f"Unknown arms: {', '.join(sorted(set(named) - set(self.arms)))}.",
                    f"Offer some of: {', '.join(self.arms)}.",
                )
            offered = self._offers[named] = tuple(a for a in self.arms if a == NONE or a in named)
        return offered
