"""The worst class of a confusion matrix, bounded by one smooth number."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from variegate.errors import UsageError
from variegate.metrics._arrays import finite

__all__ = ["confusion_norm"]


def confusion_norm(counts: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Spectral norm of what is confused: a bound on the error of the worst mode.

    ‖diag(w) (C - diag C)‖₂, C the confusion matrix with rows that sum to 1. The error of the
    worst class, max_i w_i (1 - C_ii), lies between ‖·‖₂/√m and √m ‖·‖₂ for m classes, since the
    largest row sum of a matrix is within √m of its spectral norm.

    Args:
        counts: (m, m) items of class i (a mode, an intended answer) taken for class j.
        weights: (m,) weight of each class; 1 by default.

    Returns:
        From 0 (nothing is confused), for weights of 1 up to √m. A class without items counts as
        never confused.

    Raises:
        DataError: NaN or Inf.
        UsageError: a table that is not square, or negative numbers.

    Example:
        >>> confusion_norm([[5, 0], [0, 7]])
        0.0
        >>> round(confusion_norm([[8, 2], [0, 10]]), 3)
        0.2
    """
    table = finite(counts, "counts", axes=2)
    w = np.ones(len(table)) if weights is None else finite(weights, "weights")
    if table.ndim != 2 or table.shape[0] != table.shape[1] or w.shape != table.shape[:1]:
        raise UsageError(
            f"Expected a square table and a weight a class, got {table.shape} and {w.shape}."
        )
    if table.min(initial=0) < 0 or w.min(initial=0) < 0:
        raise UsageError("Expected counts and weights of at least 0, got a negative one.")
    if not len(table):
        return 0.0
    totals = table.sum(axis=1, keepdims=True)
    off = table / np.where(totals > 0, totals, 1)
    np.fill_diagonal(off, 0)
    return float(np.linalg.norm(w[:, None] * off, 2))
