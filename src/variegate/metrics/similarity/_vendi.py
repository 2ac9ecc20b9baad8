"""The Vendi score: the effective number of different items in a set."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import as_array
from variegate.errors import DataError, UsageError
from variegate.metrics._arrays import finite, refuse_bad, unit_rows
from variegate.metrics.similarity._gram import SINGLE, gram, gram_single

__all__ = ["effective_number", "spectrum", "vendi", "vendi_sensitivity", "without_dust"]

Floats = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
_MEMORY = 2 * 2**30  # bytes one spectrum may take; more is refused with the estimate
_CHUNK = 2 * 2**20  # bytes of small sets brought to float64 at a time: they stay in the cache
_LARGE = 2**27  # n d² from which a product in float32 is tried first
_CLEAR = 1000.0  # least eigenvalue over the rounding of float32, for that product to do


def vendi(
    features: ArrayLike | None = None,
    *,
    kernel: ArrayLike | None = None,
    q: float = 1.0,
    weights: ArrayLike | None = None,
    indefinite: Literal["error", "clip"] = "error",
) -> Any:
    """Effective number of different items, given how alike they are.

    VS_q = (Σ λ_i^q)^(1/(1-q)) over the eigenvalues λ of diag(√p) K diag(√p), which sum to 1;
    exp(-Σ λ ln λ) at q = 1, the rank at q = 0, 1/max λ at q = ∞. With features, K = X Xᵀ, and
    the same eigenvalues come from Xᵀ diag(p) X where d < n: O(n d²) time, O(d²) memory.
    q = 2 needs no eigenvalues: 1 / ‖Xᵀ diag(p) X‖². Large sets are multiplied in float32, which
    is right to 1e-7 of the score, and in float64 where the spectrum is too fine for that.

    Args:
        features: (..., n, d); rows are brought to length 1, leading axes are separate sets.
        kernel: (..., n, n) instead of features: symmetric, positive semi-definite, 1 on the
            diagonal.
        q: order in [0, ∞]; small q counts rare items, large q only the dominant ones.
        weights: (..., n) how often each item stands in its set, in any unit; equal by default.
        indefinite: what to do with a kernel with negative eigenvalues: refuse it, or set them to
            zero, rescale and warn.

    Returns:
        A float, or an array of the leading axes. 1: all items are the same. n: no two items
        have anything in common. A row of zeros counts as an item unlike all others. NaN for an
        empty set. Grows with n: compare sets of equal n only.

    Raises:
        DataError: NaN or Inf, or a kernel that is not one.
        UsageError: both or neither of features and kernel, a negative q, or a spectrum that
            would not fit in memory.

    Example:
        >>> vendi([[1, 0], [1, 0], [0, 1], [0, 1]])
        2.0
        >>> round(vendi(kernel=[[1, 0.5], [0.5, 1]]), 4)
        1.7548
        >>> vendi([[1, 0], [0, 1]], weights=[9, 1], q=2)  # the Hill number of the weights
        1.2195...

    Source: `Friedman 2022 <https://arxiv.org/abs/2210.02410>`_; orders from `Pasarkar 2023
    <https://arxiv.org/abs/2310.12952>`_.
    """
    if math.isnan(q) or q < 0:
        raise UsageError(f"Expected an order q of at least 0, got {q}.")
    if features is not None and kernel is None and q == 2:
        scores = _inverse_frobenius(as_array(features, "features"), weights)
    else:
        lam = spectrum(features, kernel=kernel, weights=weights, indefinite=indefinite)
        scores = effective_number(lam, q)
    return float(scores) if scores.ndim == 0 else scores


def vendi_sensitivity(features: ArrayLike) -> Floats:
    """How the Vendi score of order 1 moves as an item gains weight.

    d VS / d p_i = VS · (-xᵢᵀ ln(C) xᵢ - 1) with C = Σ p x xᵀ, one eigendecomposition for all i.
    Centred, these are the pseudo-values of the infinitesimal jackknife:
    SE² = Σ (d_i - d̄)² / n².

    Args:
        features: (n, d); rows are brought to length 1.

    Returns:
        (n,) derivatives; larger for items unlike the rest.

    Example:
        >>> vendi_sensitivity([[1, 0], [1, 0], [0, 1]]).round(3).tolist()
        [-1.124, -1.124, 0.186]
    """
    X = unit_rows(features)
    if X.ndim != 2:
        raise UsageError(f"Expected features of shape (n, d), got {X.shape}.")
    n, d = X.shape
    if not X.size:
        return np.zeros(n)
    if n <= d:
        # (xᵢ · v_k)² = n λ_k u_ik² for the eigenvectors u of X Xᵀ / n.
        lam, axes = np.linalg.eigh(X @ X.T / n)
        onto = n * lam * axes**2
    else:
        lam, axes = np.linalg.eigh(X.T @ X / n)
        onto = (X @ axes) ** 2
    keep = lam > _tolerance(lam, n)
    logs = np.log(lam[keep])
    entropy = -float(np.sum(lam[keep] * logs))
    surprise = -onto[:, keep] @ logs
    result: Floats = np.exp(entropy) * (surprise - 1)
    return result


def spectrum(
    features: ArrayLike | None = None,
    *,
    kernel: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    indefinite: Literal["error", "clip"] = "error",
) -> Floats:
    """(..., m) eigenvalues of diag(√p) K diag(√p), as in `vendi`; they sum to 1, dust is 0.

    With features m is the smaller of n and d (and n more where rows have no direction): the
    other eigenvalues are zero.
    """
    if (features is None) == (kernel is None):
        raise UsageError("Expected either features or a kernel.")
    if features is None:
        return _of_kernel(as_array(kernel, "a kernel"), weights, indefinite)
    X = as_array(features, "features")
    parts = []
    for lam, alone in _grams(X, weights, np.linalg.eigvalsh, _hidden):
        parts.append(np.concatenate([lam, alone], axis=-1) if alone.any() else lam)
    # A chunk with blank rows has more eigenvalues than one without; zeros change nothing.
    width = max((part.shape[-1] for part in parts), default=0)
    padded = [np.pad(part, [(0, 0), (width - part.shape[-1], 0)]) for part in parts]
    lam = np.concatenate([np.empty((0, width)), *padded])
    return without_dust(lam, X.shape[-2]).reshape(*X.shape[:-2], width)


def effective_number(shares: Floats, q: float) -> Floats:
    """(...) Hill number of order q of (..., m) shares that sum to 1; NaN where there are none."""
    if not shares.shape[-1]:
        return np.full(shares.shape[:-1], np.nan)
    if q == 0:
        return np.asarray((shares > 0).sum(axis=-1), dtype=np.float64)
    if q == 1:
        logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
        return np.asarray(np.exp(-np.sum(shares * logs, axis=-1)))
    if math.isinf(q):
        return np.asarray(1.0 / shares.max(axis=-1))
    powers = np.power(shares, q, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(np.sum(powers, axis=-1) ** (1.0 / (1.0 - q)))


def _inverse_frobenius(X: NDArray[Any], weights: ArrayLike | None) -> Floats:
    def likeness(gram: Floats) -> Floats:
        return np.asarray(np.einsum("...ij,...ij->...", gram, gram))

    parts = [
        1.0 / (own + np.sum(alone**2, axis=-1))
        for own, alone in _grams(X, weights, likeness, _alike)
        if alone.shape[-1]
    ]
    if not parts:
        return np.full(X.shape[:-2], np.nan)
    return np.concatenate(parts).reshape(X.shape[:-2])


def _hidden(gram: Floats, lam: Floats) -> NDArray[np.bool_]:
    """Where the least eigenvalues cannot be told from the rounding of float32."""
    entries = np.diagonal(gram, axis1=-2, axis2=-1).max(axis=-1)
    return np.asarray(lam.min(axis=-1) < _CLEAR * SINGLE * entries)


def _alike(_: Floats, likeness: Floats) -> NDArray[np.bool_]:
    """Where the score is so near 1 that its distance from 1 is what counts."""
    return likeness > 0.5


def _grams(
    X: NDArray[Any],
    weights: ArrayLike | None,
    reduce: Callable[[Floats], Any],
    doubtful: Callable[[Floats, Floats], NDArray[np.bool_]],
) -> Iterator[tuple[Floats, Floats]]:
    """Chunk by chunk of the sets, what the smaller Gram matrix gives, and blank rows' shares.

    An item without direction is an eigenvector of its own, with its share as eigenvalue. Large
    products are taken in float32 first, and again in float64 where the result is doubtful.
    """
    if X.ndim < 2:
        raise UsageError(f"Expected features of shape (..., n, d), got {X.shape}.")
    *lead, n, d = X.shape
    p = _shares(weights, (*lead, n))
    side = min(n, d)
    _refuse_if_huge(side)
    m = math.prod(lead)
    sets, shares = X.reshape(m, n, d), p.reshape(m, n)
    chunk = max(1, _CHUNK // (8 * max(n * d, side * side, 1)))
    single = n > d and n * d * d >= _LARGE
    for i in range(0, m, chunk):
        some, part = sets[i : i + chunk], shares[i : i + chunk]
        product, blank = (gram_single if single else gram)(some, part)
        if not np.isfinite(np.trace(product, axis1=-2, axis2=-1)).all():
            refuse_bad(X, "features", axes=2)
        values = np.asarray(reduce(product), dtype=np.float64)
        if single and (again := doubtful(product, values)).any():
            values[again] = reduce(gram(some[again], part[again])[0])
        yield values, np.where(blank, part, 0.0)


def _of_kernel(given: NDArray[Any], weights: ArrayLike | None, indefinite: str) -> Floats:
    # Rounding of the caller's own precision: below it no eigenvalue can be told from zero.
    precision = float(np.finfo(given.dtype).eps) if given.dtype.kind == "f" else _EPS
    K = finite(given, "kernel", axes=2)
    if K.ndim < 2 or K.shape[-1] != K.shape[-2]:
        raise UsageError(f"Expected a kernel of shape (..., n, n), got {K.shape}.")
    n = K.shape[-1]
    p = _shares(weights, K.shape[:-1])
    if n == 0:
        return np.zeros(K.shape[:-1])
    if not np.allclose(K, K.swapaxes(-1, -2), atol=1e-6):
        raise DataError("Expected a symmetric kernel, got one with K[i, j] != K[j, i].")
    diagonal = np.diagonal(K, axis1=-2, axis2=-1)
    if not np.allclose(diagonal, 1.0, atol=1e-6):
        raise DataError(
            f"Expected 1 on the kernel's diagonal, got values from {diagonal.min():.4g} "
            f"to {diagonal.max():.4g}.",
            hint="Divide K[i, j] by sqrt(K[i, i] · K[j, j]).",
        )
    root = np.sqrt(p)
    scaled = root[..., :, None] * K * root[..., None, :]
    lam = np.asarray(np.linalg.eigvalsh(scaled), dtype=np.float64)
    lowest = float(lam.min())
    if lowest < -1e-6 * float(lam.max()):
        if indefinite != "clip":
            raise DataError(
                f"Expected a positive semi-definite kernel, its least eigenvalue is {lowest:.3g}.",
                hint="Use a kernel that is an inner product, or pass indefinite='clip'.",
            )
        warnings.warn(
            f"The kernel is not positive semi-definite (least eigenvalue {lowest:.3g}); negative "
            "eigenvalues are set to zero and the rest rescaled.",
            UserWarning,
            stacklevel=4,
        )
    return without_dust(lam, n, precision)


def without_dust(lam: Floats, n: int, precision: float = _EPS) -> Floats:
    """Eigenvalues that sum to 1; what rounding alone could have made is no mode."""
    if not lam.size:
        return lam
    kept = np.where(lam > _tolerance(lam, n, precision), lam, 0.0)
    return np.asarray(kept / kept.sum(axis=-1, keepdims=True))


def _tolerance(lam: Floats, n: int, precision: float = _EPS) -> Floats:
    side = max(n, lam.shape[-1])
    top = lam.max(axis=-1, keepdims=True)
    return np.asarray(side * precision * top)


def _shares(weights: ArrayLike | None, shape: tuple[int, ...]) -> Floats:
    if weights is None:
        return np.broadcast_to(1.0 / max(shape[-1], 1), shape)
    given = finite(weights, "weights")
    try:
        p = np.broadcast_to(given, shape)
    except ValueError:
        raise UsageError(f"Expected weights of shape {shape}, got {given.shape}.") from None
    largest = p.max(axis=-1, keepdims=True, initial=0.0)
    if (p < 0).any() or not (largest > 0).all():
        raise UsageError("Expected weights of at least 0 with a positive sum.")
    shares = p / largest  # first, so that no sum overflows
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))


def _refuse_if_huge(side: int) -> None:
    need = 2 * 8 * side * side
    if need > _MEMORY:
        raise UsageError(
            f"A spectrum of {side} × {side} needs about {need / 2**30:.1f} GiB; "
            f"the limit is {_MEMORY / 2**30:.0f} GiB.",
            hint="Take fewer dimensions (a random projection) or a random subset of the items.",
        )
