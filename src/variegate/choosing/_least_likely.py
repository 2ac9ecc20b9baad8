"""Among right answers the one the model found least likely."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from variegate.choosing._best import rewards_of
from variegate.errors import UsageError

__all__ = ["least_likely"]


def least_likely(
    logprobs: ArrayLike,
    lengths: ArrayLike,
    correct: ArrayLike,
    *,
    form: Literal["mean", "sum"] = "mean",
    quantile: float = 1.0,
    same_length: float | None = None,
) -> int | None:
    """Among verified-correct answers choose the most surprising one.

    argmax over correct i of -ln p(y_i)/|y_i| (or without the division).

    The evidence for it is thin: the extreme tail was not the best quarter in the paper's own
    data, hence `quantile`; the plain sum takes long answers, hence the mean and `same_length`.

    Args:
        logprobs: (n,) log-probability of each whole answer at temperature 1.
        lengths: (n,) tokens, at least 1.
        correct: (n,) verified; nothing else is chosen.
        form: surprise a token or of the whole answer.
        quantile: 1 for the most surprising, 0.5 for the median one, 0 for the most likely.
        same_length: consider only answers within this factor of the median length of the right
            ones, e.g. 1.25.

    Returns:
        Its number, None where nothing is correct.

    Raises:
        UsageError: other shapes, lengths below 1, a quantile outside [0, 1], a factor below 1.
        DataError: NaN or Inf.

    Example:
        >>> least_likely([-1.0, -9.0, -4.0], [2, 3, 2], [True, False, True])
        2

    Reference:
        2026, https://arxiv.org/abs/2602.07670
    """
    lp, size = rewards_of(logprobs, "logprobs"), rewards_of(lengths, "lengths")
    right = np.asarray(correct, dtype=bool)
    if not lp.shape == size.shape == right.shape or (len(size) and size.min() < 1):
        raise UsageError(
            f"Expected a length >= 1 and a verdict a log-probability, got {lp.shape}, "
            f"{size.shape} and {right.shape}."
        )
    if form not in ("mean", "sum") or not 0 <= quantile <= 1:
        raise UsageError(
            f"Expected the form 'mean' or 'sum' and a quantile from 0 to 1, got {form!r} and "
            f"{quantile}."
        )
    if same_length is not None and not same_length >= 1:
        raise UsageError(f"Expected a factor same_length >= 1, got {same_length}.")
    rows = np.flatnonzero(right)
    if same_length is not None and len(rows):
        middle = float(np.quantile(size[rows], 0.5, method="lower"))  # one that is there
        near = (size[rows] <= middle * same_length) & (size[rows] * same_length >= middle)
        rows = rows[near]
    if not len(rows):
        return None
    surprise = -lp[rows] / (size[rows] if form == "mean" else 1)
    order = rows[np.argsort(surprise, kind="stable")]
    return int(order[round(quantile * (len(order) - 1))])
