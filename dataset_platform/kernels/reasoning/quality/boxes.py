"""Oriented boxes in the plane: do they overlap? By separating axes, over arrays of any shape that broadcasts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Boxes:
    """Centres, headings and sizes, metres and radians; arrays that broadcast against each other. NaN: no box."""

    x_m: Floats
    y_m: Floats
    heading_rad: Floats
    length_m: Floats
    width_m: Floats


def overlap(a: Boxes, b: Boxes) -> Bools:
    """Whether boxes overlap, elementwise; False where one has NaN."""
    dx, dy = b.x_m - a.x_m, b.y_m - a.y_m
    turn = b.heading_rad - a.heading_rad
    c, s = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    la, wa, lb, wb = (v / 2 for v in (a.length_m, a.width_m, b.length_m, b.width_m))
    ca, sa, cb, sb = np.cos(a.heading_rad), np.sin(a.heading_rad), np.cos(b.heading_rad), np.sin(b.heading_rad)
    with np.errstate(invalid="ignore"):
        return (
            (np.abs(dx * ca + dy * sa) < la + lb * c + wb * s)
            & (np.abs(dy * ca - dx * sa) < wa + lb * s + wb * c)
            & (np.abs(dx * cb + dy * sb) < lb + la * c + wa * s)
            & (np.abs(dy * cb - dx * sb) < wb + la * s + wa * c)
        )


def corners(x_m: Floats, y_m: Floats, heading_rad: Floats, length_m: float, width_m: float) -> Floats:
    """[4, T, 2]: front left, front right, rear right, rear left."""
    c, s = np.cos(heading_rad), np.sin(heading_rad)
    along = np.array([1, 1, -1, -1])[:, None] * length_m / 2
    across = np.array([1, -1, -1, 1])[:, None] * width_m / 2
    return np.stack([x_m + along * c - across * s, y_m + along * s + across * c], axis=-1)
