"""A family of policies that follow a moving target, and its two ends: in step, or steady."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError

__all__ = ["follow", "stability", "synchrony"]

Floats = NDArray[np.float64]


def follow(
    targets: ArrayLike, *, smoothing: float = 1.0, cap: float = np.inf, dead_band: float = 0.0
) -> Floats:
    """Follow a partner's style turn by turn, as far as a policy lets one.

    ŝ = α uₜ + (1 - α) sₜ₋₁; sₜ = sₜ₋₁ + clip(ŝ - sₜ₋₁, ±δ), with no move on an axis
    where ŝ and sₜ₋₁ lie less than δ₀ apart. The first state is the first target.

    Args:
        targets: (T, d) the partner's style at every turn.
        smoothing: α in [0, 1]; 1 goes all the way, 0 never moves.
        cap: δ ≥ 0, the largest step on an axis; infinite for none, 0 never moves.
        dead_band: δ₀ ≥ 0, the smallest step worth taking.

    Returns:
        (T, d) one's own style. Defaults copy the targets.

    Raises:
        UsageError: another shape, or a setting outside its range.

    Reference:
        The synchrony-stability frontier, `2510.00339 <https://arxiv.org/abs/2510.00339>`_; the
        paper names the policies, their forms are ours.

    Example:
        >>> follow([[0.0], [1.0], [1.0]], cap=0.4).ravel().round(3).tolist()
        [0.0, 0.4, 0.8]
    """
    aims = np.asarray(targets, dtype=np.float64)
    if aims.ndim != 2 or not len(aims):
        raise UsageError(f"Expected targets of shape (turns, axes), got {aims.shape}.")
    if not (0 <= smoothing <= 1 and cap >= 0 and dead_band >= 0):
        raise UsageError(
            "Expected smoothing in [0, 1], cap ≥ 0 and dead_band ≥ 0, got "
            f"{smoothing}, {cap} and {dead_band}."
        )
    states = np.empty_like(aims)
    states[0] = aims[0]
    for turn in range(1, len(aims)):
        before = states[turn - 1]
        wanted = smoothing * aims[turn] + (1 - smoothing) * before
        moved = np.clip(wanted, before - cap, before + cap)
        states[turn] = np.where(np.abs(wanted - before) < dead_band, before, moved)
    return states


def synchrony(states: ArrayLike, targets: ArrayLike) -> float:
    """How close one stays to the partner: 1 - mean distance / √d, for styles in [0, 1]ᵈ.

    Args:
        states: (T, d) one's own style.
        targets: (T, d) the partner's.

    Returns:
        1 in step at every turn, 0 at opposite corners throughout.

    Raises:
        UsageError: two shapes, or none with turns and axes.

    Example:
        >>> synchrony([[0.0], [0.5]], [[0.0], [1.0]])
        0.75
    """
    ours, theirs = np.asarray(states, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    if ours.shape != theirs.shape or ours.ndim != 2 or not ours.size:
        raise UsageError(
            f"Expected states and targets of one shape (turns, axes), got {ours.shape} "
            f"and {theirs.shape}."
        )
    return 1.0 - float(np.linalg.norm(ours - theirs, axis=1).mean()) / float(np.sqrt(ours.shape[1]))


def stability(states: ArrayLike) -> float:
    """How steady one stays: 1 - mean step / √d, for styles in [0, 1]ᵈ.

    Args:
        states: (T, d) one's own style at every turn.

    Returns:
        1 where nothing moves (also for a single turn), 0 for jumps between opposite corners.

    Raises:
        UsageError: another shape.

    Example:
        >>> stability([[0.0], [0.5], [0.5]])
        0.75
    """
    ours = np.asarray(states, dtype=np.float64)
    if ours.ndim != 2 or not ours.size:
        raise UsageError(f"Expected states of shape (turns, axes), got {ours.shape}.")
    if len(ours) == 1:
        return 1.0
    steps = np.linalg.norm(np.diff(ours, axis=0), axis=1)
    return 1.0 - float(steps.mean()) / float(np.sqrt(ours.shape[1]))
