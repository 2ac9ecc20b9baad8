"""Does a model find good answers likely? What to do with its likelihoods follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import DataError, UsageError
from variegate.estimate import Estimate, bootstrap

__all__ = ["LikelihoodUtility", "likelihood_utility"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LikelihoodUtility:
    """How likelihood and utility go together, and which decoding that speaks for.

    Args:
        correlation: mean over prompts of Spearman's correlation within a prompt, in [−1, 1],
            with an interval over prompts.
        advice: ``"seek the mode"`` (greedy, beams, low temperature) where the whole interval
            lies at `threshold` or above, ``"sample and select"`` where it lies below,
            ``"undecided"`` where it holds the threshold.
        threshold: the correlation that separates the two.
    """

    correlation: Estimate
    advice: Literal["seek the mode", "sample and select", "undecided"]
    threshold: float


def likelihood_utility(
    log_likelihoods: Sequence[ArrayLike],
    utilities: Sequence[ArrayLike],
    *,
    threshold: float = 0.5,
    seed: int = 0,
) -> LikelihoodUtility:
    """Correlate log-likelihood with utility within prompts, and say how to decode.

    Near 1 the most likely answer is the best one: seek it. Near 0 the likelihood says nothing
    about the utility: draw many and choose by the utility. Below 0 seeking the mode does harm.

    Args:
        log_likelihoods: a sequence (K,) a prompt, in nats, of independent draws.
        utilities: a sequence (K,) a prompt, any scale, larger is better.
        threshold: correlation from which on the mode is advised; a choice, not a law.
        seed: of the bootstrap over prompts.

    Returns:
        The correlation with its interval, and the advice. A prompt with fewer than three
        answers, or with all likelihoods or all utilities equal, has no correlation and is left
        out and counted; without any prompt the correlation is NaN and the advice undecided.

    Raises:
        UsageError: other numbers of prompts or answers, or a threshold outside [−1, 1].
        DataError: NaN or inf.

    Example:
        >>> found = likelihood_utility([[-1, -2, -3], [-4, -2, -9]], [[3, 2, 1], [0, 5, -1]])
        >>> found.correlation.value, found.advice
        (1.0, 'seek the mode')

    Reference: Josifoski 2022, https://arxiv.org/abs/2210.07228
    """
    if len(log_likelihoods) != len(utilities):
        raise UsageError(
            f"Expected as many prompts in both, got {len(log_likelihoods)} and {len(utilities)}."
        )
    if not -1 <= threshold <= 1:
        raise UsageError(f"Expected a threshold in [-1, 1], got {threshold}.")
    found = [
        _spearman(place, np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64))
        for place, (a, b) in enumerate(zip(log_likelihoods, utilities, strict=True))
    ]
    correlation = bootstrap(found, seed=seed)
    assert isinstance(correlation, Estimate)
    low = correlation.value if np.isnan(correlation.low) else correlation.low
    high = correlation.value if np.isnan(correlation.high) else correlation.high
    advice: Literal["seek the mode", "sample and select", "undecided"] = "undecided"
    if low >= threshold:
        advice = "seek the mode"
    elif high < threshold:
        advice = "sample and select"
    return LikelihoodUtility(correlation=correlation, advice=advice, threshold=threshold)


def _spearman(place: int, a: Floats, b: Floats) -> float:
    if a.ndim != 1 or a.shape != b.shape:
        raise UsageError(
            f"Expected one likelihood and one utility an answer; prompt {place} has "
            f"{a.shape} and {b.shape}."
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise DataError(f"Expected finite likelihoods and utilities, got NaN or inf in {place}.")
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    both = np.stack([_ranks(a), _ranks(b)])
    centred = both - both.mean(axis=1, keepdims=True)
    product = centred @ centred.T
    return float((product[0, 1] / np.sqrt(product[0, 0] * product[1, 1])).round(12))


def _ranks(values: Floats) -> Floats:
    """Mean ranks: equals share theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place]
