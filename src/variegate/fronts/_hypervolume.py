"""Hypervolume: how much of the plane a set of points covers, seen from a reference point."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError
from variegate.fronts._nondominated import nondominated
from variegate.fronts._points import as_points, moocore_or_refuse

__all__ = ["contributions", "hypervolume"]

Floats = NDArray[np.float64]


def hypervolume(points: ArrayLike, *, reference: ArrayLike) -> Floats | float:
    """Volume of what the points cover: ∪ₚ [r, p], larger being better on every axis.

    On two axes a sweep from the best x down sums (xᵢ - xᵢ₊₁)(maxⱼ≤ᵢ yⱼ - r_y); it runs over any
    leading axes at once, so that a bootstrap is one call. More axes go to moocore.

    Args:
        points: (..., N, 2), or (N, d) for d > 2, which needs the extra ``[pareto]``.
        reference: (d,) the fixed point r that everything is measured from. The ranking of sets
            depends on it: take the published ends of the axes, never the worst of what is compared.

    Returns:
        (...) volumes, a float for one set; 0 where no point is better than r on every axis. A
        point with NaN covers nothing. It grows with every point added, and scales with each
        axis.

    Raises:
        UsageError: infinite points, or a reference of another length or not finite.
        MissingExtra: more than two axes without moocore.

    Reference:
        `Zitzler 1998 <https://doi.org/10.1007/BFb0056872>`_.

    Example:
        >>> points = [[0.2, 0.9], [0.5, 0.7], [0.8, 0.3], [0.5, 0.5]]
        >>> round(hypervolume(points, reference=[0, 0]), 9)
        0.48
    """
    above = _above(points, reference)
    if above.shape[-1] == 2:
        volume = _swept(above)
    elif above.ndim == 2:
        moocore: Any = moocore_or_refuse("The hypervolume of more than two axes")
        corner = np.zeros(above.shape[-1])
        inside = above[(above > 0).all(axis=1)]
        covered = moocore.hypervolume(inside, ref=corner, maximise=True) if len(inside) else 0.0
        volume = np.asarray(covered, dtype=np.float64)
    else:
        raise UsageError(
            f"Expected points of shape (N, d) for more than two axes, got {above.shape}."
        )
    return float(volume) if above.ndim == 2 else volume


def contributions(points: ArrayLike, *, reference: ArrayLike) -> Floats:
    """What each point alone adds to the front: its hypervolume less that of the front without it.

    Points off the front are put aside first; what they would fill in again is not taken off.

    Args:
        points: (N, d), larger being better.
        reference: (d,) as in `hypervolume`.

    Returns:
        (N,) from 0 (off the front, equal to another, or not better than the reference) to the
        hypervolume (a point alone).

    Raises:
        UsageError, MissingExtra: as in `hypervolume`.

    Example:
        >>> points = [[0.2, 0.9], [0.5, 0.7], [0.8, 0.3], [0.5, 0.5]]
        >>> contributions(points, reference=[0, 0]).round(9).tolist()
        [0.04, 0.12, 0.09, 0.0]
    """
    above = _above(points, reference)
    if above.ndim != 2:
        raise UsageError(f"Expected points of shape (N, d), got {above.shape}.")
    origin = np.zeros(above.shape[1])
    alone = np.zeros(len(above))
    if above.shape[1] > 2:
        members = np.flatnonzero(nondominated(above))
        whole = hypervolume(above[members], reference=origin)
        for i in members:
            alone[i] = whole - hypervolume(above[members[members != i]], reference=origin)
        return np.maximum(alone, 0.0)
    front = np.flatnonzero(nondominated(above) & (above > 0).all(axis=1))
    front = front[np.argsort(above[front, 0], kind="stable")]
    x, y = above[front].T
    alone[front] = np.diff(x, prepend=0.0) * -np.diff(y, append=0.0)
    return alone


def _above(points: ArrayLike, reference: ArrayLike) -> Floats:
    """Points as seen from the reference; what covers nothing is put onto it."""
    array, corner = as_points(points), np.asarray(reference, dtype=np.float64)
    if corner.shape != array.shape[-1:] or not np.isfinite(corner).all():
        raise UsageError(
            f"Expected a finite reference of shape ({array.shape[-1]},), got {corner.tolist()}."
        )
    if np.isinf(array).any():
        raise UsageError("Expected finite points or NaN, got infinities.")
    above = array - corner
    covers = (above > 0).all(axis=-1, keepdims=True)  # False for NaN
    return np.where(covers, above, 0.0)


def _swept(above: Floats) -> Floats:
    if not above.shape[-2]:
        return np.zeros(above.shape[:-2])
    order = np.argsort(-above[..., 0], axis=-1, kind="stable")
    x, y = (np.take_along_axis(above[..., axis], order, axis=-1) for axis in (0, 1))
    widths = x - np.concatenate([x[..., 1:], np.zeros_like(x[..., :1])], axis=-1)
    volume: Floats = (widths * np.maximum.accumulate(y, axis=-1)).sum(axis=-1)
    return volume
