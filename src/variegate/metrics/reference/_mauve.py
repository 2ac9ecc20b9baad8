"""MAUVE: the trade-off between two kinds of error of one distribution for another."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import as_array, numbers
from variegate.errors import UsageError
from variegate.metrics._arrays import unit_rows

__all__ = ["Mauve", "frontier_integral", "mauve", "mauve_of_features"]

Floats = NDArray[np.float64]


def mauve(
    p: ArrayLike,
    q: ArrayLike,
    *,
    scale: float = 5.0,
    points: int = 25,
    compat: Literal["mauve-text"] | None = None,
) -> float:
    """Area under the divergence curve of two histograms.

    For mixtures r = w p + (1 - w) q, w from 0 to 1, the curve runs through
    (exp(-c KL(q ‖ r)), exp(-c KL(p ‖ r))), c the scale, from (1, 0) to (0, 1). It is integrated
    in the order of w: sorting its points by one axis, as is usual, breaks ties at random and
    can give 0.75 for equal histograms.

    Args:
        p: (B,) the one histogram, in any unit.
        q: (B,) the other.
        scale: c, in 1/nats; larger tells small differences apart.
        points: mixtures on the curve.
        compat: ``"mauve-text"`` sorts the points by each axis in turn, ties in whatever order,
            and takes the mean of both areas: the numbers of the source's package.

    Returns:
        From c!²/(2c)! (disjoint; 0.00397 for c = 5, a little more with few points) to 1
        (equal), symmetric. It moves with the scale and the number of bins.

    Raises:
        UsageError: histograms that are negative, not finite, of other length, or all 0; another
            compat.

    Example:
        >>> mauve([1, 1, 1, 1], [1, 1, 1, 1])
        1.0
        >>> round(mauve([1, 0], [0, 1], points=1001), 5)
        0.00397

    Source: `Pillutla 2021 <https://arxiv.org/abs/2102.01454>`_.
    """
    left, right = _histograms(p, q)
    if not scale > 0 or points < 2:
        raise UsageError(
            f"Expected a positive scale and at least 2 points, got {scale} and {points}."
        )
    w = np.linspace(1e-6, 1 - 1e-6, points)[:, None]
    mixture = right + w * (left - right)  # exactly right where both are equal
    x = np.concatenate([[1.0], np.exp(-scale * _kl(right, mixture)), [0.0]])
    y = np.concatenate([[0.0], np.exp(-scale * _kl(left, mixture)), [1.0]])
    if compat == "mauve-text":
        # Rising in w, with the ends of the curve first and last, as its sorting finds them.
        x, y = y, x
        areas = [
            np.trapezoid(b[order], a[order])
            for a, b in ((x, y), (y, x))
            for order in [np.argsort(a)]
        ]
        return float(np.mean(areas))
    if compat is not None:
        raise UsageError(f"Expected compat of None or 'mauve-text', got {compat!r}.")
    # x falls along the curve. The area over the other axis is the same number.
    return float(np.sum((x[:-1] - x[1:]) * (y[:-1] + y[1:])) / 2)


def frontier_integral(p: ArrayLike, q: ArrayLike) -> float:
    """Mean cost of the divergence frontier of two histograms; needs no scale and no grid.

    FI = 2 Σ (¼ (p + q) - ½ p q (ln p - ln q)/(p - q)), which is
    2 ∫ (w KL(p ‖ r) + (1 - w) KL(q ‖ r)) dw over the mixtures r = w p + (1 - w) q.

    Args:
        p: (B,) the one histogram, in any unit.
        q: (B,) the other.

    Returns:
        From 0 (equal) to 1 (disjoint), symmetric.

    Raises:
        UsageError: histograms that are negative, not finite, of other length, or all 0.

    Example:
        >>> frontier_integral([1, 1], [1, 1]), frontier_integral([1, 0], [0, 1])
        (0.0, 1.0)

    Source: `Liu 2021 <https://arxiv.org/abs/2106.07898>`_.
    """
    left, right = _histograms(p, q)
    both = (left > 0) & (right > 0)
    a, b = left[both], right[both]
    # (ln p - ln q)/(p - q) as ln(1 + t)/t, which keeps its digits where p is close to q.
    t = (a - b) / b
    slope = np.divide(np.log1p(t), t, out=np.ones_like(t), where=t != 0)
    return float(max((left + right).sum() / 2 - (a * slope).sum(), 0.0))


@dataclass(frozen=True, kw_only=True)
class Mauve:
    """What `mauve_of_features` found, over several clusterings of the same points.

    Args:
        value: mean MAUVE.
        spread: standard deviation over the clusterings; NaN for one.
        frontier_integral: mean frontier integral.
        frontier_spread: its standard deviation.
        by_seed: MAUVE of each clustering.
        clusters: asked for in each.
        scale: of the divergence curve.
        n_p, n_q: points in the sets.
    """

    value: float
    spread: float
    frontier_integral: float
    frontier_spread: float
    by_seed: tuple[float, ...]
    clusters: int
    scale: float
    n_p: int
    n_q: int


def mauve_of_features(
    p_features: ArrayLike,
    q_features: ArrayLike,
    *,
    clusters: int | None = None,
    variance: float = 0.9,
    scale: float = 5.0,
    seeds: int = 5,
    seed: int = 0,
) -> Mauve:
    """MAUVE of two sets, their points counted in joint k-means clusters, over several seeds.

    Rows are brought to length 1, projected on the principal axes that hold the given share of
    the pooled variance, and clustered together. One clustering moves the score a lot and more
    points do not cure it, so the mean and spread over seeds are given.

    Args:
        p_features: (n, d) features of the one set.
        q_features: (m, d) features of the other.
        clusters: number of bins; by default a tenth of the smaller set, at least 2.
        variance: share of the variance to keep.
        scale: of the divergence curve.
        seeds: clusterings to average.
        seed: of the first.

    Returns:
        Means and spreads. The spread is that of the clustering only, not of drawing other
        points. Two samples of the same distribution stay below 1, more so the more bins a
        point has: compare at equal n, clusters and features only.

    Raises:
        DataError: NaN or Inf.
        UsageError: sets of other dimension, empty ones, or settings out of range.

    Example:
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).standard_normal((60, 4))
        >>> mauve_of_features(rows, rows, seeds=2).value
        1.0

    No entry of `measure`: samples hold no reference set. Intervals: `estimate.subsampled`; the
    spread over clusterings is not one.

    Source: `Pillutla 2021 <https://arxiv.org/abs/2102.01454>`_.
    """
    left, right = as_array(p_features, "features"), as_array(q_features, "features")
    if 0 in left.shape[1:] or left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1]:
        raise UsageError(
            f"Expected features (n, d) and (m, d), got {left.shape} and {right.shape}."
        )
    n, m = len(left), len(right)
    if not n or not m or seeds < 1 or not 0 < variance <= 1:
        raise UsageError(
            "Expected points on both sides, at least 1 seed and a share of variance in (0, 1], "
            f"got {n} and {m} points, {seeds} seeds and {variance}."
        )
    bins = clusters if clusters is not None else max(2, round(min(n, m) / 10))
    if not 1 <= bins <= n + m:
        raise UsageError(f"Expected 1 to {n + m} clusters, one a point, got {bins}.")
    rows = _principal(np.concatenate([unit_rows(left), unit_rows(right)]), variance)
    scores, frontiers = [], []
    for s in range(seed, seed + seeds):
        labels = _cluster(rows, bins, s)
        p, q = (np.bincount(part, minlength=bins) for part in (labels[:n], labels[n:]))
        scores.append(mauve(p, q, scale=scale))
        frontiers.append(frontier_integral(p, q))
    return Mauve(
        value=float(np.mean(scores)),
        spread=_spread(scores),
        frontier_integral=float(np.mean(frontiers)),
        frontier_spread=_spread(frontiers),
        by_seed=tuple(scores),
        clusters=bins,
        scale=scale,
        n_p=n,
        n_q=m,
    )


def _principal(rows: Floats, variance: float) -> Floats:
    centred: Floats = rows - rows.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    values, vectors = np.clip(values[::-1], 0.0, None), vectors[:, ::-1]
    if not values.sum() > 0:
        return centred
    shares = np.cumsum(values) / values.sum()
    keep = min(int(np.searchsorted(shares, variance)) + 1, len(values))
    projected: Floats = centred @ vectors[:, :keep]
    return projected


def _cluster(rows: Floats, clusters: int, seed: int) -> NDArray[np.int64]:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # Fewer different points than clusters: the rest stays empty, which costs nothing.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = KMeans(n_clusters=clusters, n_init=1, max_iter=500, random_state=seed).fit(rows)
    return np.asarray(fitted.labels_, dtype=np.int64)


def _spread(values: list[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def _histograms(p: ArrayLike, q: ArrayLike) -> tuple[Floats, Floats]:
    left, right = numbers(p, "shares", largest=1e150), numbers(q, "shares", largest=1e150)
    if left.ndim != 1 or left.shape != right.shape:
        raise UsageError(
            f"Expected two histograms over the same bins, got {left.shape} and {right.shape}."
        )
    for side in (left, right):
        if not np.isfinite(side).all() or (side < 0).any() or not side.sum() > 0:
            raise UsageError("Expected histograms of at least 0, not all 0, got something else.")
    return left / left.sum(), right / right.sum()


def _kl(p: Floats, mixtures: Floats) -> Floats:
    seen = p > 0
    total = (p[seen] * np.log(p[seen] / mixtures[:, seen])).sum(axis=1)
    divergence: Floats = np.maximum(total, 0.0)
    return divergence
