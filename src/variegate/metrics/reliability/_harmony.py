"""Harmony: does an average score speak for all its parts?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from variegate._numbers import numbers
from variegate.errors import UsageError

__all__ = ["harmony"]


def harmony(scores: ArrayLike, weights: ArrayLike | None = None, *, bandwidth: float) -> float:
    """How evenly a score holds over the parts it averages.

    H(π)/ln m, with π_i ∝ w_i exp(-(a_i - ā)²/(2 h²)): a part far from the weighted mean ā loses
    its share, and the entropy of the shares falls.

    Args:
        scores: (m,) score of each part, e.g. accuracy of each cluster of items.
        weights: (m,) its size, in any unit; equal by default. A part of weight 0 counts in m.
        bandwidth: h, the deviation that still counts as the same, in the unit of the scores.

    Returns:
        From 0 (one part carries all that agrees) to 1 (equal scores and sizes). Not changed by
        adding a constant to the scores. Depends on how the items were parted, so it is for the
        same parts only. NaN for fewer than two parts.

    Raises:
        UsageError: scores or weights that are not finite, of other length, negative or all-zero
            weights, or a bandwidth that is not positive.

    Example:
        >>> round(harmony([0.7, 0.7, 0.7], bandwidth=0.1), 6)
        1.0
        >>> round(harmony([0.7, 0.7, 0.2], bandwidth=0.1), 2)
        0.67

    No entry of `measure`: the parts and the bandwidth are the caller's. Intervals: resample the
    items the scores are made of.

    Source: `2025 <https://arxiv.org/abs/2509.25671>`_; the paper's bandwidth was not at hand.
    """
    a = numbers(scores, "scores", largest=1e150)
    w = np.ones_like(a) if weights is None else numbers(weights, "weights", largest=1e150)
    if a.ndim != 1 or a.shape != w.shape:
        raise UsageError(f"Expected a score and a weight a part, got {a.shape} and {w.shape}.")
    if not (np.isfinite(a).all() and np.isfinite(w).all() and (w >= 0).all()):
        raise UsageError("Expected finite scores and weights of at least 0, got something else.")
    if not (bandwidth > 0 and np.isfinite(bandwidth)):
        raise UsageError(f"Expected a positive bandwidth, got {bandwidth}.")
    if len(a) < 2:
        return float("nan")
    if not w.sum() > 0:
        raise UsageError("Expected a weight above 0, got none.")
    mean = float(np.average(a, weights=w))
    with np.errstate(divide="ignore"):
        logs = np.log(w) - (a - mean) ** 2 / (2 * bandwidth**2)
    # From the largest down: a narrow bandwidth makes every term underflow.
    shares = np.exp(logs - logs.max())
    shares /= shares.sum()
    seen = shares[shares > 0]
    return float(max(-(seen * np.log(seen)).sum(), 0.0) / np.log(len(a)))
