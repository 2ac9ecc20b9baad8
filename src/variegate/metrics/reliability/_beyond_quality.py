"""Is a gain more than better quality under another name?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from variegate.errors import UsageError
from variegate.estimate import Estimate, interval
from variegate.metrics._arrays import finite

__all__ = ["BeyondQuality", "beyond_quality"]


@dataclass(frozen=True, kw_only=True)
class BeyondQuality:
    """What a diverse set gains over a single model of its own quality."""

    gain: Estimate  # score of the set minus that expected of a single model as good
    explained: bool  # the interval holds 0: quality alone explains the gain
    raw: float  # score of the set minus the best single score
    slope: float  # of score on quality over the single models


def beyond_quality(
    quality: ArrayLike,
    score: ArrayLike,
    *,
    set_quality: float,
    set_score: float,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> BeyondQuality:
    """Compare a diverse set with a single model of matched quality.

    gain = s_set - (a + b q_set), a + b q the line of score on quality over single models. Diverse
    sets are often better on the very task, and better single models have better scores of every
    kind; a benefit of variety has to stand above that line. The interval resamples the single
    models.

    Args:
        quality: (m,) quality of the single models (accuracy, reward).
        score: (m,) their score of what variety is said to help (robustness, coverage).
        set_quality: quality of the set.
        set_score: its score.
        resamples: how many times the models are drawn again.
        level: of the interval.
        seed: of the resamples.

    Returns:
        A `BeyondQuality`; `explained` where the interval of the gain holds 0.

    Raises:
        DataError: NaN or Inf.
        UsageError: fewer than four single models, or all of one quality.

    Example:
        >>> models = [0.5, 0.6, 0.7, 0.8, 0.9]
        >>> beyond_quality(models, models, set_quality=0.95, set_score=0.95).explained
        True
        >>> beyond_quality(models, models, set_quality=0.7, set_score=0.9).explained
        False

    Reference:
        Abe 2022, https://arxiv.org/abs/2202.06985
    """
    q, s = finite(quality, "quality"), finite(score, "score")
    if q.ndim != 1 or q.shape != s.shape or len(q) < 4 or np.ptp(q) == 0:
        raise UsageError(
            f"Expected four single models or more, of different quality, got {q.shape} and "
            f"{s.shape}.",
            hint="Train or pick single models around the quality of the set.",
        )
    if not np.isfinite([set_quality, set_score]).all():
        raise UsageError(f"Expected a finite set, got {set_quality} and {set_score}.")
    drawn = np.random.default_rng(seed).integers(len(q), size=(resamples, len(q)))
    with np.errstate(divide="ignore", invalid="ignore"):
        again = _above(q[drawn], s[drawn], set_quality, set_score)[0]
    again = again[np.isfinite(again)]  # a resample of one model only has no line
    above, slope = _above(q[None], s[None], set_quality, set_score)
    low, high = interval(again, level=level)
    gain = float(above[0])
    return BeyondQuality(
        gain=Estimate(
            value=gain,
            low=float(low),
            high=float(high),
            n_prompts=len(q),
            method=f"bootstrap over {len(q)} single models",
            level=level,
        ),
        # Points on a line leave rounding only.
        explained=bool(low <= 1e-9 and high >= -1e-9),
        raw=float(set_score - s.max()),
        slope=float(slope[0]),
    )


def _above(
    q: np.ndarray, s: np.ndarray, set_quality: float, set_score: float
) -> tuple[np.ndarray, np.ndarray]:
    """How far the set lies above the least-squares line of every row of models."""
    centred = q - q.mean(axis=1, keepdims=True)
    slope = (centred * s).sum(axis=1) / (centred**2).sum(axis=1)
    return set_score - s.mean(axis=1) - slope * (set_quality - q.mean(axis=1)), slope
