"""Contracts of the driving lane's reasoning: keyframes, traces, their quality, annotations."""

from __future__ import annotations

from dataset_platform.contracts.base import Bool, Contract, Date, Float64, Int32, Int64, String, Timestamp, column
from dataset_platform.contracts.driving_types import (
    COMPLEXITIES,
    FRAME_ID,
    OFFSET,
    RISK_BANDS,
    STEP,
    ClaimList,
    FactList,
    MetricList,
    StringList,
)


class Keyframes(Contract, table="driving/keyframes", key=("frame_id",)):
    """Frames at which the ego's action changes, with all that may be known there: facts, a view, and the logged future."""

    frame_id: String = column(FRAME_ID)
    scenario_id: String = column("id of the scenario")
    step: Int64 = column(STEP, ge=0)
    keyframe_reason: String = column("why the frame was taken: current_step, or the change of action")
    logged_longitudinal: String = column("what the log's ego does next along its path: a label", nullable=True)
    logged_lateral: String = column("what the log's ego does next across its path: a label", nullable=True)
    complexity: String = column("how much there is to reason about", isin=list(COMPLEXITIES))
    complexity_reasons: StringList = column("what made it so")
    facts: FactList = column("everything a trace may state, at or before this moment")
    view: String = column(
        "JSON of the plan view in the ego's frame: agents, lanes, edges, stop points; nothing later than now"
    )
    future: String = column("JSON of the logged future in the ego's frame: labels, never inputs")
    past_s: Float64 = column("seconds of log before the frame", ge=0)
    future_s: Float64 = column("seconds of log after the frame", ge=0)
    record_checksum: String = column("128-bit hash of the record's bytes")
    file: String = column("source file")
    offset: Int64 = column(OFFSET, ge=0)
    length: Int64 = column("bytes of the record with its framing", ge=0)
    ingestion_date: Date = column("UTC day")


class CotTraces(Contract, table="driving/cot_traces", key=("trace_id",)):
    """Hierarchical chain-of-thought traces: five levels, structured and as text, with who wrote them and at what cost."""

    trace_id: String = column("128-bit hash of frame and day", str_length={"min_value": 32, "max_value": 32})
    frame_id: String = column(FRAME_ID)
    scenario_id: String = column("id of the scenario")
    step: Int64 = column(STEP, ge=0)
    trace: String = column("the CoTTrace record as JSON, all five levels")
    text: String = column("the trace in words", str_length={"min_value": 1})
    longitudinal: String = column("planned action along the path")
    lateral: String = column("planned action across the path")
    overall_risk: String = column("stated risk band", isin=list(RISK_BANDS))
    confidence: Float64 = column("stated confidence of the plan", ge=0, le=1)
    complexity: String = column("complexity of the frame", isin=list(COMPLEXITIES))
    generator: String = column("what wrote the trace that is kept", isin=["rules", "llm"])
    route: String = column(
        "why that generator: configured, simple, complexity, share or escalated",
        isin=["configured", "simple", "complexity", "share", "escalated"],
    )
    failed_validators: StringList = column("validators that the kept trace fails; empty when it passes all")
    escalated_because: StringList = column(
        "validators that the cheap trace failed, where the model was asked to write it again; with route simple its "
        "trace was no better or none, and the cheap one is kept"
    )
    model: String = column("model that answered, as its server names it; rules without one")
    simulated: Bool = column("true when no model answered but a rule that pretends to be one")
    prompt_version: String = column("version and fingerprint of the prompts; of the rules where they wrote")
    prompt_tokens: Int64 = column("tokens of all prompts", ge=0)
    completion_tokens: Int64 = column("tokens of all answers", ge=0)
    cost_usd: Float64 = column("price of all calls, US dollars; null where no price is known", nullable=True, ge=0)
    calls: Int32 = column("answers it took from a model", ge=0)
    created_at: Timestamp = column("when the last answer came, UTC; null for rules", nullable=True)
    file: String = column("source file")
    offset: Int64 = column(OFFSET, ge=0)
    length: Int64 = column("bytes of the record with its framing", ge=0)
    ingestion_date: Date = column("UTC day")


METRICS = (
    *("number_groundedness", "agent_reference_precision", "hallucinated_agent_rate", "light_state_accuracy"),
    *("lane_accuracy", "future_leak", "kinematic_pass", "comfort_pass", "no_collision_constant_velocity"),
    *("no_collision_logged", "min_ttc_pass", "on_road", "wrong_way_pass", "overspeed_pass", "red_light_pass"),
    *("waypoint_timing_pass", "risk_band_exact", "risk_band_within_one", "contradiction_rate", "meta_action_agreement"),
    *("plan_respects_predictions", "probabilities_valid", "level_completeness", "critical_agent_recall"),
    *(
        "road_control_recall",
        "alternative_present",
        "redundancy",
        "cause_exists",
        "cause_entails",
        "counterfactual_cause",
    ),
    *("counterfactual_others", "no_orphan_decision", "alternative_rejection_true", "ade_3s_m", "fde_3s_m", "ade_5s_m"),
    *("fde_5s_m", "ade_8s_m", "fde_8s_m", "maneuver_accuracy", "confidence_brier", "prediction_accuracy_3s"),
)


class CotQuality(Contract, table="driving/cot_quality", key=("trace_id",)):
    """Measured quality of each trace: no language model judges here, and every figure has its claims."""

    trace_id: String = column("id of the trace")
    frame_id: String = column(FRAME_ID)
    scenario_id: String = column("id of the scenario")
    generator: String = column("what wrote the trace")
    route: String = column("why that generator")
    complexity: String = column("complexity of the frame")
    metrics: MetricList = column("figure per metric; null where there was nothing to judge")
    claims: ClaimList = column("what was judged, one by one")
    passed: Bool = column("whether every floor holds for this trace")
    failed_metrics: StringList = column("metrics below their floor")
    judge: String = column("figures of a language model judge as JSON, or: not run")
    file: String = column("source file")
    offset: Int64 = column(OFFSET, ge=0)
    length: Int64 = column("bytes of the record with its framing", ge=0)
    ingestion_date: Date = column("UTC day")


class CotAnnotations(Contract, table="driving/cot_annotations", key=("annotation_id",)):
    """Traces written or corrected by people, held to the same contract, and their agreement with generated ones."""

    annotation_id: String = column("128-bit hash of frame, annotator and source record")
    trace_id: String = column("generated trace of the same frame; null when there is none", nullable=True)
    frame_id: String = column(FRAME_ID)
    scenario_id: String = column("id of the scenario")
    step: Int64 = column(STEP, ge=0)
    annotator: String = column("who annotated, as the export names them")
    status: String = column(
        "written, corrected, accepted or rejected", isin=["written", "corrected", "accepted", "rejected"]
    )
    format: String = column("export it came from", isin=["jsonl", "argilla", "label_studio"])
    trace: String = column("the CoTTrace record as JSON, all five levels")
    text: String = column("the trace in words")
    agreement: MetricList = column("agreement with the generated trace per field, 0 to 1; empty without one")
    file: String = column("source file")
    offset: Int64 = column("first byte of the record in its file; its number where the file is one JSON value", ge=0)
    length: Int64 = column("bytes of the record", nullable=True)
    ingestion_date: Date = column("UTC day")
