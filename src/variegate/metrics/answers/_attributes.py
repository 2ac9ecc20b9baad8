"""Variety of one attribute over outputs: its values, its default, and groups that a judge made."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from variegate._numbers import counted, numbers
from variegate.errors import UsageError
from variegate.metrics.answers._entropy import Correction, answer_entropy

__all__ = ["attribute_entropy", "cluster_score", "default_share"]


def attribute_entropy(
    value_counts: ArrayLike, *, values: int, correction: Correction | None = None
) -> Any:
    """Entropy of an attribute's values over the largest it could have.

    H(p) / ln m, with m fixed before the outputs are seen.

    Args:
        value_counts: (..., C) outputs that show each value; pad with zeros. Outputs that show
            none of the m are counted elsewhere.
        values: m, how many values the attribute can have, seen or not; 2 or more.
        correction: as in `answer_entropy`, for few outputs; a corrected value can exceed 1.

    Returns:
        A float, or an array of the leading axes. 0: always the same value. 1: all m equally
        often. NaN where nothing was counted.

    Raises:
        UsageError: fewer than 2 values, or more seen than there are.

    Example:
        >>> attribute_entropy([3, 3], values=2)
        1.0
        >>> attribute_entropy([3, 3], values=4)  # two values never shown
        0.5

    Source: GRADE, `Rassin 2024 <https://arxiv.org/abs/2410.22592>`_.
    """
    seen = int((numbers(value_counts, "value counts") > 0).sum(axis=-1).max(initial=0))
    if values < max(2, seen):
        raise UsageError(f"Expected at least {max(2, seen)} values, got {values}.")
    return answer_entropy(value_counts, correction=correction) / math.log(values)


def over_values(class_counts: ArrayLike, answers_known: int) -> float:
    """`attribute_entropy` over the answers that any arm gave; 0 where that is only one."""
    return float(attribute_entropy(class_counts, values=max(answers_known, 2)))


def default_share(value_counts: ArrayLike) -> Any:
    """Share of the value that an attribute takes most often.

    max n_c / n. The source calls it a default behaviour from about 0.8 on.

    Args:
        value_counts: (..., C) outputs that show each value; pad with zeros.

    Returns:
        A float, or an array of the leading axes: 1/C (no default) to 1 (always the same), and
        too large for few outputs. NaN where nothing was counted.

    Example:
        >>> default_share([8, 1, 1]) >= 0.8
        True

    Source: GRADE, `Rassin 2024 <https://arxiv.org/abs/2410.22592>`_.
    """
    counts = counted(value_counts, "value counts")
    total = counts.sum(axis=-1)
    share = counts.max(axis=-1, initial=0.0) / np.where(total > 0, total, np.nan)
    return float(share) if share.ndim == 0 else share


def cluster_score(cluster_counts: ArrayLike) -> Any:
    """Number of clusters over their mean size.

    C / (K / C) = C² / K, with K the outputs that the judge kept in a cluster.

    Args:
        cluster_counts: (..., C) outputs in each cluster; pad with zeros. Leading axes are
            rounds, each with outputs of its own: average over them.

    Returns:
        A float, or an array of the leading axes: 1/K (one cluster) to K (every output its own).
        Depends on K: compare equal K only, and report how many were kept. NaN for K = 0.

    Example:
        >>> cluster_score([5, 5])
        0.4
        >>> cluster_score([1] * 10)
        10.0

    Source: `Chen 2024 <https://arxiv.org/abs/2410.15226>`_.
    """
    counts = counted(cluster_counts, "cluster counts")
    kept = counts.sum(axis=-1)
    score = (counts > 0).sum(axis=-1) ** 2 / np.where(kept > 0, kept, np.nan)
    return float(score) if score.ndim == 0 else np.asarray(score)
