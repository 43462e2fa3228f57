"""Four-way crossings: a large one with signals, turn pockets and crosswalks, a small one with stop signs.

Arms are named E, N, W, S by where they lie. Within an arm, ``u`` counts metres outwards from the centre and ``w`` metres
to the left of the outward direction, so inbound lanes lie at positive, outbound lanes at negative ``w``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dataset_platform.demo.driving.curves import ramp, straight, turn
from dataset_platform.demo.driving.roads import Builder, Head, Network

Floats = NDArray[np.float64]

ARMS = "ENWS"
SIGNAL_PHASES = (("EW_left", 8.0), ("EW", 20.0), ("NS_left", 8.0), ("NS", 20.0))
REACH_M = 170.0
_MOVES = {"left": 3, "through": 2, "right": 1}  # arms further on, counter-clockwise, seen from the arm one comes from


def _at(arm: int, u: float | Floats, w: float | Floats) -> Floats:
    c, s = np.cos(arm * np.pi / 2), np.sin(arm * np.pi / 2)
    u, w = np.broadcast_arrays(np.asarray(u, float), np.asarray(w, float))
    return np.stack([c * u - s * w, s * u + c * w], axis=-1)


def _connector(arm: int, w: float, to: int, w_out: float, line_u: float) -> Floats:
    """From an inbound lane's stop line over the crossing to an outbound lane."""
    start, end = _at(arm, line_u, w), _at(to, line_u, w_out)
    if (to - arm) % 4 == 2:
        return straight(start, end)
    angle = np.pi / 2 if (to - arm) % 4 == _MOVES["left"] else -np.pi / 2
    return turn(start, arm * np.pi / 2 + np.pi, end, angle)


def _corner(b: Builder, arm: int, edge_w: float, radius: float) -> None:
    """The road edge around the corner between an arm and the next counter-clockwise."""
    angle = np.linspace(-np.pi / 2, -np.pi, 12) + arm * np.pi / 2
    centre = _at(arm, edge_w + radius, edge_w + radius)
    arc = centre + radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    inbound = straight(_at(arm, REACH_M, edge_w), arc[0], 4.0)
    outbound = straight(arc[-1], _at((arm + 1) % 4, REACH_M, -edge_w), 4.0)
    b.add("road_edge", "edge_boundary", np.concatenate([inbound[:-1], arc, outbound[1:]]))


def _crosswalk(b: Builder, arm: int, near_u: float, far_u: float, half_width: float, group: str | None) -> None:
    polygon = np.stack([_at(arm, u, w) for u, w in (
        (near_u, -half_width), (far_u, -half_width), (far_u, half_width), (near_u, half_width)
    )])  # fmt: skip
    middle = (near_u + far_u) / 2
    b.crosswalk(polygon, np.stack([_at(arm, middle, -half_width), _at(arm, middle, half_width)]), group)


