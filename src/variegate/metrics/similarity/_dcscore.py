"""DCScore: variety as how well a set's items can be told apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from variegate.errors import UsageError
from variegate.metrics._arrays import cosine_kernel

__all__ = ["dcscore"]


def dcscore(features: ArrayLike, *, temperature: float = 1.0) -> Any:
    """Expected number of items that are recognised as themselves among the set.

    tr softmax(K / τ), row by row, with the cosine kernel K: each item is classified among all
    by its likeness to them.

    Args:
        features: (..., n, d); rows are brought to length 1, leading axes are separate sets.
        temperature: τ > 0; part of the result, report it. At τ = 1 unrelated items are still
            confused: the most is n e / (e + n - 1).

    Returns:
        A float, or an array of the leading axes: 1 (all items are the same) towards n (all
        told apart, τ small). Grows with n: compare equal n only. 0 for an empty set.

    Raises:
        UsageError: a temperature that is not positive.
        DataError: NaN or Inf.

    Example:
        >>> dcscore([[1, 0], [1, 0]])
        1.0
        >>> round(dcscore([[1, 0], [0, 1]], temperature=0.01), 6)
        2.0

    Source: `Zhu 2025 <https://arxiv.org/abs/2502.08512>`_.
    """
    if not temperature > 0:
        raise UsageError(f"Expected a temperature above 0, got {temperature}.")
    # No cosine exceeds the diagonal's 1, so against it nothing overflows.
    weights = np.exp((cosine_kernel(features) - 1.0) / temperature)
    values = np.sum(1.0 / weights.sum(axis=-1), axis=-1)
    return float(values) if values.ndim == 0 else values
