"""Is at least one of k outputs right: pass@k and its interval."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from variegate._numbers import numbers
from variegate.errors import UsageError
from variegate.estimate import Estimate, inclusion

__all__ = ["accuracy", "pass_at_k", "pass_at_k_interval"]


def accuracy(correct: ArrayLike) -> Any:
    """Share of right outputs.

    Args:
        correct: (..., n) right or wrong, as booleans or 0 and 1.

    Returns:
        A float, or an array of the leading axes, in [0, 1]. NaN for n = 0.

    Example:
        >>> accuracy([True, False, True, True])
        0.75
    """
    right = numbers(correct, "correct")
    n = right.shape[-1]
    share = right.sum(axis=-1) / n if n else np.full(right.shape[:-1], np.nan)
    return float(share) if np.ndim(share) == 0 else share


def pass_at_k(n: ArrayLike, c: ArrayLike, *, k: int) -> Any:
    """Chance that at least one of k outputs is right.

    1 - C(n - c, k) / C(n, k), unbiased for 1 - (1 - p)^k.

    Args:
        n: (...) outputs of each prompt.
        c: (...) right ones among them.
        k: how many tries, k ≤ n.

    Returns:
        A float, or an array. 0 where c = 0; 1 where fewer than k are wrong; c / n at k = 1.

    Raises:
        UsageError: k larger than n, or c larger than n.

    Example:
        >>> pass_at_k(10, 3, k=5)
        0.91666...

    Source: `Chen 2021 <https://arxiv.org/abs/2107.03374>`_.
    """
    values = inclusion(n, c, k)
    return float(values) if values.ndim == 0 else values


def pass_at_k_interval(n: int, c: int, *, k: int, level: float = 0.95) -> Estimate:
    """pass@k of a single prompt with an exact interval.

    The Clopper-Pearson interval of the chance p of one right output, mapped through
    1 - (1 - p)^k, which rises with p and so keeps the coverage.

    Args:
        n: outputs.
        c: right ones among them.
        k: how many tries, k ≤ n.
        level: the coverage is at least this.

    Returns:
        The unbiased value, with the ends of the mapped interval.

    Raises:
        UsageError: k larger than n, c larger than n, or n = 0.

    Example:
        >>> print(pass_at_k_interval(10, 3, k=1))
        0.3 [0.06674, 0.6525]

    Source: `Clopper 1934 <https://doi.org/10.1093/biomet/26.4.404>`_.
    """
    from scipy.special import betaincinv

    if n < 1:
        raise UsageError(f"Expected at least one output, got n = {n}.")
    value = pass_at_k(n, c, k=k)
    tail = (1.0 - level) / 2.0
    low = float(betaincinv(c, n - c + 1, tail)) if c > 0 else 0.0
    high = float(betaincinv(c + 1, n - c, 1.0 - tail)) if c < n else 1.0
    return Estimate(
        value=value,
        low=1.0 - (1.0 - low) ** k,
        high=1.0 - (1.0 - high) ** k,
        n_prompts=1,
        level=level,
        method="Clopper-Pearson, mapped",
        settings={"n": n, "c": c, "k": k},
    )
