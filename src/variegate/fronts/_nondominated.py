"""The points that no other point beats on every axis, and those behind them layer by layer."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError
from variegate.fronts._points import as_points, moocore_or_refuse

__all__ = ["nondominated", "ranks"]


def nondominated(points: ArrayLike) -> NDArray[np.bool_]:
    """Which points are on the front, larger being better on every axis.

    A point is beaten by one that is at least as good on all axes and better on one.

    Args:
        points: (..., N, 2), e.g. quality and variety of N arms, in as many resamples as there
            are leading axes; or (N, d) for d > 2, which needs the extra ``[pareto]``.

    Returns:
        (..., N) True on the front. Equal points are kept together; a point with NaN is never on
        the front and beats nobody. All False where no point is complete.

    Raises:
        UsageError: an array of another shape.
        MissingExtra: more than two axes without moocore.

    Example:
        >>> nondominated([[0.9, 0.1], [0.5, 0.5], [0.4, 0.4], [0.1, 0.9]]).tolist()
        [True, True, False, True]
    """
    array = as_points(points)
    if array.shape[-1] > 2:
        return _in_space(array)
    if not array.shape[-2]:
        return np.zeros(array.shape[:-1], dtype=bool)
    complete = ~np.isnan(array).any(axis=-1)
    x, y = (np.where(complete, array[..., axis], -np.inf) for axis in (0, 1))
    # From the best x down, at one x from the best y down.
    order = np.lexsort((-y, -x), axis=-1)
    x, y = (np.take_along_axis(values, order, axis=-1) for values in (x, y))
    place = np.broadcast_to(np.arange(x.shape[-1]), x.shape)
    first = np.ones(x.shape, dtype=bool)
    first[..., 1:] = x[..., 1:] != x[..., :-1]
    start = np.maximum.accumulate(np.where(first, place, 0), axis=-1)
    # A point stays if its y is the best at its x and above all before it.
    best_so_far = np.maximum.accumulate(y, axis=-1)
    best_before = np.take_along_axis(best_so_far, np.maximum(start - 1, 0), axis=-1)
    ahead = (y > best_before) | (start == 0)
    kept = (y == np.take_along_axis(y, start, axis=-1)) & ahead
    front = np.zeros(x.shape, dtype=bool)
    np.put_along_axis(front, order, kept, axis=-1)
    return front & complete


def ranks(points: ArrayLike) -> NDArray[np.int64]:
    """The layer each point lies on: 0 is the front, 1 the front of what is left, and so on.

    Args:
        points: (N, 2), larger being better.

    Returns:
        (N,) layers from 0; -1 for a point with NaN, which has none. Equal points share a layer.

    Raises:
        UsageError: an array that is not (N, 2).

    Example:
        >>> ranks([[0.2, 0.9], [0.5, 0.7], [0.8, 0.3], [0.5, 0.5]]).tolist()
        [0, 0, 0, 1]
    """
    array = as_points(points, axes=2)
    if array.ndim != 2:
        raise UsageError(f"Expected points of shape (N, 2), got {array.shape}.")
    layers = np.full(len(array), -1)
    complete = np.flatnonzero(~np.isnan(array).any(axis=1))
    x, y = array[complete].T
    last: tuple[float, float] | None = None
    # The best y of every layer so far, negated; every point of it lies at or right of the next,
    # so the first layer that does not beat a point is found by halving.
    tops: list[float] = []
    for i in np.lexsort((-y, -x)):
        here = (float(x[i]), float(y[i]))
        if here != last:
            layer = bisect_left(tops, True, key=lambda top, y=here[1]: -top < y)  # type: ignore[misc]
            tops[layer : layer + 1] = [-here[1]]
            last = here
        layers[complete[i]] = layer
    return layers


def _in_space(array: NDArray[np.float64]) -> NDArray[np.bool_]:
    if array.ndim != 2:
        raise UsageError(
            f"Expected points of shape (N, d) for more than two axes, got {array.shape}."
        )
    moocore: Any = moocore_or_refuse("A front of more than two axes")
    front = np.zeros(len(array), dtype=bool)
    # moocore lets a row with NaN win.
    complete = np.flatnonzero(~np.isnan(array).any(axis=1))
    if complete.size:
        front[complete] = moocore.is_nondominated(array[complete], maximise=True, keep_weakly=True)
    return front
