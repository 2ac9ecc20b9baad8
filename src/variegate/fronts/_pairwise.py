"""Fronts of every pair of scores: where three goods are traded, three planes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError
from variegate.fronts._nondominated import nondominated

__all__ = ["pairwise_fronts"]


def pairwise_fronts(
    scores: Mapping[str, ArrayLike],
) -> dict[tuple[str, str], NDArray[np.bool_]]:
    """The front on each plane that two of the scores span.

    Consistency, diversity and realism of a generator are traded against each other by its knobs;
    a setting may be on the front of one pair and far behind on another.

    Args:
        scores: name → (..., N) one score a setting, larger being better, all of one shape.

    Returns:
        (name, name) → (..., N) True on that front, pairs in the order of the names. A setting
        without a score on a plane (NaN) is not on its front and stays on the others.

    Raises:
        UsageError: fewer than two scores, or scores of different shapes.

    Reference:
        `Astolfi 2024 <https://arxiv.org/abs/2406.10429>`_.

    Example:
        >>> fronts = pairwise_fronts({"fit": [0.1, 0.9, 0.8], "variety": [0.9, 0.2, 0.1]})
        >>> fronts["fit", "variety"].tolist()
        [True, True, False]
    """
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in scores.items()}
    shapes = {array.shape for array in arrays.values()}
    if len(arrays) < 2 or len(shapes) > 1 or shapes == {()}:
        raise UsageError(
            "Expected two or more scores of one shape (..., N), got "
            f"{ {name: array.shape for name, array in arrays.items()} }."
        )
    return {
        (a, b): nondominated(np.stack([arrays[a], arrays[b]], axis=-1))
        for a, b in combinations(arrays, 2)
    }
