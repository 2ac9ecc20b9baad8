"""Utility at k: what a patient reader gets from k outputs, repeats counting for nothing."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from variegate._numbers import numbers
from variegate.errors import UsageError
from variegate.estimate import inclusion

__all__ = ["utility_at_k"]


def utility_at_k(
    classes: ArrayLike,
    utilities: ArrayLike,
    *,
    k: int | None = None,
    patience: float = 0.8,
    compat: Literal["novelty-bench"] | None = None,
) -> float:
    """Mean utility of k outputs read one by one, where only the first of each class counts.

    (1 - p) / (1 - p^k) · Σ_{i≤k} p^(i-1) E[class of i not seen before · u_i], the expectation
    over the order of the n outputs: outputs of one prompt have no order of their own, and one
    order is only a noisy estimate. A class of n_c outputs with mean utility u_c first shows at
    place i with chance C(n - i, n_c - 1) / C(n, n_c), so the sum has a closed form.

    Args:
        classes: (n,) class of each output.
        utilities: (n,) how good each is.
        k: how many are read, k ≤ n; all n by default. Its expectation does not depend on n.
        patience: p in [0, 1], the chance that the reader goes on to the next output; 1 weighs
            all alike, 0 reads only the first.
        compat: ``"novelty-bench"`` reads the first k in the order given: the source's numbers.

    Returns:
        On the scale of the utilities: their value where all are new and equal; 0 where none is
        any good. NaN for n = 0.

    Raises:
        UsageError: other lengths, k outside 1 to n, a patience outside [0, 1], or another compat.

    Example:
        >>> round(utility_at_k([0] * 10, [10] * 10), 5)  # ten times the same
        2.24058
        >>> round(utility_at_k(range(10), [10] * 10), 5)  # ten different ones
        10.0

    Source: NoveltyBench, `Zhang 2025 <https://arxiv.org/abs/2504.05228>`_.
    """
    labels, worth = np.asarray(classes), numbers(utilities, "utilities")
    if labels.shape != worth.shape or labels.ndim != 1:
        raise UsageError(
            f"Expected as many utilities as classes, got {labels.shape}, {worth.shape}."
        )
    if not 0 <= patience <= 1:
        raise UsageError(f"Expected a patience between 0 and 1, got {patience}.")
    if compat not in (None, "novelty-bench"):
        raise UsageError(f"Expected compat of None or 'novelty-bench', got {compat!r}.")
    n = len(labels)
    if n == 0:
        return float("nan")
    k = n if k is None else k
    if not 1 <= k <= n:
        raise UsageError(f"Expected k from 1 to n, got k = {k} with n = {n}.")
    weights = np.power(float(patience), np.arange(k))
    if compat:
        new = np.zeros(n)
        new[np.unique(labels, return_index=True)[1]] = 1.0
        gained = (new * worth)[:k]
    else:
        _, class_of, sizes = np.unique(labels, return_inverse=True, return_counts=True)
        means = np.bincount(class_of, weights=worth) / sizes
        seen = np.stack([inclusion(n, sizes, i) for i in range(k + 1)])
        gained = np.diff(seen, axis=0) @ means
    return float(np.sum(weights * gained) / weights.sum())
