"""What every metric on arrays checks first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import DataError

__all__ = ["finite", "unit_rows"]

Floats = NDArray[np.float64]


def finite(values: ArrayLike | None, name: str, *, axes: int = 1, first: int = 0) -> Floats:
    """As float64, or a DataError that lists the first items with NaN or Inf.

    An item is the last axis but `axes` - 1; `first` is the index of the first item given.
    """
    array = np.asarray(values, dtype=np.float64)
    # The sum is finite unless an entry is not (or overflows, which the exact test then clears).
    if not np.isfinite(array.sum()) and not np.isfinite(array).all():
        bad = np.argwhere(~np.isfinite(array))
        where = np.unique(bad[:, : array.ndim - axes + 1], axis=0)
        where[:, -1] += first if axes == 2 and array.ndim >= 2 else 0
        shown = ", ".join(
            str(tuple(map(int, w))) if len(w) > 1 else str(int(w[0])) for w in where[:5]
        )
        raise DataError(
            f"Expected finite {name}, got NaN or Inf in {len(where)} of them, first at {shown}.",
            hint="Leave those outputs out, or find out why they have no numbers.",
        )
    return array


def unit_rows(features: Any, *, first: int = 0) -> Floats:
    """Rows of length 1 in float64 (a fresh array); rows of zeros stay zeros."""
    rows = finite(features, "features", axes=2, first=first)
    norms = np.sqrt(np.einsum("...i,...i->...", rows, rows))[..., None]
    unit: Floats = np.divide(rows, norms, out=np.zeros(rows.shape), where=norms > 0)
    return unit
