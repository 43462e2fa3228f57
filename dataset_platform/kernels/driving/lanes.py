"""Which lane a vehicle is on: nearest lane *segment* that runs its way, with how sure that is.

Lane centre lines overlap in crossings and a sampled map is cut off, so a match is a choice: it is scored by distance,
direction and whether the lane was surveyed, and its confidence says how much nearer it is than the next lane.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dataset_platform.kernels.driving.geometry import cumulative_length
from dataset_platform.kernels.driving.scene import MapFeature, RoadMap

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BIKE_LANE = "bike_lane"
MIN_DIRECTION_DOT = 0.6
"""Cosine between heading and lane below which a vehicle does not drive along the lane (about 53°)."""
MAX_OFFSET_M = 2.5
"""Farther from a centre line than this nobody is on the lane: US lanes are 2.7 to 4.6 m wide."""
SURE_OFFSET_M = 0.9
"""Within half the slack of a 3.6 m lane around a 1.8 m car, the distance says nothing against the match."""
DIRECTION_WEIGHT_M = 4.0
"""Metres of distance that a direction off by cos = 0 would be worth."""
INTERPOLATED_PENALTY_M = 0.3
"""Of two lanes about as near, the surveyed one is taken."""
MAX_SAMPLE_GAP_M = 6.0
"""Samples of a cut-off map farther apart than this are not joined."""
CURVATURE_WEIGHT_M = 0.4
"""Metres of distance that a curvature off by ``CURVATURE_SCALE_PER_M`` or more is worth."""
CURVATURE_SCALE_PER_M = 0.05
CURVATURE_SPAN_M = 10.0
"""A lane's curvature is its mean over this distance ahead."""
MAX_PIECE_M = 2.0
MAX_SEGMENT_M = 1_000.0
"""Lanes are surveyed every half metre or so: what lies farther apart is a point that was never set."""
CELL_M = MAX_OFFSET_M + MAX_PIECE_M / 2
"""So wide that a piece within reach of a position has its middle in the position's cell or in one of its neighbours."""


@dataclass(frozen=True, eq=False)
class LaneMatch:
    """Matches of positions with lanes; all arrays have the shape of the positions.

    Attributes:
        lane: index into ``LaneNetwork.lanes``, -1 when none fits.
        offset_m: distance from the centre line, metres; NaN without a lane.
        along_m: arc length along the lane, metres.
        direction_dot: cosine between heading and lane.
        confidence: 0 to 1.
    """

    lane: Ints
    offset_m: Floats
    along_m: Floats
    direction_dot: Floats
    confidence: Floats


def _surveyed(feature: MapFeature) -> MapFeature:
    """The feature up to its first point that is not finite or was never set: one would cost memory without end."""
    steps = np.hypot(*np.diff(feature.points[:, :2], axis=0).T)
    broken = np.flatnonzero(~(steps <= MAX_SEGMENT_M))
    return replace(feature, points=feature.points[: broken[0] + 1]) if len(broken) else feature


