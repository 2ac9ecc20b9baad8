"""What every metric on arrays checks first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import numbers
from variegate.errors import DataError, UsageError

__all__ = ["cosine_kernel", "finite", "refuse_bad", "unit_and_blank", "unit_rows"]

Floats = NDArray[np.float64]


def finite(values: ArrayLike | None, name: str, *, axes: int = 1) -> Floats:
    """As float64, or a DataError that lists the first items with NaN or Inf."""
    array = numbers(values, name)
    refuse_bad(array, name, axes=axes)
    return array


def refuse_bad(array: NDArray[Any], name: str, *, axes: int = 1) -> None:
    """Raise a DataError that lists the first items with NaN or Inf; an item has `axes` - 1 axes."""
    # The sum is finite unless an entry is not (or overflows, which the exact test then clears).
    with np.errstate(over="ignore", invalid="ignore"):
        total = array.sum(dtype=np.float64)
    if np.isfinite(total) or np.isfinite(array).all():
        return
    if array.ndim < axes:
        raise DataError(f"Expected finite {name}, got NaN or Inf.")
    bad = np.argwhere(~np.isfinite(array))
    where = np.unique(bad[:, : array.ndim - axes + 1], axis=0)
    first = [tuple(map(int, w)) if len(w) > 1 else int(w[0]) for w in where[:5]]
    raise DataError(
        f"Expected finite {name}, got NaN or Inf in {len(where)} of them, first at "
        f"{', '.join(map(str, first))}.",
        hint="Leave those outputs out, or find out why they have no numbers.",
    )


def unit_rows(features: Any) -> Floats:
    """Rows of length 1 in float64 (a fresh array); rows of zeros stay zeros."""
    return unit_and_blank(finite(features, "features", axes=2))[0]


def unit_and_blank(features: NDArray[Any]) -> tuple[Floats, NDArray[np.bool_]]:
    """As `unit_rows`, and which rows are zeros; a row with NaN or Inf holds NaN."""
    rows = np.array(features, dtype=np.float64)
    if rows.ndim < 2:
        raise UsageError(f"Expected features of shape (..., n, d), got {rows.shape}.")
    with np.errstate(over="ignore"):
        squares = np.einsum("...i,...i->...", rows, rows)
    odd = ~((squares > 1e-200) & (squares < 1e200))
    if odd.any():
        # Lengths whose squares leave the range of numbers: by the largest entry first.
        with np.errstate(invalid="ignore"):
            largest = np.abs(rows[odd]).max(axis=-1, initial=0.0)
            rows[odd] /= np.where(largest == 0, 1.0, largest)[..., None]
        squares[odd] = np.einsum("...i,...i->...", rows[odd], rows[odd])
    blank = np.asarray(squares == 0)
    rows /= np.sqrt(np.where(blank, 1.0, squares))[..., None]
    return rows, blank


def cosine_kernel(features: Any) -> Floats:
    """(..., n, n) cosines of the rows; an item is like itself even where it has no direction."""
    rows = unit_rows(features)
    if rows.ndim < 2:
        raise UsageError(f"Expected features of shape (..., n, d), got {rows.shape}.")
    kernel = rows @ rows.swapaxes(-1, -2)
    kernel[..., np.arange(rows.shape[-2]), np.arange(rows.shape[-2])] = 1.0
    return np.asarray(kernel)
