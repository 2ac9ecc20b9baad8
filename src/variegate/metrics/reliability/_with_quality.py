"""Variety against quality: does the more various come out better or worse, at equal length?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError
from variegate.estimate import Estimate, jackknife
from variegate.metrics._arrays import finite

__all__ = ["quality_correlation"]

Floats = NDArray[np.float64]


def quality_correlation(
    variety: ArrayLike,
    quality: ArrayLike,
    *,
    length: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """Rank correlation of a measure of variety with quality, at equal length if one is given.

    Spearman's ρ; with a length, the partial one: the correlation of what is left of both ranks
    after a straight line in the ranks of length is taken out. Lexical variety falls with length
    and judges like length, so the plain correlation may say nothing of variety. Where it is
    negative, a gain in variety is no gain by itself. The interval deletes an item at a time on
    the scale atanh(ρ).

    Args:
        variety: (n,) one value an item: an output, a prompt, or a model.
        quality: (n,) of the same items.
        length: (n,) of the same items, to be held equal.
        level: of the interval.

    Returns:
        -1 (the more various, the worse) to 1 (the better). The two are told apart from
        unrelated where the interval leaves out 0. NaN where one of them is the same throughout,
        or is decided by the length; no interval for fewer than five items.

    Raises:
        DataError: NaN or Inf.
        UsageError: other lengths of the arrays.

    Example:
        >>> quality_correlation([1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1]).value
        -1.0
        >>> length, one, other = np.random.default_rng(2).normal(size=(3, 200))
        >>> plain = quality_correlation(one - length, other + length)
        >>> held = quality_correlation(one - length, other + length, length=length)
        >>> plain.high < 0, held.low < 0 < held.high
        (True, True)

    Reference: the paradox of COIG-Writer, `2025 <https://arxiv.org/abs/2510.14763>`_: a larger
    vocabulary went with worse writing.
    """
    columns = [finite(variety, "variety"), finite(quality, "quality")]
    if length is not None:
        columns.append(finite(length, "length"))
    if any(one.ndim != 1 or one.shape != columns[0].shape for one in columns):
        raise UsageError(f"Expected vectors of one length, got {[one.shape for one in columns]}.")
    table = np.column_stack(columns)
    n = len(table)
    value = _partial(table)
    without = np.array([_partial(np.delete(table, i, axis=0)) for i in range(n)])
    told = n >= 5 and np.isfinite(value) and np.isfinite(without).all()
    # Perfect ranks have an infinite atanh; the last thing a sample of n can tell apart has not.
    edge = 1 - 1 / (2 * max(n, 1) ** 2)
    low = high = np.nan
    if told:
        scaled = np.arctanh(np.clip(without, -edge, edge))
        found = jackknife(scaled, value=float(np.arctanh(np.clip(value, -edge, edge))), level=level)
        low, high = min(np.tanh(found.low), value), max(np.tanh(found.high), value)
    few = "fewer than five items give no interval"
    return Estimate(
        value=value,
        low=float(low),
        high=float(high),
        n_prompts=n,
        level=level,
        method="jackknife, delete one, of atanh",
        note="" if told else few if n < 5 else "nothing that varies",
        settings={"length_held": length is not None},
    )


def _partial(table: Floats) -> float:
    """Spearman's ρ of the first two columns, given the third if there is one."""
    if len(table) < 3:
        return float("nan")
    ranks = np.column_stack([_ranks(column) for column in table.T])
    ranks -= ranks.mean(axis=0)
    spread = np.sqrt((ranks**2).sum(axis=0))
    if not spread[:2].all():
        return float("nan")
    r = (ranks.T @ ranks) / np.maximum(np.outer(spread, spread), 1e-300)
    if table.shape[1] == 2 or not spread[2]:
        return float(np.clip(r[0, 1], -1.0, 1.0))
    left = (1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2)
    if left < 1e-12:
        return float("nan")
    return float(np.clip((r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt(left), -1.0, 1.0))


def _ranks(values: Floats) -> Floats:
    """Ranks from 1, equal values their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[place])
