"""Contracts of the driving lane.

Positions named ``x_m``/``y_m`` are in the log's own global frame, ``longitudinal_m``/``lateral_m`` in the ego's frame: x
ahead, y to the left. Headings are radians, counter-clockwise from the x axis, in [−π, π). Bronze holds what the record
says, invalid fill included; from silver on only what is valid.
"""

from __future__ import annotations

from typing import Annotated

import pandas as pd
import pyarrow as pa

from dataset_platform.contracts.base import (
    Binary,
    Bool,
    Contract,
    Date,
    Float64,
    Int32,
    Int64,
    String,
    Timestamp,
    column,
)

RECORD_TYPES = ("example", "scenario", "frame")
OBJECT_TYPES = ("vehicle", "pedestrian", "cyclist", "sign", "other", "unset")
SIGNAL_STATES = (
    "unknown",
    "arrow_stop",
    "arrow_caution",
    "arrow_go",
    "stop",
    "caution",
    "go",
    "flashing_stop",
    "flashing_caution",
)
MAP_KINDS = ("lane", "road_line", "road_edge", "stop_sign", "crosswalk", "speed_bump", "driveway")
COMPLEXITIES = ("SIMPLE", "MODERATE", "COMPLEX")
RISK_BANDS = ("low", "medium", "high", "critical")
RELATIONS = ("lead", "following", "crossing", "oncoming", "adjacent", "parked", "other")


def _doc(name: str, kind: pa.DataType, description: str) -> pa.Field:
    return pa.field(name, kind, metadata={"doc": description})


def _list(item: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("element", item))


_F, _I, _S, _B = pa.float64(), pa.int64(), pa.string(), pa.bool_()
INTS = _list(_I)
STRINGS = _list(_S)

