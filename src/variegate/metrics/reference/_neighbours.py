"""Who is near whom: float32 finds the few pairs that decide, float64 decides.

Products in float32 take half the time, and what each may be wrong by is known: a block of them
becomes lower bounds on the squared distances, and only pairs that bounds leave open are measured
again, from their two points.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import UsageError

__all__ = ["inside", "kth_squared_distance", "rim"]

Floats = NDArray[np.float64]
Precision = type[np.float32] | type[np.float64]
Bounds = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]
Places = NDArray[np.intp]

_BLOCK = 500_000  # entries of one block of bounds: 2 MB, which stay in the cache
_DOUBLE = float(np.finfo(np.float64).eps)
_MANY = 8  # of so many entries of a block one in doubt is too many
_PIECE = 2**14  # pairs measured at a time
_SETS = 128  # of columns: minima of so many bound the k-th smallest of a row


def kth_squared_distance(x: Floats, y: Floats | None = None, *, k: int) -> Floats:
    """(n,) from every row of x to its k-th nearest in y; in x itself, without itself, if None."""
    others = x if y is None else y
    most = len(others) - (y is None)
    if not 1 <= k <= most:
        raise UsageError(f"Expected k from 1 to {most}, the neighbours there are, got {k}.")
    if (scale := _scale(x, others)) != 1:
        near = kth_squared_distance(x * scale, None if y is None else y * scale, k=k)
        return np.asarray(near / scale / scale)
    found, unsure = _nearest(x, others, k, np.float32, itself=y is None, rows=np.arange(len(x)))
    if len(unsure):
        found[unsure], unsure = _nearest(x, others, k, np.float64, itself=y is None, rows=unsure)
    return found


def _nearest(
    x: Floats, y: Floats, k: int, dtype: Precision, *, itself: bool, rows: Places
) -> tuple[Floats, Places]:
    """k-th distance of some rows of x, and for which of them float32 leaves too much open."""
    found, unsure = np.empty(len(rows)), []
    own, other = _slack(x[rows], dtype), _slack(y, dtype)
    for start, low in _low_bounds(x[rows], y, dtype):
        part = slice(start, start + len(low))
        if itself:
            low[np.arange(len(low)), rows[part]] = np.inf
        reach = _kth_at_most(low + 2 * other, k) + 2 * own[part]
        i, j = np.divmod(np.flatnonzero(low <= _above(reach, dtype)[:, None]), len(y))
        if dtype is np.float32 and len(i) * _MANY > low.size and len(i) > 2 * k * len(low):
            unsure.append(rows[part])
        else:
            mine = x[rows[part]]
            found[part] = _kth_among(mine, y, k, i, j, low[i, j], own[part], other)
    return found, np.concatenate([rows[:0], *unsure])


def inside(x: Floats, y: Floats, *limits: Floats) -> Iterator[tuple[slice, list[Bools]]]:
    """Rows of x, and which of their squared distances to all y are below each of the limits.

    Args:
        x: (n, d) points.
        y: (m, d) points.
        limits: (n, 1), one a row of x, or (1, m), one a row of y.
    """
    if (scale := _scale(x, y)) != 1:
        x, y, limits = x * scale, y * scale, tuple(limit * scale * scale for limit in limits)
    own, other = _slack(x, np.float32), _slack(y, np.float32)
    for start, low in _low_bounds(x, y, np.float32):
        part = slice(start, start + len(low))
        found = []
        for limit in limits:
            mine = limit[part] if len(limit) == len(x) else limit
            near = low < _above(mine, np.float32)
            places = np.flatnonzero(near)
            i, j = np.divmod(places, len(y))
            asked = np.broadcast_to(mine, low.shape)[i, j]
            open_ = low[i, j] + 2.0 * (own[start + i] + other[j]) >= asked
            i, j, asked, places = i[open_], j[open_], asked[open_], places[open_]
            near.flat[places] = _between(x, y, start + i, j) < asked
            found.append(near)
        yield part, found


def rim(points: Floats, squared: Floats) -> Floats:
    """(n,) what squared distances from points this far out may be wrong by, at these distances."""
    norms = np.sqrt(np.einsum("id,id->i", points, points))
    width = points.shape[1] + 16
    return np.asarray(_DOUBLE * (16 * norms * np.sqrt(squared) + width * squared))


def _scale(x: Floats, y: Floats) -> float:
    """Factor that brings points to where float32 holds their squares; 1 where they are there."""
    largest = max(float(np.abs(x).max(initial=0.0)), float(np.abs(y).max(initial=0.0)))
    return 1.0 if largest == 0 or 1e-12 < largest < 1e12 else 1.0 / largest


def _low_bounds(x: Floats, y: Floats, dtype: Precision) -> Iterator[tuple[int, Bounds]]:
    """First row, and for a block of rows what their squared distances to all y are at least.

    At most they are more by twice the slack of both points. One product a block: the squares
    stand beside the points.
    """
    left, right = (np.einsum("id,id->i", z, z)[:, None] - _slack(z, dtype)[:, None] for z in (x, y))
    few: Any = np.hstack([-2 * x, left, np.ones_like(left)]).astype(dtype)
    many = np.hstack([y, np.ones_like(right), right]).astype(dtype).T
    step = max(1, _BLOCK // max(len(y), 1))
    for start in range(0, len(x), step):
        yield start, np.asarray(few[start : start + step] @ many, dtype=dtype)


def _slack(points: Floats, dtype: Precision) -> Bounds:
    """Its share in what a product may be wrong by, and a little more."""
    share = (points.shape[1] + 16) * float(np.finfo(dtype).eps)
    return np.asarray(share * np.einsum("id,id->i", points, points), dtype=dtype)


def _above(limits: Floats, dtype: Precision) -> Bounds:
    return np.asarray(np.nextafter(limits.astype(dtype), dtype(np.inf)))


def _kth_at_most(high: Bounds, k: int) -> Floats:
    """(rows,) at least the k-th smallest of every row, and seldom much more.

    The k-th smallest of the minima of disjoint sets of columns; columns left over only lower it.
    """
    sets = max(_SETS, 4 * k)
    if (each := high.shape[1] // sets) > 1:
        high = high[:, : each * sets].reshape(len(high), each, sets).min(axis=1)
    return np.asarray(np.partition(high, k - 1, axis=1)[:, k - 1], dtype=np.float64)


def _kth_among(
    x: Floats, y: Floats, k: int, i: Places, j: Places, low: Bounds, own: Bounds, other: Bounds
) -> Floats:
    """k-th distance of every row of x, given the pairs that it can be and bounds on them."""
    high = low + 2.0 * (own[i] + other[j])
    first = np.searchsorted(i, np.arange(len(x)))  # pairs come row by row
    least = low[np.lexsort((low, i))][first + k - 1]
    most = high[np.lexsort((high, i))][first + k - 1]
    nearer = np.bincount(i[high < least[i]], minlength=len(x))
    open_ = np.flatnonzero((high >= least[i]) & (low <= most[i]))
    exact = _between(x, y, i[open_], j[open_])
    ranked = exact[np.lexsort((exact, i[open_]))]
    return np.asarray(ranked[np.searchsorted(i[open_], np.arange(len(x))) + k - 1 - nearer])


def _between(x: Floats, y: Floats, i: Places, j: Places) -> Floats:
    """Squared distances of pairs, from their points; of copies, once."""
    if len(i) > max(_PIECE, 2 * len(x) + 2 * len(y)):
        alike, kind = (
            np.unique(z, axis=0, return_index=True, return_inverse=True)[1:] for z in (x, y)
        )
        once, which = np.unique(alike[1][i] * len(y) + kind[1][j], return_inverse=True)
        i, j = alike[0][once // len(y)], kind[0][once % len(y)]
        return _measured(x, y, i, j)[which]
    return _measured(x, y, i, j)


def _measured(x: Floats, y: Floats, i: Places, j: Places) -> Floats:
    found = np.empty(len(i))
    for piece in range(0, len(i), _PIECE):
        part = slice(piece, piece + _PIECE)
        gap = x[i[part]] - y[j[part]]
        found[part] = np.einsum("id,id->i", gap, gap)
    return found
