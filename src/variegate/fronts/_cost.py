"""Cost as an axis: what a right answer costs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError

__all__ = ["cost_of_pass"]

Floats = NDArray[np.float64]


def cost_of_pass(cost: ArrayLike, rate: ArrayLike) -> Floats | float:
    """Expected cost of one right answer, asking until it comes: cost of an attempt / pass rate.

    Args:
        cost: (...) of an attempt: tokens, calls, seconds or money, at least 0.
        rate: (...) chance that an attempt is right, in [0, 1]; broadcasts against `cost`.

    Returns:
        (...) in the unit of the cost, a float for one attempt: the cost itself at rate 1,
        infinite at rate 0, NaN where either is NaN.

    Raises:
        UsageError: a negative cost or a rate outside [0, 1].

    Reference:
        `Erol 2025 <https://arxiv.org/abs/2504.13359>`_; as an axis of strategies
        `Wang 2025 <https://arxiv.org/abs/2508.02694>`_.

    Example:
        >>> cost_of_pass([10, 4, 4], [0.5, 0.25, 0]).tolist()
        [20.0, 16.0, inf]
    """
    spent, passed = np.broadcast_arrays(
        np.asarray(cost, dtype=np.float64), np.asarray(rate, dtype=np.float64)
    )
    if (spent < 0).any():
        raise UsageError(f"Expected costs of at least 0, got {np.nanmin(spent):g}.")
    if ((passed < 0) | (passed > 1)).any():
        raise UsageError("Expected pass rates in [0, 1].")
    unknown = np.where(np.isnan(spent + passed), np.nan, np.inf)
    found = np.divide(spent, passed, out=unknown, where=passed > 0)
    return float(found) if found.ndim == 0 else found
