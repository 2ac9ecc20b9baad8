"""Calibration: how far stated confidence is from the share that is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import numbers
from variegate.errors import UnknownName, UsageError
from variegate.estimate import Estimate, interval, resampled_means

__all__ = ["ece"]

Floats = NDArray[np.float64]


def ece(
    confidences: ArrayLike,
    correct: ArrayLike,
    *,
    bins: int = 15,
    kind: Literal["equal-width", "equal-mass"] = "equal-width",
    debiased: bool = False,
    clusters: ArrayLike | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Expected calibration error: mean gap between confidence and accuracy over bins.

    ECE = Σ_b (n_b/n) |accuracy_b - confidence_b|. Chance alone opens gaps, so the plain value
    of a perfectly calibrated model is above 0, by about 0.8 Σ_b √(n_b) s_b / n with s_b the
    standard deviation of right or wrong. No estimate of an absolute gap is free of bias
    everywhere. The debiased one splits the sum S of each bin's gaps in two by normal noise: one
    half says the sign, the other the size, and the noise is averaged out, which leaves
    S (2Φ(u) - 1) - 2 s φ(u), u = S/s, with s the standard error of S. Its expectation is 0
    where a bin is calibrated, the gap where the gap is clear, and never more than the gap.

    Between those ends the one is too high, the other too low. The interval, the same for both,
    runs from the low end around the debiased value to the high end around the plain one, with
    the spread of the plain value over resampled items; it is cut off at 0.

    Args:
        confidences: (n,) stated chance of being right, in [0, 1].
        correct: (n,) right or wrong.
        bins: number of bins.
        kind: bins of equal width on [0, 1], a confidence on an edge in the upper one; or of
            equal numbers of items in order of confidence, equal confidences kept together.
        debiased: take the bias out; the value may then be a little below 0.
        clusters: (n,) labels of items that hang together, such as outputs of one prompt: they
            are resampled as one, and chance is told from a gap by their spread.
        resamples: of the items, or clusters.
        level: confidence level.
        seed: of the resamples.

    Returns:
        From 0 (calibrated) to 1. Within a bin, gaps of opposite sign cancel, so it is a lower
        bound in the number of bins. NaN for no items; one item has no interval. `n_prompts`
        counts the items.

    Raises:
        UsageError: confidences outside [0, 1], outcomes that are not 0 or 1, other lengths, or
            fewer than 1 bin.
        UnknownName: another kind.

    Example:
        >>> round(ece([0.9, 0.9, 0.6, 0.6], [1, 1, 1, 0]).value, 6)
        0.1
        >>> stated, right = [0.9] * 40, [1] * 20 + [0] * 20
        >>> round(ece(stated, right).value, 3), round(ece(stated, right, debiased=True).value, 3)
        (0.4, 0.4)

    Source: `Guo 2017 <https://arxiv.org/abs/1706.04599>`_; the bias is that of `Kumar 2019
    <https://arxiv.org/abs/1909.10155>`_, who remove it from the squared error.
    """
    stated, right = _checked(confidences, correct, bins)
    bin_of = _bins(stated, bins, kind)
    gaps = right - stated
    items = len(gaps)
    unit = np.arange(items)
    if clusters is not None:
        labels = np.asarray(clusters)
        if labels.shape != gaps.shape:
            raise UsageError(f"Expected a cluster an item, got {labels.shape} for {items} items.")
        unit = np.unique(labels, return_inverse=True)[1]
    n = int(unit.max(initial=-1)) + 1
    table = np.zeros((n, bins))
    np.add.at(table, (unit, bin_of), gaps)
    there = np.zeros((n, bins), dtype=bool)
    there[unit, bin_of] = True
    plain = thinned = low = high = float("nan")
    if n:
        plain = float(np.abs(table.sum(axis=0)).sum() / items)
        thinned = float(_thinned(table, there).sum() / items)
    if n > 1:
        sizes = np.bincount(unit, minlength=n)
        drawn = resampled_means(np.column_stack([table, sizes]), resamples=resamples, seed=seed)
        means = np.abs(drawn[:, :-1]).sum(axis=1) / drawn[:, -1]
        ends = interval(means - means.mean(), level=level)
        low, high = max(thinned + float(ends[0]), 0.0), plain + float(ends[1])
    what = "item" if clusters is None else "cluster"
    return Estimate(
        value=thinned if debiased else plain,
        low=low,
        high=high,
        n_prompts=n,
        level=level,
        method=f"bootstrap over {what}s, around both forms, B={resamples}",
        note="" if n > 1 else f"one {what} gives no interval" if n else "no item",
        settings={
            "bins": bins,
            "kind": kind,
            "debiased": debiased,
            "resamples": resamples,
            "seed": seed,
        },
    )


def ece_within(
    confidences: Sequence[ArrayLike], correct: Sequence[ArrayLike], *, level: float = 0.95
) -> Estimate:
    """`ece`, debiased, over the outputs of many prompts, with prompts as clusters."""
    sizes = [len(np.asarray(one)) for one in confidences]
    prompt = np.repeat(np.arange(len(sizes)), sizes)
    joined = [
        np.concatenate([np.zeros(0), *map(np.asarray, sets)]) for sets in (confidences, correct)
    ]
    found = ece(*joined, debiased=True, clusters=prompt, level=level)
    return replace(found, value=max(found.value, 0.0), n_prompts=sum(map(bool, sizes)))


def _thinned(gaps: Floats, there: NDArray[np.bool_]) -> Floats:
    """(bins,) the size of each bin's sum of gaps (units, bins), without what chance adds to it."""
    from scipy.special import ndtr

    bins = gaps.shape[1]
    counts, sums = there.sum(axis=0), gaps.sum(axis=0)
    squares = (gaps**2).sum(axis=0)
    around = np.clip(squares - sums**2 / np.maximum(counts, 1), 0.0, None)
    error = np.sqrt(around * counts / np.maximum(counts - 1, 1))
    u = np.divide(sums, error, out=np.full(bins, np.inf), where=error > 0)
    density = np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi)
    sizes: Floats = np.abs(sums) * (2 * ndtr(np.abs(u)) - 1) - 2 * error * density
    return np.where(counts > 1, sizes, 0.0)  # one item tells a gap from chance by nothing


def _bins(stated: Floats, bins: int, kind: str) -> NDArray[np.int64]:
    if kind == "equal-width":
        return np.minimum((stated * bins).astype(np.int64), bins - 1)
    if kind == "equal-mass":
        # The first of equal confidences takes its bin, and the others with it.
        first = np.searchsorted(np.sort(stated), stated, side="left")
        places: NDArray[np.int64] = (first * bins // max(len(stated), 1)).astype(np.int64)
        return places
    raise UnknownName("kind of bins", kind, ["equal-width", "equal-mass"])


def _checked(confidences: ArrayLike, correct: ArrayLike, bins: int) -> tuple[Floats, Floats]:
    stated = numbers(confidences, "confidences")
    right = numbers(correct, "correct")
    if stated.ndim != 1 or stated.shape != right.shape:
        raise UsageError(
            f"Expected a confidence and an outcome an item, got {stated.shape} and {right.shape}."
        )
    if not ((stated >= 0) & (stated <= 1)).all():
        raise UsageError("Expected confidences in [0, 1], got one outside or NaN.")
    if not np.isin(right, (0, 1)).all():
        raise UsageError("Expected outcomes that are 0 or 1, got something else.")
    if bins < 1:
        raise UsageError(f"Expected at least 1 bin, got {bins}.")
    return stated, right
