"""A variational estimate of mutual information that does not explode."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from variegate.errors import UsageError
from variegate.metrics._arrays import finite

__all__ = ["smile"]


def smile(scores: ArrayLike, *, clip: float | None = 5.0) -> float:
    """Mutual information from a critic's scores, with the tail of the ratio clipped.

    mean_i T_ii - ln mean_{i≠j} clip(e^{T_ij}, e^{-τ}, e^{τ}), T_ij the critic's log-ratio of
    pairing x_i with y_j. Without the clip this is the Donsker–Varadhan bound of MINE, whose
    variance grows as e^I.

    Args:
        scores: (n, n) T_ij, the pairs that belong together on the diagonal.
        clip: τ; None for none.

    Returns:
        Nats; about I for a critic near ln p(x, y)/(p(x) p(y)), and no more than τ above the mean
        score. A clip at τ biases it where true log-ratios leave [-τ, τ].

    Raises:
        DataError: NaN or Inf.
        UsageError: a table that is not square or has fewer than two rows, or clip not positive.

    Example:
        >>> smile([[2.0, 0.0], [0.0, 2.0]])
        2.0

    Reference:
        Song 2019, https://arxiv.org/abs/1910.06222; Belghazi 2018,
        https://arxiv.org/abs/1801.04062
    """
    table = finite(scores, "scores", axes=2)
    n = len(table)
    if table.shape != (n, n) or n < 2:
        raise UsageError(f"Expected a square table of two rows or more, got {table.shape}.")
    if clip is not None and not clip > 0:
        raise UsageError(f"Expected clip > 0, got {clip}.")
    apart = table[~np.eye(n, dtype=bool)]
    if clip is not None:
        apart = np.clip(apart, -clip, clip)
    top = apart.max()
    return float(table.diagonal().mean() - top - np.log(np.exp(apart - top).mean()))
