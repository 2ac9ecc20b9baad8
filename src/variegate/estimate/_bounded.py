"""Means of values that have a floor and a ceiling: an interval that holds near them too."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError
from variegate.estimate._resample import as_columns, point_means, stratum_members
from variegate.estimate._result import Estimate
from variegate.estimate._student import student

__all__ = ["bounded"]

Floats = NDArray[np.float64]

_ROUNDING = 1e-24  # squared standard error of values that are equal but for the last bits


def bounded(
    values: ArrayLike,
    *,
    low: float = 0.0,
    high: float = 1.0,
    trials: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """Mean over prompts of values between two bounds, with Wilson's interval at an effective n.

    With m the mean on the scale 0 to 1, e its standard error and n* = m (1 - m) / e² the number
    of yes-or-no prompts that would be as telling, the ends solve (m - x)² = t² x (1 - x) / n*.
    Far from the bounds that is Student's interval. Near them it leans inwards and keeps a
    width: where no prompt was seen off the bound n* is the number of prompts, and about 4 / P
    of them may be. A bootstrap there shows what was seen only: nominal 95 % intervals of pass@k
    around 0.99 hold the truth in 7 worlds of 10 with 20 prompts, these in 9 and more.

    Args:
        values: (P,) one value a prompt in [low, high]; NaN marks a prompt without one.
        low: lower bound.
        high: upper bound.
        trials: (P,) outputs behind each value, for shares of outputs: n* is then never more
            than all of them.
        strata: (P,) labels, as in `bootstrap`: the value is the macro mean.
        level: confidence level.

    Returns:
        The mean with ends inside the bounds. Without a value: NaN. With one value in every
        stratum: no interval.

    Raises:
        UsageError: a value outside the bounds, or bounds that are none.

    Example:
        >>> print(bounded([1.0] * 30))
        1 [0.8776, 1]
        >>> print(bounded([1.0] * 30, trials=[16] * 30))
        1 [0.8776, 1]
        >>> print(bounded([0.2, 0.4, 0.6, 0.8]))
        0.5 [0.1828, 0.8172]

    Reference: `Wilson 1927 <https://doi.org/10.1080/01621459.1927.10502953>`_; at an effective
    n as in `Korn 1998 <https://www150.statcan.gc.ca/n1/pub/12-001-x/1998002/article/4356-eng.pdf>`_
    and `Dean 2015 <https://doi.org/10.1093/jssam/smv024>`_.
    """
    if not low < high:
        raise UsageError(f"Expected low < high, got {low} and {high}.")
    table = as_columns(values)
    slack = 1e-9 * (high - low)
    outside = (table < low - slack) | (table > high + slack)
    if outside.any():
        raise UsageError(
            f"Expected values in [{low:g}, {high:g}], got {float(table[outside][0]):g}."
        )
    unit = np.clip((table - low) / (high - low), 0.0, 1.0)
    members = [rows[np.isfinite(unit[rows, 0])] for rows in stratum_members(strata, len(unit))]
    members = [rows for rows in members if len(rows)]
    used = sum(map(len, members))
    several = [rows for rows in members if len(rows) > 1]
    value = float(point_means(table, strata)[0])
    ends, notes = (math.nan, math.nan), []
    if not used:
        notes.append("no prompt has a value")
    elif not several:
        alone = len(members) == 1
        notes.append(
            "one prompt gives no interval" if alone else "one prompt a stratum, no interval"
        )
    else:
        if len(several) < len(members):
            notes.append(
                f"{len(members) - len(several)} of {len(members)} strata have one prompt and add "
                "no width"
            )
        error = sum(unit[rows, 0].var(ddof=1) / len(rows) for rows in several) / len(members) ** 2
        mean = float(np.mean([unit[rows, 0].mean() for rows in members]))
        most = (
            float(np.asarray(trials)[np.concatenate(members)].sum())
            if trials is not None
            else math.inf
        )
        ends = _wilson(mean, error, used, most, student(level, used - len(members)))
    return Estimate(
        value=value,
        low=low + (high - low) * ends[0],
        high=low + (high - low) * ends[1],
        n_prompts=used,
        n_excluded=len(unit) - used,
        level=level,
        method="Wilson at the effective number of prompts",
        note="; ".join(notes),
        settings={"bounds": [low, high], "strata": len(members)},
    )


def _wilson(mean: float, error: float, prompts: int, most: float, t: float) -> tuple[float, float]:
    binomial = mean * (1 - mean)
    # Equal values are no proof that all prompts are equal: they count as yes-or-no prompts.
    n = min(binomial / error, most) if error > _ROUNDING and binomial > 0 else float(prompts)
    centre = (mean + t**2 / (2 * n)) / (1 + t**2 / n)
    reach = t / (1 + t**2 / n) * math.sqrt(binomial / n + t**2 / (4 * n**2))
    # On a bound the end is the bound, whatever rounding says.
    low = 0.0 if mean == 0 else min(max(centre - reach, 0.0), mean)
    high = 1.0 if mean == 1 else max(min(centre + reach, 1.0), mean)
    return low, high
