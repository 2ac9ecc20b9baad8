"""Distance correlation: any dependence between outputs and attributes, not only a straight one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError
from variegate.metrics._arrays import finite

__all__ = ["distance_correlation"]

Floats = NDArray[np.float64]


def distance_correlation(
    features: ArrayLike, *attributes: ArrayLike, unbiased: bool = True
) -> float:
    """Dependence between outputs and one attribute or several taken together.

    R² = V(x, z)/√(V(x, x) V(z, z)), with V the mean product of doubly centred distances, z all
    attributes side by side. A single column of numbers counts in units of its spread, several by
    their Euclidean distance as they are, labels 0 or 1; squared distances of attributes add up.

    Args:
        features: (n,) or (n, d).
        attributes: (n,) or (n, e) numbers, or (n,) labels, each.
        unbiased: take the estimate of V whose mean is 0 under independence at every n; otherwise
            the plain one, which is positive at any n.

    Returns:
        R² (plain: at most 1, 0 only under independence as n grows); unbiased: about 0 under
        independence, where it may be negative, 1 for a straight line. NaN where one side is
        constant.

    Raises:
        DataError: NaN or Inf.
        UsageError: sides of other length, no attribute, or fewer than four rows.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).standard_normal(300)
        >>> bool(distance_correlation(x, x**2) > 0.2 > abs(np.corrcoef(x, x**2)[0, 1]))
        True

    Reference:
        Székely 2007, https://arxiv.org/abs/0803.4101; unbiased: Székely 2014,
        https://arxiv.org/abs/1310.2926
    """
    if not attributes:
        raise UsageError("Expected an attribute or more, got none.")
    x = np.sqrt(_squared(features))
    z = np.sqrt(sum((_squared(attribute) for attribute in attributes), np.zeros(())))
    n = len(x)
    if z.shape != x.shape:
        raise UsageError(f"Expected attributes of {n} rows, got {len(z)}.")
    if n < 4:
        raise UsageError(f"Expected four rows or more, got {n}.")
    centre = _centred_unbiased if unbiased else _centred
    a, b = centre(x), centre(z)
    own = float((a * a).sum()) * float((b * b).sum())
    return float((a * b).sum() / np.sqrt(own)) if own > 0 else float("nan")


def _squared(values: ArrayLike) -> Floats:
    """(n, n) squared distances."""
    try:
        array = np.atleast_1d(np.asarray(values))
    except ValueError as error:
        raise UsageError(f"Expected a value or a row of values an item: {error}") from None
    if not array.size:
        return np.zeros((len(array), len(array)))
    if array.dtype.kind not in "fiu":
        return np.asarray(array[:, None] != array[None, :], dtype=np.float64)
    rows = finite(array, "values", axes=2 if array.ndim == 2 else 1).reshape(len(array), -1)
    spread = rows.std(axis=0)
    rows = (rows - rows.mean(axis=0)) / (spread if rows.shape[1] == 1 and spread > 0 else 1)
    lengths = np.einsum("ij,ij->i", rows, rows)
    squared = lengths[:, None] + lengths - 2 * rows @ rows.T
    np.fill_diagonal(squared, 0)
    return np.asarray(np.maximum(squared, 0), dtype=np.float64)


def _centred(d: Floats) -> Floats:
    return np.asarray(d - d.mean(axis=0) - d.mean(axis=1)[:, None] + d.mean())


def _centred_unbiased(d: Floats) -> Floats:
    n = len(d)
    rows = d.sum(axis=1) / (n - 2)
    centred = d - rows - rows[:, None] + d.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(centred, 0)
    return np.asarray(centred)
