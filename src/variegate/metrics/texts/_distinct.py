"""Distinct n-grams, plain and adjusted for what chance would give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from variegate.errors import UsageError
from variegate.metrics.texts._words import NGrams, Text

__all__ = ["distinct_by_set", "distinct_n", "ead", "ead_by_set", "ngram_diversity"]

Floats = NDArray[np.float64]


def distinct_n(texts: Sequence[Text], *, n: int) -> float:
    """Share of different n-grams among all n-grams of a set of texts.

    N / C with N different and C n-grams in all; n-grams do not cross from text to text.

    Args:
        texts: texts, or sequences of words.
        n: words in an n-gram.

    Returns:
        A number in (0, 1]. 1: no n-gram stands twice. Falls with the number of words even when
        the source does not change: compare at equal length and n. NaN without an n-gram.

    Example:
        >>> distinct_n(["a b c", "a b d"], n=2)
        0.75

    Source: `Li 2016 <https://arxiv.org/abs/1510.03055>`_.
    """
    return float(distinct_by_set(NGrams(texts, [len(texts)]), n=n)[0])


def ead(
    texts: Sequence[Text],
    *,
    vocab_size: int,
    max_n: int = 5,
    compat: Literal["kirk"] | None = None,
) -> float:
    """Distinct n-grams against what as many draws from a uniform vocabulary would give.

    N / (V (1 - (1 - 1/V)^C)), averaged over the orders n = 1 .. max_n that occur. The division
    takes out the fall with length that distinct-n has.

    Args:
        texts: texts, or sequences of words.
        vocab_size: V, the number of words there could be; part of the result, report it.
        max_n: longest n-gram.
        compat: ``"kirk"`` splits at spaces after full stops and line ends are deleted, and
            counts an order without n-grams as 0: with V = 50257, the number Kirk 2023 prints.

    Returns:
        About 0 (one word repeated; 1/C) to 1 (as various as uniform draws); a little more is
        possible for texts that avoid repetition. NaN without a word.

    Example:
        >>> ead(["a b c", "d e f"], vocab_size=50257) > ead(["a a a", "a a a"], vocab_size=50257)
        True
        >>> ead(["word"], vocab_size=1000)
        1.0

    Source: `Liu 2022 <https://arxiv.org/abs/2202.13587>`_; averaged over orders as in `Kirk 2023
    <https://arxiv.org/abs/2310.06452>`_.
    """
    if compat == "kirk":
        # Its own words, so that 'plum.' and 'plum' are one but 'plum,' is another.
        split = [
            text.replace(".", "").replace("\n", "").split(" ") if isinstance(text, str) else text
            for text in texts
        ]
        texts = [[word for word in one if word] for one in split]
    elif compat is not None:
        raise UsageError(f"Expected compat of None or 'kirk', got {compat!r}.")
    grams = NGrams(texts, [len(texts)])
    value = float(ead_by_set(grams, vocab_size=vocab_size, max_n=max_n)[0])
    if compat == "kirk":
        there = sum(bool(grams.total(n)[0]) for n in range(1, max_n + 1))
        return value * there / max_n if there else 0.0
    return value


def ngram_diversity(
    texts: Sequence[Text], *, max_n: int = 4, compat: Literal["diversity"] | None = None
) -> float:
    """Shares of different n-grams, summed over n.

    Σ_{n=1}^{max_n} N_n / C_n with N_n different and C_n n-grams in all: a sum, not a mean, of
    `distinct_n` over the orders that occur.

    Args:
        texts: texts, or sequences of words.
        max_n: longest n-gram.
        compat: ``"diversity"`` joins the texts by single spaces first and splits at single
            spaces, so that n-grams cross from text to text: the numbers of the source's package,
            which rounds them to three digits.

    Returns:
        Near 0 (one word repeated) to max_n (no n-gram stands twice). Falls with length: compare
        at equal length and n. NaN without a word.

    Raises:
        UsageError: max_n below 1.

    Example:
        >>> ngram_diversity(["a b", "a b"], max_n=2)  # 2/4 + 1/2
        1.0
        >>> round(ngram_diversity(["a b", "a b"], max_n=2, compat="diversity"), 4)  # 2/4 + 2/3
        1.1667

    Source: `Shaib 2024 <https://arxiv.org/abs/2403.00553>`_.
    """
    if max_n < 1:
        raise UsageError(f"Expected max_n of at least 1, got {max_n}.")
    if compat == "diversity":
        joined = " ".join(text if isinstance(text, str) else " ".join(text) for text in texts)
        texts = [joined.split(" ")]
    elif compat is not None:
        raise UsageError(f"Expected compat of None or 'diversity', got {compat!r}.")
    grams = NGrams(texts, [len(texts)])
    if not grams.total(1)[0]:
        return float("nan")
    return float(sum(np.nan_to_num(distinct_by_set(grams, n=n)[0]) for n in range(1, max_n + 1)))


def distinct_by_set(grams: NGrams, *, n: int) -> Floats:
    """`distinct_n` of every set."""
    if n < 1:
        raise UsageError(f"Expected n of at least 1, got {n}.")
    total = grams.total(n)
    return np.where(total > 0, grams.distinct(n) / np.maximum(total, 1), np.nan)


def ead_by_set(grams: NGrams, *, vocab_size: int, max_n: int = 5) -> Floats:
    """`ead` of every set."""
    if vocab_size < 2 or max_n < 1:
        raise UsageError(
            f"Expected vocab_size of at least 2 and max_n of at least 1, got {vocab_size} "
            f"and {max_n}."
        )
    ratios, orders = np.zeros(len(grams.sizes)), np.zeros(len(grams.sizes))
    for n in range(1, max_n + 1):
        total = grams.total(n)
        expected = -vocab_size * np.expm1(total * np.log1p(-1.0 / vocab_size))
        there = total > 0
        ratios += np.where(there, grams.distinct(n) / np.where(there, expected, 1.0), 0.0)
        orders += there
    return np.where(orders > 0, ratios / np.maximum(orders, 1), np.nan)
