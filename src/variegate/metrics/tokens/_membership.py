"""Signs that a model has read a text before: its surprise at the words that surprise it most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import numbers
from variegate.errors import UsageError
from variegate.metrics._arrays import finite
from variegate.metrics.tokens._branching import not_positive

__all__ = ["dc_pdd", "min_k", "min_k_plus"]

Floats = NDArray[np.float64]


def min_k(token_logprobs: ArrayLike, *, share: float = 0.2) -> float:
    """Mean surprise at the least expected tokens of a text (Min-K %).

    -mean of the lowest share of the log-probabilities; one token at the least.

    Args:
        token_logprobs: (T,) log-probability of each token, in nats.
        share: of the tokens, in (0, 1].

    Returns:
        0 (every token was certain) upwards, in nats: the larger, the LESS likely the text was
        read before. NaN without a token.

    Raises:
        UsageError: a share outside (0, 1].
        DataError: NaN, Inf or above 0.

    Example:
        >>> min_k([-1.0, -5.0, -0.5, -2.0, -0.1])
        5.0

    Source: `Shi 2023 <https://arxiv.org/abs/2310.16789>`_.
    """
    return -_lowest(_logprobs(token_logprobs), share)


def min_k_of_outputs(token_logprobs: Sequence[ArrayLike], *, share: float = 0.2) -> float:
    """Mean of `min_k` over outputs."""
    values = [min_k(one, share=share) for one in token_logprobs if np.size(one)]
    return float(np.mean(values)) if values else float("nan")


def min_k_plus(logprobs: ArrayLike, tokens: ArrayLike, *, share: float = 0.2) -> float:
    """Min-K % of log-probabilities standardised by the distribution they come from (Min-K %++).

    z_t = (ln p(x_t) - μ_t) / σ_t with the mean μ_t and the standard deviation σ_t of ln p under
    p itself; -mean of the lowest share of the z_t.

    Args:
        logprobs: (T, V) log-probabilities of all tokens at each step, in nats; -inf for a token
            that cannot come.
        tokens: (T,) which token stands there.
        share: of the tokens, in (0, 1].

    Returns:
        In standard deviations: the larger, the LESS likely the text was read before. A step
        where all possible tokens are equally likely gives 0. NaN without a token.

    Raises:
        UsageError: a share outside (0, 1], or shapes that do not fit.

    Example:
        >>> round(min_k_plus(np.log([[0.5, 0.25, 0.25]]), [0]), 9)
        -1.0

    No entry of `measure`: samples hold the log-probability of the token that came, not of all.

    Source: `Zhang 2024 <https://arxiv.org/abs/2404.02936>`_.
    """
    table, at = numbers(logprobs, "logprobs"), _whole(tokens)
    if table.ndim != 2 or at.shape != table.shape[:1]:
        raise UsageError(
            f"Expected logprobs (T, V) and tokens (T,), got {table.shape} and {at.shape}."
        )
    _refuse_unknown(at, table.shape[1])
    p = np.exp(table)
    logs = np.where(p > 0, table, 0.0)
    mean = np.sum(p * logs, axis=1)
    deviation = np.sqrt(np.sum(p * (logs - mean[:, None]) ** 2, axis=1))
    own = finite(np.take_along_axis(table, at[:, None], axis=1)[:, 0], "log-probabilities")
    flat = deviation < 1e-12
    return -_lowest(np.where(flat, 0.0, (own - mean) / np.where(flat, 1.0, deviation)), share)


def dc_pdd(
    token_logprobs: ArrayLike, tokens: ArrayLike, counts: ArrayLike, *, cap: float = 0.01
) -> float:
    """Expectation of tokens weighed by how rare they are, with the sign of surprise (DC-PDD).

    -mean of min(p(x_t) ln 1/f(x_t), cap) over the first places where each token stands, with
    f = (count + 1) / (N + V) its frequency in other text: a common token that is expected says
    little about what was read.

    Args:
        token_logprobs: (T,) log-probability of each token, in nats.
        tokens: (T,) which token stands there.
        counts: (V,) how often each token stands in a reference corpus of N tokens, with the
            same tokenizer.
        cap: the most one token can say.

    Returns:
        -cap to 0: the larger, the LESS likely the text was read before. NaN without a token.

    Raises:
        UsageError: shapes that do not fit, or a cap that is not positive.

    Example:
        >>> expected, surprised = [-0.1, -0.2, -0.1], [-6.0, -7.0, -8.0]
        >>> counts = [100, 10, 1]
        >>> dc_pdd(expected, [0, 1, 2], counts) < dc_pdd(surprised, [0, 1, 2], counts)
        True

    No entry of `measure`: the counts come from a corpus read with the same tokenizer.

    Source: `Zhang 2024 <https://arxiv.org/abs/2409.14781>`_.
    """
    logs, at = _logprobs(token_logprobs), _whole(tokens)
    seen = finite(numbers(counts, "counts", largest=2.0**53), "counts")
    if logs.ndim != 1 or at.shape != logs.shape or seen.ndim != 1:
        raise UsageError(
            "Expected log-probabilities (T,), tokens (T,) and counts (V,), got "
            f"{logs.shape}, {at.shape} and {seen.shape}."
        )
    if not cap > 0:
        raise UsageError(f"Expected a cap above 0, got {cap}.")
    if not len(logs):
        return float("nan")
    _refuse_unknown(at, len(seen))
    if (seen < 0).any():
        raise UsageError(f"Expected counts of at least 0, got {seen.min():g}.")
    first = np.unique(at, return_index=True)[1]
    frequency = (seen + 1) / (seen.sum() + len(seen))
    says = np.exp(logs[first]) * -np.log(frequency[at[first]])
    return -float(np.minimum(says, cap).mean())


def _logprobs(values: ArrayLike) -> Floats:
    return not_positive(finite(values, "log-probabilities"))


def _lowest(values: Floats, share: float) -> float:
    if not 0 < share <= 1:
        raise UsageError(f"Expected a share in (0, 1], got {share}.")
    if not values.size:
        return float("nan")
    few = max(1, int(len(values) * share))
    return float(np.partition(values, few - 1)[:few].mean())


def _whole(tokens: ArrayLike) -> NDArray[np.int64]:
    """Numbers of tokens, whatever type they come in."""
    given = finite(tokens, "tokens")
    if (given != np.floor(given)).any() or (np.abs(given) > 2.0**53).any():
        raise UsageError("Expected whole numbers for tokens, as their tokenizer gives them.")
    return given.astype(np.int64)


def _refuse_unknown(tokens: NDArray[np.int64], vocabulary: int) -> None:
    if len(tokens) and not (tokens.min() >= 0 and tokens.max() < vocabulary):
        raise UsageError(
            f"Expected tokens from 0 to {vocabulary - 1}, got {tokens.min()} to {tokens.max()}.",
            hint="Count tokens and score them with the same tokenizer.",
        )
