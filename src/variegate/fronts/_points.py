"""Points as they are given: their shape, and what is missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError

__all__ = ["as_points", "moocore_or_refuse"]


def as_points(points: ArrayLike, *, axes: int | None = None) -> NDArray[np.float64]:
    """(..., N, d) doubles; an empty list is (0, 2).

    Raises:
        UsageError: fewer than two axes, or not the number asked for.
    """
    array = np.asarray(points, dtype=np.float64)
    if array.size == 0 and array.ndim < 2:
        array = array.reshape(0, axes or 2)
    fits = array.ndim >= 2 and (array.shape[-1] == axes if axes else array.shape[-1] >= 2)
    if not fits:
        raise UsageError(
            f"Expected points of shape (..., N, {axes or 'd ≥ 2'}), got {array.shape}."
        )
    return array


def moocore_or_refuse(what: str) -> object:
    """Import moocore, or name the extra that brings it."""
    try:
        import moocore
    except ModuleNotFoundError as error:
        from variegate.errors import MissingExtra

        raise MissingExtra(what, "pareto") from error
    return moocore
