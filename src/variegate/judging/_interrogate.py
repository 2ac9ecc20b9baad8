"""Does a judge understand what it could write itself?"""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from variegate._numbers import numbers
from variegate.errors import UsageError
from variegate.estimate import Estimate, paired

__all__ = ["JudgeGap", "judge_gap"]


@dataclass(frozen=True, kw_only=True)
class JudgeGap:
    """How much better a model writes right answers than it recognises and explains them."""

    selective: Estimate  # right when writing minus right when choosing among candidates
    interrogative: Estimate | None  # right when writing minus right when asked about the answer
    weak: bool  # an interval above 0: do not let it judge variety before it is mended


def judge_gap(
    generates: ArrayLike,
    selects: ArrayLike,
    interrogates: ArrayLike | None = None,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> JudgeGap:
    """Compare, item by item, writing an answer with choosing it and with being asked about it.

    mean_i (generates_i - selects_i), paired over items, and likewise for interrogation.

    Args:
        generates: (n,) share of right answers (or 0 and 1) when the model writes.
        selects: (n,) the same when it chooses the right one among candidates; correct for
            guessing beforehand where candidates are few.
        interrogates: (n,) the same for questions about the answer.
        resamples: of the bootstrap over items.
        level: of the intervals.
        seed: of the resamples.

    Returns:
        A `JudgeGap`; gaps lie from -1 (judges only) to 1 (writes only), 0 for a judge that
        recognises all it can write.

    Raises:
        UsageError: rows of other length, or shares outside [0, 1].

    Example:
        >>> judge_gap([1, 1, 0, 1] * 9, [1, 1, 0, 1] * 9).weak
        False
        >>> judge_gap([1, 1, 0, 1] * 9, [0, 1, 0, 0] * 9).weak
        True

    Reference:
        West 2023, https://arxiv.org/abs/2311.00059
    """
    writes, *others = (
        numbers(row, "row")
        for row in (generates, selects, *(() if interrogates is None else (interrogates,)))
    )
    for row in (writes, *others):
        if row.ndim != 1 or row.shape != writes.shape or not ((row >= 0) & (row <= 1)).all():
            raise UsageError(
                f"Expected rows of one length with shares from 0 to 1, got {row.shape} beside "
                f"{writes.shape}."
            )
    gaps = [paired(writes, row, resamples=resamples, level=level, seed=seed) for row in others]
    return JudgeGap(
        selective=gaps[0],
        interrogative=gaps[1] if len(gaps) > 1 else None,
        weak=any(gap.low > 0 for gap in gaps),
    )
