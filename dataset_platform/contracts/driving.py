"""Contracts of the driving lane from raw files to gold features."""

from __future__ import annotations

from dataset_platform.contracts.base import Binary, Bool, Contract, Date, Float64, Int32, Int64, String, column
from dataset_platform.contracts.driving_types import (
    COMPLEXITIES,
    FRAME_ID,
    OFFSET,
    RECORD_TYPES,
    RISK_BANDS,
    SIGNAL_STATES,
    STEP,
    BronzeAgents,
    BronzeSignals,
    FloatList,
    GoldAgents,
    GoldCrosswalks,
    GoldLaneLines,
    GoldStopSigns,
    IntList,
    MapFeatures,
    SilverAgents,
    SilverSignals,
    StringList,
)


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
