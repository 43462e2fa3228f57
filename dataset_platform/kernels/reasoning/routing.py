"""Who writes which trace of a hybrid run, and which cheap traces are written again.

Pattern: complexity routing as well as validator-guided escalation (VeriDrive, arXiv 2606.07338): what is hard goes to
the language model at once, the rest is written cheaply and goes up only when its validators fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import xxhash

from dataset_platform.kernels.reasoning.settings import ReasoningConfig

Writer = Literal["rules", "llm", "cheap_llm"]
Reason = Literal["configured", "simple", "complexity", "share", "escalated"]


@dataclass(frozen=True, slots=True)
class Route:
    """First writer of a trace, and why."""

    writer: Writer
    reason: Reason

    @property
    def may_escalate(self) -> bool:
        """Whether the trace is written again when its validators fail."""
        return self.reason == "simple"


def route(trace_id: str, complexity: str, config: ReasoningConfig) -> Route:
    """The first writer of a trace: a function of its id, its frame's complexity and the settings."""
    if config.generator != "hybrid":
        return Route(config.generator, "configured")
    if complexity in config.route.llm_complexities:
        return Route("llm", "complexity")
    if draw(trace_id, config.seed) < config.route.llm_share:
        return Route("llm", "share")
    return Route("rules" if config.cheap == "rules" else "cheap_llm", "simple")


def draw(trace_id: str, seed: int) -> float:
    """A uniform number in [0, 1) of an id."""
    return (xxhash.xxh3_64_intdigest(f"{seed}\0{trace_id}".encode()) >> 11) / 2**53


def keeps(failed: Sequence[str], validators: int, config: ReasoningConfig) -> bool:
    """Whether a cheap trace passes the share of validators that ``min_validated`` asks for."""
    return not failed or (validators > 0 and 1.0 - len(failed) / validators >= config.min_validated)


class Allowance:
    """How many of a day's traces may still be escalated, given out in the order of the keyframes.

    Whether a trace is escalated must not depend on the order in which answers come, so each claim is answered once all
    earlier keyframes have claimed or passed. With room for all of them nothing waits.

    Args:
        share: most of the day's traces that may be escalated.
        total: keyframes of the day.
    """

    def __init__(self, share: float, total: int) -> None:
        self.left = int(share * total + 1e-9)
        self._open = share >= 1.0
        self._next = 0
        self._claims: dict[int, asyncio.Future[bool] | None] = {}

    def pass_by(self, position: int) -> None:
        """Keyframe ``position`` needs no escalation."""
        if not self._open:
            self._claims[position] = None
            self._settle()

    async def claim(self, position: int) -> bool:
        """Whether keyframe ``position`` may be escalated."""
        if self._open:
            return True
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._claims[position] = answer
        self._settle()
        return await answer

    def _settle(self) -> None:
        while self._next in self._claims:
            claim = self._claims.pop(self._next)
            self._next += 1
            if claim is not None:
                granted = self.left > 0
                self.left -= granted
                if not claim.done():
                    claim.set_result(granted)
