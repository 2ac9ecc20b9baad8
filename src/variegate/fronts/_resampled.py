"""Fronts over prompts: resampled points, chance of membership, and honest halves."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError
from variegate.estimate import Estimate, interval, resampled_means
from variegate.fronts._hypervolume import hypervolume
from variegate.fronts._nondominated import nondominated

__all__ = ["hypervolume_estimate", "membership", "resampled_points", "split_half"]

Floats = NDArray[np.float64]


def resampled_points(
    values: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Floats:
    """Where every arm would lie with other prompts of the same kind.

    One draw of the prompts serves all arms and axes, so what is easy for one arm is easy for all
    in the same resample, and differences between arms are paired.

    Args:
        values: (P, N, d) a value for every prompt, arm and axis; NaN where there is none.
        strata: (P,) labels, e.g. tasks: prompts are drawn within them, and they weigh the same.
        resamples: B.
        seed: of the draw.

    Returns:
        (B, N, d) means; NaN where an arm has no value at all.

    Raises:
        UsageError: another shape, or infinite values.

    Example:
        >>> points = resampled_points([[[1, 0], [0, 1]], [[1, 0], [0, 1]]], resamples=3)
        >>> points[2].tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 3:
        raise UsageError(f"Expected values of shape (prompts, arms, axes), got {array.shape}.")
    flat = array.reshape(len(array), -1)
    means = resampled_means(flat, resamples=resamples, seed=seed, strata=strata)
    return means.reshape(resamples, *array.shape[1:])


def membership(points: ArrayLike) -> Floats:
    """Share of the resamples in which an arm is on the front.

    Args:
        points: (B, N, 2) from `resampled_points`.

    Returns:
        (N,) from 0 (always beaten) to 1 (never). It says how sure the front is of these arms;
        that the best of many looks better than it is stays in it (see `split_half`).

    Raises:
        UsageError: another shape, or no resample.

    Example:
        >>> membership([[[1, 0], [0, 1], [0, 0]], [[1, 0], [0, 0], [0, 1]]]).tolist()
        [1.0, 0.5, 0.5]
    """
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 3 or not len(array):
        raise UsageError(f"Expected points of shape (B, arms, 2) with B ≥ 1, got {array.shape}.")
    return np.asarray(nondominated(array).mean(axis=0), dtype=np.float64)


def hypervolume_estimate(
    values: ArrayLike,
    *,
    reference: ArrayLike,
    strata: ArrayLike | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Hypervolume of the arms' means, with a bootstrap interval over prompts.

    Args:
        values: (P, N, 2) as in `resampled_points`.
        reference: (2,) fixed, as in `hypervolume`.
        strata: (P,) labels, as in `resampled_points`.
        resamples: B.
        level: of the interval.
        seed: of the draw.

    Returns:
        The estimate. The maximum in a hypervolume bends outwards: a front of many noisy arms is
        estimated too large, in the value and in the interval alike.

    Example:
        >>> found = hypervolume_estimate(
        ...     [[[0.4, 0.5]], [[0.6, 0.5]], [[0.5, 0.5]]], reference=[0, 0]
        ... )
        >>> found.value, found.low <= 0.25 <= found.high
        (0.25, True)
    """
    array = np.asarray(values, dtype=np.float64)
    points = resampled_points(array, strata=strata, resamples=resamples, seed=seed)
    volumes = np.asarray(hypervolume(points, reference=reference))
    low, high = interval(volumes, level=level)
    sharp = len(array) > 1
    return Estimate(
        value=float(hypervolume(point_of(array, strata), reference=reference)),
        low=float(low) if sharp else float("nan"),
        high=float(high) if sharp else float("nan"),
        n_prompts=len(array),
        level=level,
        method=f"bootstrap over prompts, B={resamples}",
        note="" if sharp else "one prompt gives no interval",
        settings={
            "resamples": resamples,
            "seed": seed,
            "reference": np.asarray(reference).tolist(),
        },
    )


def split_half(strata: ArrayLike, *, seed: int = 0) -> NDArray[np.bool_]:
    """Choose the half of the prompts on which settings are chosen; the rest is for the report.

    The best of many settings looks better than it is on the prompts that chose it, and no
    bootstrap over those prompts shows that; prompts that had no say do.

    Args:
        strata: (P,) the task of every prompt; each is halved, odd ones out by lot.
        seed: of the lot.

    Returns:
        (P,) True for the half that chooses. A single prompt chooses for nobody: False.

    Example:
        >>> half = split_half(["a", "a", "b", "b", "b"])
        >>> int(half[:2].sum()), int(half[2:].sum()) in (1, 2)
        (1, True)
    """
    labels = np.asarray(strata)
    rng = np.random.default_rng(seed)
    half = np.zeros(len(labels), dtype=bool)
    extra = bool(rng.integers(2))
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        size = len(members) // 2
        if len(members) % 2 and len(members) > 1:
            # Odd tasks take turns, so that the halves stay equal.
            size, extra = size + extra, not extra
        half[members[:size]] = True
    return half


def point_of(values: Floats, strata: ArrayLike | None) -> Floats:
    """(N, d) the means themselves: over prompts, then over strata."""
    labels = np.zeros(len(values)) if strata is None else np.asarray(strata)
    with np.errstate(invalid="ignore"):
        means = []
        for label in np.unique(labels):
            here = values[labels == label]
            count = np.isfinite(here).sum(axis=0)
            means.append(np.where(np.isfinite(here), here, 0.0).sum(axis=0) / count)
        stacked = np.stack(means)
        alive = np.isfinite(stacked)
        return np.asarray(np.where(alive, stacked, 0.0).sum(axis=0) / alive.sum(axis=0))