BRONZE_AGENT = pa.struct(
    [
        _doc("track_id", _I, "id of the track; of a perception label, a 63-bit hash of its id"),
        _doc("label_id", _S, "id of a perception label; null elsewhere"),
        _doc("object_type", _I, "type code as in the record: 1 vehicle, 2 pedestrian, 3 cyclist (4 for perception), …"),
        _doc("valid", _B, "whether the record says that the state is valid"),
        *(_doc(n, _F, f"{n} of the box centre, metres") for n in ("x", "y", "z")),
        *(_doc(n, _F, f"{n} of the box, metres") for n in ("length", "width", "height")),
        _doc("heading", _F, "heading as in the record, radians, not wrapped"),
        *(_doc(n, _F, "velocity, metres per second") for n in ("velocity_x", "velocity_y")),
        _doc("speed", _F, "the record's own derived speed, metres per second; null where it has none"),
        _doc("vel_yaw", _F, "the record's own direction of velocity, radians; null where it has none"),
    ]
)
BRONZE_SIGNAL = pa.struct(
    [
        _doc("lane_id", _I, "lane that the signal controls"),
        _doc("state", _I, "state code as in the record, 0 to 8"),
        _doc("valid", _B, "whether the record says that the state is valid"),
        *(_doc(f"stop_{n}", _F, f"{n} of the stop point, metres") for n in "xyz"),
    ]
)
POINTS = _list(_F)
MAP_FEATURE = pa.struct(
    [
        _doc("feature_id", _I, "id of the feature in its scenario"),
        _doc("kind", _S, f"one of {', '.join(MAP_KINDS)}"),
        _doc("type", _S, "lane: freeway, surface_street, bike_lane, undefined; lines and edges: their published name"),
        _doc("x_m", POINTS, "x of the polyline or polygon, metres"),
        _doc("y_m", POINTS, "y of the polyline or polygon, metres"),
        _doc("z_m", POINTS, "z of the polyline or polygon, metres"),
        _doc("speed_limit_mph", _F, "posted limit of a lane, miles per hour; null where the record has none"),
        _doc("interpolating", _B, "whether a lane was drawn through a crossing rather than surveyed"),
        _doc("entry_lanes", INTS, "lanes that lead into a lane"),
        _doc("exit_lanes", INTS, "lanes that a lane leads into"),
        _doc("left_neighbors", INTS, "lanes to the left that can be changed into"),
        _doc("right_neighbors", INTS, "lanes to the right that can be changed into"),
        _doc("controlled_lanes", INTS, "lanes that a stop sign controls"),
    ]
)
SILVER_AGENT = pa.struct(
    [
        _doc("track_id", _I, "id of the track"),
        _doc("object_type", _S, f"one of {', '.join(OBJECT_TYPES)}"),
        *(_doc(f"{n}_m", _F, f"{n} of the box centre, metres, global") for n in ("x", "y", "z")),
        *(_doc(f"{n}_m", _F, f"{n} of the box, metres") for n in ("length", "width", "height")),
        _doc("heading_rad", _F, "heading, radians in [−π, π)"),
        *(_doc(f"velocity_{n}_mps", _F, f"velocity along {n}, metres per second, global") for n in "xy"),
        _doc("speed_mps", _F, "speed, metres per second"),
        _doc("is_object_of_interest", _B, "whether the data set marks the track as of interest"),
        _doc("is_track_to_predict", _B, "whether the data set asks for its prediction"),
    ]
)
SILVER_SIGNAL = pa.struct(
    [
        _doc("lane_id", _I, "lane that the signal controls"),
        _doc("state", _S, f"one of {', '.join(SIGNAL_STATES)}"),
        *(_doc(f"stop_{n}_m", _F, f"{n} of the stop point, metres, global") for n in "xyz"),
    ]
)
GOLD_AGENT = pa.struct(
    [
        _doc("track_id", _I, "id of the track"),
        _doc("object_type", _S, f"one of {', '.join(OBJECT_TYPES)}"),
        _doc("longitudinal_m", _F, "centre to centre, ahead of the ego positive, metres"),
        _doc("lateral_m", _F, "centre to centre, left of the ego positive, metres"),
        _doc("distance_m", _F, "centre to centre, metres"),
        _doc("bearing_deg", _F, "direction seen from the ego, left positive, degrees in (−180, 180]"),
        _doc("relative_heading_rad", _F, "heading less the ego's, radians in [−π, π)"),
        _doc("speed_mps", _F, "speed, metres per second"),
        _doc("closing_speed_mps", _F, "rate at which the gap shrinks, positive when closing, metres per second"),
        _doc("length_m", _F, "length of the box, metres"),
        _doc("width_m", _F, "width of the box, metres"),
        _doc("relation", _S, f"one of {', '.join(RELATIONS)}"),
        _doc("lane_id", _I, "lane that it is matched to; null when none"),
        _doc("gap_m", _F, "bumper to bumper along the ego's path, metres; null where no path is shared"),
        _doc("ttc_s", _F, "time to collision at constant velocity, seconds; null when not closing"),
        _doc("thw_s", _F, "time headway, seconds; of leads only"),
        _doc("drac_mps2", _F, "deceleration to avoid a crash, metres per second squared; null when not closing"),
        _doc("label_pet_s", _F, "post-encroachment time on the logged future, seconds: a label, never an input"),
        _doc("risk", _S, f"band of ttc, thw and drac: one of {', '.join(RISK_BANDS)}"),
        _doc("is_object_of_interest", _B, "whether the data set marks the track as of interest"),
        _doc("is_track_to_predict", _B, "whether the data set asks for its prediction"),
    ]
)
GOLD_LANE_LINE = pa.struct(
    [
        _doc("feature_id", _I, "id of the line or edge"),
        _doc("type", _S, "published name, for example broken_single_white or edge_boundary"),
        _doc("side", _S, "left or right of the ego"),
        _doc("distance_m", _F, "lateral distance from the ego's centre, metres"),
    ]
)
GOLD_CROSSWALK = pa.struct(
    [
        _doc("feature_id", _I, "id of the crosswalk"),
        _doc("longitudinal_m", _F, "its nearest point ahead of the ego positive, metres"),
        _doc("lateral_m", _F, "its nearest point left of the ego positive, metres"),
        _doc("on_path", _B, "whether the ego's lane path crosses it"),
        _doc("distance_along_path_m", _F, "metres along the path to it; null off the path"),
        _doc("occupied_by", INTS, "pedestrians and cyclists on it, or about to step on it"),
    ]
)
GOLD_STOP_SIGN = pa.struct(
    [
        _doc("feature_id", _I, "id of the stop sign"),
        _doc("longitudinal_m", _F, "ahead of the ego positive, metres"),
        _doc("lateral_m", _F, "left of the ego positive, metres"),
        _doc("controls_ego", _B, "whether it controls a lane of the ego's path"),
        _doc("distance_along_path_m", _F, "metres along the path to it; null when it does not control the path"),
    ]
)
FACT = pa.struct(
    [
        _doc("subject", _S, "ego, scene, agent:12, lane:455, signal:455, crosswalk:9, stop_sign:3"),
        _doc("quantity", _S, "what is stated: speed, distance, bearing, ttc, state, …"),
        _doc("value", _F, "number, null for words"),
        _doc("word", _S, "word, null for numbers"),
        _doc("unit", _S, "m, mps, mps2, s, deg, count; empty for words"),
        _doc("uncertainty", _F, "half width within which the value is known, in its unit; null when exact"),
    ]
)
CLAIM = pa.struct(
    [
        _doc("metric", _S, "metric that judged it"),
        _doc("level", _S, "level of the trace that states it"),
        _doc("claim", _S, "what is stated, in words"),
        _doc("stated", _S, "the stated value"),
        _doc("found", _S, "the fact or measure it was held against; null when there is none"),
        _doc("passed", _B, "whether it holds"),
    ]
)
METRIC = pa.struct([_doc("metric", _S, "name"), _doc("value", _F, "figure; null when there was nothing to judge")])

