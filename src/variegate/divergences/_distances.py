"""Two sets of points and their squared distances, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import numbers
from variegate.errors import DataError, UsageError

__all__ = ["squared_distances", "two_sets"]

Floats = NDArray[np.float64]

_BLOCK = 500_000  # entries of one block of distances: 4 MB, which stay in the cache
_ROUNDING = 4 * float(np.finfo(np.float64).eps)


def two_sets(x: ArrayLike, y: ArrayLike, *, least: int = 1) -> tuple[Floats, Floats]:
    """Bring two sets of points to where the distances between them keep their digits.

    Both are moved by the mean of x: far from the origin, the products that distances are made of
    would cancel.

    Args:
        x: (n, d) or (n,) points.
        y: (m, d) or (m,) points.
        least: points each set must have.

    Returns:
        (n, d) and (m, d) in float64.

    Raises:
        DataError: NaN or Inf.
        UsageError: points of other dimension, or fewer than `least`.

    Example:
        >>> two_sets([4.0, 6.0], [5.0])[1].tolist()
        [[0.0]]
    """
    left, right = _points(x, least), _points(y, least)
    if left.shape[1] != right.shape[1]:
        raise UsageError(
            f"Expected points of the same dimension, got {left.shape[1]} and {right.shape[1]}."
        )
    centre = left.mean(axis=0)
    return left - centre, right - centre


def squared_distances(x: Floats, y: Floats) -> Iterator[tuple[int, Floats]]:
    """Squared distances of all of x to all of y, a block of rows of x at a time.

    ‖x‖² + ‖y‖² - 2 x·y, one matrix product a block; no more than a few MB are held, or one row.

    Args:
        x: (n, d) points, as from `two_sets`.
        y: (m, d) points.

    Yields:
        The first row of the block, and the (rows, m) squared distances, fresh for the taking.
        What is 0 to rounding is 0.

    Example:
        >>> x, y = two_sets([0.0, 1.0], [3.0])
        >>> [(start, block.tolist()) for start, block in squared_distances(x, y)]
        [(0, [[9.0], [4.0]])]
    """
    left, right = np.einsum("id,id->i", x, x), np.einsum("id,id->i", y, y)
    furthest = right.max(initial=0.0)
    rows = max(1, _BLOCK // max(len(y), 1))
    for start in range(0, len(x), rows):
        own = left[start : start + rows]
        block = x[start : start + rows] @ y.T
        block *= -2
        block += own[:, None]
        block += right
        # What is 0 to rounding is 0: a square root would make 1e-8 of 1e-16.
        i, j = np.nonzero(block <= _ROUNDING * (own + furthest)[:, None])
        none = block[i, j] <= _ROUNDING * (own[i] + right[j])
        block[i[none], j[none]] = 0.0
        yield start, block


def _points(values: ArrayLike, least: int) -> Floats:
    array = numbers(values, "values", largest=1e150)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] == 0:
        raise UsageError(f"Expected points of shape (n, d) or (n,), got {array.shape}.")
    if len(array) < least:
        raise UsageError(f"Expected at least {least} points in each set, got {len(array)}.")
    if not np.isfinite(array).all():
        raise DataError(
            "Expected finite points, got NaN or Inf.", hint="Leave those points out first."
        )
    return array
