"""Best of N in small loops: stop as soon as an answer is good enough, or say that none is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from variegate.choosing._best import rewards_of
from variegate.errors import DataError, UsageError

__all__ = ["BestOfLoops", "best_of_loops", "calibrate_acceptance"]


@dataclass(frozen=True, kw_only=True)
class BestOfLoops:
    """What came out of the loops."""

    answer: Any | None  # None where nothing was good enough
    reward: float  # the best seen
    accepted: bool  # it reached the threshold
    draws: int
    loops: int


def best_of_loops(
    draw: Callable[[int], Sequence[Any]],
    reward: Callable[[Any], float],
    *,
    loop: int,
    loops: int,
    threshold: float = 0.0,
    mode: Literal["accelerator", "guardrail"] = "accelerator",
) -> BestOfLoops:
    """Draw a few answers at a time until one is good enough.

    After each loop of n draws the best reward so far is compared with the threshold. In the end
    an accelerator returns the best it has, a guardrail returns nothing.

    Args:
        draw: from how many to as many answers.
        reward: of one answer; fitted with an outside option, 0 means as good as none
            (`accept_probabilities`).
        loop: n, draws a loop.
        loops: loops at the most.
        threshold: what is good enough: 0 is the accelerator's default, `calibrate_acceptance`
            finds the guardrail's. -inf stops after the first loop, inf never.
        mode: what to do when nothing was good enough.

    Returns:
        A `BestOfLoops`. A draw that brings fewer answers than asked for counts what it brought.

    Raises:
        UsageError: loop or loops below 1, or another mode.
        DataError: a reward that is NaN.

    Example:
        >>> answers = iter([1, 5, 2, 9])
        >>> best_of_loops(lambda n: [next(answers) for _ in range(n)], float,
        ...               loop=2, loops=2, threshold=4).answer
        5

    Reference:
        2025, https://arxiv.org/abs/2510.04087
    """
    if loop < 1 or loops < 1:
        raise UsageError(f"Expected loop >= 1 and loops >= 1, got {loop} and {loops}.")
    if mode not in ("accelerator", "guardrail"):
        raise UsageError(f"Expected the mode 'accelerator' or 'guardrail', got {mode!r}.")
    best: Any | None = None
    top, draws, done = -math.inf, 0, 0
    while done < loops and not (best is not None and top >= threshold):
        done += 1
        for answer in draw(loop):
            value = float(reward(answer))
            if math.isnan(value):
                raise DataError("Expected a reward for every answer, got NaN.")
            draws += 1
            if best is None or value > top:
                best, top = answer, value
    accepted = best is not None and top >= threshold
    return BestOfLoops(
        answer=best if accepted or mode == "accelerator" else None,
        reward=top,
        accepted=accepted,
        draws=draws,
        loops=done,
    )


def calibrate_acceptance(
    rewards: ArrayLike, acceptable: ArrayLike, *, false_accepts: float = 0.05
) -> float:
    """Find the threshold above which unacceptable best answers pass no more often than stated.

    With m held-out prompts whose best answer was unacceptable, the ⌊rate (m + 1)⌋-th largest of
    their rewards: the next such prompt, independent of these, lies above it with at most that
    probability. Calibrate with loops and draws as they will be used: the best of more draws has
    higher rewards, acceptable or not.

    Args:
        rewards: (p,) best reward of each held-out prompt.
        acceptable: (p,) whether that best answer was acceptable.
        false_accepts: the rate among prompts without an acceptable best answer.

    Returns:
        The threshold for `best_of_loops`, which accepts what reaches it.

    Raises:
        UsageError: other shapes, or a rate outside (0, 1).
        DataError: too few unacceptable answers for the rate; NaN or Inf.

    Example:
        >>> rewards = np.arange(100) / 100
        >>> 0.89 < calibrate_acceptance(rewards, np.zeros(100, bool), false_accepts=0.1) < 0.92
        True

    Reference:
        Vovk 2005, https://doi.org/10.1007/b106715
    """
    r, good = rewards_of(rewards), np.asarray(acceptable, dtype=bool)
    if r.shape != good.shape or not 0 < false_accepts < 1:
        raise UsageError(
            f"Expected a verdict a reward and a rate in (0, 1), got {r.shape}, {good.shape} and "
            f"{false_accepts}."
        )
    bad = np.sort(r[~good])[::-1]
    rank = math.floor(false_accepts * (len(bad) + 1) + 1e-9)
    if rank < 1:
        raise DataError(
            f"Expected at least {math.ceil(1 / false_accepts) - 1} prompts without an acceptable "
            f"answer for a rate of {false_accepts:g}, got {len(bad)}.",
            hint="Hold out more prompts, or allow a larger rate.",
        )
    # Above the rank-th largest, so that at most rank - 1 of these reach it.
    return float(np.nextafter(bad[rank - 1], np.inf))
