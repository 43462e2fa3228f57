"""Settings of keyframes, traces and their quality."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from dataset_platform.contracts.reasoning import METRICS


class KeyframeConfig(BaseModel):
    """Which frames are reasoned about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_past_s: float = Field(1.0, ge=0, description="log before the frame that must be there")
    min_future_s: float = Field(3.0, ge=0, description="log after the frame that must be there, for outcome metrics")
    min_gap_s: float = Field(1.0, ge=0, description="keyframes lie at least this far apart")
    max_per_scenario: int = Field(8, ge=1)
    view_radius_m: float = Field(80.0, gt=0, description="radius of the plan view")


class RouteConfig(BaseModel):
    """Who writes which trace in a hybrid run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    llm_complexities: tuple[Literal["SIMPLE", "MODERATE", "COMPLEX"], ...] = Field(
        ("COMPLEX",), description="complexities that go to the language model at once"
    )
    llm_share: float = Field(0.0, ge=0, le=1, description="share of the rest that goes there too, drawn by trace id")
    escalate: bool = Field(True, description="a cheap trace that fails its validators is written again by the model")
    max_escalated_share: float = Field(1.0, ge=0, le=1, description="most of the day's traces that may be escalated")


class ReasoningConfig(BaseModel):
    """How traces are written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    generator: Literal["rules", "llm", "hybrid"] = Field(
        "rules", description="llm and hybrid need a model, named by DATASET_PLATFORM_LLM"
    )
    cheap: Literal["rules", "llm"] = Field("rules", description="first writer of a hybrid run")
    cheap_model: str | None = Field(None, description="model of a cheap language model, where 'cheap' is llm")
    route: RouteConfig = RouteConfig()
    max_level_tokens: int = Field(1500, ge=64, description="upper bound of one level's answer")
    temperature: float = Field(0.0, ge=0)
    seed: int = 0
    images: bool = Field(True, description="send the front camera's picture with level 1 where there is one")
    min_validated: float = Field(1.0, ge=0, le=1, description="share of validators a cheap trace must pass to be kept")


class QualityConfig(BaseModel):
    """Floors that traces must keep, as the mean over a day's traces."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    floors: dict[str, float] = Field(
        default_factory=lambda: {
            "number_groundedness": 0.95,
            "agent_reference_precision": 0.98,
            "level_completeness": 1.0,
            "kinematic_pass": 0.95,
            "waypoint_timing_pass": 0.95,
            "probabilities_valid": 1.0,
            "meta_action_agreement": 0.9,
            "red_light_pass": 0.95,
        },
        description="least mean per metric; a day below one fails its floors check",
    )
    ceilings: dict[str, float] = Field(
        default_factory=lambda: {"future_leak": 0.0, "hallucinated_agent_rate": 0.02, "contradiction_rate": 0.05},
        description="greatest mean per metric",
    )
    drift_tolerance: float = Field(0.1, gt=0, description="change of a mean against the trailing days that warns")
    judge: bool = Field(False, description="let a language model judge too; needs DATASET_PLATFORM_LLM")

    @field_validator("floors", "ceilings")
    @classmethod
    def _name_metrics(cls, bounds: dict[str, float]) -> dict[str, float]:
        if unknown := sorted(set(bounds) - set(METRICS)):
            raise ValueError(f"no such metric: {', '.join(unknown)}; there are {', '.join(METRICS)}")
        return bounds

    annotate_sample: int = Field(50, ge=0, description="traces a day in the stratified export for annotators")