BronzeAgents = Annotated[pd.ArrowDtype, _list(BRONZE_AGENT)]
BronzeSignals = Annotated[pd.ArrowDtype, _list(BRONZE_SIGNAL)]
MapFeatures = Annotated[pd.ArrowDtype, _list(MAP_FEATURE)]
SilverAgents = Annotated[pd.ArrowDtype, _list(SILVER_AGENT)]
SilverSignals = Annotated[pd.ArrowDtype, _list(SILVER_SIGNAL)]
GoldAgents = Annotated[pd.ArrowDtype, _list(GOLD_AGENT)]
GoldLaneLines = Annotated[pd.ArrowDtype, _list(GOLD_LANE_LINE)]
GoldCrosswalks = Annotated[pd.ArrowDtype, _list(GOLD_CROSSWALK)]
GoldStopSigns = Annotated[pd.ArrowDtype, _list(GOLD_STOP_SIGN)]
FactList = Annotated[pd.ArrowDtype, _list(FACT)]
ClaimList = Annotated[pd.ArrowDtype, _list(CLAIM)]
MetricList = Annotated[pd.ArrowDtype, _list(METRIC)]
FloatList = Annotated[pd.ArrowDtype, POINTS]
IntList = Annotated[pd.ArrowDtype, INTS]
StringList = Annotated[pd.ArrowDtype, STRINGS]

FRAME_ID = "{scenario_id}:{step}"
STEP = "position in the record, 0 first; of perception frames the timestamp in microseconds"
OFFSET = "first byte of the record in its file, counted after decompression"


class RawTfrecords(Contract, table="driving/raw_tfrecords", key=("path",)):
    """The day's TFRecord files as they lie in raw storage, with what one pass over their framing finds."""

    path: String = column("path below the raw root")
    size_bytes: Int64 = column("bytes of the file", ge=0)
    etag: String = column("ETag, or size and time of change of a local file")
    compression: String = column("compression of the whole file", isin=["none", "gzip", "zlib"])
    record_count: Int64 = column("records whose framing could be read", ge=0)
    record_type: String = column("type of the first record, told from its bytes", isin=[*RECORD_TYPES, "unknown"])
    break_error: String = column("why the framing ends before the file does; null for a whole file", nullable=True)
    ingestion_date: Date = column("UTC day")


class BronzeFrames(Contract, table="driving/bronze_frames", key=("frame_id", "file", "offset")):
    """One row per scenario and timestep as the record states it, invalid fill included."""

    frame_id: String = column(FRAME_ID)
    scenario_id: String = column("id of the scenario, or the name of a perception segment", str_length={"min_value": 1})
    step: Int64 = column(STEP, ge=0)
    timestamp_micros: Int64 = column("time of the step, microseconds; from the scenario's start where it is relative")
    record_type: String = column("type of the record", isin=list(RECORD_TYPES))
    record_steps: Int32 = column("steps in the record", ge=1)
    current_step: Int64 = column("the step that the data set calls now", ge=0)
    ego_track_id: Int64 = column(
        "track of the ego vehicle; null for perception frames, where the pose is the ego", nullable=True
    )
    ego_pose: FloatList = column(
        "vehicle to global, 16 numbers by rows, of perception frames; null elsewhere", nullable=True
    )
    ego_velocity: FloatList = column(
        "global velocity x, y, z in metres per second, of perception frames; null elsewhere", nullable=True
    )
    agents: BronzeAgents = column("all agents of the step, the ego included where it is a track")
    signals: BronzeSignals = column("traffic signals of the step")
    objects_of_interest: IntList = column("tracks that the data set marks as of interest")
    tracks_to_predict: IntList = column("tracks whose future the data set asks for")
    context: String = column(
        "JSON of what else the record says of the frame: calibrations, weather; null when nothing", nullable=True
    )
    record_checksum: String = column(
        "128-bit hash of the record's bytes", str_length={"min_value": 32, "max_value": 32}
    )
    file: String = column("source file")
    offset: Int64 = column(OFFSET, ge=0)
    length: Int64 = column("bytes of the record with its framing", ge=0)
    ingestion_date: Date = column("UTC day")


