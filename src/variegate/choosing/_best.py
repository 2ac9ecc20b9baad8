"""Best of N: take the highest reward, or nothing when none is good enough."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import DataError, UsageError

__all__ = ["accept_probabilities", "best_of", "rewards_of", "selection_probabilities"]

Floats = NDArray[np.float64]


def rewards_of(values: ArrayLike, name: str = "rewards") -> Floats:
    """Check one finite number a candidate."""
    rewards = np.asarray(values, dtype=np.float64)
    if rewards.ndim != 1:
        raise UsageError(f"Expected {name} of shape (n,), got {rewards.shape}.")
    if not np.isfinite(rewards).all():
        raise DataError(
            f"Expected finite {name}, got NaN or Inf in {int((~np.isfinite(rewards)).sum())} of "
            f"{len(rewards)}.",
            hint="A candidate without a reward cannot be ranked: leave it out.",
        )
    return rewards


def best_of(rewards: ArrayLike) -> int:
    """The candidate with the highest reward; the first of equals.

    Args:
        rewards: (n,) any unit.

    Returns:
        Its number.

    Raises:
        UsageError: no candidates.
        DataError: NaN or Inf.

    Example:
        >>> best_of([0.1, 0.7, 0.7])
        1
    """
    r = rewards_of(rewards)
    if not len(r):
        raise UsageError("Expected one candidate or more, got none.")
    return int(r.argmax())


def selection_probabilities(probabilities: ArrayLike, rewards: ArrayLike, *, n: int) -> Floats:
    """How often best of n independent draws returns each answer of a known distribution.

    P(level r) = F(r)^n - F(r-)^n for each reward level, shared among answers of one level in
    proportion to their probabilities.

    Args:
        probabilities: (a,) of a draw; they sum to 1.
        rewards: (a,) of each answer.
        n: draws; 1 gives the probabilities back.

    Returns:
        (a,) probabilities. The price in variety of choosing, exactly: KL from a draw is at most
        ln n - (n - 1)/n.

    Raises:
        UsageError: other shapes, probabilities that do not sum to 1, or n < 1.
        DataError: NaN or Inf.

    Example:
        >>> selection_probabilities([0.5, 0.3, 0.2], [0, 1, 2], n=2).round(2).tolist()
        [0.25, 0.39, 0.36]

    Reference:
        Beirami 2024, https://arxiv.org/abs/2401.01879
    """
    p, r = rewards_of(probabilities, "probabilities"), rewards_of(rewards)
    if p.shape != r.shape or p.min(initial=0) < 0 or abs(p.sum() - 1) > 1e-9 or n < 1:
        raise UsageError(
            f"Expected probabilities that sum to 1, a reward each and n >= 1, got sum {p.sum()}, "
            f"{p.shape}, {r.shape} and {n}."
        )
    levels, which = np.unique(r, return_inverse=True)
    mass = np.bincount(which, weights=p, minlength=len(levels))
    up_to = np.minimum(np.cumsum(mass), 1.0)
    up_to[-1] = 1.0
    chosen = np.diff(np.concatenate([[0.0], up_to**n]))
    share = np.divide(chosen, mass, out=np.zeros_like(mass), where=mass > 0)
    return np.asarray(p * share[which])


def accept_probabilities(utilities: ArrayLike) -> Floats:
    """Which of several candidates would be taken, or none: a choice with an outside option.

    P(i) = e^{u_i}/(1 + Σ e^{u_j}), P(none) = 1/(1 + Σ e^{u_j}); a utility of 0 is as good as
    rejecting everything.

    Args:
        utilities: (..., n) rewards fitted with an outside option.

    Returns:
        (..., n + 1) probabilities, "none" last.

    Raises:
        DataError: NaN or Inf.

    Example:
        >>> round(float(accept_probabilities([1, 0.2, -0.5])[-1]), 4)
        0.1803

    Reference:
        2025, https://arxiv.org/abs/2510.04087
    """
    u = np.asarray(utilities, dtype=np.float64)
    if not np.isfinite(u).all():
        raise DataError("Expected finite utilities, got NaN or Inf in them.")
    u = np.concatenate([u, np.zeros((*u.shape[:-1], 1))], axis=-1)
    weights = np.exp(u - u.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))
