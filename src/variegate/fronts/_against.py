"""One front against another, or against an ideal: additive epsilon and R2."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError
from variegate.fronts._nondominated import nondominated
from variegate.fronts._points import as_points

__all__ = ["additive_epsilon", "r2"]

Floats = NDArray[np.float64]


def additive_epsilon(a: ArrayLike, b: ArrayLike, *, mixing: bool = False) -> Floats | float:
    """By how much `b` must be worsened, on all axes alike, until `a` covers it.

    ε(A, B) = max_b min_a max_j (b_j - a_j), larger being better on every axis.

    Args:
        a: (..., N, d) the set that is to cover; points with NaN cover nothing.
        b: (..., M, d) the set to be covered; points with NaN need no cover.
        mixing: let `a` cover what lies between its points too (two axes). Means over prompts do:
            an arm taken by lot for every prompt has the mean of their means on both axes. Without
            it whatever falls between two points of a coarse grid looks like a lead.

    Returns:
        (...) in the unit of the axes, a float for one pair: 0 for equal fronts, negative where
        `a` is better than `b` everywhere by that much, positive where `b` has something that `a`
        has not. Infinite where `a` has no point; NaN where `b` has none.

    Reference:
        `Zitzler 2003 <https://doi.org/10.1109/TEVC.2003.810758>`_.

    Example:
        >>> front = [[0.2, 0.9], [0.8, 0.3]]
        >>> round(additive_epsilon(front, [[0.3, 1.0], [0.9, 0.4]]), 9)
        0.1
        >>> between = [[0.5, 0.6]]
        >>> round(additive_epsilon(front, between), 9), additive_epsilon(
        ...     front, between, mixing=True)
        (0.3, 0.0)
    """
    left, right = as_points(a), as_points(b)
    if left.shape[-1] != right.shape[-1]:
        raise UsageError(
            f"Expected two sets on the same axes, got {left.shape[-1]} and {right.shape[-1]}."
        )
    if mixing:
        return _over_mixtures(left, right)
    # (..., M, N): what every b is above every a.
    lead = (right[..., :, None, :] - left[..., None, :, :]).max(axis=-1)
    here = np.asarray(~np.isnan(left).any(axis=-1))
    wanted = np.asarray(~np.isnan(right).any(axis=-1))
    lead = np.where(here[..., None, :], lead, np.inf)
    nearest = np.where(wanted, lead.min(axis=-1, initial=np.inf), -np.inf)
    epsilon = nearest.max(axis=-1, initial=-np.inf)
    epsilon = np.asarray(np.where(wanted.any(axis=-1), epsilon, np.nan))
    return float(epsilon) if epsilon.ndim == 0 else epsilon


def r2(points: ArrayLike, *, ideal: ArrayLike) -> float:
    """Mean shortfall from the ideal over all weights of the two axes, exactly.

    R2 = ∫₀¹ minₚ max(w (z₁ - p₁), (1 - w)(z₂ - p₂)) dw, the integral in closed form: along w
    the best point changes at the crossings of neighbours, and each piece is two straight lines.

    Args:
        points: (N, 2), larger being better; points with NaN are left out.
        ideal: (2,) the point z that nothing exceeds.

    Returns:
        From 0 (the ideal itself is reached) upwards, in the unit of the axes; NaN without a
        complete point.

    Raises:
        UsageError: a point better than the ideal.

    Reference:
        `Schäpermeier 2024 <https://arxiv.org/abs/2407.01504>`_.

    Example:
        >>> r2([[0, 0]], ideal=[1, 1]), r2([[1, 0], [0, 1]], ideal=[1, 1])
        (0.75, 0.25)
    """
    array, top = as_points(points, axes=2), np.asarray(ideal, dtype=np.float64)
    if array.ndim != 2 or top.shape != (2,):
        raise UsageError(
            f"Expected points of shape (N, 2) and an ideal of shape (2,), got {array.shape} "
            f"and {top.shape}."
        )
    short = top - array[nondominated(array)]
    if not len(short):
        return float("nan")
    if (short < 0).any():
        raise UsageError(
            f"Expected no point beyond the ideal {top.tolist()}, got one {(-short).max():g} off.",
            hint="Take the published upper ends of the axes.",
        )
    if (short == 0).all(axis=1).any():
        return 0.0
    # From the point nearest on the second axis, which serves small w, to that on the first.
    far, near = np.unique(short, axis=0)[::-1].T
    crossing = near[1:] / (near[1:] + far[:-1])
    start = np.concatenate([[0.0], crossing])
    stop = np.concatenate([crossing, [1.0]])
    turn = np.clip(near / (near + far), start, stop)
    falling = near * ((turn - start) - (turn**2 - start**2) / 2)
    rising = far * (stop**2 - turn**2) / 2
    return float((falling + rising).sum())


def _over_mixtures(left: Floats, right: Floats) -> Floats | float:
    """Epsilon against the hull of `left`: max over weights w of w·b - max_a w·a.

    A point lies under the hull iff it does for every weight. The difference is concave in w, with
    corners where two points of `left` tie, so the ends and the ties are enough.
    """
    if left.shape[-1] != 2:
        raise UsageError(f"Expected two axes to mix on, got {left.shape[-1]}.")
    wanted = np.asarray(~np.isnan(right).any(axis=-1))
    w = _corners(left)[..., :, None]
    asked = w * right[..., None, :, 0] + (1 - w) * right[..., None, :, 1]
    lead = (asked - _reach(left, w)[..., None]).max(axis=-2)  # (..., M)
    epsilon = np.where(wanted, lead, -np.inf).max(axis=-1, initial=-np.inf)
    epsilon = np.asarray(np.where(wanted.any(axis=-1), epsilon, np.nan))
    return float(epsilon) if epsilon.ndim == 0 else epsilon


def leading_weight(a: Floats, b: Floats) -> float:
    """The weight of the first axis at which the point b (2,) is furthest beyond the hull of a."""
    w = _corners(a)
    lead = w * b[0] + (1 - w) * b[1] - _reach(a, w[:, None])
    return float(w[int(np.argmax(lead))])


def lead_at(a: Floats, b: Floats, *, weight: float) -> Floats:
    """How far b (..., 2) is beyond the best of a (..., N, 2) at one weight: no more than epsilon.

    At a weight that was chosen on other prompts its interval is honest, where that of the maximum
    over all weights starts too high.
    """
    w = np.full((*a.shape[:-2], 1, 1), weight)
    best = _reach(a, w)[..., 0]
    return np.asarray(weight * b[..., 0] + (1 - weight) * b[..., 1] - best)


def _corners(left: Floats) -> Floats:
    """Weights (..., W) at which two points of a set tie, and both ends."""
    steps = left[..., :, None, :] - left[..., None, :, :]
    across, down = steps[..., 0], -steps[..., 1]
    ties = np.divide(down, across + down, out=np.zeros_like(down), where=across * down > 0)
    ties = ties.reshape(*ties.shape[:-2], -1)
    ends = np.broadcast_to([0.0, 1.0], (*ties.shape[:-1], 2))
    return np.concatenate([ties, ends], axis=-1)


def _reach(left: Floats, w: Floats) -> Floats:
    """The best weighted sum of a set at weights (..., W, 1): (..., W)."""
    here = np.asarray(~np.isnan(left).any(axis=-1))
    reach = w * left[..., None, :, 0] + (1 - w) * left[..., None, :, 1]
    best: Floats = np.where(here[..., None, :], reach, -np.inf).max(axis=-1, initial=-np.inf)
    return best
