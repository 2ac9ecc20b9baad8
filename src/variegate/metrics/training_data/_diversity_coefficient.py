"""Diversity coefficient: how different the tasks are that batches of a corpus set a model."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from variegate._numbers import as_array
from variegate.errors import UsageError
from variegate.estimate import Estimate, jackknife
from variegate.metrics._arrays import unit_rows

__all__ = ["diversity_coefficient"]


def diversity_coefficient(task_embeddings: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Mean cosine distance between the task embeddings of batches, with its error over batches.

    A task embedding describes what a batch of texts demands of a probe model, e.g. the diagonal
    of its Fisher information. Every batch is in B - 1 pairs, so pairs are not independent and
    an interval over pairs is far too narrow: this one leaves out a batch at a time.

    Args:
        task_embeddings: (B, d) one row a batch; rows are brought to length 1. Batches must be
            drawn independently: the same batch B times has coefficient 0.
        level: confidence level.

    Returns:
        From 0 (every batch sets the same task) to 1 (unrelated), 2 at most; embeddings without
        negative entries stay below 1. Its expectation does not depend on B. A row of zeros is
        orthogonal to all. NaN for fewer than two batches, no interval for fewer than three.
        `n_prompts` counts the batches.

    Raises:
        DataError: NaN or Inf.
        UsageError: embeddings of another shape.

    Example:
        >>> estimate = diversity_coefficient([[1, 0], [0, 1], [1, 0], [0, 1]])
        >>> round(estimate.value, 4), estimate.n_prompts
        (0.6667, 4)

    No entry of `measure`: samples come in no batches.

    Source: `Miranda 2023 <https://arxiv.org/abs/2306.13840>`_.
    """
    array = as_array(task_embeddings, "embeddings")
    if array.ndim != 2:
        raise UsageError(f"Expected embeddings of shape (B, d), got {array.shape}.")
    rows = unit_rows(array)
    n = len(rows)
    own = rows.any(axis=1).astype(np.float64)
    # The cosines of each row with the others, from one sum: linear in B.
    cosines = rows @ rows.sum(axis=0) - own
    value = 1 - cosines.sum() / (n * (n - 1)) if n > 1 else float("nan")
    if n < 3:
        return Estimate(
            value=float(value),
            low=float("nan"),
            high=float("nan"),
            n_prompts=n,
            level=level,
            method="jackknife, delete one batch",
            note="fewer than three batches give no interval",
        )
    without = 1 - (cosines.sum() - 2 * cosines) / ((n - 1) * (n - 2))
    estimate = jackknife(without, value=float(value), level=level)
    return dataclasses.replace(estimate, method="jackknife, delete one batch")
