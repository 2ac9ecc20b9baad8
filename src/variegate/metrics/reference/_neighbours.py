"""Who is near whom: float32 finds the few pairs that decide, float64 decides.

Products in float32 take half the time, and what they may be wrong by is known: pairs for which
that could change the answer are measured again, from their two points.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from variegate.divergences import squared_distances
from variegate.errors import UsageError

__all__ = ["inside", "kth_squared_distance", "rim"]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Bools = NDArray[np.bool_]

_BLOCK = 1_000_000  # entries of one block of distances: 4 MB, which stay in the cache
_SINGLE = float(np.finfo(np.float32).eps)
_MANY = 8  # of so many entries of a block one in doubt is too many: float64 throughout


def kth_squared_distance(x: Floats, y: Floats | None = None, *, k: int) -> Floats:
    """(n,) from every row of x to its k-th nearest in y; in x itself, without itself, if None."""
    others = x if y is None else y
    most = len(others) - (y is None)
    if not 1 <= k <= most:
        raise UsageError(f"Expected k from 1 to {most}, the neighbours there are, got {k}.")
    if (scale := _scale(x, others)) != 1:
        near = kth_squared_distance(x * scale, None if y is None else y * scale, k=k)
        return np.asarray(near / scale / scale)
    found = np.empty(len(x))
    for start, coarse, slack in _coarse_distances(x, others):
        rows = np.arange(len(coarse))
        part = slice(start, start + len(coarse))
        if y is None:
            coarse[rows, start + rows] = np.inf
        kth = np.partition(coarse, k - 1, axis=1)[:, k - 1]
        # The k nearest are among those that are not beyond the k-th by more than both may be off.
        i, j = np.nonzero(coarse <= (kth + 2 * slack)[:, None])
        if len(i) * _MANY > coarse.size and len(i) > 2 * k * len(rows):
            found[part] = _kth_in_double(x[part], others, k, start if y is None else None)
            continue
        exact = _between(x, others, start + i, j)
        ranked = exact[np.lexsort((exact, i))]
        found[part] = ranked[np.searchsorted(i, rows) + k - 1]
    return found


def inside(
    x: Floats, y: Floats, own: Floats, other: Floats
) -> Iterator[tuple[slice, Bools, Bools]]:
    """Rows of x, and whether their squared distance to every y is below that of x, and of y.

    Args:
        x: (n, d) points.
        y: (m, d) points.
        own: (n,) squared distances to compare with, of the rows of x.
        other: (m,) those of the rows of y.
    """
    if (scale := _scale(x, y)) != 1:
        x, y, own, other = x * scale, y * scale, own * scale * scale, other * scale * scale
    for start, coarse, slack in _coarse_distances(x, y):
        part = slice(start, start + len(coarse))
        decided = []
        for limit in (own[part, None], other[None, :]):
            low = (limit - slack[:, None]).astype(np.float32)
            high = (limit + slack[:, None]).astype(np.float32)
            near = coarse < high
            i, j = np.nonzero(near & (coarse >= low))
            limits = np.broadcast_to(limit, coarse.shape)[i, j]
            # In pieces: points all alike are all in doubt.
            for piece in range(0, len(i), 2**16):
                a, b = i[piece : piece + 2**16], j[piece : piece + 2**16]
                near[a, b] = _between(x, y, start + a, b) < limits[piece : piece + 2**16]
            decided.append(near)
        yield part, decided[0], decided[1]


def rim(x: Floats, y: Floats) -> float:
    """What the squared distance of two points this far out may be wrong by."""
    return 8 * float(np.finfo(np.float64).eps) * (_largest(x) + _largest(y))


def _scale(x: Floats, y: Floats) -> float:
    """Factor that brings points to where float32 holds their squares; 1 where they are there."""
    largest = max(float(np.abs(x).max(initial=0.0)), float(np.abs(y).max(initial=0.0)))
    return 1.0 if largest == 0 or 1e-12 < largest < 1e12 else 1.0 / largest


def _coarse_distances(x: Floats, y: Floats) -> Iterator[tuple[int, Singles, Floats]]:
    """First row, squared distances of a block in float32, and what each row's may be wrong by."""
    left, right = np.einsum("id,id->i", x, x), np.einsum("id,id->i", y, y)
    furthest = float(right.max(initial=0.0))
    few, many = x.astype(np.float32), y.astype(np.float32)
    slack = (x.shape[1] + 8) * _SINGLE * (left + furthest)
    step = max(1, _BLOCK // max(len(y), 1))
    for start in range(0, len(x), step):
        part = slice(start, start + step)
        block = few[part] @ many.T
        block *= -2
        block += left[part, None].astype(np.float32)
        block += right.astype(np.float32)
        yield start, block, slack[part]


def _between(x: Floats, y: Floats, i: NDArray[np.intp], j: NDArray[np.intp]) -> Floats:
    gap = x[i] - y[j]
    return np.asarray(np.einsum("id,id->i", gap, gap))


def _kth_in_double(x: Floats, y: Floats, k: int, itself: int | None) -> Floats:
    found = np.empty(len(x))
    for start, squared in squared_distances(x, y):
        rows = np.arange(len(squared))
        if itself is not None:
            squared[rows, itself + start + rows] = np.inf
        nearest = np.argpartition(squared, k - 1, axis=1)[:, k - 1]
        # Products round; the one distance that is kept is taken from its two points.
        found[start : start + len(rows)] = _between(x, y, start + rows, nearest)
    return found


def _largest(points: Floats) -> float:
    return float(np.einsum("id,id->i", points, points).max(initial=0.0))
