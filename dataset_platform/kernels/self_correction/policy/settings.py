"""Settings of the reprompt-template-selection policy."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from dataset_platform.kernels.self_correction.templates import NONE

Algorithm = Literal["pooled", "thompson", "thompson_flat", "epsilon_greedy"]


class RatePrior(BaseModel):
    """A Beta prior of a rate: its mean and the number of observations it is worth."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float = Field(gt=0, lt=1)
    weight: float = Field(gt=0)


class PooledConfig(BaseModel):
    """Prior and exploration of ``pooled``: how often asking again fixes a wrong answer and breaks a right one.

    The means are the middle of what is published and measured of self-correction without outside feedback: 10 to 35 %
    of wrong answers fixed; 1 to 10 % of right ones broken on mathematics, half of them on common sense (Huang et al.,
    ICLR 2024). The weights are the least that leave the density finite at 0, one success in so many. The strengths say
    how alike neighbours are: the number of observations that a level's mean is worth one level below.

    Draws are optimistic: one below the posterior's mean counts as the mean (May et al., "Optimistic Bayesian sampling
    in contextual-bandit problems", JMLR 2012), so that no arm is left for a pessimistic draw of its own. And they lie
    nearer to the mean by ``posterior_scale``, which explores less (Chapelle and Li, "An empirical evaluation of
    Thompson sampling", NIPS 2011, "posterior reshaping"). The default beat plain Thompson on simulators with 3 arms
    whose rates are drawn from priors; between .6 and .7, equal there, the GSM8K testbed decided. Both move decisions
    only, never beliefs or intervals.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fix_rate: RatePrior = RatePrior(mean=0.2, weight=5.0)
    break_rate: RatePrior = RatePrior(mean=0.1, weight=10.0)
    arm_strength: float = Field(5.0, gt=0, description="arm's rate around the rate of all arms")
    mode_strength: float = Field(40.0, gt=0, description="failure mode's rate around the arm's")
    cell_strength: float = Field(80.0, gt=0, description="context's rate around the failure mode's")
    posterior_scale: float = Field(0.7, gt=0, le=1, description="distance of a draw from the mean; 1: as the posterior")
    calibration_weight: float = Field(
        20.0, gt=0, description="answers that the fitted line is worth, per bin of confidence"
    )


class ThompsonConfig(BaseModel):
    """Normal-inverse-gamma prior of the rewards of an arm in a context."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float = 0.0
    weight: float = Field(1.0, gt=0, description="observations that the mean is worth")
    shape: float = Field(5.0, gt=1)
    scale: float = Field(1.44, gt=0, description="expected variance is scale / (shape - 1): .6 squared by default")


class EpsilonGreedyConfig(BaseModel):
    """Share of exploring decisions: ``start`` at first, halved after ``half_after`` outcomes, then as 1/n."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: float = Field(0.5, ge=0, le=1)
    half_after: float = Field(50.0, gt=0, description="outcomes in the same context")


class PolicyConfig(BaseModel):
    """How a template, or the stop, is chosen after each answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    algorithm: Algorithm = "pooled"
    token_cost: float = Field(0.001, ge=0, description="reward lost per token of the new answer's call")
    arms: tuple[str, ...] | None = Field(None, description="ids of templates; all by default")
    templates_file: str | None = Field(None, description="YAML or JSON list of templates instead of the library")
    max_turns: int = Field(5, ge=1, description="answers per trace, the first included")
    seed: int = Field(0, ge=0)
    update: Literal["daily", "online"] = Field(
        "daily", description="online: after each trace, in one process; its result depends on the order of the traces"
    )
    reward: Literal["gold", "estimated"] = Field("gold", description="estimated: by the classifier, without references")
    exploration: float = Field(0.01, ge=0, le=1, description="share of decisions drawn evenly from all arms")
    draws: int = Field(1024, ge=1000, description="posterior draws per context, whose shares are the propensities")
    pooled: PooledConfig = PooledConfig()
    thompson: ThompsonConfig = ThompsonConfig()
    epsilon_greedy: EpsilonGreedyConfig = EpsilonGreedyConfig()

    @field_validator("arms")
    @classmethod
    def _arms_are_distinct(cls, arms: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if arms is None:
            return None
        learned = tuple(a for a in arms if a != NONE)
        if not learned or len(set(learned)) < len(learned):
            raise ValueError("name at least one template, each once")
        return learned
