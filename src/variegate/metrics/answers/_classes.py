"""How many different answers there are, and how many different right ones."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from variegate._numbers import as_array, counted
from variegate.errors import UsageError
from variegate.estimate import inclusion, rarefy

__all__ = ["distinct_at_k", "gini_simpson", "unique_correct_at_k"]


def distinct_at_k(
    class_counts: ArrayLike, *, k: int, compat: Literal["novelty-bench"] | None = None
) -> Any:
    """Expected number of different answers among k of the n outputs.

    Σ_c 1 - C(n - n_c, k) / C(n, k), unbiased for Σ_c 1 - (1 - p_c)^k whatever n ≥ k is.

    Args:
        class_counts: (..., C) outputs of each class of equal answers; pad with zeros.
        k: how many outputs are looked at, k ≤ n.
        compat: ``"novelty-bench"`` is one less, as the field `distinct` that its code stores: the
            largest number of a class, counted from 0.

    Returns:
        A float, or an array of the leading axes. 1: always the same answer. k: always another.

    Raises:
        UsageError: k larger than n, or another compat.

    Example:
        >>> distinct_at_k([2, 2], k=2)
        1.6666...

    Source: NoveltyBench, `Zhang 2025 <https://arxiv.org/abs/2504.05228>`_, rarefied.
    """
    if compat not in (None, "novelty-bench"):
        raise UsageError(f"Expected compat of None or 'novelty-bench', got {compat!r}.")
    return _scalar(rarefy(class_counts, k=k) - (1.0 if compat else 0.0))


def unique_correct_at_k(class_counts: ArrayLike, class_correct: ArrayLike, *, k: int) -> Any:
    """Expected number of different right answers among k of the n outputs.

    Σ over the right classes of 1 - C(n - n_c, k) / C(n, k); pass@k where there is one right
    class.

    Args:
        class_counts: (..., C) outputs of each class, the wrong ones too: they make up n.
        class_correct: (..., C) whether the class is right.
        k: how many outputs are looked at, k ≤ n.

    Returns:
        A float, or an array of the leading axes. 0: never right. k: always right, each time
        with another answer.

    Raises:
        UsageError: k larger than n, or shapes that do not fit.

    Example:
        >>> unique_correct_at_k([2, 1, 1], [True, True, False], k=4)
        2.0
    """
    counts = counted(class_counts, "class counts")
    right = as_array(class_correct, "class_correct").astype(bool)
    if counts.shape != right.shape:
        raise UsageError(
            f"Expected class_correct of the shape of class_counts, {counts.shape}, "
            f"got {right.shape}."
        )
    seen = inclusion(counts.sum(axis=-1, keepdims=True), counts, k)
    return _scalar(np.where(right, seen, 0.0).sum(axis=-1))


def gini_simpson(class_counts: ArrayLike) -> Any:
    """Chance that two outputs of a prompt give different answers.

    1 - Σ_c n_c (n_c - 1) / (n (n - 1)), unbiased for 1 - Σ p². It is `pairwise_diversity` with
    a distance of 0 for equal answers and 1 for others.

    Args:
        class_counts: (..., C) outputs of each class; pad with zeros.

    Returns:
        A float, or an array of the leading axes. 0: always the same answer. 1: never the same.
        Its expectation does not depend on n. NaN for n < 2.

    Example:
        >>> gini_simpson([2, 2])
        0.6666...

    Source: `Simpson 1949 <https://doi.org/10.1038/163688a0>`_.
    """
    counts = counted(class_counts, "class counts")
    n = counts.sum(axis=-1)
    equal = (counts * (counts - 1)).sum(axis=-1)
    pairs = np.where(n >= 2, n * (n - 1), np.nan)
    return _scalar(1.0 - equal / pairs)


def _scalar(values: Any) -> Any:
    array = np.asarray(values, dtype=np.float64)
    return float(array) if array.ndim == 0 else array
