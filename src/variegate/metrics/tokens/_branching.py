"""The spread of the next-token distributions along an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import numbers
from variegate.errors import DataError, UsageError
from variegate.metrics._arrays import finite

__all__ = ["branching_factor", "entropy_by_position", "surprise", "token_entropy"]

Floats = NDArray[np.float64]

_MOST = 100.0  # nats: even odds among 10^43 tokens


def token_entropy(token_entropies: Sequence[ArrayLike]) -> float:
    """Mean entropy of the next-token distributions of a prompt's outputs, in nats.

    Σ H_t / number of tokens, over all tokens of all outputs: every token weighs the same, so
    long outputs count for more, and no position is judged by the few outputs that reach it.

    Args:
        token_entropies: one sequence of entropies an output, of any lengths.

    Returns:
        0 (the next token is always certain) to ln V. NaN without a token.

    Raises:
        DataError: an entropy that is not finite, negative, or larger than any vocabulary allows.

    Example:
        >>> token_entropy([[0.0, 1.0], [2.0]])
        1.0
    """
    values = _entropies(token_entropies)
    return float(values.mean()) if len(values) else float("nan")


def branching_factor(
    token_entropies: Sequence[ArrayLike],
    *,
    token_logprobs: Sequence[ArrayLike] | None = None,
    switch: float | None = None,
    compat: Literal["yang"] | None = None,
) -> float:
    """Effective number of tokens that could come next, per step of an answer.

    exp(H̄) with H̄ the mean next-token entropy (`token_entropy`). By the tower rule the mean
    `surprise` of the sampled tokens has the same expectation; the source switches to it for
    outputs longer than 50 tokens. The default does not: the entropies say the same with less
    noise, and a switch makes a jump at its length.

    Args:
        token_entropies: one sequence of entropies an output, in nats, of the distribution
            sampled from (after truncation and renormalising).
        token_logprobs: the same for the sampled tokens; needed with `switch`.
        switch: mean length in tokens above which -ln p replaces the entropies; None for never.
        compat: ``"yang"`` switches at 50 and below it weighs every position the same, however
            few outputs reach it: the source's numbers.

    Returns:
        1 (each next token is certain) to V. NaN without a token.

    Raises:
        UsageError: `switch` or `compat` without log-probabilities, or another compat.
        DataError: as `token_entropy`.

    Example:
        >>> round(branching_factor([[np.log(4), np.log(4)], [np.log(4)]]), 9)
        4.0

    Source: `Yang 2025 <https://arxiv.org/abs/2506.17871>`_.
    """
    if compat not in (None, "yang"):
        raise UsageError(f"Expected compat of None or 'yang', got {compat!r}.")
    switch = 50.0 if compat else switch
    if switch is not None and token_logprobs is None:
        raise UsageError("Expected token_logprobs with switch: they replace the entropies.")
    lengths = [np.size(one) for one in token_entropies]
    if switch is not None and lengths and float(np.mean(lengths)) > switch:
        assert token_logprobs is not None
        rate = surprise(token_logprobs)
    elif compat and sum(lengths):
        rate = float(entropy_by_position(token_entropies)[0].mean())
    else:
        rate = token_entropy(token_entropies)
    return float(np.exp(rate))


def surprise(token_logprobs: Sequence[ArrayLike]) -> float:
    """Mean surprise at the tokens that were sampled, in nats.

    -Σ ln p(x_t) / number of tokens, over all tokens of all outputs. Under the distribution
    sampled from, its expectation is the mean entropy (`token_entropy`): it needs one number a
    token where that needs the whole distribution, and is noisier.

    Args:
        token_logprobs: one sequence of log-probabilities an output, in nats.

    Returns:
        0 (every token was certain) upwards; exp of it is a branching factor. NaN without a token.

    Raises:
        DataError: a log-probability that is not finite or positive, or a mean no vocabulary
            allows.

    Example:
        >>> surprise([[-1.0, 0.0], [-2.0]])
        1.0

    Source: `Yang 2025 <https://arxiv.org/abs/2506.17871>`_.
    """
    values = not_positive(_joined(token_logprobs, "token log-probabilities"))
    if not len(values):
        return float("nan")
    if -values.mean() > _MOST:
        raise DataError(
            f"Expected log-probabilities in nats above {-_MOST:g} on average, got "
            f"{values.mean():g}.",
            hint="A distribution that was truncated gives what it leaves out minus infinity.",
        )
    return 0.0 - float(values.mean())


def branching_by_surprise(token_logprobs: Sequence[ArrayLike]) -> float:
    """`branching_factor` from the sampled tokens alone."""
    return float(np.exp(surprise(token_logprobs)))


def entropy_by_position(token_entropies: Sequence[ArrayLike]) -> tuple[Floats, NDArray[np.int64]]:
    """Mean entropy at each position, over the outputs that are that long.

    Args:
        token_entropies: one sequence of entropies an output, of any lengths.

    Returns:
        (L,) means in nats and (L,) numbers of outputs behind them. Late positions speak only for
        the long outputs; the numbers say for how many.

    Example:
        >>> means, outputs = entropy_by_position([[1.0, 2.0], [3.0]])
        >>> means.tolist(), outputs.tolist()
        ([2.0, 2.0], [2, 1])
    """
    lengths = [np.size(one) for one in token_entropies]
    if not sum(lengths):
        return np.zeros(0), np.zeros(0, dtype=np.int64)
    values = _entropies(token_entropies)
    position = np.concatenate([np.arange(length) for length in lengths])
    outputs = np.bincount(position)
    return np.bincount(position, weights=values) / outputs, outputs.astype(np.int64)


def _entropies(sequences: Sequence[ArrayLike]) -> Floats:
    values = _joined(sequences, "token entropies")
    # Rounding in single precision can leave a sure token a little below 0.
    wrong = values[(values < -1e-6) | (values > _MOST)]
    if len(wrong):
        raise DataError(
            f"Expected entropies in nats between 0 and {_MOST:g}, got {wrong[0]:g}.",
            hint="Log-probabilities of the sampled tokens are another thing: not entropies.",
        )
    return np.maximum(values, 0.0)


def not_positive(logprobs: Floats) -> Floats:
    """Log-probabilities with rounding above 0 taken back, or a DataError."""
    if len(wrong := logprobs[logprobs > 1e-6]):
        raise DataError(
            f"Expected log-probabilities of at most 0, got {wrong[0]:g}.",
            hint="Probabilities are not their logarithms, and entropies are another thing.",
        )
    return np.minimum(logprobs, 0.0)


def _joined(sequences: Sequence[ArrayLike], name: str) -> Floats:
    parts: list[Any] = [numbers(one, "values").ravel() for one in sequences]
    return finite(np.concatenate([np.zeros(0), *parts]), name)
