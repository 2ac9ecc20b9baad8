"""Resampled means: the bootstrap's one expensive step, done once for all columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import numbers
from variegate.errors import UsageError

__all__ = ["interval", "resampled_means", "stratum_means"]

Floats = NDArray[np.float64]

# Entries of one block of the weight matrix: 32 MB of doubles, whatever B and P are.
BLOCK = 4_000_000


def resampled_means(
    values: ArrayLike,
    *,
    resamples: int = 2000,
    seed: int = 0,
    strata: ArrayLike | None = None,
) -> Floats:
    """Mean of every column in every bootstrap resample of the prompts.

    Resample b draws prompts with replacement; entry (b, m) is the mean of column m over the
    drawn prompts whose value is finite. All columns share the draw, so any function of a row is
    a paired resample of that function of the means. With `strata`, prompts are drawn within
    each stratum and the result is the unweighted mean of the stratum means (macro mean).

    From n prompts, n - 1 are drawn: the variance of the resampled mean is then s²/n with the
    usual unbiased s², where drawing n would fall short by (n - 1)/n, a lot for tasks with few
    prompts (`Rao 1988 <https://doi.org/10.1080/01621459.1988.10478591>`_).

    Args:
        values: (P, M) or (P,) one value a prompt and column; NaN where not computable.
        resamples: B, the number of resamples.
        seed: the same seed, P and strata give the same draw, in another call too.
        strata: (P,) labels, e.g. the task of every prompt.

    Returns:
        (B, M) array. NaN where no drawn prompt of the column is finite; a stratum without a
        single finite value in a column is left out of that column's macro mean.

    Example:
        >>> import numpy as np
        >>> means = resampled_means(np.array([[1.0, 2.0], [3.0, 4.0]]), resamples=500)
        >>> means.shape
        (500, 2)
        >>> bool(np.allclose(means[:, 1] - means[:, 0], 1.0))  # columns are paired
        True
    """
    table = as_columns(values)
    means = stratum_means(table, resamples=resamples, seed=seed, strata=strata)
    if means.shape[1] == 1:
        return means[:, 0, :]
    return macro_mean(means, alive=_alive(table, _strata(strata, len(table))[1]))


def stratum_means(
    values: ArrayLike,
    *,
    resamples: int = 2000,
    seed: int = 0,
    strata: ArrayLike | None = None,
) -> Floats:
    """Resampled means before they are averaged over strata.

    The draw is that of `resampled_means` with the same arguments.

    Args:
        values: (P, M) or (P,) values; NaN where not computable.
        resamples: B, the number of resamples.
        seed: of the draw.
        strata: (P,) labels; None is one stratum.

    Returns:
        (B, S, M) array, strata in sorted order of their labels.

    Example:
        >>> means = stratum_means([1.0, 1.0, 5.0], strata=["a", "a", "b"], resamples=4)
        >>> means[0, :, 0].tolist()
        [1.0, 5.0]
    """
    table = as_columns(values)
    if resamples < 1:
        raise UsageError(f"Expected at least 1 resample, got {resamples}.")
    labels, members = _strata(strata, len(table))
    out = np.full((resamples, len(labels), table.shape[1]), np.nan)
    rng = np.random.default_rng(seed)
    for s, rows in enumerate(members):
        if rows.size:
            out[:, s, :] = _draw(table[rows], resamples=resamples, rng=rng)
    return out


def interval(resampled: ArrayLike, *, level: float = 0.95) -> tuple[Floats, Floats]:
    """Percentile ends of resampled statistics along the first axis.

    Args:
        resampled: (B, ...) one statistic a resample; NaN resamples are left out.
        level: the share of resamples between the ends.

    Returns:
        (low, high), each of shape (...); NaN where every resample is NaN.

    Raises:
        UsageError: a level outside (0, 1).

    Example:
        >>> low, high = interval(list(range(101)), level=0.5)
        >>> float(low), float(high)
        (25.0, 75.0)
    """
    if not 0 < level < 1:
        raise UsageError(f"Expected a level between 0 and 1, got {level}.")
    array = numbers(resampled, "resampled")
    ends = [(1 - level) / 2, (1 + level) / 2]
    missing = np.isnan(array)
    if not missing.any():
        low, high = np.quantile(array, ends, axis=0)
        return low, high
    # An all-NaN column would make nanquantile warn; it is given zeros and taken back after.
    empty = missing.all(axis=0)
    low, high = np.nanquantile(np.where(empty, 0.0, array), ends, axis=0)
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def macro_mean(means: Floats, *, alive: NDArray[np.bool_]) -> Floats:
    """Mean over the strata of (..., S, M) that are alive (S, M); NaN where none is."""
    count = alive.sum(axis=0)
    total = np.where(alive, means, 0.0).sum(axis=-2)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def as_columns(values: ArrayLike) -> Floats:
    """(P, M) table of doubles from (P,) or (P, M); infinities are refused."""
    table = numbers(values, "values")
    if table.ndim == 1:
        table = table[:, None]
    if table.ndim != 2:
        raise UsageError(f"Expected values of shape (prompts, columns), got {table.shape}.")
    if np.isinf(table).any():
        where = np.argwhere(np.isinf(table))[:3].tolist()
        raise UsageError(
            f"Expected finite values or NaN, got infinities at (prompt, column) {where}.",
            hint="Give NaN where a prompt has no value.",
        )
    return table


def point_means(table: Floats, strata: ArrayLike | None) -> Floats:
    """(M,) means of the columns themselves: over prompts, then over strata."""
    _, members = _strata(strata, len(table))
    means = np.stack([_finite_mean(table[rows]) for rows in members])
    return macro_mean(means, alive=~np.isnan(means))


def stratum_sizes(table: Floats, strata: ArrayLike | None) -> NDArray[np.int64]:
    """(S, M) finite values of every column in every stratum."""
    _, members = _strata(strata, len(table))
    return np.stack([np.isfinite(table[rows]).sum(axis=0) for rows in members])


def stratum_members(strata: ArrayLike | None, prompts: int) -> list[NDArray[np.intp]]:
    """Rows of every stratum, in sorted order of the labels."""
    return _strata(strata, prompts)[1]


def _alive(table: Floats, members: list[NDArray[np.intp]]) -> NDArray[np.bool_]:
    return np.stack([np.isfinite(table[rows]).any(axis=0) for rows in members])


def _finite_mean(table: Floats) -> Floats:
    finite = np.isfinite(table)
    count = finite.sum(axis=0)
    total = np.where(finite, table, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _strata(strata: ArrayLike | None, prompts: int) -> tuple[NDArray[Any], list[NDArray[np.intp]]]:
    if strata is None:
        return np.array([""]), [np.arange(prompts)]
    given = np.asarray(strata)
    if given.shape != (prompts,):
        raise UsageError(f"Expected one stratum for each of {prompts} prompts, got {given.shape}.")
    if prompts == 0:
        return np.array([""]), [np.arange(0)]
    labels, code = np.unique(given, return_inverse=True)
    return labels, [np.flatnonzero(code == s) for s in range(len(labels))]


def _draw(table: Floats, *, resamples: int, rng: np.random.Generator) -> Floats:
    """(B, M) means of one stratum: weights times values over weights times presence."""
    prompts = len(table)
    draws = max(prompts - 1, 1)
    finite = np.isfinite(table)
    complete = bool(finite.all())
    filled = np.where(finite, table, 0.0)
    out = np.empty((resamples, table.shape[1]))
    step = max(BLOCK // prompts, 1)
    for start in range(0, resamples, step):
        stop = min(start + step, resamples)
        picked = rng.integers(0, prompts, size=(stop - start, draws))
        picked += np.arange(stop - start)[:, None] * prompts
        weights = np.bincount(picked.ravel(), minlength=(stop - start) * prompts)
        weights = weights.reshape(stop - start, prompts).astype(np.float64)
        total = weights @ filled
        if complete:
            out[start:stop] = total / draws
        else:
            present = weights @ finite
            block = np.full_like(total, np.nan)
            np.divide(total, present, out=block, where=present > 0)
            out[start:stop] = block
    return out
