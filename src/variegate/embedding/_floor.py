"""The similarity floor: how alike two outputs look that have nothing to do with each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from variegate._numbers import numbers
from variegate.errors import UsageError

__all__ = ["similarity_floor"]


def similarity_floor(features: ArrayLike, prompt_index: ArrayLike) -> float:
    """Mean cosine between outputs of different prompts.

    (‖Σ x‖² - Σ_p ‖Σ_{i∈p} x_i‖²) / (n² - Σ_p n_p²): the sums of all rows and of every prompt's
    rows give the mean over all pairs at once, in O(nd).

    Args:
        features: (n, d) unit rows; rows of zeros (empty texts) are left out.
        prompt_index: (n,) whole numbers, or any labels, that tell the prompts apart.

    Returns:
        A cosine in [-1, 1]. Near 0: unrelated outputs look unrelated to this embedder. Near the
        mean cosine within a prompt: the embedder hardly sees what the prompt was, and its
        distances say little. NaN with fewer than two prompts.

    Raises:
        UsageError: not as many labels as rows.

    Example:
        >>> similarity_floor([[1, 0], [1, 0], [0, 1], [0, 1]], [0, 0, 1, 1])
        0.0
    """
    rows = numbers(features, "features")
    labels = np.asarray(prompt_index)
    if rows.ndim != 2 or labels.shape != rows.shape[:1]:
        raise UsageError(
            f"Expected (n, d) features and n labels, got {rows.shape} and {labels.shape}."
        )
    filled = rows.any(axis=1)
    rows = rows[filled]
    _, groups, sizes = np.unique(labels[filled], return_inverse=True, return_counts=True)
    pairs = len(rows) ** 2 - int((sizes**2).sum())
    if pairs == 0:
        return float("nan")
    order = np.argsort(groups, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    sums = np.add.reduceat(rows[order], starts, axis=0)
    return float((np.sum(rows.sum(axis=0) ** 2) - np.sum(sums**2)) / pairs)
