"""Same by similarity: a threshold that knows how often it is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from variegate.errors import DataError, UsageError
from variegate.judging._relation import Bools, as_relation, as_similarity

__all__ = ["Threshold", "calibrate_threshold", "same_by_similarity"]

_ROUNDING = 1e-9  # 0.29 · 100 is 28.999999999999996


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A threshold of similarity and the pairs that stand behind it.

    Args:
        value: items more similar than this count as the same.
        false_merge_rate: share of the different pairs above it, at most what was asked for.
        n_pairs: pairs known to be different that stand behind it.
        n_items: items that stand in these pairs. Pairs that share an item are not independent,
            so trust it as far as these allow.
        settings: the rate asked for.
    """

    value: float
    false_merge_rate: float
    n_pairs: int
    n_items: int
    settings: Mapping[str, Any] = field(default_factory=dict)


def same_by_similarity(similarity: ArrayLike, *, threshold: float) -> Bools:
    """Say which items are the same: those more similar than a threshold.

    s_ij > threshold

    Args:
        similarity: (n, n) symmetric finite similarities, as the products of unit feature rows;
            more is more alike.
        threshold: as `calibrate_threshold` finds it. Embedders differ in what they give
            unrelated texts, so that a number from one says nothing about another.

    Returns:
        (n, n) symmetric booleans, True on the diagonal. Seldom transitive, see `partition`.

    Raises:
        UsageError: similarities not square, symmetric or finite, or a threshold of NaN.

    Example:
        >>> near = [[1.0, 0.9, 0.2], [0.9, 1.0, 0.3], [0.2, 0.3, 1.0]]
        >>> same_by_similarity(near, threshold=0.8).astype(int).tolist()
        [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    """
    if math.isnan(threshold):
        raise UsageError("Expected a threshold, got NaN.")
    same = as_similarity(similarity) > threshold
    np.fill_diagonal(same, True)
    return np.asarray(same, dtype=np.bool_)


def calibrate_threshold(
    similarity: ArrayLike, different: ArrayLike, *, at: float = 0.01
) -> Threshold:
    """Find the threshold that merges different items no more often than a stated rate.

    With m pairs known to be different, the threshold is the k-th largest of their similarities,
    k = ⌊at · (m + 1)⌋: a further pair of the same kind, independent of these, lies above it with
    probability k / (m + 1) ≤ at, whatever the distribution. At rate `at` that needs 1/at - 1
    pairs; the rate itself then still varies by about 1/√k of itself from one calibration to the
    next, so that ten times as many are worth having.

    It bounds how often different items are merged; how often equal ones are kept apart, only
    pairs known to be equal can tell. Outputs of different prompts are different, but easier to
    tell apart than different outputs of one prompt: the true rate within a prompt is higher.

    Args:
        similarity: (n, n) symmetric finite similarities.
        different: (n, n) symmetric booleans, True for pairs known to be different, as
            ``prompt[:, None] != prompt[None, :]``. Each pair counts once; the diagonal is not
            read.
        at: false-merge rate, above 0 and below 1.

    Returns:
        `Threshold`, with the number of pairs behind it.

    Raises:
        UsageError: a rate outside (0, 1), or matrices that do not fit.
        DataError: too few pairs for the rate.

    Example:
        >>> points = np.linspace(0, 1, 21)  # 210 pairs, all different
        >>> found = calibrate_threshold(
        ...     1 - abs(points[:, None] - points), ~np.eye(21, dtype=bool), at=0.1
        ... )
        >>> round(found.value, 2), round(found.false_merge_rate, 3), found.n_pairs
        (0.9, 0.095, 210)

    Source: `Vovk 2005 <https://doi.org/10.1007/b106715>`_, the rank argument.
    """
    if not 0 < at < 1:
        raise UsageError(f"Expected a rate `at` above 0 and below 1, got {at}.")
    values = as_similarity(similarity)
    apart = as_relation(different, name="different")
    if values.shape != apart.shape:
        raise UsageError(
            f"Expected `different` of shape {values.shape} like `similarity`, got {apart.shape}."
        )
    pairs = np.triu(apart, k=1)
    known = np.sort(values[pairs])
    k = math.floor(at * (known.size + 1) + _ROUNDING)
    if k < 1:
        raise DataError(
            f"Expected at least {math.ceil(1 / at - _ROUNDING) - 1} pairs known to be different "
            f"for a false-merge rate of {at:g}, got {known.size}.",
            hint="Add outputs of other prompts, or accept a higher rate.",
        )
    value = float(known[-k])
    return Threshold(
        value=value,
        false_merge_rate=float((known > value).mean()),
        n_pairs=int(known.size),
        n_items=int((pairs.any(axis=0) | pairs.any(axis=1)).sum()),
        settings={"at": at},
    )
