"""Divergences between probability vectors (..., V) -> (...)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import numbers
from variegate.errors import UsageError

__all__ = [
    "alpha",
    "chi2",
    "fisher_rao",
    "hellinger",
    "jeffreys",
    "js",
    "kl",
    "renyi",
    "total_variation",
]

Floats = NDArray[np.float64]


def kl(p: ArrayLike, q: ArrayLike) -> Floats:
    """Kullback–Leibler divergence Σ p ln(p/q): nats lost by coding p with q.

    Args:
        p: (..., V) probabilities.
        q: (..., V) probabilities; broadcasts against `p`.

    Returns:
        (...) values from 0 (equal) to inf (q is 0 where p is not); p = 0 adds nothing.

    Raises:
        UsageError: a row that is negative, not finite, or does not sum to 1.

    Example:
        >>> float(kl([0.5, 0.5], [0.25, 0.75]))
        0.1438...

    Reference: Kullback 1951, https://doi.org/10.1214/aoms/1177729694
    """
    return _kl(*_pair(p, q))


def js(p: ArrayLike, q: ArrayLike) -> Floats:
    """Jensen–Shannon divergence ½ KL(p‖m) + ½ KL(q‖m) with m = (p + q)/2.

    Args:
        p: (..., V) probabilities.
        q: (..., V) probabilities.

    Returns:
        (...) values from 0 (equal) to ln 2 (disjoint), symmetric, always finite.

    Example:
        >>> round(float(js([1, 0], [0, 1])), 6)
        0.693147

    Reference: Lin 1991, https://doi.org/10.1109/18.61115
    """
    p, q = _pair(p, q)
    middle = (p + q) / 2
    return (_kl(p, middle) + _kl(q, middle)) / 2


def jeffreys(p: ArrayLike, q: ArrayLike) -> Floats:
    """Jeffreys divergence KL(p‖q) + KL(q‖p) = Σ (p - q) ln(p/q).

    Args:
        p: (..., V) probabilities.
        q: (..., V) probabilities.

    Returns:
        (...) values from 0 (equal) to inf (supports differ), symmetric.

    Example:
        >>> float(jeffreys([0.5, 0.5], [0.25, 0.75]))
        0.2746...
    """
    p, q = _pair(p, q)
    return _kl(p, q) + _kl(q, p)


def total_variation(p: ArrayLike, q: ArrayLike) -> Floats:
    """Total variation ½ Σ |p - q|: the largest difference in the chance of any event.

    Args:
        p: (..., V) probabilities.
        q: (..., V) probabilities.

    Returns:
        (...) values from 0 (equal) to 1 (disjoint).

    Example:
        >>> float(total_variation([0.5, 0.5], [0.25, 0.75]))
        0.25
    """
    p, q = _pair(p, q)
    return _last(np.abs(p - q)) / 2


def hellinger(p: ArrayLike, q: ArrayLike) -> Floats:
    """Hellinger distance H = √(½ Σ (√p - √q)²).

    H² ≤ total variation ≤ √2 H.

    Args:
        p: (..., V) probabilities.
        q: (..., V) probabilities.

    Returns:
        (...) values from 0 (equal) to 1 (disjoint); a metric.

    Example:
        >>> float(hellinger([1, 0], [0, 1]))
        1.0
    """
    p, q = _pair(p, q)
    return np.sqrt(_last((np.sqrt(p) - np.sqrt(q)) ** 2) / 2)


def chi2(p: ArrayLike, q: ArrayLike) -> Floats:
    """Pearson χ² divergence Σ (p - q)²/q.

    Args:
        p: (..., V) probabilities.
        q: (..., V) probabilities, the expected ones.

    Returns:
        (...) values from 0 (equal) to inf (q is 0 where p is not).

    Example:
        >>> float(chi2([0.5, 0.5], [0.25, 0.75]))
        0.3333...
    """
    p, q = _pair(p, q)
    with np.errstate(divide="ignore"):
        terms = np.divide((p - q) ** 2, q, out=np.zeros(np.broadcast(p, q).shape), where=p != q)
    return _last(terms)


def alpha(p: ArrayLike, q: ArrayLike, *, alpha: float) -> Floats:
    """Amari's divergence (1 - Σ p^α q^(1-α)) / (α(1-α)).

    α → 1 is KL(p‖q), α → 0 is KL(q‖p), α = ½ is 4 H². The generator ``"alpha"`` of preference
    training counts the other way: its α is 1 - α here.

    Args:
        p: (..., V) probabilities.
        q: (..., V) probabilities.
        alpha: any real number; 0 and 1 are the limits.

    Returns:
        (...) values from 0 (equal); bounded by 1/(α(1-α)) for 0 < α < 1.

    Example:
        >>> float(alpha([0.5, 0.5], [0.25, 0.75], alpha=0.5))
        0.1362...

    Reference: Amari 1985, https://doi.org/10.1007/978-1-4612-5056-2
    """
    p, q = _pair(p, q)
    if alpha == 1:
        return _kl(p, q)
    if alpha == 0:
        return _kl(q, p)
    return (1 - _overlap(p, q, alpha)) / (alpha * (1 - alpha))


def renyi(p: ArrayLike, q: ArrayLike, *, alpha: float) -> Floats:
    """Rényi divergence ln(Σ p^α q^(1-α)) / (α - 1).

    Args:
        p: (..., V) probabilities.
        q: (..., V) probabilities.
        alpha: order ≥ 0; 1 is KL(p‖q), inf is ln max p/q, 0 is -ln of the mass that q puts
            where p is positive.

    Returns:
        (...) values from 0 (equal), non-decreasing in `alpha`.

    Raises:
        UsageError: a negative order.

    Example:
        >>> float(renyi([0.5, 0.5], [0.25, 0.75], alpha=2))
        0.2876...

    Reference: van Erven 2014, https://arxiv.org/abs/1206.2459
    """
    if alpha < 0:
        raise UsageError(f"Expected an order of at least 0, got {alpha}.")
    p, q = _pair(p, q)
    if alpha == 1:
        return _kl(p, q)
    with np.errstate(divide="ignore"):
        if np.isinf(alpha):
            ratio = np.divide(p, q, out=np.zeros(np.broadcast(p, q).shape), where=p > 0)
            largest: Floats = np.log(ratio.max(axis=-1))
            return largest
        return np.log(_overlap(p, q, alpha)) / (alpha - 1) + 0.0


def fisher_rao(p: ArrayLike, q: ArrayLike) -> Floats:
    """Fisher–Rao distance 2 arccos(Σ √(pq)): length of the shortest path on the simplex.

    Computed as 4 arcsin(‖√p - √q‖/2), which keeps its digits for close distributions. To
    second order, distance² = 2 KL.

    Args:
        p: (..., V) probabilities.
        q: (..., V) probabilities.

    Returns:
        (...) values from 0 (equal) to π (disjoint); a metric.

    Example:
        >>> round(float(fisher_rao([1, 0], [0, 1])), 6)
        3.141593

    Reference: Rao 1945, https://doi.org/10.1007/978-1-4612-0919-5_16
    """
    p, q = _pair(p, q)
    chord = np.sqrt(_last((np.sqrt(p) - np.sqrt(q)) ** 2))
    return 4 * np.arcsin(np.minimum(chord / 2, 1.0))


def _pair(p: ArrayLike, q: ArrayLike) -> tuple[Floats, Floats]:
    left, right = _probabilities(p), _probabilities(q)
    if left.shape[-1] != right.shape[-1]:
        raise UsageError(
            f"Expected the same number of outcomes, got {left.shape[-1]} and {right.shape[-1]}."
        )
    return left, right


def _probabilities(values: ArrayLike) -> Floats:
    array = numbers(values, "values", largest=1e150)
    if array.ndim == 0 or array.shape[-1] == 0:
        raise UsageError(f"Expected probabilities of shape (..., V), got {array.shape}.")
    if not np.isfinite(array).all() or (array < 0).any():
        raise UsageError("Expected probabilities, got a value that is negative or not finite.")
    off = np.abs(_last(array) - 1)
    if off.size and off.max() > 1e-6:
        raise UsageError(
            f"Expected rows that sum to 1, got a row that is off by {off.max():.3g}.",
            hint="Divide counts by their sum first.",
        )
    return array


def _kl(p: Floats, q: Floats) -> Floats:
    shape = np.broadcast(p, q).shape
    with np.errstate(divide="ignore"):
        ratio = np.divide(p, q, out=np.ones(shape), where=np.broadcast_to(p, shape) > 0)
    # Rounding can push the sum of equal rows a hair below 0.
    return np.maximum(_last(p * np.log(ratio)), 0.0)


def _overlap(p: Floats, q: Floats, order: float) -> Floats:
    """Σ p^a q^(1-a) with the limits at zeros: outcomes p lacks count for negative orders only."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = p**order * q ** (1 - order)
    nothing = np.isnan(terms) | ((p == 0) & (order >= 0))
    return _last(np.where(nothing, 0.0, terms))


def _last(terms: Floats) -> Floats:
    total: Floats = np.asarray(terms.sum(axis=-1))
    return total
