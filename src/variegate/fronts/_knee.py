"""Where a front bends, and over how much of the trade-off each point is the best."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError
from variegate.fronts._nondominated import nondominated
from variegate.fronts._points import as_points

__all__ = ["bulge", "knee", "robustness"]

Floats = NDArray[np.float64]

_STRAIGHT = 1e-9  # of the unit square: what rounding makes of a straight line


def knee(points: ArrayLike) -> int | None:
    """The point of the front that bulges most: past it, much of one axis buys little of the other.

    Args:
        points: (N, 2), larger being better.

    Returns:
        The row of the point with the largest `bulge`, the first of equal ones. None where there
        is no knee: a straight or a hollow front, or fewer than three different points on it.

    Reference:
        `Das 1999 <https://doi.org/10.1007/BF01195985>`_.

    Example:
        >>> knee([[0, 1], [0.7, 0.7], [1, 0]])
        1
        >>> knee([[0, 1], [0.5, 0.5], [1, 0]]) is None
        True
    """
    distances = bulge(points)
    if np.isnan(distances).all() or not np.nanmax(distances) > _STRAIGHT:
        return None
    return int(np.nanargmax(distances))


def bulge(points: ArrayLike) -> Floats:
    """Distance of each point of the front from the straight line between its two ends.

    Both axes are first brought to [0, 1] between the ends of the front, so that units do not
    matter.

    Args:
        points: (N, 2), larger being better.

    Returns:
        (N,) 0 at the ends and on the line, up to 1/√2 at the corner where both axes are best;
        negative on the hollow side; NaN off the front. A front of a single place is all 0.

    Raises:
        UsageError: an array that is not (N, 2).

    Example:
        >>> bulge([[0, 1], [0.7, 0.7], [1, 0], [0.5, 0.5]]).round(3).tolist()
        [0.0, 0.283, 0.0, nan]
    """
    array = _flat(points)
    front = nondominated(array)
    distances = np.full(len(array), np.nan)
    if front.any():
        here = array[front]
        low, span = here.min(axis=0), np.ptp(here, axis=0)
        if (span > 0).all():
            distances[front] = (((here - low) / span).sum(axis=1) - 1) / np.sqrt(2)
        else:
            distances[front] = 0.0
    return distances


def robustness(points: ArrayLike) -> Floats:
    """Share of weights w in [0, 1] for which a point is the best by w x + (1 - w) y.

    Args:
        points: (N, 2), larger being better, on comparable axes.

    Returns:
        (N,) shares that sum to 1 where any point is complete: 0 for a point inside the hull
        (also one on the front), 1 for one that is best whatever the weight. Equal points share.

    Raises:
        UsageError: an array that is not (N, 2), or infinite points.

    Example:
        >>> robustness([[0, 1], [0.7, 0.7], [1, 0], [0.1, 0.8]]).round(3).tolist()
        [0.3, 0.4, 0.3, 0.0]
    """
    array = _flat(points)
    if np.isinf(array).any():
        raise UsageError("Expected finite points or NaN, got infinities.")
    shares = np.zeros(len(array))
    front = nondominated(array)
    if not front.any():
        return shares
    places, which, count = np.unique(array[front], axis=0, return_inverse=True, return_counts=True)
    # The upper hull from left to right: every turn must be to the right.
    hull: list[int] = []
    for i in range(len(places)):
        while len(hull) > 1 and _turn(*places[[hull[-2], hull[-1], i]]) >= 0:
            hull.pop()
        hull.append(i)
    steps = np.diff(places[hull], axis=0)  # right and down
    ties = np.concatenate([[0.0], -steps[:, 1] / (steps[:, 0] - steps[:, 1]), [1.0]])
    of_place = np.zeros(len(places))
    of_place[hull] = np.diff(ties)
    shares[front] = (of_place / count)[which.ravel()]
    return shares


def _flat(points: ArrayLike) -> Floats:
    array = as_points(points, axes=2)
    if array.ndim != 2:
        raise UsageError(f"Expected points of shape (N, 2), got {array.shape}.")
    return array


def _turn(a: Floats, b: Floats, c: Floats) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))
