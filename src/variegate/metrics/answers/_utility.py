"""Utility at k: what a patient reader gets from k outputs, repeats counting for nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from variegate.errors import UsageError

__all__ = ["utility_at_k"]


def utility_at_k(classes: ArrayLike, utilities: ArrayLike, *, patience: float = 0.8) -> float:
    """Mean utility of outputs read in order, where only the first of each class counts.

    (1 - p) / (1 - p^k) · Σ_i p^(i-1) [class of i not seen before] u_i

    Args:
        classes: (k,) class of each output, in the order read.
        utilities: (k,) how good each is.
        patience: p in [0, 1], the chance that the reader goes on to the next output; 1 weighs
            all alike, 0 reads only the first.

    Returns:
        On the scale of the utilities: their value where all are new and equal; 0 where none is
        any good. NaN for k = 0.

    Raises:
        UsageError: other lengths, or a patience outside [0, 1].

    Example:
        >>> round(utility_at_k([0] * 10, [10] * 10), 5)  # ten times the same
        2.24058
        >>> round(utility_at_k(range(10), [10] * 10), 5)  # ten different ones
        10.0

    Source: NoveltyBench, `Zhang 2025 <https://arxiv.org/abs/2504.05228>`_.
    """
    labels, worth = np.asarray(classes), np.asarray(utilities, dtype=np.float64)
    if labels.shape != worth.shape or labels.ndim != 1:
        raise UsageError(
            f"Expected as many utilities as classes, got {labels.shape}, {worth.shape}."
        )
    if not 0 <= patience <= 1:
        raise UsageError(f"Expected a patience between 0 and 1, got {patience}.")
    if len(labels) == 0:
        return float("nan")
    new = np.zeros(len(labels))
    new[np.unique(labels, return_index=True)[1]] = 1.0
    weights = np.power(float(patience), np.arange(len(labels)))
    # Shares before the product, so that no worth is too large for the sum.
    return float(np.sum(weights / weights.sum() * new * worth))
