"""Value sets and nested column types of the driving lane's contracts.

Positions named ``x_m``/``y_m`` are in the log's own global frame, ``longitudinal_m``/``lateral_m`` in the ego's frame: x
ahead, y to the left. Headings are radians, counter-clockwise from the x axis, in [−π, π). Bronze holds what the record
says, invalid fill included; from silver on only what is valid.
"""

from __future__ import annotations

from typing import Annotated

import pandas as pd
import pyarrow as pa

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
