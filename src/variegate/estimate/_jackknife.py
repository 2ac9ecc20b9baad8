"""Jackknife: a standard error for scores that a bootstrap over items would bias."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import numbers
from variegate.errors import UsageError
from variegate.estimate._result import Estimate

__all__ = ["jackknife", "leave_one_out"]


def jackknife(leave_one_out: ArrayLike, *, value: float, level: float = 0.95) -> Estimate:
    """A statistic of one set with a delete-one interval.

    SE² = (n - 1)/n · Σ (θ₋ᵢ - θ̄)², and the ends are value ± t · SE with Student's t on n - 1
    degrees of freedom. For a mean this is the textbook interval.

    Args:
        leave_one_out: (n,) the statistic with item i deleted, as from `leave_one_out`.
        value: the statistic of all n items.
        level: confidence level.

    Returns:
        The value with its interval; `settings` carry the standard error and the jackknife
        estimate of the bias, (n - 1)(θ̄ - value). Fewer than two items: no interval.

    Raises:
        UsageError: leave-one-out values that are not a finite vector.

    Example:
        >>> import numpy as np
        >>> items = np.array([1.0, 2.0, 3.0, 6.0])
        >>> estimate = jackknife(leave_one_out(items, np.mean), value=items.mean())
        >>> round(estimate.settings["standard_error"], 6)  # s / sqrt(n)
        1.080123
    """
    from scipy.special import stdtrit

    values = numbers(leave_one_out, "leave one out")
    if values.ndim != 1 or not np.isfinite(values).all():
        raise UsageError(f"Expected a finite vector of leave-one-out values, got {values.shape}.")
    n = len(values)
    if n < 2:
        error, bias, note = float("nan"), float("nan"), "fewer than two items give no interval"
    else:
        centre = values.mean()
        error = float(np.sqrt((n - 1) / n * np.sum((values - centre) ** 2)))
        bias, note = float((n - 1) * (centre - value)), ""
    reach = float(stdtrit(n - 1, (1 + level) / 2)) * error if n > 1 else float("nan")
    return Estimate(
        value=float(value),
        low=float(value - reach),
        high=float(value + reach),
        n_prompts=n,
        level=level,
        method="jackknife, delete one",
        note=note,
        settings={"standard_error": error, "bias": bias},
    )


def leave_one_out(
    items: ArrayLike, statistic: Callable[[NDArray[Any]], Any]
) -> NDArray[np.float64]:
    """The statistic of the items with each one deleted in turn.

    Args:
        items: (n, ...) the set; the first axis is deleted from.
        statistic: from an (n - 1, ...) array to a number.

    Returns:
        (n,) values.

    Example:
        >>> leave_one_out([1.0, 2.0, 6.0], max).tolist()
        [6.0, 6.0, 2.0]
    """
    array = np.asarray(items)
    return np.array([float(statistic(np.delete(array, i, axis=0))) for i in range(len(array))])
