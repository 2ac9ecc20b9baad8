"""How long the outputs are, and the same outputs cut to one length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.metrics._arrays import finite
from variegate.metrics.texts._words import NGrams, Text, first_words

__all__ = ["common_length", "length_by_set", "mean_length", "truncated"]

_QUANTILE = 0.25


def mean_length(texts: Sequence[Text]) -> float:
    """Mean number of words of a set of texts.

    Args:
        texts: texts, or sequences of words.

    Returns:
        0 or more; NaN without a text.

    Example:
        >>> mean_length(["one two", "one two three four"])
        3.0
    """
    return float(length_by_set(NGrams(texts, [len(texts)]))[0])


def length_by_set(grams: NGrams) -> NDArray[np.float64]:
    """`mean_length` of every set."""
    return np.where(grams.sizes > 0, grams.total(1) / np.maximum(grams.sizes, 1), np.nan)


def common_length(*arms: ArrayLike) -> int:
    """Words to which the outputs of one prompt are cut so that arms can be compared.

    The lower quartile of the lengths of each arm's outputs (empty ones aside), and of these the
    smallest: three quarters of every arm's outputs are that long, and no arm keeps more words
    than another could give. The least length would be at the mercy of one cut-off output.

    Args:
        arms: (n,) words of each output of one prompt, arm by arm.

    Returns:
        At least 1.

    Example:
        >>> common_length([4, 5, 9, 9], [3, 7, 8, 0])
        3
    """
    quartiles = []
    for lengths in arms:
        filled = np.sort(np.atleast_1d(finite(lengths, "lengths"))).astype(np.int64)
        filled = filled[filled > 0]
        if len(filled):
            quartiles.append(int(filled[int(_QUANTILE * (len(filled) - 1))]))
    return min(quartiles, default=1)


def truncated(texts: Sequence[str], *, length: int) -> list[str]:
    """Cut every text after its first `length` words; shorter ones stay as they are.

    Example:
        >>> truncated(["one two three", "one"], length=2)
        ['one two', 'one']
    """
    return [first_words(text, length) for text in texts]
