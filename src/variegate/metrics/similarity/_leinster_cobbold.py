"""Hill numbers that know how alike the kinds are, and their split within and between sources."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError
from variegate.metrics._arrays import cosine_kernel, finite

__all__ = ["Partition", "evenness", "leinster_cobbold", "partition", "sample_coverage"]

Floats = NDArray[np.float64]


def leinster_cobbold(p: ArrayLike, Z: ArrayLike | None = None, *, q: float = 1.0) -> float:
    """Effective number of kinds, given how alike they are.

    D_q = (Σ_i p_i (Zp)_i^(q-1))^(1/(1-q)): the (Zp)_i say how common what is like kind i is;
    Π (Zp)_i^(-p_i) at q = 1, 1 / max (Zp)_i over the kinds there at q = ∞.

    Args:
        p: (S,) how often each kind stands, in any unit.
        Z: (S, S) likeness in [0, 1], 1 on the diagonal; the identity by default, which gives
            the Hill numbers.
        q: order in [0, ∞]; small q counts rare kinds, large q only the dominant ones.

    Returns:
        1 (one kind, or all alike) to S (equally frequent and unlike). A floor z under all
        likenesses holds it below 1 / z, where `vendi` loses one eigenvalue: prefer `vendi` for
        embeddings. NaN where nothing is there.

    Raises:
        UsageError: shapes that do not fit, negative shares, a likeness outside [0, 1], or a
            negative q.

    Example:
        >>> round(leinster_cobbold([3, 1], q=2), 4)  # 1 / (9/16 + 1/16)
        1.6
        >>> round(leinster_cobbold([1, 1], [[1, 0.5], [0.5, 1]]), 4)
        1.3333

    Source: `Leinster 2012 <https://doi.org/10.1890/10-2402.1>`_.
    """
    shares = _shares(p, axes=1)
    return _of_shares(shares, _likeness(Z, len(shares)), _order(q))


def evenness(diversity: float, kinds: float) -> float:
    """How evenly the kinds are filled, given how many there are.

    (D - 1) / (S - 1)

    Args:
        diversity: D, an effective number.
        kinds: S, how many kinds there are.

    Returns:
        0 (all in one kind) to 1 (all equally). NaN for one kind: there is nothing to be even.

    Raises:
        UsageError: fewer than one kind.

    Example:
        >>> evenness(2.0, 3)
        0.5
        >>> round(evenness(leinster_cobbold([1, 1, 1]), 3), 9)
        1.0

    Source: E3 of `Chao 2019 <https://doi.org/10.1002/ecy.2852>`_.
    """
    if kinds < 1:
        raise UsageError(f"Expected at least one kind, got {kinds}.")
    return (diversity - 1) / (kinds - 1) if kinds > 1 else float("nan")


def sample_coverage(class_counts: ArrayLike) -> float:
    """Estimated share of the answer distribution that the answers seen make up.

    1 - (f₁/n) (n - 1) f₁ / ((n - 1) f₁ + 2 f₂) with f₁ classes seen once and f₂ seen twice: one
    minus the chance that the next output is something new.

    Args:
        class_counts: (C,) outputs of each class; pad with zeros.

    Returns:
        0 (nothing came twice) to 1 (every class came at least twice). NaN for n = 0.

    Raises:
        UsageError: negative counts.

    Example:
        >>> sample_coverage([5, 5])
        1.0
        >>> round(sample_coverage([3, 2, 1]), 4)  # f₁ = f₂ = 1, n = 6
        0.881

    Source: `Chao 2012 <https://doi.org/10.1890/11-1952.1>`_.
    """
    counts = finite(class_counts, "class_counts")
    if (counts < 0).any():
        raise UsageError(f"Expected counts of at least 0, got {counts.min():g}.")
    n, once, twice = counts.sum(), (counts == 1).sum(), (counts == 2).sum()
    if n == 0:
        return float("nan")
    if once == 0:
        return 1.0
    unseen = (n - 1) * once / ((n - 1) * once + 2 * twice) if twice else 1.0
    return float(1.0 - once / n * unseen)


def of_features(features: ArrayLike) -> Floats:
    """(...) `leinster_cobbold` of order 1 of items (..., n, d), their cosines as likeness."""
    likeness = np.clip(cosine_kernel(features), 0.0, 1.0)
    return np.asarray(np.exp(-np.log(likeness.mean(axis=-1)).mean(axis=-1)))


def of_counts(class_counts: ArrayLike) -> float:
    """`evenness` of the Hill number of order 1 over the classes seen."""
    counts = finite(class_counts, "class_counts")
    kinds = int((counts > 0).sum())
    return evenness(leinster_cobbold(counts), kinds) if kinds else math.nan


@dataclass(frozen=True, kw_only=True)
class Partition:
    """Diversity between and within sources: `gamma` = `alpha` · `beta`.

    Args:
        beta: effective number of distinct sources: 1 when all are interchangeable, their number
            when they have nothing in common.
        alpha: effective number of kinds within a source.
        gamma: effective number of kinds of all sources together.
    """

    beta: float
    alpha: float
    gamma: float


def partition(
    counts: ArrayLike,
    Z: ArrayLike | None = None,
    *,
    q: float = 1.0,
    weights: ArrayLike | None = None,
) -> Partition:
    """Split the diversity of several sources, as of models, into that within and between them.

    γ is `leinster_cobbold` of the pooled shares, α the power mean of order 1 - q of those of
    the sources, β = γ / α.

    Args:
        counts: (N, S) how often each source gives each kind, in any unit.
        Z: (S, S) likeness of the kinds; the identity by default.
        q: order in [0, ∞].
        weights: (N,) of the sources; equal by default, however much each gave.

    Returns:
        β from 1 (interchangeable sources) to N (equal weights and nothing in common); at q = 1
        and Z the identity, ln β is the mean Kullback-Leibler divergence of a source from the
        pool. Sources without counts are no sources. NaN where none has any.

    Raises:
        UsageError: as `leinster_cobbold`.

    Example:
        >>> partition([[1, 1, 0, 0], [0, 0, 1, 1]])
        Partition(beta=2.0, alpha=2.0, gamma=4.0)
        >>> partition([[3, 1], [6, 2]]).beta
        1.0

    In `between` at order 2 and over pairs, not in `measure`, where each arm stands alone.

    Source: `Reeve 2016 <https://arxiv.org/abs/1404.6520>`_.
    """
    table = np.atleast_2d(finite(counts, "counts"))
    likeness, order = _likeness(Z, table.shape[-1]), _order(q)
    there = table.sum(axis=-1) > 0
    share = np.ones(len(table)) if weights is None else finite(weights, "weights")
    if share.shape != (len(table),):
        raise UsageError(f"Expected {len(table)} weights, got an array of shape {share.shape}.")
    share, sources = _shares(share[there], axes=1), _shares(table[there], axes=2)
    gamma = _of_shares(share @ sources, likeness, order)
    within = np.array([_of_shares(source, likeness, order) for source in sources])
    alpha = _power_mean(within, share, 1 - order)
    return Partition(beta=gamma / alpha, alpha=alpha, gamma=gamma)


def _of_shares(p: Floats, Z: Floats | None, q: float) -> float:
    common = p if Z is None else Z @ p
    # Diversity is the mean rarity 1 / (Zp)_i, a power mean of order 1 - q.
    return _power_mean(1.0 / common[p > 0], p[p > 0], 1 - q)


def _power_mean(values: Floats, weights: Floats, order: float) -> float:
    if not weights.sum() > 0:
        return float("nan")
    values, weights = values[weights > 0], weights[weights > 0]
    if order == -math.inf:
        return float(values.min())
    if order == 0:
        return float(np.exp(np.sum(weights * np.log(values))))
    return float(np.sum(weights * values**order) ** (1.0 / order))


def _shares(p: ArrayLike, *, axes: int) -> Floats:
    given = finite(p, "shares")
    if given.ndim != axes or (given < 0).any():
        raise UsageError(f"Expected {axes}-dimensional shares of at least 0, got {given.shape}.")
    largest = given.max(axis=-1, keepdims=True, initial=0.0)
    # By the largest first, so that no sum overflows.
    shares = np.divide(given, largest, out=np.zeros(given.shape), where=largest > 0)
    total = shares.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(shares, total, out=shares, where=total > 0))


def _likeness(Z: ArrayLike | None, kinds: int) -> Floats | None:
    if Z is None:
        return None
    likeness = finite(Z, "likeness")
    if likeness.shape != (kinds, kinds):
        raise UsageError(f"Expected a likeness of shape {(kinds, kinds)}, got {likeness.shape}.")
    if likeness.size and (
        not np.allclose(np.diagonal(likeness), 1.0)
        or likeness.min() < 0
        or likeness.max() > 1 + 1e-9
    ):
        raise UsageError(
            "Expected likenesses in [0, 1] with 1 on the diagonal, got values from "
            f"{likeness.min():.4g} to {likeness.max():.4g}.",
            hint="Cosines below 0 are not a likeness: clip them at 0.",
        )
    return likeness


def _order(q: float) -> float:
    if math.isnan(q) or q < 0:
        raise UsageError(f"Expected an order q of at least 0, got {q}.")
    return q
