"""Bootstrap over prompts: a mean with its interval, and a paired difference."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import numbers
from variegate.errors import NotComparable
from variegate.estimate._resample import (
    as_columns,
    interval,
    point_means,
    resampled_means,
    stratum_sizes,
)
from variegate.estimate._result import Estimate

__all__ = ["bootstrap", "paired"]


def bootstrap(
    values: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate | list[Estimate]:
    """Mean over prompts with a percentile bootstrap interval.

    Args:
        values: (P,) one value a prompt, or (P, M) for M statistics that share the draw; NaN
            marks a prompt without a value, which is left out and counted.
        strata: (P,) labels; prompts are drawn within them and the value is the macro mean.
        resamples: number of resamples.
        level: confidence level.
        seed: of the draw.

    Returns:
        One `Estimate` for (P,), a list of M for (P, M). Without a finite value: NaN with a
        note. With one finite value in every stratum: the value without an interval.

    Raises:
        UsageError: infinite values, or strata of another length.

    Example:
        >>> estimate = bootstrap([0.2, 0.4, 0.6, float("nan")])
        >>> round(estimate.value, 3), estimate.n_prompts, estimate.n_excluded
        (0.4, 3, 1)
        >>> estimate.low < 0.4 < estimate.high
        True
        >>> bootstrap([]).note
        'no prompt has a value'
    """
    table = as_columns(values)
    points = point_means(table, strata)
    sizes = stratum_sizes(table, strata)
    resampled = resampled_means(table, resamples=resamples, seed=seed, strata=strata)
    low, high = interval(resampled, level=level)
    estimates = [
        _estimate(
            float(points[m]),
            float(low[m]),
            float(high[m]),
            sizes=sizes[:, m],
            prompts=len(table),
            level=level,
            resamples=resamples,
            seed=seed,
        )
        for m in range(table.shape[1])
    ]
    return estimates[0] if np.ndim(values) == 1 else estimates


def paired(
    a: ArrayLike,
    b: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Mean difference a - b over the prompts where both have a value, with its interval.

    Args:
        a: (P,) values of the one arm, prompt by prompt.
        b: (P,) values of the other on the same prompts in the same order.
        strata: (P,) labels, as in `bootstrap`.
        resamples: number of resamples.
        level: confidence level.
        seed: of the draw.

    Returns:
        The difference; positive where `a` is larger. `n_excluded` counts prompts where one
        side is NaN.

    Raises:
        NotComparable: `a` and `b` differ in length.

    Example:
        >>> paired([0.5, 0.75, 1.0], [0.25, 0.5, 0.75]).value
        0.25
    """
    left, right = numbers(a, "values"), numbers(b, "values")
    if left.shape != right.shape or left.ndim != 1:
        raise NotComparable(
            f"Expected two vectors over the same prompts, got {left.shape} and {right.shape}.",
            hint="Join the two sides by prompt_id first.",
        )
    result = bootstrap(left - right, strata=strata, resamples=resamples, level=level, seed=seed)
    assert isinstance(result, Estimate)
    return result


def _estimate(
    value: float,
    low: float,
    high: float,
    *,
    sizes: NDArray[np.int64],
    prompts: int,
    level: float,
    resamples: int,
    seed: int,
) -> Estimate:
    used = int(sizes.sum())
    single = int((sizes == 1).sum())
    alive = int((sizes > 0).sum())
    notes = []
    if used == 0:
        notes.append("no prompt has a value")
    elif single == alive:
        low = high = float("nan")
        notes.append(
            "one prompt gives no interval" if alive == 1 else "one prompt a stratum, no interval"
        )
    elif single:
        notes.append(f"{single} of {alive} strata have one prompt and add no width")
    return Estimate(
        value=value,
        low=low,
        high=high,
        n_prompts=used,
        n_excluded=prompts - used,
        level=level,
        method=f"bootstrap over prompts, B={resamples}",
        note="; ".join(notes),
        settings={"resamples": resamples, "seed": seed, "strata": alive},
    )
