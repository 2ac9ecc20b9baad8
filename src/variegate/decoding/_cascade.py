"""A cascade: the small model answers where it is sure, the large one elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import DataError, UsageError

__all__ = ["Cascade", "cascade_threshold"]


@dataclass(frozen=True, kw_only=True)
class Cascade:
    """A threshold on a confidence, and what it promises.

    Args:
        threshold: the first model keeps what it is at least this sure of; above 1, nothing.
        excess: mean loss above the second model's, on the calibration set; can be below 0.
        bound: upper bound on the expected excess, true with probability 1 − delta.
        share: part of the calibration set that the first model keeps, in [0, 1].
        epsilon, delta, n: the settings.
    """

    threshold: float
    excess: float
    bound: float
    share: float
    epsilon: float
    delta: float
    n: int

    def keeps(self, confidence: ArrayLike) -> NDArray[np.bool_]:
        """Where the first model's word stands: confidence ≥ threshold."""
        return np.asarray(confidence, dtype=np.float64) >= self.threshold


def cascade_threshold(
    confidence: ArrayLike,
    loss_first: ArrayLike,
    loss_second: ArrayLike,
    *,
    epsilon: float,
    delta: float = 0.1,
    loss_range: float = 1.0,
    steps: int = 100,
) -> Cascade:
    """Calibrate a cascade: the lowest threshold that costs at most epsilon against the second.

    Thresholds fall from just above 1 (the second model alone) over a fixed grid to 0 (the first
    alone). Each step must bound the expected excess loss E[(first − second) · 1(confidence ≥ t)]
    by epsilon at level delta (empirical Bernstein); the first that cannot ends the walk, so the
    promise holds for the threshold chosen and not only for one fixed before.

    For models: confidence is the base model's largest next-token probability or that of its
    answer, the second model is the aligned one.

    Args:
        confidence: (n,) of the first model, in [0, 1].
        loss_first: (n,) loss of the first model on a calibration set.
        loss_second: (n,) loss of the second on the same.
        epsilon: expected excess loss allowed, ≥ 0.
        delta: chance allowed that the promise is broken, in (0, 1).
        loss_range: width of the interval the losses lie in.
        steps: thresholds in the grid.

    Returns:
        The threshold with its excess, its bound and the share that the first model keeps. Where
        nothing can be promised the threshold lies above 1 and the share is 0.

    Raises:
        UsageError: shapes that differ, or a setting outside its range.
        DataError: NaN or inf, a confidence outside [0, 1], losses wider apart than loss_range.

    Example:
        >>> import numpy as np
        >>> sure = np.arange(2000) / 2000  # wrong where it is less than half sure
        >>> found = cascade_threshold(sure, sure < 0.5, np.zeros(2000), epsilon=0.05)
        >>> 0.4 < found.threshold < 0.5, found.bound <= 0.05
        (True, True)

    Reference: Berestizshevsky 2018, https://arxiv.org/abs/1805.10982 (the cascade); Maurer 2009,
    https://arxiv.org/abs/0907.3740 (the bound); Angelopoulos 2021,
    https://arxiv.org/abs/2110.01052 (the walk).
    """
    sure, first, second = (
        np.asarray(one, dtype=np.float64) for one in (confidence, loss_first, loss_second)
    )
    if sure.ndim != 1 or sure.shape != first.shape or sure.shape != second.shape or len(sure) < 2:
        raise UsageError(
            f"Expected three sequences of one length from 2, got {sure.shape}, {first.shape} and "
            f"{second.shape}."
        )
    if not (epsilon >= 0 and 0 < delta < 1 and 0 < loss_range < np.inf and steps >= 1):
        raise UsageError(
            "Expected epsilon >= 0, delta in (0, 1), loss_range > 0 and steps >= 1, got "
            f"{epsilon}, {delta}, {loss_range} and {steps}."
        )
    difference = first - second
    if not (np.isfinite(difference).all() and np.isfinite(sure).all()):
        raise DataError("Expected finite confidences and losses, got NaN or inf.")
    if sure.min() < 0 or sure.max() > 1 or np.abs(difference).max() > loss_range:
        raise DataError(
            f"Expected confidences in [0, 1] and losses at most {loss_range} apart, got "
            f"[{sure.min():.4g}, {sure.max():.4g}] and {np.abs(difference).max():.4g}."
        )
    n = len(sure)
    settings: dict[str, Any] = {"epsilon": float(epsilon), "delta": float(delta), "n": n}
    best = Cascade(
        threshold=float(np.nextafter(1.0, 2.0)), excess=0.0, bound=0.0, share=0.0, **settings
    )
    log = np.log(2 / delta)
    for threshold in np.linspace(1.0, 0.0, steps + 1):
        kept = sure >= threshold
        excess = np.where(kept, difference, 0.0)
        spread = np.sqrt(2 * excess.var(ddof=1) * log / n)
        bound = excess.mean() + spread + 7 * (2 * loss_range) * log / (3 * (n - 1))
        if bound > epsilon:
            break
        best = Cascade(
            threshold=float(threshold),
            excess=float(excess.mean()),
            bound=float(bound),
            share=float(kept.mean()),
            **settings,
        )
    return best
