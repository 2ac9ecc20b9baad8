"""Weights of experts for a population without labels: trust the mixture that is stable."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError

__all__ = ["stability_weights"]


def stability_weights(
    first: ArrayLike, second: ArrayLike, *, steps: int = 200, rate: float = 0.5
) -> NDArray[np.float64]:
    """Weight experts by how stable their mixture is under two views of the same inputs.

    argmax_w mean_i m_i(w)·m'_i(w), m_i(w) = Σ_e w_e p_e(·|x_i), w on the simplex, by exponentiated
    gradient from equal weights. An expert whose specialty matches the inputs is surer and agrees
    with itself, so it gains weight without a label.

    Args:
        first: (E, n, C) probabilities of each expert on the inputs.
        second: the same on another view (another paraphrase, format, seed).
        steps: of the ascent.
        rate: of a step.

    Returns:
        (E,) weights that sum to 1; 1 for a single expert.

    Raises:
        UsageError: tables of other shape, or rows that are no probabilities.

    Example:
        >>> sure, unsure = [[0.9, 0.1]] * 4, [[0.5, 0.5]] * 4
        >>> weights = stability_weights([sure, unsure], [sure, unsure])
        >>> bool(weights[0] > 0.9)
        True

    Reference:
        Zhang 2021, https://arxiv.org/abs/2107.09249 (there the cosine of two views)
    """
    p, q = (np.asarray(table, dtype=np.float64) for table in (first, second))
    if p.ndim != 3 or p.shape != q.shape or not p.size:
        raise UsageError(
            f"Expected two tables (experts, inputs, classes), got {p.shape}, {q.shape}."
        )
    if any(t.min() < 0 or not np.allclose(t.sum(axis=-1), 1, atol=1e-6) for t in (p, q)):
        raise UsageError("Expected probabilities that sum to 1, got something else.")
    agree = np.einsum("aic,bic->ab", p, q) / p.shape[1]
    agree = (agree + agree.T) / 2
    w = np.full(len(p), 1 / len(p))
    for _ in range(steps):
        w = w * np.exp(rate * 2 * (agree @ w - w @ agree @ w))
        w /= w.sum()
    return np.asarray(w)
