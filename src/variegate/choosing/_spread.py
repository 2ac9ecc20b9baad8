"""k answers that differ, or that cover the rest, above a floor of quality."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.choosing._best import rewards_of
from variegate.choosing._risk import k_medoids
from variegate.errors import UnknownName, UsageError
from variegate.selection import FacilityLocation, LogDeterminant, greedy, mmr

__all__ = ["METHODS", "spread"]

Ints = NDArray[np.int64]

METHODS = ("dpp", "mmr", "facility-location", "k-medoids")


def spread(
    features: ArrayLike,
    k: int,
    *,
    method: str = "dpp",
    quality: ArrayLike | None = None,
    floor: float = -math.inf,
    weight: float = 0.0,
) -> Ints:
    """Choose k answers that differ or that cover the rest, among those that are good enough.

    ``"dpp"`` maximises det(q_i q_j (cos + 1e-6 I)) with q = e^{weight · z/2}, z the standardised
    quality; ``"mmr"`` trades a share `weight` of it against likeness; ``"facility-location"`` and
    ``"k-medoids"`` want a likeness for every answer above the floor and read the floor only.

    Args:
        features: (n, d) rows, scaled to length 1.
        k: answers to keep.
        method: see above.
        quality: (n,) of each answer; needed with a floor or a weight.
        floor: answers of lower quality cannot be chosen.
        weight: how much quality counts beyond the floor; from 0 to 1 with ``"mmr"``.

    Returns:
        At most k rows in the order they were chosen: fewer where fewer pass the floor.

    Raises:
        UnknownName: another method.
        UsageError: a floor or weight without quality, k < 1.
        DataError: NaN or Inf.

    Example:
        >>> rows = [[1, 0], [1, 0], [0, 1], [0, 1]]
        >>> spread(rows, 2, quality=[1, 2, 0, 3], floor=1).tolist()
        [0, 3]

    Reference:
        Chen 2018, https://arxiv.org/abs/1709.05135
    """
    if method not in METHODS:
        raise UnknownName("method", method, METHODS)
    if k < 1 or (quality is None and (floor > -math.inf or weight)):
        raise UsageError(f"Expected k >= 1, and quality with a floor or a weight, got k = {k}.")
    x = np.asarray(features, dtype=np.float64)
    q = np.zeros(len(x)) if quality is None else rewards_of(quality, "quality")
    if x.ndim != 2 or len(q) != len(x):
        raise UsageError(f"Expected features (n, d) and n qualities, got {x.shape}, {q.shape}.")
    allowed = np.flatnonzero(q >= floor)
    x, q = x[allowed], q[allowed]
    k = min(k, len(allowed))
    if k == 0:
        return np.zeros(0, dtype=np.int64)
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    unit = x / np.where(lengths > 0, lengths, 1)
    z = (q - q.mean()) / (q.std() or 1)
    if method == "dpp":
        # The small ridge lets copies in last instead of never.
        kernel = unit @ unit.T + 1e-6 * np.eye(len(unit))
        rows = greedy(LogDeterminant(kernel=kernel, quality=np.exp(weight * z / 2)), k).indices
    elif method == "mmr":
        rows = mmr(unit, (z - z.min()) / (np.ptp(z) or 1), k, alpha=weight)
    elif method == "facility-location":
        rows = greedy(FacilityLocation(unit), k, optimizer="lazy").indices
    else:
        rows = k_medoids(unit @ unit.T, k).indices
    return np.asarray(allowed[rows])
