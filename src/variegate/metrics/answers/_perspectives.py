"""Do the first k documents or answers together show every side?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from variegate._numbers import as_array
from variegate.errors import UsageError

__all__ = ["perspective_recall"]


def perspective_recall(shown: ArrayLike, *, k: int) -> float:
    """Share of questions whose first k items together show all perspectives (MRecall@k).

    mean over questions of Π_p max_{i <= k} shown[q, i, p].

    Args:
        shown: (Q, n, P) or (n, P) whether item i, in order of rank, shows perspective p. Where
            questions differ in the number of perspectives, fill up with ones.
        k: items that are read.

    Returns:
        From 0 to 1 (every question covered), never falling in k. 1 for a question without
        perspectives, NaN without questions.

    Raises:
        UsageError: no such table of truth values, or k outside 1..n.

    Example:
        >>> shown = [[1, 0], [1, 0], [0, 1]]
        >>> perspective_recall(shown, k=2), perspective_recall(shown, k=3)
        (0.0, 1.0)

    Reference:
        Chen 2024, https://arxiv.org/abs/2409.18110
    """
    table = as_array(shown, "a table of truth values")
    if table.ndim == 2:
        table = table[None]
    if table.ndim != 3 or not np.isin(table, (0, 1)).all():
        raise UsageError(
            f"Expected truth values of shape (questions, items, perspectives), got {table.shape}."
        )
    if not 1 <= k <= table.shape[1]:
        raise UsageError(f"Expected k from 1 to the {table.shape[1]} items there are, got {k}.")
    if not len(table):
        return float("nan")
    sides = np.any(table[:, :k], axis=1)
    return float(np.mean(np.all(sides, axis=1)))