class LaneNetwork:
    """The lanes that vehicles drive on, as segments in a grid."""

    def __init__(self, road_map: RoadMap) -> None:
        self.sampled = road_map.sampled
        self.lanes: tuple[MapFeature, ...] = tuple(
            f
            for f in map(_surveyed, road_map.features)
            if f.kind == "lane" and f.type != BIKE_LANE and len(f.points) > 1 and np.ptp(f.points[:, :2], axis=0).any()
        )
        self.ids: Ints = np.array([f.feature_id for f in self.lanes], np.int64)
        self.index_of = {f.feature_id: i for i, f in enumerate(self.lanes)}
        self.arcs = [cumulative_length(f.points) for f in self.lanes]
        self._interpolating = np.array([f.interpolating for f in self.lanes], bool)
        self._build()

    def _build(self) -> None:
        """Segments, cut into short pieces so that the grid can hold them by their middle."""
        starts, steps, along, owner, curvature = [], [], [], [], []
        for i, (lane, arc) in enumerate(zip(self.lanes, self.arcs, strict=True)):
            start, step = lane.points[:-1, :2], np.diff(lane.points[:, :2], axis=0)
            length = np.diff(arc)
            real = (length > 1e-6) & ((length <= MAX_SAMPLE_GAP_M) | (not self.sampled))
            start, step, at, length = start[real], step[real], arc[:-1][real], length[real]
            pieces = np.maximum(np.ceil(length / MAX_PIECE_M), 1).astype(np.int64)
            which = np.repeat(np.arange(len(pieces)), pieces)
            order = np.arange(len(which)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
            share = (order / pieces[which])[:, None]
            starts.append(start[which] + step[which] * share)
            steps.append(step[which] / pieces[which][:, None])
            along.append(at[which] + length[which] * share[:, 0])
            owner.append(np.full(len(which), i, np.int64))
            curvature.append(curvature_ahead(lane.points, arc, along[-1]))
        self._start = np.concatenate(starts) if starts else np.empty((0, 2))
        self._step = np.concatenate(steps) if steps else np.empty((0, 2))
        self._along = np.concatenate(along) if along else np.empty(0)
        self._owner = np.concatenate(owner) if owner else np.empty(0, np.int64)
        self._curvature = np.concatenate(curvature) if curvature else np.empty(0)
        self._length = np.hypot(self._step[:, 0], self._step[:, 1])
        if not len(self._start):
            return
        middle = self._start + self._step / 2
        # a ring of empty cells around the map, so that neighbours of any cell exist
        self._origin = middle.min(0) - 2 * CELL_M
        cell = ((middle - self._origin) // CELL_M).astype(np.int64)
        self._shape = cell.max(0) + 3
        key = cell[:, 0] * self._shape[1] + cell[:, 1]
        self._order = np.argsort(key, kind="stable")
        self._key = key[self._order]  # occupied cells only: one stray point far away must not cost memory

    def _pairs(self, x: Floats, y: Floats) -> tuple[Ints, Ints]:
        """Positions and segments in neighbouring cells: every segment within ``MAX_OFFSET_M`` of a position is there."""
        cx = ((x - self._origin[0]) // CELL_M).astype(np.int64)
        cy = ((y - self._origin[1]) // CELL_M).astype(np.int64)
        near = (cx >= 1) & (cx < self._shape[0] - 1) & (cy >= 1) & (cy < self._shape[1] - 1)
        who = np.flatnonzero(near)
        # the three cells of a row of the grid follow one another: one run of segments per row
        rows = (cx[who, None] + np.array([-1, 0, 1])) * self._shape[1] + cy[who, None]
        first = np.searchsorted(self._key, rows - 1, "left").ravel()
        last = np.searchsorted(self._key, rows + 1, "right").ravel()
        count = last - first
        place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
        return np.repeat(np.repeat(who, 3), count), self._order[place]

    def match(self, x: Floats, y: Floats, heading: Floats, curvature_per_m: Floats | None = None) -> LaneMatch:
        """Lane of each position.

        Args:
            x, y, heading: any shape; NaN matches nothing.
            curvature_per_m: same shape, curvature that is driven, where known: of lanes that still lie on top of each
                other at the start of a crossing, the one that bends this way is taken.
        """
        shape = np.shape(x)
        x, y, heading = (np.asarray(a, float).ravel() for a in (x, y, heading))
        count = len(x)
        lane = np.full(count, -1, np.int64)
        offset, along, dot, second = np.full((4, count), np.nan)
        known = np.flatnonzero(np.isfinite(x + y + heading))
        if len(self._start) and len(known):
            who, segment = self._pairs(x[known], y[known])
            who = known[who]
            start, step, length = self._start[segment], self._step[segment], self._length[segment]
            dx, dy = x[who] - start[:, 0], y[who] - start[:, 1]
            share = np.clip((dx * step[:, 0] + dy * step[:, 1]) / length**2, 0, 1)
            away = np.hypot(dx - share * step[:, 0], dy - share * step[:, 1])
            cosine = (np.cos(heading[who]) * step[:, 0] + np.sin(heading[who]) * step[:, 1]) / length
            fits = (away <= MAX_OFFSET_M) & (cosine >= MIN_DIRECTION_DOT)
            who, segment, share, away, cosine = (a[fits] for a in (who, segment, share, away, cosine))
            owner = self._owner[segment]
            score = away + DIRECTION_WEIGHT_M * (1 - cosine) + INTERPOLATED_PENALTY_M * self._interpolating[owner]
            if curvature_per_m is not None:
                bend = np.abs(self._curvature[segment] - np.ravel(curvature_per_m)[who]) / CURVATURE_SCALE_PER_M
                score = score + CURVATURE_WEIGHT_M * np.fmin(bend, 1.0)
            # best segment of each lane of each position, then best lane of each position
            order = np.lexsort((score, owner, who))
            key = who[order] * len(self.lanes) + owner[order]
            order = order[np.r_[True, key[1:] != key[:-1]]] if len(order) else order
            order = order[np.lexsort((owner[order], score[order], who[order]))]
            _, first = np.unique(who[order], return_index=True)
            best = order[first]
            at = who[best]
            lane[at], offset[at], dot[at] = owner[best], away[best], cosine[best]
            along[at] = self._along[segment[best]] + share[best] * self._length[segment[best]]
            next_one = np.minimum(first + 1, len(order) - 1)
            has_next = (first + 1 < len(order)) & (who[order[next_one]] == at)
            second[at] = np.where(has_next, score[order[next_one]] - score[best], np.inf)
        confidence = self._confidence(offset, dot, second, lane)
        return LaneMatch(
            lane.reshape(shape),
            offset.reshape(shape),
            along.reshape(shape),
            dot.reshape(shape),
            confidence.reshape(shape),
        )

    def _confidence(self, offset: Floats, dot: Floats, margin: Floats, lane: Ints) -> Floats:
        """Product of how near, how parallel and how unrivalled the match is; a cut-off map halves it.

        A rival less than a metre worse takes up to half of the confidence: overlapping lanes of a crossing.
        """
        near = np.clip(1 - (offset - SURE_OFFSET_M) / (MAX_OFFSET_M - SURE_OFFSET_M), 0, 1)
        parallel = np.clip((dot - MIN_DIRECTION_DOT) / (0.95 - MIN_DIRECTION_DOT), 0, 1)
        unrivalled = 0.5 + 0.5 * np.clip(margin, 0, 1)
        confidence = near * parallel * unrivalled * (0.5 if self.sampled else 1.0)
        return np.where(lane >= 0, confidence, 0.0)


def curvature_ahead(points: Floats, arc: Floats, along: Floats) -> Floats:
    """Mean curvature over the next ``CURVATURE_SPAN_M`` of a polyline, left positive, 1/m.

    Args:
        points, arc: [P, 2+] and [P], P ≥ 2.
        along: [K], arc lengths at which it is wanted.
    """
    middle = (arc[:-1] + arc[1:]) / 2
    heading = np.unwrap(np.arctan2(np.diff(points[:, 1]), np.diff(points[:, 0])))
    ahead = np.minimum(along + CURVATURE_SPAN_M, arc[-1])
    turned: Floats = np.interp(ahead, middle, heading) - np.interp(along, middle, heading)
    return turned / np.maximum(ahead - along, CURVATURE_SPAN_M / 2)
