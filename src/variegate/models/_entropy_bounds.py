"""What the few largest log-probabilities say about the entropy of a whole distribution."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from variegate.errors import DataError, UsageError

__all__ = ["EntropyBounds", "entropy_bounds"]

Floats = npt.NDArray[np.float64]


class EntropyBounds(NamedTuple):
    """Between what an entropy lies, in nats; arrays of one shape."""

    low: Floats
    high: Floats


def entropy_bounds(top_logprobs: npt.ArrayLike, vocabulary: int | None = None) -> EntropyBounds:
    r"""Bound the entropy of a distribution of which only the k largest probabilities are known.

    With p_1 ≥ … ≥ p_k known, mass m = Σ p_i and the part H_k = -Σ p_i ln p_i, the rest r = 1 - m
    adds least when it stands in as few tokens as it can, none above p_k: ⌊r/p_k⌋ tokens of p_k
    and one of what is left; it adds most when it is even over the V - k others: -r ln(r/(V - k)).

    Args:
        top_logprobs: (..., k) natural logarithms, any order, the k largest of the distribution;
            -inf where there are fewer.
        vocabulary: V, tokens there are; None where it is not known, and then nothing bounds the
            entropy from above as long as mass is missing.

    Returns:
        low and high, shape (...), both ≥ 0. Equal where the k hold all mass; both 0 where one
        token is certain. The low end is never below that of a rest in one single token.

    Raises:
        DataError: NaN, a probability above 1, or a sum above 1 by more than 1e-3 (servers round).
        UsageError: no log-probability at all, or a vocabulary smaller than k.

    Example:
        >>> import numpy as np
        >>> bounds = entropy_bounds(np.log([0.5, 0.3, 0.15]), vocabulary=4)
        >>> bounds.low.round(5), bounds.high.round(5)
        (np.float64(1.14212), np.float64(1.14212))
        >>> entropy_bounds(np.log([0.5, 0.1]), vocabulary=102).high.round(3)
        np.float64(2.785)

    Reference:
        Schur concavity: of distributions with given largest terms, the more even one has the
        higher entropy. Marshall 2011, https://doi.org/10.1007/978-0-387-68276-1
    """
    lp = np.asarray(top_logprobs, dtype=np.float64)
    if not lp.shape or not lp.shape[-1]:
        raise UsageError(f"Expected k >= 1 log-probabilities, got the shape {lp.shape}.")
    if np.isnan(lp).any() or (lp > 1e-3).any():
        raise DataError("Expected log-probabilities at most 0, got one that is none.")
    p = np.exp(np.minimum(lp, 0.0))
    mass = p.sum(-1)
    if (mass > 1 + 1e-3).any():
        raise DataError(f"Expected probabilities with a sum of at most 1, got {mass.max():.6g}.")
    k = lp.shape[-1]
    if vocabulary is not None and vocabulary < k:
        raise UsageError(
            f"Expected a vocabulary of at least the {k} tokens given, got {vocabulary}."
        )
    known = _plogp(p).sum(-1)
    # A rest of rounding is none; what a larger one adds to the entropy would be seen.
    rest = np.where(mass > 1 - 1e-12, 0.0, 1 - mass)
    least = np.where(np.isfinite(lp), p, 0.0).min(-1)
    cap = np.where(least > 0, least, np.inf)
    whole = np.floor(rest / cap + 1e-12)
    left = np.maximum(rest - np.where(whole > 0, whole * np.minimum(cap, 1.0), 0.0), 0.0)
    low = known + whole * _plogp(np.minimum(cap, 1.0)) + _plogp(left)
    if vocabulary is None:
        high = np.where(rest > 0, np.inf, known)
    else:
        others = max(vocabulary - k, 1)
        high = known + _plogp(rest) + rest * np.log(others)
    return EntropyBounds(np.minimum(low, high), high)


def _plogp(p: Floats) -> Floats:
    """-p ln p, 0 at 0."""
    return -p * np.log(np.where(p > 0, p, 1.0))