class BronzeMaps(Contract, table="driving/bronze_maps", key=("scenario_id", "file", "offset")):
    """The map of a scenario, once."""

    scenario_id: String = column("id of the scenario")
    record_type: String = column("type of the record", isin=list(RECORD_TYPES))
    features: MapFeatures = column("lanes, lines, edges, signs, crosswalks")
    feature_count: Int32 = column("features in the map", ge=1)
    sampled: Bool = column("true when the record holds samples of the map (tf.Example) and cuts it off at a cap")
    record_checksum: String = column("128-bit hash of the record's bytes")
    file: String = column("source file")
    offset: Int64 = column(OFFSET, ge=0)
    length: Int64 = column("bytes of the record with its framing", ge=0)
    ingestion_date: Date = column("UTC day")


class CameraImages(Contract, table="driving/camera_images", key=("frame_id", "camera_name", "file", "offset")):
    """Camera pictures of perception frames, apart from the frames' rows."""

    frame_id: String = column(FRAME_ID)
    scenario_id: String = column("id of the scenario")
    camera_name: String = column("front, front_left, front_right, side_left, side_right, …")
    image: Binary = column("the picture as encoded in the record, usually JPEG")
    size_bytes: Int64 = column("bytes of the picture", ge=1)
    width_px: Int32 = column("width, pixels; null when the header cannot be read", nullable=True)
    height_px: Int32 = column("height, pixels; null when the header cannot be read", nullable=True)
    checksum: String = column("SHA-256 of the picture, 64 hex digits", str_length={"min_value": 64, "max_value": 64})
    pose_timestamp_s: Float64 = column("time at which it was taken, seconds", nullable=True)
    file: String = column("source file")
    offset: Int64 = column(OFFSET, ge=0)
    length: Int64 = column("bytes of the record with its framing", ge=0)
    ingestion_date: Date = column("UTC day")


class SilverFrames(Contract, table="driving/silver_frames", key=("frame_id",)):
    """Cleaned frames: only what is valid, headings wrapped, units in names, one version of each frame over all days."""

    frame_id: String = column(FRAME_ID)
    scenario_id: String = column("id of the scenario")
    step: Int64 = column(STEP, ge=0)
    time_s: Float64 = column("seconds since the first step of the record; of perception frames the timestamp")
    record_type: String = column("type of the record", isin=list(RECORD_TYPES))
    current_step: Int64 = column("the step that the data set calls now", ge=0)
    ego_track_id: Int64 = column("track of the ego vehicle; null for perception frames", nullable=True)
    ego_x_m: Float64 = column("x of the ego, metres, global")
    ego_y_m: Float64 = column("y of the ego, metres, global")
    ego_z_m: Float64 = column("z of the ego, metres, global")
    ego_heading_rad: Float64 = column("heading of the ego, radians in [−π, π)", ge=-3.1415927, le=3.1415927)
    ego_velocity_x_mps: Float64 = column("velocity of the ego along x, metres per second")
    ego_velocity_y_mps: Float64 = column("velocity of the ego along y, metres per second")
    ego_speed_mps: Float64 = column("speed of the ego, metres per second", ge=0)
    ego_length_m: Float64 = column("length of the ego, metres; null where the record has none", nullable=True)
    ego_width_m: Float64 = column("width of the ego, metres; null where the record has none", nullable=True)
    agents: SilverAgents = column("valid agents of the step without the ego")
    signals: SilverSignals = column("valid traffic signals of the step")
    invalid_agents: Int32 = column("agents dropped because the record says that they are invalid", ge=0)
    headings_wrapped: Int32 = column("headings that lay outside [−π, π)", ge=0)
    max_speed_error_mps: Float64 = column(
        "largest difference between the record's derived speed and its velocity; null where it has none", nullable=True
    )
    max_velocity_yaw_error_rad: Float64 = column(
        "largest difference between the record's velocity direction and its velocity; null where it has none",
        nullable=True,
    )
    record_checksum: String = column("128-bit hash of the record's bytes")
    file: String = column("source file")
    offset: Int64 = column(OFFSET, ge=0)
    length: Int64 = column("bytes of the record with its framing", ge=0)
    ingestion_date: Date = column("UTC day on which this version landed")


