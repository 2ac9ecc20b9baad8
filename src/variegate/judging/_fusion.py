"""Several judges of one item: evidence added up, and no more judges than it takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import numbers
from variegate.errors import UsageError

__all__ = ["FusedVerdict", "fuse_judges"]


@dataclass(frozen=True, kw_only=True)
class FusedVerdict:
    """What several judges say together of every item."""

    choice: NDArray[np.int64]  # (n,) the verdict with most belief
    belief: NDArray[np.float64]  # (n, K); sums with `uncertainty` to 1
    uncertainty: NDArray[np.float64]  # (n,) from 0 to 1 (nobody knows)
    judges_used: NDArray[np.int64]  # (n,)


def fuse_judges(evidence: ArrayLike, *, enough: float = 0.0) -> FusedVerdict:
    """Fuse judges who say how much evidence they have, and stop when it is enough.

    A judge with evidence e_k >= 0 for verdict k believes b_k = e_k/S and is uncertain by
    u = K/S, S = Σ e + K. Two are fused by b ∝ b b' + b u' + b' u, u ∝ u u'; conflict between
    them is left out and the rest scaled up.

    Args:
        evidence: (J, n, K) of judge, item, verdict, in the order the judges are asked; counts of
            agreeing replies are evidence.
        enough: stop asking about an item once its uncertainty is at most this; 0 asks all.

    Returns:
        A `FusedVerdict`. A judge without evidence changes nothing; agreement lowers uncertainty.

    Raises:
        UsageError: no such table, or evidence that is negative or not finite.

    Example:
        >>> one = fuse_judges([[[8, 0]]])
        >>> two = fuse_judges([[[8, 0]], [[8, 0]]])
        >>> round(float(one.uncertainty[0]), 2), round(float(two.uncertainty[0]), 2)
        (0.2, 0.04)
        >>> fuse_judges([[[8, 0]], [[8, 0]]], enough=0.2).judges_used.tolist()
        [1]

    Reference:
        Li 2022, Trustworthy long-tailed classification; Han 2021,
        https://arxiv.org/abs/2102.02051, for the rule
    """
    e = numbers(evidence, "evidence")
    if e.ndim != 3 or not len(e) or e.shape[2] < 2:
        raise UsageError(f"Expected evidence (judges, items, verdicts), got {e.shape}.")
    if not np.isfinite(e).all() or e.min(initial=0) < 0:
        raise UsageError("Expected finite evidence of at least 0, got something else.")
    verdicts = e.shape[2]
    total = e.sum(axis=2, keepdims=True) + verdicts
    belief, doubt = e / total, verdicts / total
    b, u = belief[0].copy(), doubt[0].copy()
    used = np.ones(e.shape[1], dtype=np.int64)
    for other, unsure in zip(belief[1:], doubt[1:], strict=True):
        ask = u[:, 0] > enough
        joint = b * other + b * unsure + other * u
        scale = joint.sum(axis=1, keepdims=True) + u * unsure
        b = np.where(ask[:, None], joint / scale, b)
        u = np.where(ask[:, None], u * unsure / scale, u)
        used += ask
    return FusedVerdict(choice=b.argmax(axis=1), belief=b, uncertainty=u[:, 0], judges_used=used)
