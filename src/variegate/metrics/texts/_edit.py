"""Edit distance: how much must be rewritten to make one text of a set into another."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Literal

import numpy as np

from variegate.errors import UnknownName
from variegate.metrics.texts._homogenisation import blocks_of_pairs
from variegate.metrics.texts._words import Text, words

__all__ = ["edit_diversity"]


def edit_diversity(
    texts: Sequence[Text], *, unit: Literal["words", "characters"] = "words"
) -> float:
    """Mean edit distance of the pairs of a set, as a share of the longer text.

    (2 / (n (n - 1))) Σ_{i<j} L_ij / max(N_i, N_j), with L the least number of units to insert,
    delete or replace (Levenshtein).

    Args:
        texts: texts, or sequences of words.
        unit: what is edited. Characters see a plural as a small change, words as another word.

    Returns:
        0 (all the same) to 1 (nothing stays). Its expectation does not depend on n; it depends
        on lengths: texts of unlike length are at least as far apart as their lengths. Two empty
        texts are the same text. NaN for n < 2.

    Raises:
        UnknownName: another unit.

    Example:
        >>> edit_diversity(["a b c d", "a x c d"])
        0.25
        >>> edit_diversity(["kitten", "sitting"], unit="characters")
        0.428...

    Source: `Levenshtein 1966 <https://nymity.ch/sybilhunting/pdf/Levenshtein1966a.pdf>`_.
    """
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    if unit not in ("words", "characters"):
        raise UnknownName("unit", unit, ["words", "characters"])
    n = len(texts)
    if n < 2:
        return float("nan")
    runs: list[str] | list[list[int]]
    if unit == "characters":
        runs = [
            unicodedata.normalize("NFC", text if isinstance(text, str) else " ".join(text))
            for text in texts
        ]
    else:
        numbers: dict[str, int] = {}
        runs = [[numbers.setdefault(word, len(numbers)) for word in words(text)] for text in texts]
    total = 0.0
    for part in blocks_of_pairs(n):
        rows = runs[part]
        later = runs[part.start :] if len(rows) < n else rows
        distance = cdist(
            rows, later, scorer=Levenshtein.normalized_distance, dtype=np.float64, workers=-1
        )
        total += float(np.triu(distance, k=1).sum())
    return total / (n * (n - 1) / 2)
