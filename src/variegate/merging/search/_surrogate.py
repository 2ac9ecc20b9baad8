"""A quadratic in the merging coefficients in place of a metric, by linear least squares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import DataError, UnknownName, UsageError

__all__ = ["Link", "Surrogate", "features", "quadratic", "terms_of"]

Floats = NDArray[np.float64]
Link = Literal["identity", "logit", "log"]
LINKS = ("identity", "logit", "log")


@dataclass(frozen=True, kw_only=True)
class Surrogate:
    """M(c) ≈ link⁻¹(½ cᵀA c + bᵀc + e), and how good that is.

    Args:
        curvature: (T, T) A, symmetric.
        slope: (T,) b.
        intercept: e.
        link: the scale the quadratic is on.
        r2: share of the variance explained, on that scale; NaN for a metric that does not vary.
        loo_r2: the same with every point predicted by a fit without it; NaN where a point
            decides a coefficient alone, as with no more points than coefficients.
        left_out: (K,) error of each of these predictions, on that scale.
        noise: residual standard deviation on that scale; NaN without spare points.
        spread: (P, P) covariance of the coefficients, in units of noise².
    """

    curvature: Floats
    slope: Floats
    intercept: float
    link: Link
    r2: float
    loo_r2: float
    left_out: Floats
    noise: float
    spread: Floats

    def predict(self, points: ArrayLike) -> Floats:
        """The metric at points (K, T) -> (K,), in its own units."""
        return _undo(self.linear(points), self.link)

    def linear(self, points: ArrayLike) -> Floats:
        """The quadratic itself (K,), on the scale of the link."""
        c = np.atleast_2d(np.asarray(points, dtype=np.float64))
        bent = np.einsum("kt,tu,ku->k", c, self.curvature, c) / 2
        return np.asarray(bent + c @ self.slope + self.intercept)

    def leverage(self, points: ArrayLike) -> Floats:
        """Variance of the prediction in units of noise², (K,)."""
        x = features(points)
        return np.asarray(np.einsum("kp,pq,kq->k", x, self.spread, x))


def terms_of(dimensions: int) -> int:
    """How many coefficients a quadratic has: (T+1)(T+2)/2."""
    return (dimensions + 1) * (dimensions + 2) // 2


def features(points: ArrayLike) -> Floats:
    """(K, (T+1)(T+2)/2): 1, the coefficients, and their products."""
    c = np.atleast_2d(np.asarray(points, dtype=np.float64))
    pairs = combinations_with_replacement(range(c.shape[1]), 2)
    products = [c[:, i] * c[:, j] for i, j in pairs]
    return np.column_stack([np.ones(len(c)), c, *products])


def quadratic(
    points: ArrayLike,
    values: ArrayLike,
    *,
    link: Link = "identity",
    ridge: float = 0.0,
    margin: float = 1e-3,
) -> Surrogate:
    """Fit a quadratic in the coefficients to a metric, in one linear solve.

    min Σ (link(y) − ½ cᵀA c − bᵀc − e)² + ridge · (squares of all coefficients but e).

    Args:
        points: (K, T) coefficients.
        values: (K,) the metric there.
        link: "logit" for shares, "log" for what is above 0, so that no prediction leaves their
            range; "identity" otherwise.
        ridge: at least 0; needed below (T+1)(T+2)/2 points.
        margin: shares closer than this to 0 or 1, or values closer to 0, are put there: their
            links have no bound. Half a draw, 1/(2n), is a good choice.

    Returns:
        The surrogate. Without a ridge, (T+1)(T+2)/2 points in general position recover a
        quadratic exactly. Far from the points it says nothing.

    Raises:
        UsageError: too few points without a ridge, other lengths, or points that do not tell the
            coefficients apart.
        DataError: NaN, or values outside of the range of the link.
        UnknownName: another link.

    Example:
        >>> fit = quadratic([[0], [1], [2], [3]], [0, 1, 4, 9])
        >>> round(float(fit.curvature[0, 0]), 9), round(float(fit.predict([[5]])[0]), 9)
        (2.0, 25.0)

    Reference:
        `Li 2024 <https://arxiv.org/abs/2406.07529>`_.
    """
    c = np.asarray(points, dtype=np.float64)
    y = np.asarray(values, dtype=np.float64)
    if c.ndim != 2 or y.shape != c.shape[:1] or not c.shape[1]:
        raise UsageError(f"Expected points (K, T) and values (K,), got {c.shape} and {y.shape}.")
    if ridge < 0 or not 0 < margin < 0.5:
        raise UsageError(f"Expected ridge >= 0 and margin in (0, 0.5), got {ridge} and {margin}.")
    x, goal = features(c), linked(y, link, margin)
    k, p = x.shape
    if k < p and ridge == 0:
        raise UsageError(
            f"Expected at least {p} points for a quadratic in {c.shape[1]} coefficients, got {k}.",
            hint="Evaluate more points, or set ridge above 0.",
        )
    penalty = np.sqrt(ridge) * np.eye(p)[1:]
    stacked = np.vstack([x, penalty]) if ridge else x
    inverse = np.linalg.pinv(stacked)[:, :k]
    if np.linalg.matrix_rank(stacked) < p:
        raise UsageError(
            f"The {k} points do not tell {p} coefficients apart.",
            hint="Spread them: three values of every coefficient, and some combinations.",
        )
    found = inverse @ goal
    hat = np.einsum("kp,pk->k", x, inverse)
    residual = goal - x @ found
    around = float(((goal - goal.mean()) ** 2).sum())
    spare = k - float(hat.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        left_out = np.where(1 - hat > 1e-9, residual / (1 - hat), np.nan)
        mean_left = (goal - goal.mean()) * k / max(k - 1, 1)
    varies = around > 1e-24 * max(1.0, float((goal**2).sum()))
    t = c.shape[1]
    bent = np.zeros((t, t))
    pairs = list(combinations_with_replacement(range(t), 2))
    for (i, j), value in zip(pairs, found[1 + t :], strict=True):
        bent[i, j] += value
        bent[j, i] += value
    return Surrogate(
        curvature=bent,
        slope=found[1 : 1 + t],
        intercept=float(found[0]),
        link=link,
        r2=1 - float((residual**2).sum()) / around if varies else float("nan"),
        loo_r2=1 - float((left_out**2).sum() / (mean_left**2).sum()) if varies else float("nan"),
        left_out=left_out,
        noise=float(np.sqrt((residual**2).sum() / spare)) if spare > 1e-9 else float("nan"),
        spread=inverse @ inverse.T,
    )


def linked(values: Floats, link: Link, margin: float) -> Floats:
    """Values on the scale of a link."""
    if link not in LINKS:
        raise UnknownName("link", link, LINKS)
    if not np.isfinite(values).all():
        raise DataError("Expected finite values, got NaN or Inf.")
    if link == "identity":
        return values
    if (values < 0).any() or (link == "logit" and (values > 1).any()):
        raise DataError(
            f"Expected values in the range of {link}, got {values.min()} to {values.max()}."
        )
    if link == "log":
        return np.asarray(np.log(np.maximum(values, margin)))
    inside = np.clip(values, margin, 1 - margin)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def _undo(values: Floats, link: Link) -> Floats:
    if link == "logit":
        # exp of a number that is never positive: no overflow at either end.
        small = np.exp(-np.abs(values))
        return np.asarray(np.where(values >= 0, 1.0, small) / (1 + small))
    # Far outside of the points the logarithm has no bound, and a float has one.
    return np.asarray(np.exp(np.minimum(values, 700.0))) if link == "log" else values


def means_of(fits: Sequence[Surrogate], points: Floats) -> Floats:
    """(K, M) what surrogates predict."""
    return np.column_stack([fit.predict(points) for fit in fits])
