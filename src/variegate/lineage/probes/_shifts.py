"""Shifts: how embeddings of the same texts, or outputs to the same prompts, have moved."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import DataError, UsageError

__all__ = ["depth_exponent", "kernel_divergence_score", "monge_gap"]

Floats = NDArray[np.float64]


def kernel_divergence_score(before: ArrayLike, after: ArrayLike) -> float:
    """How much the similarity structure of texts moved when a model was tuned.

    -Σ_ij |K_ij ln(K_ij/K'_ij)| / √(Σ_ij K_ij), with Gaussian kernels K (before) and K' (after)
    of the unit embeddings, each with width 1/median distance.

    Args:
        before: (n, d) embeddings of the texts under the model before tuning.
        after: (n, d') embeddings of the same texts, in the same order, after it.

    Returns:
        At most 0. 0: nothing moved, as for texts that the model already knew; more negative:
        the tuning moved them more. Grows with n: compare sets of equal size.

    Raises:
        DataError: other numbers of texts, fewer than two, or values that are not finite.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(20, 4))
        >>> round(abs(kernel_divergence_score(x, 3 * x)), 9)
        0.0

    Reference: Choi 2025, https://arxiv.org/abs/2502.00678
    """
    a, b = _paired(before, after)
    log_before, log_after = _log_kernel(a), _log_kernel(b)
    kernel = np.exp(log_before)
    moved = np.abs(kernel * (log_before - log_after)).sum()
    return 0.0 - float(moved / np.sqrt(kernel.sum()))


def monge_gap(before: ArrayLike, after: ArrayLike) -> float:
    """Displacement from before to after that a re-pairing would have saved.

    mean ‖x_i - y_i‖² - min over pairings σ of mean ‖x_i - y_σ(i)‖².

    Args:
        before: (n, d) e.g. mean output embeddings of every prompt under the base.
        after: (n, d) the same prompts under the later checkpoint.

    Returns:
        0: outputs moved along the cheapest way (a translation, a shrinking); positive: they
        changed places. In squared units of the features.

    Raises:
        DataError: other shapes, fewer than two points, or values that are not finite.

    Example:
        >>> monge_gap([[0.0], [1.0]], [[5.0], [6.0]]), monge_gap([[0.0], [1.0]], [[1.0], [0.0]])
        (0.0, 1.0)

    Reference: Uscidda 2023, https://arxiv.org/abs/2302.04953
    """
    from scipy.optimize import linear_sum_assignment

    x, y = _paired(before, after)
    if x.shape != y.shape:
        raise DataError(f"Expected features of one width, got {x.shape} and {y.shape}.")
    # Differences, not the expanded square: far translations would drown the gap in rounding.
    cost = np.stack([((row - y) ** 2).sum(axis=1) for row in x])
    rows, columns = linear_sum_assignment(cost)
    gap = np.diag(cost).mean() - cost[rows, columns].mean()
    return float(max(gap, 0.0))


def depth_exponent(hidden: ArrayLike, *, largest: float = 0.25) -> float:
    """How rough the path of the hidden states is from layer to layer.

    Fits ‖h_{l+s} - h_l‖ ∝ s^(1-κ) over spans s up to `largest` of the depth.

    Args:
        hidden: (L, d) or (L, n, d) hidden states after every layer, for n inputs.
        largest: longest span, as a share of the depth.

    Returns:
        κ. 0: neighbouring layers repeat each other's move, the stack is smooth and layers are
        redundant; 1/2: every layer does something of its own, as in a random walk.

    Raises:
        UsageError: too few layers for two spans.

    Example:
        >>> import numpy as np
        >>> smooth = np.linspace(0, 1, 65)[:, None] * np.ones(3)
        >>> round(abs(depth_exponent(smooth)), 9)
        0.0

    Reference: Yang 2023 (Tensor Programs VI), https://arxiv.org/abs/2310.02244
    """
    states = np.asarray(hidden, dtype=np.float64)
    states = states[:, None, :] if states.ndim == 2 else states
    if states.ndim != 3 or not np.isfinite(states).all():
        raise UsageError(f"Expected finite (layers, inputs, d) states, got {states.shape}.")
    spans = np.arange(1, int((len(states) - 1) * largest) + 1)
    if len(spans) < 2:
        raise UsageError(
            f"Expected enough layers for two spans, got {len(states)} with largest = {largest}.",
            hint="Raise `largest`, or give the states after every block.",
        )
    moved = [np.sqrt(((states[s:] - states[:-s]) ** 2).sum(-1).mean()) for s in spans]
    if min(moved) == 0:
        return float("nan")
    return float(1 - np.polyfit(np.log(spans), np.log(moved), 1)[0])


def _paired(before: ArrayLike, after: ArrayLike) -> tuple[Floats, Floats]:
    a, b = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if a.ndim != 2 or b.ndim != 2 or len(a) != len(b) or len(a) < 2:
        raise DataError(
            f"Expected (n, d) features of the same two or more rows, got {a.shape} and {b.shape}."
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise DataError("Expected finite features, got NaN or infinities.")
    return a, b


def _log_kernel(features: Floats) -> Floats:
    """Logarithm of the Gaussian kernel, so that far pairs do not underflow."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    rows = np.divide(features, lengths, out=np.zeros_like(features), where=lengths > 0)
    squared = np.maximum(2 - 2 * rows @ rows.T, 0.0)
    np.fill_diagonal(squared, 0.0)
    middle = float(np.median(np.sqrt(squared[np.triu_indices(len(rows), 1)])))
    return -squared / middle if middle > 0 else np.zeros_like(squared)
