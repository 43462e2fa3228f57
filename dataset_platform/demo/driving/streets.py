"""Streets between crossings: some lanes a side, straight or winding, with or without a crosswalk; and freeways."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dataset_platform.demo.driving.curves import headings, lengths, resampled, shifted
from dataset_platform.demo.driving.roads import Builder, Network

Floats = NDArray[np.float64]

LENGTH_M = 520.0
PIECE_M = 130.0
LANE_M = 3.6


def street(
    limit_mph: float,
    lanes: int = 2,
    *,
    bend_rad: float = 0.0,
    crosswalk_m: float | None = None,
    bike_lane: bool = False,
    freeway: bool = False,
) -> Network:
    """A street along the x axis; routes ``W.through.0`` (next to the middle), ``W.through.1``, … and ``E.through.…`` back.

    Args:
        bend_rad: the street swings to the left and back by this angle, twice; 0 for a straight one.
        crosswalk_m: where a crosswalk without a signal lies, metres from the western end.
        bike_lane: beside the outermost lanes.
    """
    b = Builder(limit_mph, "freeway" if freeway else "surface_street")
    middle = _reference(bend_rad)
    median = 3.0 if freeway else 0.0
    outer = median + lanes * LANE_M
    edge = outer + (3.0 if freeway else 1.8 if bike_lane else 0.6)
    for arm, sign in (("W", -1.0), ("E", 1.0)):
        ways = [_lane(b, middle, sign, median + LANE_M * (k + 0.5)) for k in range(lanes)]
        for right, left in zip(ways[1:], ways[:-1], strict=True):
            for r, left_piece in zip(right, left, strict=True):
                b.beside(r, left_piece)
        b.routes |= {f"{arm}.through.{k}": tuple(way) for k, way in enumerate(ways)}
        if bike_lane:
            b.routes[f"{arm}.bike"] = tuple(_lane(b, middle, sign, outer + 0.9, "bike_lane"))
            b.add("road_line", "solid_single_white", _side(middle, sign * outer, 4.0))
        for k in range(1, lanes):
            b.add("road_line", "broken_single_white", _side(middle, sign * (median + k * LANE_M), 4.0))
        b.add("road_edge", "edge_boundary", _side(middle, sign * edge, 4.0))
        if freeway:
            b.add("road_edge", "edge_median", _side(middle, sign * (median - 1.5), 4.0))
            b.add("road_line", "solid_single_yellow", _side(middle, sign * median, 4.0))
    if not freeway:
        b.add("road_line", "solid_double_yellow" if lanes > 1 else "broken_single_yellow", _side(middle, 0.0, 4.0))
    if crosswalk_m is not None:
        _crosswalk(b, middle, crosswalk_m, edge)
    return b.network()


def _reference(bend_rad: float) -> Floats:
    """Middle of the street: its heading follows a sine squared, left in the first half and right in the second."""
    share = np.linspace(0.0, 1.0, 2081)
    heading = bend_rad * np.sin(np.pi * share) ** 2 * np.sin(2 * np.pi * share)
    step = LENGTH_M / (len(share) - 1)
    line = np.cumsum(step * np.stack([np.cos(heading), np.sin(heading)], axis=-1), axis=0)
    return resampled(line, 1.0)


def _side(middle: Floats, offset_m: float, spacing_m: float = 1.0) -> Floats:
    return resampled(shifted(middle, offset_m), spacing_m)


def _lane(b: Builder, middle: Floats, sign: float, offset_m: float, type_: str | None = None) -> list[int]:
    """A lane in pieces, eastbound (sign -1, right of the middle) or westbound."""
    line = _side(middle, sign * offset_m)
    if sign > 0:
        line = line[::-1]
    count = int(LENGTH_M // PIECE_M)
    bounds = np.linspace(0, len(line) - 1, count + 1).astype(int)
    pieces: list[int] = []
    for first, last in zip(bounds[:-1], bounds[1:], strict=True):
        pieces.append(b.lane(line[first : last + 1], *pieces[-1:], type_=type_))
    return pieces


def _crosswalk(b: Builder, middle: Floats, at_m: float, edge: float) -> None:
    place = int(np.searchsorted(lengths(middle), at_m))
    centre, heading = middle[place], headings(middle)[place]
    along = np.array([np.cos(heading), np.sin(heading)])
    left = np.array([-along[1], along[0]])
    corners = [(-1.7, -edge), (1.7, -edge), (1.7, edge), (-1.7, edge)]
    polygon = np.stack([centre + u * along + w * left for u, w in corners])
    b.crosswalk(polygon, np.stack([centre - edge * left, centre + edge * left]), None)
