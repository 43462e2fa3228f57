"""The trace record: five levels of reasoning about one keyframe, as pydantic models.

They are the contract of a trace: rules fill them, language models answer in their JSON schema, people's annotations are
validated against them. Positions are in the ego's frame at the keyframe: x ahead, y to the left, metres; times are
seconds after it. The levels follow perception, risk, prediction, planning and explanation as in WOMD-Reasoning, EMMA and
Alpamayo-R1 (see docs/driving.md); the texts beside the fields are written by whoever generates the trace.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Longitudinal = Literal["accelerate", "maintain", "decelerate", "stop", "yield"]
Lateral = Literal["keep", "left_lane_change", "right_lane_change", "left_turn", "right_turn"]
RiskBand = Literal["low", "medium", "high", "critical"]
Relation = Literal["lead", "following", "crossing", "oncoming", "adjacent", "parked", "other"]
Sector = Literal["ahead", "ahead_left", "left", "behind_left", "behind", "behind_right", "right", "ahead_right"]
AgentType = Literal["vehicle", "pedestrian", "cyclist", "sign", "other", "unset"]
SignalState = Literal[
    "unknown", "arrow_stop", "arrow_caution", "arrow_go", "stop", "caution", "go", "flashing_stop", "flashing_caution"
]
Behavior = Literal["stopped", "keep_speed", "accelerate", "decelerate", "turn_left", "turn_right", "cross"]
Constraint = Literal[
    "red_signal",
    "caution_signal",
    "stop_sign",
    "lead_vehicle",
    "pedestrian",
    "cyclist",
    "crossing_traffic",
    "speed_limit",
    "curve",
]
CauseKind = Literal[
    "signal",
    "stop_sign",
    "lead_vehicle",
    "pedestrian",
    "cyclist",
    "crossing_traffic",
    "speed_limit",
    "curve",
    "free_road",
    "route",
]
Violation = Literal[
    "collision", "time_to_collision", "red_light", "overspeed", "off_road", "wrong_way", "comfort", "no_progress"
]
LEVELS = ("scene_description", "situation_assessment", "behavior_prediction", "trajectory_plan", "justification")
HORIZON_S = 8.0
WAYPOINT_STEP_S = 0.5


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AgentMention(_Model):
    """An agent as level 1 describes it."""

    agent_id: int
    object_type: AgentType
    distance_m: float = Field(ge=0)
    sector: Sector
    speed_mps: float = Field(ge=0)


class SignalMention(_Model):
    """The signal that matters to the ego."""

    lane_id: int
    state: SignalState
    distance_m: float | None = None


class SceneDescription(_Model):
    """Level 1: what there is."""

    text: str = Field(min_length=1)
    ego_speed_mps: float = Field(ge=0)
    lane_id: int | None = None
    lane_type: str | None = None
    speed_limit_mps: float | None = None
    signal: SignalMention | None = None
    vehicle_count: int = Field(ge=0)
    pedestrian_count: int = Field(ge=0)
    cyclist_count: int = Field(ge=0)
    agents: tuple[AgentMention, ...] = ()
    crosswalk_ids: tuple[int, ...] = Field((), description="crosswalks on the ego's path")
    stop_sign_ids: tuple[int, ...] = Field((), description="stop signs that control the ego's path")


class AgentRisk(_Model):
    """An agent as level 2 judges it."""

    agent_id: int
    relation: Relation
    ttc_s: float | None = None
    thw_s: float | None = None
    drac_mps2: float | None = None
    risk: RiskBand


class SituationAssessment(_Model):
    """Level 2: what matters, and how dangerous it is."""

    text: str = Field(min_length=1)
    risks: tuple[AgentRisk, ...] = ()
    overall_risk: RiskBand
    constraints: tuple[Constraint, ...] = ()


class AgentPrediction(_Model):
    """An agent as level 3 expects it, three seconds on."""

    agent_id: int
    behavior: Behavior
    probability: float = Field(ge=0, le=1)
    x_3s_m: float
    y_3s_m: float


class BehaviorPrediction(_Model):
    """Level 3: what the others will do."""

    text: str = Field(min_length=1)
    predictions: tuple[AgentPrediction, ...] = ()


class Waypoint(_Model):
    """Where the ego shall be."""

    t_s: float = Field(ge=0)
    x_m: float
    y_m: float
    speed_mps: float = Field(ge=0)


class TrajectoryPlan(_Model):
    """Level 4: what the ego shall do; waypoints every half second from now to eight seconds on."""

    text: str = Field(min_length=1)
    longitudinal: Longitudinal
    lateral: Lateral
    waypoints: tuple[Waypoint, ...] = Field(min_length=2)


class Cause(_Model):
    """A reason for the plan, and what in the scene it rests on."""

    kind: CauseKind
    agent_id: int | None = None
    feature_id: int | None = Field(None, description="lane of a signal, id of a stop sign or crosswalk")


class Alternative(_Model):
    """Another action, and what speaks against it."""

    longitudinal: Longitudinal
    lateral: Lateral
    rejected_because: Violation
    agent_id: int | None = None
    feature_id: int | None = None


class Justification(_Model):
    """Level 5: why this plan and no other."""

    text: str = Field(min_length=1)
    causes: tuple[Cause, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    confidence: float = Field(ge=0, le=1, description="probability that the plan stays within 3 m of what is right")


class CoTTrace(_Model):
    """All five levels about one keyframe."""

    trace_id: str
    frame_id: str
    scenario_id: str
    step: int = Field(ge=0, lt=2**63)
    scene_description: SceneDescription
    situation_assessment: SituationAssessment
    behavior_prediction: BehaviorPrediction
    trajectory_plan: TrajectoryPlan
    justification: Justification

    def text(self) -> str:
        """The trace in words, a paragraph per level under its heading."""
        return "\n\n".join(f"{n.replace('_', ' ').capitalize()}: {getattr(self, n).text}" for n in LEVELS)


LEVEL_MODELS: dict[str, type[BaseModel]] = {
    "scene_description": SceneDescription,
    "situation_assessment": SituationAssessment,
    "behavior_prediction": BehaviorPrediction,
    "trajectory_plan": TrajectoryPlan,
    "justification": Justification,
}
