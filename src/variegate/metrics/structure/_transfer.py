"""Do models that look different fail on the same inputs?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import as_array
from variegate.errors import UsageError

__all__ = ["transfer_rate"]


def transfer_rate(failures: ArrayLike) -> NDArray[np.float64]:
    """How far the failures of one model are those of another, beyond what chance gives.

    r_ij = (P(j fails | i fails) - P(j fails)) / (1 - P(j fails)).

    Args:
        failures: (m, n) whether model i fails on input k (or is fooled, or gives the common
            answer: any event).

    Returns:
        (m, m): 1 for clones, 0 for models that fail independently, negative where one fails when
        the other does not. NaN where model i never fails or model j always does.

    Raises:
        UsageError: no table of truth values.

    Example:
        >>> transfer_rate([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0]]).tolist()
        [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]

    Reference:
        Yang 2020, https://arxiv.org/abs/2009.14720 (rates without the correction for chance)
    """
    table = as_array(failures, "failures")
    if table.ndim != 2 or not np.isin(table, (0, 1)).all():
        raise UsageError(f"Expected a table (m, n) of truth values, got shape {table.shape}.")
    if not table.shape[1]:
        return np.full((len(table), len(table)), np.nan)
    fails = table.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        given = fails @ fails.T / fails.sum(axis=1, keepdims=True)
        base = fails.mean(axis=1)
        return np.asarray((given - base) / np.where(base < 1, 1 - base, np.nan))
