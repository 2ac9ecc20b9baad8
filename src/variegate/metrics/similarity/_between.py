"""Likeness within and between sets: does one model say what another says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import numbers
from variegate.errors import UsageError
from variegate.metrics._arrays import unit_rows

__all__ = ["distinct_models", "homogeneity", "mean_similarities"]

Floats = NDArray[np.float64]


def mean_similarities(sets: Sequence[ArrayLike]) -> Floats:
    """Mean cosines within and between sets of outputs to one prompt, one set a model.

    Between a and b: m_a · m_b with m the mean of a set's rows of length 1. Within a: over the
    pairs of different outputs, (n² ‖m‖² - n) / (n (n - 1)). No output is held against itself,
    so two sets from one model have, on average, the same within as between, whatever n.

    Args:
        sets: A arrays (n_a, d); rows are brought to length 1.

    Returns:
        (A, A), symmetric, in [-1, 1]; 1 where all outputs are the same. The diagonal is NaN for
        a set of fewer than two, a row for an empty one.

    Raises:
        DataError: NaN or Inf.
        UsageError: sets of other dimension.

    Example:
        >>> mean_similarities([[[1, 0], [1, 0]], [[1, 0], [0, 1]]]).tolist()
        [[1.0, 0.5], [0.5, 0.0]]

    Reference: Artificial Hivemind, `Jiang 2025 <https://arxiv.org/abs/2510.22954>`_.
    """
    if not np.iterable(sets):
        raise UsageError(f"Expected sets (n, d) of features, got {sets!r}.")
    rows = [unit_rows(one) for one in sets]
    if not rows:
        return np.zeros((0, 0))
    if any(one.ndim != 2 for one in rows) or len({one.shape[1] for one in rows}) > 1:
        raise UsageError(f"Expected sets (n, d) of one d, got {[one.shape for one in rows]}.")
    means = np.stack(
        [one.mean(axis=0) if len(one) else np.full(one.shape[1], np.nan) for one in rows]
    )
    between: Floats = means @ means.T
    for a, one in enumerate(rows):
        n, own = len(one), int(one.any(axis=1).sum())
        between[a, a] = (n * n * between[a, a] - own) / (n * (n - 1)) if n > 1 else np.nan
    return np.clip(between, -1.0, 1.0)


def homogeneity(similarities: ArrayLike, *, floor: float = 0.0) -> Floats:
    """How alike two models are, held against how alike each is with itself.

    (s_ab - f) / √((s_aa - f)(s_bb - f)), with f the likeness of outputs to unrelated prompts:
    what an embedder calls alike in everything says nothing of two models.

    Args:
        similarities: (..., A, A) as from `mean_similarities`, best averaged over prompts first.
        floor: f, e.g. `variegate.embedding.similarity_floor`.

    Returns:
        (..., A, A), 1 on the diagonal. 1: the two cannot be told apart by their mean output. 0: no
        more alike than answers to different prompts. Estimates can pass both ends. NaN where a
        model is no more alike with itself than the floor.

    Raises:
        UsageError: not a square matrix, or a floor of 1 and more.

    Example:
        >>> round(float(homogeneity([[0.8, 0.4], [0.4, 0.8]])[0, 1]), 4)
        0.5
        >>> round(float(homogeneity([[0.8, 0.4], [0.4, 0.8]], floor=0.2)[0, 1]), 4)
        0.3333

    Reference: Artificial Hivemind, `Jiang 2025 <https://arxiv.org/abs/2510.22954>`_, whose inter-
    and intra-model likeness this sets against each other.
    """
    likeness = _above(similarities, floor)
    own = np.diagonal(likeness, axis1=-2, axis2=-1)
    own = np.sqrt(np.where(own > 0, own, np.nan))
    ratio: Floats = likeness / (own[..., :, None] * own[..., None, :])
    A = np.arange(ratio.shape[-1])
    ratio[..., A, A] = np.where(np.isnan(own), np.nan, 1.0)
    return ratio


def distinct_models(similarities: ArrayLike, *, floor: float = 0.0) -> Any:
    """Effective number of distinct models, from how alike they are within and between.

    β = γ / α of order 2: γ = 1 / Σ_ab s_ab / A² counts the kinds of outputs of all models
    together, α = 1 / Σ_a s_aa / A those of one. `partition` does the same with the outputs'
    own shares, and so counts two samples of one model as more than one; here no output is
    held against itself, and both means are unbiased.

    Args:
        similarities: (..., A, A) as from `mean_similarities`, best averaged over prompts first.
        floor: likeness of outputs to unrelated prompts, taken out as in `homogeneity`.

    Returns:
        A float, or an array of the leading axes. 1: all models are interchangeable. A: no two
        have anything in common. Estimates can be a little off both ends. NaN where a model is
        no more alike with itself than the floor.

    Raises:
        UsageError: not a square matrix, or a floor of 1 and more.

    Example:
        >>> distinct_models([[0.5, 0.5], [0.5, 0.5]]), distinct_models([[0.5, 0], [0, 0.5]])
        (1.0, 2.0)

    Reference: `Reeve 2016 <https://arxiv.org/abs/1404.6520>`_, order 2, over pairs.
    """
    likeness = _above(similarities, floor)
    within = np.diagonal(likeness, axis1=-2, axis2=-1).mean(axis=-1)
    all_pairs = likeness.mean(axis=(-2, -1))
    told = (within > 0) & (all_pairs > 0)
    ratio = np.where(told, within / np.where(told, all_pairs, 1.0), np.nan)
    return float(ratio) if ratio.ndim == 0 else ratio


def _above(similarities: ArrayLike, floor: float) -> Floats:
    likeness = numbers(similarities, "similarities")
    if likeness.ndim < 2 or likeness.shape[-1] != likeness.shape[-2] or not floor < 1:
        raise UsageError(
            f"Expected similarities (..., A, A) and a floor below 1, got {likeness.shape}, {floor}."
        )
    return (likeness - floor) / (1 - floor)
