"""Self-repetition: how much each text of a set says what others say, word for word."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from variegate.errors import UsageError
from variegate.metrics.texts._words import NGrams, Text

__all__ = ["self_repetition", "self_repetition_by_set"]


def self_repetition(texts: Sequence[Text], *, n: int = 4) -> float:
    """Mean logarithm of how often the n-grams of a text stand in the other texts.

    (1/T) Σ_t ln(1 + Σ_g (texts that hold g, t aside)) over the different n-grams g of a text.

    Args:
        texts: texts, or sequences of words.
        n: words in an n-gram.

    Returns:
        0 (no two texts share an n-gram) to ln(1 + u (T - 1)) for T equal texts of u different
        n-grams: higher is LESS various. Grows with T and with length. NaN without a text.

    Raises:
        UsageError: n below 1.

    Example:
        >>> self_repetition(["a b c d", "e f g h"])
        0.0
        >>> round(self_repetition(["a b c d e", "a b c d e"]), 6)  # ln 3
        1.098612

    Source: `Salkar 2022 <https://arxiv.org/abs/2210.08145>`_.
    """
    return float(self_repetition_by_set(NGrams(texts, [len(texts)]), n=n)[0])


def self_repetition_by_set(grams: NGrams, *, n: int = 4) -> NDArray[np.float64]:
    """`self_repetition` of every set."""
    if n < 1:
        raise UsageError(f"Expected n of at least 1, got {n}.")
    text, gram, _ = grams.counts(n)
    key = grams.set_of_text[text] * (int(gram.max(initial=0)) + 1) + gram
    _, kind, holders = np.unique(key, return_inverse=True, return_counts=True)
    elsewhere = np.bincount(text, weights=holders[kind] - 1, minlength=len(grams.lengths))
    sums = np.bincount(grams.set_of_text, weights=np.log1p(elsewhere), minlength=len(grams.sizes))
    return np.where(grams.sizes > 0, sums / np.maximum(grams.sizes, 1), np.nan)
