"""Distances to the k-th nearest neighbour, a block of rows at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from variegate.divergences import squared_distances
from variegate.errors import UsageError

__all__ = ["kth_squared_distance", "rim"]

Floats = NDArray[np.float64]


def kth_squared_distance(x: Floats, y: Floats | None = None, *, k: int) -> Floats:
    """(n,) from every row of x to its k-th nearest in y; in x itself, without itself, if None."""
    others = x if y is None else y
    most = len(others) - (y is None)
    if not 1 <= k <= most:
        raise UsageError(f"Expected k from 1 to {most}, the neighbours there are, got {k}.")
    found = np.empty(len(x))
    for start, squared in squared_distances(x, others):
        rows = np.arange(len(squared))
        if y is None:
            squared[rows, start + rows] = np.inf
        nearest = np.argpartition(squared, k - 1, axis=1)[:, k - 1]
        # Products round; the one distance that is kept is taken from its two points.
        gap = x[start : start + len(squared)] - others[nearest]
        found[start : start + len(squared)] = np.einsum("id,id->i", gap, gap)
    return found


def rim(x: Floats, y: Floats) -> float:
    """What the squared distance of two points this far out may be wrong by."""
    return 8 * float(np.finfo(np.float64).eps) * (_largest(x) + _largest(y))


def _largest(points: Floats) -> float:
    return float(np.einsum("id,id->i", points, points).max(initial=0.0))