class GoldFeatures(Contract, table="driving/gold_features", key=("frame_id",)):
    """What matters for driving in each frame: the ego, its lane and signal, agents with risk measures, complexity."""

    frame_id: String = column(FRAME_ID)
    scenario_id: String = column("id of the scenario")
    step: Int64 = column(STEP, ge=0)
    time_s: Float64 = column("seconds since the first step of the record")
    ego_x_m: Float64 = column("x of the ego, metres, global")
    ego_y_m: Float64 = column("y of the ego, metres, global")
    ego_heading_rad: Float64 = column("heading of the ego, radians in [−π, π)")
    ego_speed_mps: Float64 = column("speed of the ego, metres per second", ge=0)
    ego_acceleration_mps2: Float64 = column(
        "acceleration along the heading, smoothed over the past only; null with too little past", nullable=True
    )
    ego_yaw_rate_radps: Float64 = column(
        "yaw rate, smoothed over the past only; null with too little past", nullable=True
    )
    ego_length_m: Float64 = column("length of the ego, metres", nullable=True)
    ego_width_m: Float64 = column("width of the ego, metres", nullable=True)
    lane_id: Int64 = column("lane the ego is on; null when none fits", nullable=True)
    lane_type: String = column("freeway, surface_street, bike_lane or undefined", nullable=True)
    lane_offset_m: Float64 = column("distance from the lane's centre, metres", nullable=True)
    lane_confidence: Float64 = column("how sure the match is, 0 to 1; 0 without a lane", ge=0, le=1)
    path_lanes: IntList = column("lanes ahead on the ego's path, its own first")
    speed_limit_mps: Float64 = column("posted limit of the lane, metres per second", nullable=True)
    signal_lane_id: Int64 = column("lane of the signal that matters to the ego; null when none does", nullable=True)
    signal_state: String = column("its state", nullable=True, isin=list(SIGNAL_STATES))
    signal_distance_m: Float64 = column("metres along the path to its stop point, from the front bumper", nullable=True)
    lead_track_id: Int64 = column(
        "vehicle or cyclist ahead on the ego's path, going its way; null when none", nullable=True
    )
    lead_gap_m: Float64 = column("bumper to bumper, metres", nullable=True)
    lead_speed_mps: Float64 = column("speed of the lead, metres per second", nullable=True)
    lead_ttc_s: Float64 = column("time to collision with the lead, seconds; null when not closing", nullable=True)
    lead_thw_s: Float64 = column("time headway to the lead, seconds; null at standstill", nullable=True)
    agents: GoldAgents = column("agents within the radius, nearest first")
    vehicle_count: Int32 = column("vehicles within the radius", ge=0)
    pedestrian_count: Int32 = column("pedestrians within the radius", ge=0)
    cyclist_count: Int32 = column("cyclists within the radius", ge=0)
    lane_lines: GoldLaneLines = column("nearest line or edge on either side")
    crosswalks: GoldCrosswalks = column("crosswalks within the radius")
    stop_signs: GoldStopSigns = column("stop signs within the radius")
    risk: String = column("highest risk band of any agent", isin=list(RISK_BANDS))
    complexity: String = column("how much there is to reason about", isin=list(COMPLEXITIES))
    complexity_reasons: StringList = column("what made it so")
    record_checksum: String = column("128-bit hash of the record's bytes")
    file: String = column("source file")
    offset: Int64 = column(OFFSET, ge=0)
    length: Int64 = column("bytes of the record with its framing", ge=0)
    ingestion_date: Date = column("UTC day on which this version landed")


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
    escalated_because: StringList = column("validators that the cheap trace failed, where it was escalated")
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
