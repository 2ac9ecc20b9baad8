"""Maximal marginal relevance: one row after another, relevant and unlike those before."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import DataError, UsageError

__all__ = ["mmr"]

Ints = NDArray[np.int64]


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
    x, rel = np.asarray(features, dtype=np.float64), np.asarray(relevance, dtype=np.float64)
    if x.ndim != 2 or len(x) != len(rel) or not 0 <= k <= len(x):
        raise UsageError(
            f"Expected features (n, d), n relevances and k up to n, got {x.shape}, {rel.shape} "
            f"and {k}."
        )
    if not (np.isfinite(rel).all() and np.isfinite(x).all()):
        raise DataError("Expected finite features and relevances, got NaN or Inf in them.")
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