def signal_crossing(limit_mph: float = 40.0) -> Network:
    """Two through lanes and a left-turn pocket a side; arrows for the left turns, crosswalks on all arms."""
    b = Builder(limit_mph)
    line_u, edge_w, pocket_u = 27.0, 11.1, 110.0
    inbound: dict[tuple[int, str], int] = {}
    outbound: dict[tuple[int, float], int] = {}
    before: dict[tuple[int, str], tuple[int, ...]] = {}
    for arm in range(4):
        far = b.lane(straight(_at(arm, REACH_M, 5.25), _at(arm, pocket_u, 5.25)))
        inner = b.lane(straight(_at(arm, pocket_u, 5.25), _at(arm, line_u, 5.25)), far)
        u = np.linspace(pocket_u, line_u, 84)
        pocket = b.lane(_at(arm, u, 5.25 - 3.5 * ramp(pocket_u - u, 0.0, 30.0)), far)
        outer = b.lane(straight(_at(arm, REACH_M, 8.75), _at(arm, line_u, 8.75)))
        for right, left in ((outer, far), (outer, inner), (inner, pocket)):
            b.beside(right, left)
        inbound |= {(arm, "pocket"): pocket, (arm, "inner"): inner, (arm, "outer"): outer}
        before |= {(arm, "pocket"): (far, pocket), (arm, "inner"): (far, inner), (arm, "outer"): (outer,)}
    links: list[tuple[int, str, str, float, float]] = []  # arm, lane, movement, w, w outbound
    for arm in range(4):
        links += [
            (arm, "pocket", "left", 1.75, -5.25),
            (arm, "inner", "through", 5.25, -5.25),
            (arm, "outer", "through", 8.75, -8.75),
            (arm, "outer", "right", 8.75, -8.75),
        ]
    connectors = {}
    for arm, lane, move, w, w_out in links:
        to = (arm + _MOVES[move]) % 4
        line = _connector(arm, w, to, w_out, line_u)
        connector = b.lane(line, inbound[arm, lane], interpolating=True)
        axis = "EW" if arm % 2 == 0 else "NS"
        left = move == "left"
        b.heads.append(Head(connector, f"{axis}_left" if left else axis, left, _at(arm, line_u, w)))
        connectors[arm, lane, move] = connector, to, w_out
    for (arm, lane, move), (connector, to, w_out) in connectors.items():
        out = outbound.get((to, w_out))
        if out is None:
            out = outbound[to, w_out] = b.lane(straight(_at(to, line_u, w_out), _at(to, REACH_M, w_out)), connector)
        else:
            b.follow(connector, out)
        name = f"{ARMS[arm]}.{move}" + (f".{lane}" if move == "through" else "")
        b.routes[name] = (*before[arm, lane], connector, out)
    for arm in range(4):
        b.beside(outbound[arm, -8.75], outbound[arm, -5.25])
        _signal_paint(b, arm, line_u, pocket_u)
        _corner(b, arm, edge_w, radius=10.0)
    for arm in range(4):  # walkers over an arm go with the traffic that runs beside them
        _crosswalk(b, arm, 22.0, 25.5, edge_w, "NS" if arm % 2 == 0 else "EW")
    return b.network(SIGNAL_PHASES)


def _signal_paint(b: Builder, arm: int, line_u: float, pocket_u: float) -> None:
    for kind, near, far, w in (
        ("solid_double_yellow", line_u, pocket_u - 18.0, 0.0),
        ("solid_single_yellow", line_u, REACH_M, -3.5),
        ("solid_single_yellow", pocket_u, REACH_M, 3.5),
        ("solid_single_white", line_u, pocket_u - 25.0, 3.5),
        ("solid_single_white", line_u, line_u + 25.0, 7.0),
        ("broken_single_white", line_u + 25.0, REACH_M, 7.0),
        ("broken_single_white", line_u, REACH_M, -7.0),
    ):
        b.add("road_line", kind, straight(_at(arm, near, w), _at(arm, far, w), 4.0))


def stop_crossing(limit_mph: float = 25.0) -> Network:
    """One lane a side, a stop sign and a crosswalk on every arm, cars parked at the kerb."""
    b = Builder(limit_mph)
    line_u, edge_w, lane_w = 16.0, 6.4, 1.8
    ways_in = {arm: b.lane(straight(_at(arm, REACH_M, lane_w), _at(arm, line_u, lane_w))) for arm in range(4)}
    connectors: dict[tuple[int, str], int] = {}
    for arm in range(4):
        for move, further in _MOVES.items():
            line = _connector(arm, lane_w, (arm + further) % 4, -lane_w, line_u)
            connectors[arm, move] = b.lane(line, ways_in[arm], interpolating=True)
    for to in range(4):
        entries = [((to - further) % 4, move) for move, further in _MOVES.items()]
        way_out = b.lane(
            straight(_at(to, line_u, -lane_w), _at(to, REACH_M, -lane_w)), *(connectors[e] for e in entries)
        )
        for arm, move in entries:
            b.routes[f"{ARMS[arm]}.{move}"] = (ways_in[arm], connectors[arm, move], way_out)
    for arm in range(4):
        b.add("road_line", "solid_double_yellow", straight(_at(arm, line_u, 0.0), _at(arm, REACH_M, 0.0), 4.0))
        _corner(b, arm, edge_w, radius=6.0)
        b.stop_sign(_at(arm, line_u, edge_w - 0.4), tuple(connectors[arm, move] for move in _MOVES))
        for place in range(10):
            for side in (1, -1):
                x, y = _at(arm, 26.0 + 9.0 * place, side * 5.2)
                b.parking.append((float(x), float(y), arm * np.pi / 2 + (np.pi if side > 0 else 0.0)))
    for arm in range(4):
        _crosswalk(b, arm, 11.5, 14.5, edge_w, None)
    return b.network()
