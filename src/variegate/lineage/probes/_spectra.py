"""Spectra of weights and features: how many directions matter, and how heavy the tail is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import DataError, UsageError

__all__ = [
    "SpectralFit",
    "effective_rank",
    "filter_diversity",
    "spectral_exponent",
    "stable_rank",
    "truncate",
]

Floats = NDArray[np.float64]

_BLOCK = 8192  # columns turned into double precision at a time


def effective_rank(matrix: ArrayLike) -> float:
    """Effective number of directions, exp H(σ/Σσ) of the singular values.

    These are the roots of the eigenvalues of the smaller Gram matrix, in double precision: an
    embedding of 50,000 × 576 costs a 576 × 576 problem. What is lost is below 1e-8 of the largest.

    Args:
        matrix: (m, n) weights, a weight difference, or features of one layer.

    Returns:
        From 1 (rank one) to min(m, n) (all singular values equal). NaN for a zero matrix.

    Example:
        >>> import numpy as np
        >>> round(effective_rank(np.eye(7)), 9), round(effective_rank(np.ones((5, 3))), 9)
        (7.0, 1.0)

    Reference: Roy 2007, https://ieeexplore.ieee.org/document/7098875
    """
    squares = np.linalg.eigvalsh(_gram(matrix))
    # Below this an eigenvalue is rounding of the Gram matrix, not a direction.
    squares = squares[squares > squares[-1] * len(squares) * np.finfo(np.float64).eps]
    if not len(squares) or squares[-1] <= 0:
        return float("nan")
    p = np.sqrt(squares)
    p /= p.sum()
    return float(np.exp(-(p * np.log(p)).sum()))


def stable_rank(matrix: ArrayLike) -> float:
    """Frobenius over spectral norm, squared: Σσ² / max σ².

    Args:
        matrix: (m, n).

    Returns:
        From 1 (rank one) to min(m, n); never above the rank. NaN for a zero matrix.

    Example:
        >>> import numpy as np
        >>> stable_rank(np.diag([2.0, 1.0, 1.0]))
        1.5

    Reference: Rudelson 2007, https://arxiv.org/abs/math/0503442
    """
    values = _singular(matrix)
    return float((values**2).sum() / values[0] ** 2) if values[0] > 0 else float("nan")


def truncate(matrix: ArrayLike, *, rank: int) -> Floats:
    """The matrix with all but its `rank` strongest directions removed.

    For a weight difference between two checkpoints: evaluate base + truncated difference at
    growing rank to see which directions carry the behaviour and which only noise.

    Args:
        matrix: (m, n).
        rank: directions kept, from 0 to min(m, n).

    Returns:
        (m, n) the closest matrix of that rank; the matrix itself at full rank.

    Raises:
        UsageError: a rank outside the range.

    Example:
        >>> import numpy as np
        >>> truncate(np.diag([3.0, 2.0, 1.0]), rank=2).diagonal().round(9).tolist()
        [3.0, 2.0, 0.0]
    """
    array = _matrix(matrix)
    if not 0 <= rank <= min(array.shape):
        raise UsageError(f"Expected a rank from 0 to {min(array.shape)}, got {rank}.")
    u, s, v = np.linalg.svd(array, full_matrices=False)
    kept: Floats = (u[:, :rank] * s[:rank]) @ v[:rank]
    return kept


@dataclass(frozen=True, kw_only=True)
class SpectralFit:
    """A power law λ^(-α) fitted to the tail of an eigenvalue spectrum.

    Args:
        alpha: the exponent of the density; around 2 the tail is as heavy as in layers that are
            well trained, large values mean no heavy tail.
        xmin: where the tail starts, in units of the mean eigenvalue.
        tail: eigenvalues in the tail.
        distance: Kolmogorov–Smirnov distance between tail and fit.
        determinant_tail: eigenvalues counted from the largest until their product (rescaled to
            mean 1) falls below 1.
        gap: determinant_tail - tail; 0 where the two ideas of a tail coincide.
    """

    alpha: float
    xmin: float
    tail: int
    distance: float
    determinant_tail: int
    gap: int


def spectral_exponent(eigenvalues: ArrayLike, *, smallest_tail: int = 10) -> SpectralFit:
    """Fit the power-law tail of a spectrum by maximum likelihood.

    α = 1 + n / Σ ln(λ_i/x_min) over the n eigenvalues from x_min up, with x_min the eigenvalue
    at which the Kolmogorov–Smirnov distance is smallest. Does not depend on the scale.

    A spectrum without a tail (random weights) is fitted at its edge by a handful of
    eigenvalues, and α then scatters between about 3 and 8: read it beside `tail` and
    `distance`, and compare two checkpoints layer by layer rather than one with a threshold.

    Args:
        eigenvalues: (M,) of WᵀW, i.e. squared singular values; zeros are left out.
        smallest_tail: fewest eigenvalues a tail may have.

    Returns:
        A `SpectralFit`.

    Raises:
        DataError: fewer positive eigenvalues than a tail needs, or a flat spectrum.

    Example:
        >>> import numpy as np
        >>> tail = (1 - (np.arange(2000) + 0.5) / 2000) ** (-1 / 1.5)  # density exponent 2.5
        >>> round(spectral_exponent(tail).alpha, 1)
        2.5

    References: Clauset 2009, https://arxiv.org/abs/0706.1062; Martin 2025 (SETOL),
    https://arxiv.org/abs/2507.17912
    """
    values = np.asarray(eigenvalues, dtype=np.float64).ravel()
    if not np.isfinite(values).all() or (values < 0).any():
        raise DataError("Expected finite eigenvalues of at least 0.")
    values = np.sort(values[values > 0]).astype(np.float64)
    if len(values) <= smallest_tail or values[0] == values[-1]:
        raise DataError(
            f"Expected more than {smallest_tail} different positive eigenvalues, "
            f"got {len(np.unique(values))}.",
            hint="A flat or tiny spectrum has no tail to fit; use stable_rank.",
        )
    values = np.asarray(values * (len(values) / values.sum()), dtype=np.float64)
    logs = np.log(values)
    best = (np.inf, 0, np.nan)
    for start in range(len(values) - smallest_tail + 1):
        tail = logs[start:] - logs[start]
        if tail[-1] <= 0:
            break
        n = len(tail)
        alpha = 1 + n / tail.sum()
        fitted = -np.expm1((1 - alpha) * tail)
        above, below = np.arange(1, n + 1) / n - fitted, fitted - np.arange(n) / n
        distance = float(max(above.max(), below.max()))
        if distance < best[0]:
            best = (distance, start, alpha)
    distance, start, alpha = best
    # Sums of logarithms from the top: the product itself would overflow.
    falling = np.flatnonzero(np.cumsum(logs[::-1]) < 0)
    determinant = int(falling[0]) + 1 if falling.size else len(values)
    count = len(values) - start
    return SpectralFit(
        alpha=float(alpha),
        xmin=float(values[start]),
        tail=count,
        distance=distance,
        determinant_tail=determinant,
        gap=determinant - count,
    )


def filter_diversity(weights: ArrayLike) -> float:
    """How differently the filters of a layer look: mean of 1 - |cos| over pairs of filters.

    Args:
        weights: (filters, inputs), or (filters, ...) flattened; all-zero filters are left out,
            since they look at nothing.

    Returns:
        0: all filters are copies of one, up to sign and scale. 1: all are orthogonal. NaN with
        fewer than two filters.

    Example:
        >>> import numpy as np
        >>> filter_diversity(np.eye(4)), round(filter_diversity([[1, 2], [-2, -4]]), 9)
        (1.0, 0.0)
    """
    array = np.asarray(weights, dtype=np.float64)
    array = _matrix(array.reshape(len(array), -1) if array.ndim > 2 else array)
    lengths = np.sqrt((array**2).sum(axis=1))
    rows = array[lengths > 0] / lengths[lengths > 0, None]
    n = len(rows)
    if n < 2:
        return float("nan")
    alike = np.minimum(np.abs(rows @ rows.T), 1.0)
    return float(1 - (alike.sum() - np.trace(alike)) / (n * (n - 1)))


def _matrix(matrix: ArrayLike) -> Floats:
    return _checked(np.asarray(matrix, dtype=np.float64))


def _gram(matrix: ArrayLike) -> Floats:
    """Products of the rows, or of the columns where they are fewer; copies no large matrix."""
    array = _checked(np.asarray(matrix))
    wide = array if array.shape[0] <= array.shape[1] else array.T
    gram = np.zeros((wide.shape[0],) * 2)
    for start in range(0, wide.shape[1], _BLOCK):
        block = wide[:, start : start + _BLOCK].astype(np.float64)
        gram += block @ block.T
    return gram


def _checked(array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim != 2 or 0 in array.shape:
        raise UsageError(f"Expected a matrix with rows and columns, got shape {array.shape}.")
    if not np.isfinite(array).all():
        raise DataError("Expected a finite matrix, got NaN or infinities.")
    return array


def _singular(matrix: ArrayLike) -> Floats:
    values = np.asarray(np.linalg.svd(_matrix(matrix), compute_uv=False), dtype=np.float64)
    return values
