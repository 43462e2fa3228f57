"""Statements of a trace that a fact can be held against: from its fields, with exact subject and quantity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dataset_platform.kernels.reasoning.facts import Facts
from dataset_platform.kernels.reasoning.trace import CoTTrace

Q = tuple[str, ...]
TOLERANCES = {
    "m": (1.0, 0.1),
    "mps": (0.5, 0.1),
    "mps2": (0.5, 0.1),
    "deg": (5.0, 0.0),
    "s": (0.3, 0.1),
    "count": (0.0, 0.0),
    "at_most": (0.0, 0.0),
}
"""Half width and share of the fact within which a number counts as the fact, by unit."""
SIGNLESS = ("longitudinal", "lateral", "bearing", "relative_heading", "heading_change", "turn", "acceleration")
"""Quantities that words state without their sign: 3 m to the right, braking at 2 m/s²."""


@dataclass(frozen=True)
class Claim:
    """A stated number.

    Attributes:
        level: level of the trace; place: its text, or the field's name.
        subjects, quantities: what it may be said of, likeliest first; one each when a field states it.
        value, unit: converted to the units of the facts; share for percentages and probabilities.
        span: where it stands in the text, the unit included; None for fields.
        own: times the trace speaks of beforehand (in 3 s), probabilities: judged by the trace itself first.
        half_step: half of the last decimal stated, in the units of the facts.
    """

    level: str
    place: str
    subjects: Q
    quantities: Q
    value: float
    unit: str
    shown: str
    span: tuple[int, int] | None = None
    own: bool = False
    half_step: float = 0.05

    @property
    def named(self) -> bool:
        """Whether a text names the quantity, so that the number can be of nothing else."""
        return self.span is not None and len(self.quantities) == 1


def within(value: float, fact: float, unit: str) -> bool:
    """Whether a stated number is the fact within the tolerance of its unit; counts of some of all need not be all."""
    absolute, relative = TOLERANCES[unit]
    if unit == "at_most":
        return value <= fact
    return abs(value - fact) <= max(absolute, relative * abs(fact)) + 1e-9


def resolve(claim: Claim, facts: Facts) -> tuple[str, str, float] | None:
    """Subject, quantity and value of the first fact that a claim matches; None when it matches none."""
    for subject in claim.subjects:
        for quantity in claim.quantities:
            fact = facts.value(subject, quantity)
            if fact is None:
                continue
            if within(claim.value, fact, claim.unit):
                return subject, quantity, fact
            if claim.span is not None and quantity in SIGNLESS and within(abs(claim.value), abs(fact), claim.unit):
                return subject, quantity, fact
    return None


def field_claims(trace: CoTTrace) -> Iterator[Claim]:
    """Numbers that the fields of levels 1 and 2 state of the scene."""
    scene = trace.scene_description

    def stated(level: str, place: str, subject: str, quantity: str, value: float | None, unit: str) -> Iterator[Claim]:
        if value is not None:
            words = f"{subject} {quantity.replace('_', ' ')}"
            decimals = len(f"{value:.6g}".partition(".")[2])
            yield Claim(
                *(level, place, (subject,), (quantity,), float(value), unit, f"{words} {value:g} {unit}"),
                half_step=0.5 * 10.0**-decimals,
            )

    one = "scene_description"
    yield from stated(one, "ego_speed_mps", "ego", "speed", scene.ego_speed_mps, "mps")
    yield from stated(one, "speed_limit_mps", "ego", "speed_limit", scene.speed_limit_mps, "mps")
    for kind in ("vehicle", "pedestrian", "cyclist"):
        yield from stated(one, f"{kind}_count", "scene", f"{kind}_count", getattr(scene, f"{kind}_count"), "count")
    if scene.signal is not None:
        subject = f"signal:{scene.signal.lane_id}"
        yield from stated(one, "signal.distance_m", subject, "distance", scene.signal.distance_m, "m")
    for agent in scene.agents:
        subject = f"agent:{agent.agent_id}"
        yield from stated(one, "agents.distance_m", subject, "distance", agent.distance_m, "m")
        yield from stated(one, "agents.speed_mps", subject, "speed", agent.speed_mps, "mps")
    for risk in trace.situation_assessment.risks:
        subject = f"agent:{risk.agent_id}"
        for quantity, unit in (("ttc_s", "s"), ("thw_s", "s"), ("drac_mps2", "mps2")):
            value = getattr(risk, quantity)
            yield from stated("situation_assessment", f"risks.{quantity}", subject, quantity.split("_")[0], value, unit)
