"""Gold rows of a scene: everything of a frame that matters for driving, all steps at once.

Every feature of a step is made from that step and earlier ones, so a row may be given to whoever has to decide there;
``label_pet_s`` alone looks ahead, and says so in its name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataset_platform.contracts.driving import GoldFeatures
from dataset_platform.contracts.driving_types import (
    GOLD_AGENT,
    GOLD_CROSSWALK,
    GOLD_LANE_LINE,
    GOLD_STOP_SIGN,
    RELATIONS,
    RISK_BANDS,
    SIGNAL_STATES,
)
from dataset_platform.errors import InputError
from dataset_platform.kernels.driving.agents import AgentFeatures, agent_features, ego_size
from dataset_platform.kernels.driving.complexity import complexity
from dataset_platform.kernels.driving.geometry import bearing_deg
from dataset_platform.kernels.driving.lanes import LaneNetwork
from dataset_platform.kernels.driving.path import Routes, ego_routes
from dataset_platform.kernels.driving.pet import post_encroachment_time
from dataset_platform.kernels.driving.scene import Scene
from dataset_platform.kernels.driving.settings import FeatureConfig
from dataset_platform.kernels.driving.signals import ego_signal
from dataset_platform.kernels.driving.smoothing import trailing_slope
from dataset_platform.kernels.driving.surroundings import (
    Crosswalk,
    LaneLines,
    StopSign,
    crosswalks,
    lane_lines,
    stop_signs,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MPS_PER_MPH = 0.44704
SOURCE_COLUMNS = ("frame_id", "record_checksum", "file", "offset", "length")


def gold_rows(scene: Scene, config: FeatureConfig, provenance: pa.Table) -> pa.Table:
    """Rows of ``GoldFeatures.data_schema()``, one per step, in the scene's order.

    Args:
        provenance: the silver rows of the steps in the same order; only ``SOURCE_COLUMNS`` are used.

    Raises:
        InputError: ``provenance`` has not one row per step.
    """
    steps = len(scene.times_s)
    if provenance.num_rows != steps:
        raise InputError(
            f"scenario {scene.scenario_id} has {steps} steps but {provenance.num_rows} rows say where they come from.",
            "Hand over its silver rows, one per step.",
        )
    length, width = ego_size(scene)
    network = LaneNetwork(scene.road_map)
    routes = ego_routes(scene, config, network)
    agents = agent_features(scene, routes, network, config.radius_m, config.path_m)
    signal = ego_signal(scene, routes, config.path_m, length / 2)
    walks = crosswalks(scene, routes, config.map_radius_m, config.path_m, length)
    signs = stop_signs(scene, routes, config.map_radius_m, config.path_m, length)
    bands, reasons = complexity(scene, routes, agents, signal, walks, signs, bool(network.lanes), config)
    forward = scene.ego_velocity_x * np.cos(scene.ego_heading) + scene.ego_velocity_y * np.sin(scene.ego_heading)
    kind = np.array(scene.object_type)[:, None]
    count = {name: ((kind == name) & agents.placed.shown).sum(0) for name in ("vehicle", "pedestrian", "cyclist")}
    match, lead = routes.match, (agents.lead, np.arange(steps))
    led = agents.lead >= 0
    columns: dict[str, Any] = {
        **{name: provenance.column(name) for name in SOURCE_COLUMNS},
        "scenario_id": [scene.scenario_id] * steps,
        "step": scene.steps,
        "time_s": scene.times_s,
        "ego_x_m": scene.ego_x,
        "ego_y_m": scene.ego_y,
        "ego_heading_rad": scene.ego_heading,
        "ego_speed_mps": scene.ego_speed,
        "ego_acceleration_mps2": trailing_slope(forward, scene.times_s, config.smoothing_s),
        "ego_yaw_rate_radps": routes.yaw_rate,
        "ego_length_m": np.full(steps, scene.ego_length_m),
        "ego_width_m": np.full(steps, scene.ego_width_m),
        "lane_id": _ids(network.ids, match.lane),
        "lane_type": _names([lane.type for lane in network.lanes], match.lane),
        "lane_offset_m": match.offset_m,
        "lane_confidence": match.confidence,
        "path_lanes": _path_lanes(routes, config.path_m),
        "speed_limit_mps": _take(np.array([lane.speed_limit_mph for lane in network.lanes]) * MPS_PER_MPH, match.lane),
        "signal_lane_id": _ids(scene.signals.lane_id, signal.signal),
        "signal_state": _names(SIGNAL_STATES, signal.state),
        "signal_distance_m": signal.distance_m,
        "lead_track_id": _ids(scene.track_id, agents.lead),
        **{
            name: np.where(led, values[lead], np.nan) if len(scene.track_id) else np.full(steps, np.nan)
            for name, values in (
                ("lead_gap_m", agents.gap_m),
                ("lead_speed_mps", scene.speed),
                ("lead_ttc_s", agents.ttc_s),
                ("lead_thw_s", agents.thw_s),
            )
        },
        "agents": _agents(scene, agents, network, post_encroachment_time(scene, length, width)),
        **{f"{name}_count": values for name, values in count.items()},
        "lane_lines": _lane_lines(lane_lines(scene)),
        "crosswalks": _crosswalks(scene, walks),
        "stop_signs": _stop_signs(steps, signs),
        "risk": _names(RISK_BANDS, agents.risk.max(0, initial=0)),
        "complexity": bands,
        "complexity_reasons": reasons,
    }
    schema = GoldFeatures.data_schema()
    return pa.table([_array(columns[f.name], f.type) for f in schema], schema=schema)


def _array(values: Any, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    """Values as Arrow, NaN as null."""
    if isinstance(values, pa.ChunkedArray):
        return values.cast(kind)
    return values if isinstance(values, pa.Array) else pa.array(values, kind, from_pandas=True)


def _ids(ids: Ints, index: Ints) -> pa.Array:
    """Ids by index, null for −1."""
    return pa.array(ids[index] if len(ids) else np.zeros_like(index), pa.int64(), mask=index < 0)


def _take(values: Floats, index: Ints) -> Floats:
    """Values by index, NaN for −1."""
    return np.append(values, np.nan)[index]


def _names(names: Any, index: Ints) -> pa.Array:
    """Names by index, null for −1."""
    return pa.array(list(names), pa.string()).take(pa.array(index, pa.int64(), mask=index < 0))


def _lists(counts: Ints, items: pa.Array, item: pa.DataType) -> pa.Array:
    """Flat items, grouped by step, as one list per step."""
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), items, type=pa.list_(pa.field("element", item)))


def _structs(kind: pa.StructType, columns: dict[str, Any]) -> pa.Array:
    fields = [kind.field(i) for i in range(kind.num_fields)]
    return pa.StructArray.from_arrays([_array(columns[f.name], f.type) for f in fields], fields=fields)


def _path_lanes(routes: Routes, path_m: float) -> list[list[int]]:
    """Lanes of the path ahead of each step, the own lane first."""
    lanes: list[list[int]] = []
    for index, along in enumerate(routes.match.along_m.tolist()):
        path = routes.path_at(index)
        lanes.append([] if path is None else list(path.lanes_between(along, along + path_m)))
    return lanes


def _agents(scene: Scene, agents: AgentFeatures, network: LaneNetwork, pet: Floats) -> pa.Array:
    """One list per step, nearest first."""
    placed = agents.placed
    step, who = np.nonzero(placed.shown.T)
    order = np.lexsort((scene.track_id[who], placed.distance_m[who, step], step))
    step, who = step[order], who[order]
    at = (who, step)
    lane = placed.match.lane[at]
    columns: dict[str, Any] = {
        name: getattr(source, name)[at]
        for source, names in (
            (placed, ("longitudinal_m", "lateral_m", "distance_m", "relative_heading_rad")),
            (agents, ("closing_speed_mps", "gap_m", "ttc_s", "thw_s", "drac_mps2")),
        )
        for name in names
    }
    columns |= {
        "track_id": scene.track_id[who],
        "object_type": _names(scene.object_type, who),
        "bearing_deg": bearing_deg(placed.longitudinal_m[at], placed.lateral_m[at]),
        "speed_mps": scene.speed[at],
        "length_m": scene.length[at],
        "width_m": scene.width[at],
        "relation": _names(RELATIONS, agents.relation[at]),
        "lane_id": _ids(network.ids, lane),
        "label_pet_s": pet[at],
        "risk": _names(RISK_BANDS, agents.risk[at]),
        "is_object_of_interest": np.isin(scene.track_id[who], list(scene.objects_of_interest)),
        "is_track_to_predict": np.isin(scene.track_id[who], list(scene.tracks_to_predict)),
    }
    return _lists(np.bincount(step, minlength=len(scene.times_s)), _structs(GOLD_AGENT, columns), GOLD_AGENT)


def _lane_lines(lines: LaneLines) -> pa.Array:
    step, side = np.nonzero(lines.which.T >= 0)
    which = lines.which[side, step]
    columns = {
        "feature_id": _ids(np.array([f.feature_id for f in lines.features], np.int64), which),
        "type": _names([f.type for f in lines.features], which),
        "side": _names(("left", "right"), side),
        "distance_m": lines.distance_m[side, step],
    }
    counts = np.bincount(step, minlength=lines.which.shape[1])
    return _lists(counts, _structs(GOLD_LANE_LINE, columns), GOLD_LANE_LINE)


def _crosswalks(scene: Scene, walks: list[Crosswalk]) -> pa.Array:
    steps = len(scene.times_s)
    shown = np.array([w.shown for w in walks]).reshape(len(walks), steps)
    step, which = np.nonzero(shown.T)
    pairs = list(zip(which.tolist(), step.tolist(), strict=True))
    along = np.array([walks[w].along_m[t] for w, t in pairs])
    columns = {
        "feature_id": [walks[w].feature_id for w, _ in pairs],
        "longitudinal_m": [walks[w].longitudinal_m[t] for w, t in pairs],
        "lateral_m": [walks[w].lateral_m[t] for w, t in pairs],
        "on_path": np.isfinite(along),
        "distance_along_path_m": along,
        "occupied_by": [scene.track_id[walks[w].occupied[:, t]].tolist() for w, t in pairs],
    }
    return _lists(np.bincount(step, minlength=steps), _structs(GOLD_CROSSWALK, columns), GOLD_CROSSWALK)


def _stop_signs(steps: int, signs: list[StopSign]) -> pa.Array:
    shown = np.array([s.shown for s in signs]).reshape(len(signs), steps)
    step, which = np.nonzero(shown.T)
    pairs = list(zip(which.tolist(), step.tolist(), strict=True))
    along = np.array([signs[s].along_m[t] for s, t in pairs])
    columns = {
        "feature_id": [signs[s].feature_id for s, _ in pairs],
        "longitudinal_m": [signs[s].longitudinal_m[t] for s, t in pairs],
        "lateral_m": [signs[s].lateral_m[t] for s, t in pairs],
        "controls_ego": np.isfinite(along),
        "distance_along_path_m": along,
    }
    return _lists(np.bincount(step, minlength=steps), _structs(GOLD_STOP_SIGN, columns), GOLD_STOP_SIGN)
