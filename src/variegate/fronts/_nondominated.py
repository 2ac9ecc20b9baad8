"""The points that no other point beats on both axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError

__all__ = ["nondominated"]


def nondominated(points: ArrayLike) -> NDArray[np.bool_]:
    """Which points are on the front, larger being better on both axes.

    A point is beaten by one that is at least as good on both axes and better on one.

    Args:
        points: (N, 2), e.g. quality and variety of N arms.

    Returns:
        (N,) True on the front. Equal points are kept together; a point with NaN is never on
        the front and beats nobody. All False where no point is complete.

    Raises:
        UsageError: an array that is not (N, 2).

    Example:
        >>> nondominated([[0.9, 0.1], [0.5, 0.5], [0.4, 0.4], [0.1, 0.9]]).tolist()
        [True, True, False, True]
    """
    array = np.asarray(points, dtype=np.float64)
    if array.size == 0:
        array = array.reshape(0, 2)
    if array.ndim != 2 or array.shape[1] != 2:
        raise UsageError(f"Expected points of shape (N, 2), got {array.shape}.")
    front = np.zeros(len(array), dtype=bool)
    complete = np.flatnonzero(~np.isnan(array).any(axis=1))
    if not complete.size:
        return front
    x, y = array[complete].T
    # From the best x down: a point stays if its y is the best at its x and above all before.
    order = np.lexsort((-y, -x))
    x, y = x[order], y[order]
    first = np.concatenate([[True], x[1:] != x[:-1]])
    group = np.cumsum(first) - 1
    best_at_x = y[first]
    best_before = np.concatenate([[-np.inf], np.maximum.accumulate(best_at_x)[:-1]])
    # The first group has nobody before it, and stays even at -inf.
    ahead = (best_at_x > best_before) | (np.arange(len(best_at_x)) == 0)
    front[complete[order]] = (y == best_at_x[group]) & ahead[group]
    return front
