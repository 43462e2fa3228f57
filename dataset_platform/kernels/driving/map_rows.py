"""Map features as Arrow structs: from Scenario and Frame messages, and from the samples of a tf.Example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from dataset_platform.contracts.driving_types import INTS, MAP_FEATURE, POINTS
from dataset_platform.kernels.driving.arrow_columns import list_array, number_lists, struct_array
from dataset_platform.kernels.driving.record_types import (
    EDGE_TYPES,
    LANE_TYPES,
    LINE_TYPES,
    SAMPLE_KINDS,
    name_of,
)

_TYPES = {
    "lane": (LANE_TYPES, "undefined"),
    "road_line": (LINE_TYPES, "unknown"),
    "road_edge": (EDGE_TYPES, "edge_unknown"),
}
_LANE_LISTS = ("entry_lanes", "exit_lanes", "left_neighbors", "right_neighbors", "controlled_lanes")


def features_of(messages: list[Any]) -> tuple[pa.StructArray, int]:
    """``MapFeature`` messages as structs of ``MAP_FEATURE``, and how many were of no known kind and are left out."""
    known = [(message, kind) for message in messages if (kind := message.WhichOneof("feature_data"))]
    bodies = [getattr(message, kind) for message, kind in known]
    kinds = [kind for _, kind in known]
    points = [_points(body, kind) for body, kind in zip(bodies, kinds, strict=True)]
    lanes = [body if kind == "lane" else None for body, kind in zip(bodies, kinds, strict=True)]
    lists: dict[str, list[list[int]]] = {
        "entry_lanes": [list(lane.entry_lanes) if lane else [] for lane in lanes],
        "exit_lanes": [list(lane.exit_lanes) if lane else [] for lane in lanes],
        "left_neighbors": [_neighbors(lane.left_neighbors) if lane else [] for lane in lanes],
        "right_neighbors": [_neighbors(lane.right_neighbors) if lane else [] for lane in lanes],
        "controlled_lanes": [list(b.lane) if k == "stop_sign" else [] for b, k in zip(bodies, kinds, strict=True)],
    }
    limits = [lane.speed_limit_mph if lane and lane.HasField("speed_limit_mph") else None for lane in lanes]
    structs = _structs(
        [message.id for message, _ in known],
        kinds,
        [_type(body, kind) for body, kind in zip(bodies, kinds, strict=True)],
        np.array([xyz for polyline in points for xyz in polyline], dtype=np.float64).reshape(-1, 3),
        np.array([len(polyline) for polyline in points], dtype=np.int64),
        speed_limit_mph=pa.array(limits, type=pa.float64()),
        interpolating=[bool(lane.interpolating) if lane else False for lane in lanes],
        **{name: number_lists(INTS, lists[name]) for name in _LANE_LISTS},
    )
    return structs, len(messages) - len(known)


def features_of_samples(samples: Mapping[str, Any]) -> tuple[pa.StructArray, int]:
    """Samples of a tf.Example as structs of ``MAP_FEATURE``: one per id, in order of appearance, points in their order.

    A sample record states no topology, no limits and no controlled lanes. The second value tells how many features were
    of no known type and are left out.
    """
    ids, first, inverse = np.unique(samples["id"], return_index=True, return_inverse=True)
    rank = np.empty(len(ids), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(ids))
    feature = rank[inverse]
    order = np.argsort(feature, kind="stable")
    appearing = np.argsort(rank)
    codes = samples["type"][first[appearing]].tolist()
    named = [SAMPLE_KINDS.get(code) for code in codes]
    keep = np.array([name is not None for name in named], dtype=np.bool_)
    counts = np.bincount(feature, minlength=len(ids))
    kept = [name for name in named if name is not None]
    blank = number_lists(INTS, [[] for _ in kept])
    structs = _structs(
        ids[appearing][keep],
        [kind for kind, _ in kept],
        [type_name for _, type_name in kept],
        samples["xyz"][order][np.repeat(keep, counts)],
        counts[keep],
        interpolating=[False] * len(kept),
        **dict.fromkeys(_LANE_LISTS, blank),
    )
    return structs, len(named) - len(kept)


def _structs(
    ids: Any, kinds: list[str], types: list[str], xyz: np.ndarray, counts: np.ndarray, **columns: Any
) -> pa.StructArray:
    axes = {
        f"{axis}_m": list_array(POINTS, pa.array(np.ascontiguousarray(xyz[:, at])), counts)
        for at, axis in enumerate("xyz")
    }
    named = {
        "feature_id": pa.array(ids, type=pa.int64()),
        "kind": pa.array(kinds, type=pa.string()),
        "type": pa.array(types, type=pa.string()),
    }
    return struct_array(MAP_FEATURE, {**named, **axes, **columns}, len(kinds))


def _points(body: Any, kind: str) -> list[tuple[float, float, float]]:
    if kind == "stop_sign":
        points = [body.position] if body.HasField("position") else []
    else:
        points = body.polyline if kind in _TYPES else body.polygon
    return [(p.x, p.y, p.z) for p in points]


def _type(body: Any, kind: str) -> str:
    if kind not in _TYPES:
        return ""
    names, otherwise = _TYPES[kind]
    return name_of(body.type, names, otherwise)


def _neighbors(neighbors: Any) -> list[int]:
    """Ids of neighbouring lanes, each once: a lane is listed again for every stretch along which it is one."""
    return list(dict.fromkeys(neighbor.feature_id for neighbor in neighbors))
