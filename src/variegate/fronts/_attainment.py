"""Attainment: what a front that is only known with chance reaches, and how surely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError
from variegate.fronts._points import as_points

__all__ = ["Attainment", "attainment"]

Floats = NDArray[np.float64]

_GRID = 200


@dataclass(frozen=True, kw_only=True)
class Attainment:
    """Surfaces of attainment over the first axis.

    Args:
        surfaces: (L, G) the y that a share of the sets reaches at x or better; NaN where fewer
            sets reach that x at all. Falls along x and with the share.
        levels: (L,) the shares, in percent.
        x: (G,) the places.
        sets: how many sets there were.
    """

    surfaces: Floats
    levels: tuple[float, ...]
    x: Floats
    sets: int


def attainment(
    sets: ArrayLike,
    *,
    levels: Sequence[float] = (5, 50, 95),
    x: ArrayLike | None = None,
) -> Attainment:
    """The y that 5, 50 and 95 % of the sets reach at every x: a front with its band.

    A set reaches (x, y) if one of its points is at least as good on both axes. The surface at
    k % is the largest y with #{sets that reach (x, y)} ≥ k/100 · B. Where all sets are the same
    front, all surfaces are its staircase.

    Args:
        sets: (B, N, 2) one set a resample, larger being better; points with NaN reach nothing.
        levels: shares of the sets, in percent; the surface at 95 % is the sure one, below it.
        x: (G,) where to look; by default every x that occurs, or 200 places from the least to the
            largest where there are more.

    Returns:
        An `Attainment`, its headline the surfaces.

    Raises:
        UsageError: another shape, no set, or a level outside (0, 100].

    Reference:
        `Fonseca 2001 <https://doi.org/10.1007/3-540-44719-9_15>`_.

    Example:
        >>> found = attainment([[[0, 1], [1, 0]], [[0, 2], [2, 0]]], levels=[50, 100])
        >>> found.x.tolist(), found.surfaces.tolist()
        ([0.0, 1.0, 2.0], [[2.0, 0.0, 0.0], [1.0, 0.0, nan]])
    """
    array = as_points(sets, axes=2)
    if array.ndim != 3 or not len(array):
        raise UsageError(f"Expected sets of shape (B, N, 2) with B ≥ 1, got {array.shape}.")
    if not all(0 < level <= 100 for level in levels):
        raise UsageError(f"Expected levels in (0, 100], got {list(levels)}.")
    complete = ~np.isnan(array).any(axis=-1)
    right = np.where(complete, array[..., 0], -np.inf)
    up = np.where(complete, array[..., 1], -np.inf)
    at = _places(right[complete]) if x is None else np.asarray(x, dtype=np.float64)
    reached = np.full((len(array), len(at)), -np.inf)
    for arm in range(array.shape[1]):
        there = right[:, arm, None] >= at
        np.maximum(reached, np.where(there, up[:, arm, None], -np.inf), out=reached)
    # Best first: the k-th best y is reached by k sets.
    reached = -np.sort(-reached, axis=0)
    rows = [int(np.ceil(level / 100 * len(array) - 1e-9)) - 1 for level in levels]
    surfaces = reached[rows]
    return Attainment(
        surfaces=np.where(np.isneginf(surfaces), np.nan, surfaces),
        levels=tuple(float(level) for level in levels),
        x=at,
        sets=len(array),
    )


def _places(values: Floats) -> Floats:
    found = np.unique(values)
    return found if len(found) <= _GRID else np.linspace(found[0], found[-1], _GRID)
