"""k answers that differ, or that cover the rest, above a floor of quality."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.choosing._best import rewards_of
from variegate.choosing._risk import k_medoids
from variegate.errors import UnknownName, UsageError
from variegate.selection import FacilityLocation, LogDeterminant, greedy

__all__ = ["METHODS", "mmr", "spread"]

Ints = NDArray[np.int64]

METHODS = ("dpp", "mmr", "facility-location", "k-medoids")


def mmr(
    features: ArrayLike,
    relevance: ArrayLike,
    k: int,
    *,
    alpha: float = 0.7,
    earlier: ArrayLike | None = None,
    beta: float = 0.0,
) -> Ints:
    """Maximal marginal relevance: relevant, and unlike what is picked already.

    argmax_i α rel_i - (1 - α) max_{j picked} cos(i, j) - β max_{h earlier} cos(i, h).

    Args:
        features: (n, d) unit rows.
        relevance: (n,) on the scale of a cosine.
        k: picks.
        alpha: α; 1 takes the k most relevant.
        earlier: (m, d) unit rows shown in earlier rounds.
        beta: β, how much those count.

    Returns:
        (k,) in the order of picking; ties go to the lowest row.

    Raises:
        UsageError: k beyond the rows, alpha outside [0, 1] or beta below 0.
        DataError: NaN or Inf.

    Example:
        >>> mmr([[1, 0], [1, 0], [0, 1]], [0.9, 0.8, 0.5], 2, alpha=0.5).tolist()
        [0, 2]

    Reference:
        Carbonell 1998, https://doi.org/10.1145/290941.291025; with earlier rounds, 2026,
        https://arxiv.org/abs/2602.00238
    """
    x, rel = np.asarray(features, dtype=np.float64), rewards_of(relevance, "relevance")
    if x.ndim != 2 or len(x) != len(rel) or not 0 <= k <= len(x):
        raise UsageError(
            f"Expected features (n, d), n relevances and k up to n, got {x.shape}, {rel.shape} "
            f"and {k}."
        )
    if not 0 <= alpha <= 1 or beta < 0:
        raise UsageError(f"Expected alpha from 0 to 1 and beta >= 0, got {alpha} and {beta}.")
    score = alpha * rel
    if earlier is not None and beta and len(np.asarray(earlier)):
        score = score - beta * (x @ np.asarray(earlier, dtype=np.float64).T).max(axis=1)
    nearest = np.full(len(x), -np.inf)
    picked: list[int] = []
    for _ in range(k):
        value = score - (1 - alpha) * nearest if picked else score.copy()
        value[picked] = -np.inf
        picked.append(int(np.round(value, 12).argmax()))
        nearest = np.maximum(nearest, x @ x[picked[-1]])
    return np.array(picked, dtype=np.int64)


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
