"""Volume that a set spans: determinants of its kernel, on the logarithmic scale."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError
from variegate.metrics._arrays import finite
from variegate.metrics.similarity._vendi import spectrum

__all__ = ["log_determinant", "log_determinant_distance", "population_volume"]

Floats = NDArray[np.float64]


def log_determinant(features: ArrayLike, *, gamma: float = 1.0) -> Any:
    """Logarithm of the volume of a set, in nats.

    ln det(I + γ X Xᵀ) = Σ ln(1 + γ n λ_i) over the eigenvalues λ of `vendi`, from the smaller
    of the two Gram matrices.

    Args:
        features: (..., n, d); rows are brought to length 1, leading axes are separate sets.
        gamma: γ > 0, how much a direction counts against the identity.

    Returns:
        A float, or an array of the leading axes: ln(1 + γ n) (all items are the same) to
        n ln(1 + γ) (no two have anything in common). Grows with n. 0 for an empty set.

    Raises:
        UsageError: a γ that is not positive.
        DataError: NaN or Inf.

    Example:
        >>> round(log_determinant([[1, 0], [0, 1]]), 6)  # 2 ln 2
        1.386294
        >>> round(log_determinant([[1, 0], [1, 0]]), 6)  # ln 3
        1.098612

    Source: `Wang 2024 <https://arxiv.org/abs/2402.02318>`_.
    """
    if not gamma > 0:
        raise UsageError(f"Expected gamma above 0, got {gamma}.")
    shares = spectrum(features)
    n = np.shape(features)[-2]
    return _plain(np.sum(np.log1p(gamma * n * shares), axis=-1))


def log_determinant_distance(features: ArrayLike, *, ridge: float = 0.0) -> Any:
    """How far the volume of a set is from that of as many unrelated items, per item, in nats.

    (ln det(I + r I) - ln det(K + r I)) / n with the cosine kernel K. The source compares with a
    maximally various set of the same size and leaves open how that is built; the reference
    here, K = I, is our choice. Other packages cite it for ln det K itself, which grows with
    variety and has no reference: such numbers cannot be compared with these.

    Args:
        features: (..., n, d); rows are brought to length 1, leading axes are separate sets.
        ridge: r ≥ 0, added to the diagonal; part of the result, report it.

    Returns:
        A float, or an array of the leading axes: 0 (no two items have anything in common)
        upwards: higher is LESS various; ∞ for linearly dependent items without a ridge, as
        whenever n > d. NaN for an empty set.

    Raises:
        UsageError: a negative ridge.
        DataError: NaN or Inf.

    Example:
        >>> round(log_determinant_distance([[1, 0], [0, 1]]), 9)
        0.0
        >>> log_determinant_distance([[1, 0], [1, 0]])
        inf

    Source: `Wang 2024 <https://arxiv.org/abs/2402.02318>`_.
    """
    if not ridge >= 0:
        raise UsageError(f"Expected a ridge of at least 0, got {ridge}.")
    shares = spectrum(features)
    n = np.shape(features)[-2]
    if n == 0:
        return _plain(np.full(shares.shape[:-1], np.nan))
    ranked = -np.sort(-shares, axis=-1)[..., :n]  # with blank rows there are more than n
    missing = n - ranked.shape[-1]
    values = n * ranked + ridge
    logs = np.log(values, out=np.full(values.shape, -np.inf), where=values > 0).sum(axis=-1)
    if missing:
        logs = logs + missing * (math.log(ridge) if ridge else -math.inf)
    return _plain(np.clip(math.log1p(ridge) - logs / n, 0.0, None))


def population_volume(features: ArrayLike, *, bandwidth: float = 1.0, log: bool = False) -> Any:
    """Determinant of the Gaussian kernel of a population's behaviours.

    det K with K_ij = exp(-‖x_i - x_j‖² / (2 h²)).

    Args:
        features: (..., n, d), taken as they are: distances count, not directions. Leading axes
            are separate populations.
        bandwidth: h > 0, the distance at which two behaviours begin to differ.
        log: return ln det K, which does not underflow for large populations.

    Returns:
        A float, or an array of the leading axes: 0 (two behave alike) to 1 (all far apart); -∞
        to 0 with `log`. 1 for a population of one.

    Raises:
        UsageError: a bandwidth that is not positive.
        DataError: NaN or Inf.

    Example:
        >>> round(population_volume([[0.0], [1.0]]), 6)  # 1 - 1/e
        0.632121

    Source: DvD, `Parker-Holder 2020 <https://arxiv.org/abs/2002.00632>`_.
    """
    if not bandwidth > 0:
        raise UsageError(f"Expected a bandwidth above 0, got {bandwidth}.")
    rows = finite(features, "features", axes=2)
    if rows.ndim < 2:
        raise UsageError(f"Expected features of shape (..., n, d), got {rows.shape}.")
    # Distances do not move with the origin, but their digits do.
    centred = rows - rows.mean(axis=-2, keepdims=True) if rows.shape[-2] else rows
    squares = np.einsum("...i,...i->...", centred, centred)
    apart = squares[..., :, None] + squares[..., None, :] - 2 * centred @ centred.swapaxes(-1, -2)
    kernel = np.exp(-np.clip(apart, 0.0, None) / (2 * bandwidth**2))
    lam = np.linalg.eigvalsh(kernel)
    n = rows.shape[-2]
    dust = n * np.finfo(np.float64).eps * lam.max(axis=-1, keepdims=True, initial=0.0)
    logs = np.log(lam, out=np.full(lam.shape, -np.inf), where=lam > dust).sum(axis=-1)
    values = np.minimum(logs, 0.0)
    return _plain(np.asarray(values if log else np.exp(values)))


def _plain(values: Floats) -> Any:
    return float(values) if values.ndim == 0 else values
