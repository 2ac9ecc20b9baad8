"""Variety within one prompt's outputs, and across the outputs to different prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import DataError, UsageError
from variegate.estimate import Estimate, bootstrap, jackknife

__all__ = ["PerAndAcross", "per_and_across_input"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PerAndAcross:
    """Two kinds of variety on one scale.

    Args:
        per_input: mean over prompts of the mean distance between outputs to that prompt.
        across_input: mean distance between outputs to two different prompts.
    """

    per_input: Estimate
    across_input: Estimate


def per_and_across_input(
    features: NDArray[Any] | Sequence[ArrayLike],
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> PerAndAcross:
    """Mean pairwise cosine distance per input and across inputs.

    Per input: (1/P) Σ_i mean_{a<b} (1 - cos(x_ia, x_ib)). Across inputs: the mean of
    1 - cos(x_ia, x_jb) over prompts i ≠ j and all their outputs, which is the expectation of
    the usual "pick one output a prompt and pool them" without its chance.

    Args:
        features: (P, K, d), or P arrays (K_i, d) where prompts have other numbers of outputs.
        resamples: bootstrap resamples for the per-input interval.
        level: confidence level.
        seed: of the bootstrap.

    Returns:
        Both as estimates in [0, 2]; the interval is a bootstrap over prompts for the first and
        a jackknife over prompts for the second, which is a statistic of pairs of prompts. A
        policy that ignores its prompt has the same expectation for both; one that is
        deterministic has per-input 0 and across-input above 0. Prompts with one output enter
        across inputs only.

    Raises:
        DataError: NaN or infinite features.
        UsageError: shapes that are not (K_i, d) with one d.

    Example:
        >>> import numpy as np
        >>> deterministic = np.repeat(np.eye(3)[:, None, :], 4, axis=1)  # one answer a prompt
        >>> found = per_and_across_input(deterministic)
        >>> found.per_input.value, found.across_input.value
        (0.0, 1.0)

    Reference: Kirk 2023, https://arxiv.org/abs/2310.06452
    """
    rows = [_unit(prompt) for prompt in features]
    if len({prompt.shape[1] for prompt in rows}) > 1:
        raise UsageError("Expected features of one width for every prompt.")
    within = np.array([_pairwise(prompt) for prompt in rows])
    per_input = bootstrap(within, resamples=resamples, level=level, seed=seed)
    assert isinstance(per_input, Estimate)
    means = np.stack([prompt.mean(axis=0) for prompt in rows if len(prompt)])
    return PerAndAcross(per_input=per_input, across_input=_across(means, level=level))


def _across(means: Floats, *, level: float) -> Estimate:
    """From the P mean vectors: their products are the mean cosines between two prompts."""
    prompts = len(means)
    total = means.sum(axis=0)
    pooled, own = float(total @ total), np.einsum("pd,pd->p", means, means)
    value = 1 - (pooled - own.sum()) / (prompts * (prompts - 1)) if prompts > 1 else np.nan
    if prompts < 3:
        return jackknife([], value=value, level=level)
    # Without prompt i, the sum over pairs loses twice the products with i.
    lost = 2 * (means @ total - own)
    without = 1 - (pooled - own.sum() - lost) / ((prompts - 1) * (prompts - 2))
    return jackknife(without, value=value, level=level)


def _pairwise(rows: Floats) -> float:
    """Mean of 1 - cosine over pairs, through the length of the sum: no pair is formed."""
    k = len(rows)
    if k < 2:
        return float("nan")
    total = rows.sum(axis=0)
    own = float((rows * rows).sum())
    return 1 - (float(total @ total) - own) / (k * (k - 1))


def _unit(features: ArrayLike) -> Floats:
    array = np.asarray(features, dtype=np.float64)
    if array.ndim != 2:
        raise UsageError(f"Expected (outputs, d) features for a prompt, got {array.shape}.")
    if not np.isfinite(array).all():
        raise DataError("Expected finite features, got NaN or infinities.")
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    out: Floats = np.divide(array, lengths, out=np.zeros_like(array), where=lengths > 0)
    return out
