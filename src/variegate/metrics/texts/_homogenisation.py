"""Homogenisation: how much two texts of a set have in common, over all pairs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from variegate.errors import UsageError
from variegate.metrics.texts._words import Text, words

__all__ = ["Overlap", "homogenisation"]

Overlap = Literal["rouge-l", "rouge-1"]
"""What two texts share: their longest common subsequence of words, or their words."""


def homogenisation(
    texts: Sequence[Text],
    *,
    by: Overlap = "rouge-l",
    compat: Literal["diversity"] | None = None,
) -> float:
    """Mean overlap of the pairs of a set.

    (2 / (n (n - 1))) Σ_{i<j} 2 m_ij / (N_i + N_j), where m_ij is the length of the longest
    common subsequence of words (ROUGE-L) or the number of common words, counted as often as
    both have them (ROUGE-1).

    Args:
        texts: texts, or sequences of words.
        by: what is common to two texts.
        compat: ``"diversity"`` takes lower-case runs of a to z and digits for words and gives 1
            where no two texts share any: the numbers of the package of `Shaib 2024
            <https://arxiv.org/abs/2403.00553>`_, which rounds them to three digits.

    Returns:
        0 (no two share a word) to 1 (all the same): higher is LESS various. Its expectation does
        not depend on n. Two texts without words are the same text. NaN for n < 2.

    Raises:
        UsageError: another overlap or compat.

    Example:
        >>> homogenisation(["a b c d", "a x c d"])
        0.75
        >>> homogenisation(["a b c d", "d c b a"]), homogenisation(["a b", "b a"], by="rouge-1")
        (0.25, 1.0)
        >>> homogenisation(["a b", "c d"])
        0.0

    Source: `Padmakumar 2023 <https://arxiv.org/abs/2309.05196>`_.
    """
    if by not in get_args(Overlap):
        raise UsageError(f"Expected an overlap of {', '.join(get_args(Overlap))}, got {by!r}.")
    if compat not in (None, "diversity"):
        raise UsageError(f"Expected compat of None or 'diversity', got {compat!r}.")
    split = [_plain_words(text) if compat else words(text) for text in texts]
    n = len(split)
    if n < 2:
        return float("nan")
    lengths = np.array([len(one) for one in split])
    common = _in_order(split) if by == "rouge-l" else _in_any_order(split)
    both = lengths[:, None] + lengths[None, :]
    overlap = np.where(both > 0, 2 * common / np.maximum(both, 1), 0.0 if compat else 1.0)
    mean = float(np.triu(overlap, k=1).sum() / (n * (n - 1) / 2))
    return 1.0 if compat and mean == 0 else mean


def _plain_words(text: Text) -> list[str]:
    joined = text if isinstance(text, str) else " ".join(text)
    return re.findall(r"[a-z0-9]+", joined.lower())


def _in_order(split: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """(n, n) lengths of the longest common subsequences of i < j.

    Hyyrö's bit-parallel form: a row of the table of dynamic programming is one whole number, of
    which the zeros count the matches. The rows of all texts i < j lie end to end in a single
    number, a bit that stays 0 between them to stop the carry, so that each word of j is read
    once for all of them.
    """
    common = np.zeros((len(split), len(split)))
    place: dict[str, int] = {}  # word -> where it stands in the texts so far
    every, end = 0, 0
    starts: list[int] = []
    for j, run in enumerate(split):
        rows = every
        for word in run:
            if match := rows & place.get(word, 0):
                rows = (rows + match | rows - match) & every
        if j:
            packed = np.frombuffer((every ^ rows).to_bytes(end // 8 + 1, "little"), np.uint8)
            zeros = np.unpackbits(packed, bitorder="little")[:end]
            common[:j, j] = np.add.reduceat(zeros, starts, dtype=np.int64)
        own: dict[str, int] = {}
        for position, word in enumerate(run):
            own[word] = own.get(word, 0) | 1 << position
        for word, positions in own.items():
            place[word] = place.get(word, 0) | positions << end
        every |= (1 << len(run)) - 1 << end
        starts.append(end)
        end += len(run) + 1
    return common


def _in_any_order(split: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """(n, n) words in common, each as often as both texts have it."""
    numbers: dict[tuple[str, int], int] = {}
    held: list[list[int]] = []
    for run in split:
        # The first, second, ... of a word are different words: then common words are a product.
        seen: dict[str, int] = {}
        held.append([])
        for word in run:
            seen[word] = seen.get(word, 0) + 1
            held[-1].append(numbers.setdefault((word, seen[word]), len(numbers)))
    holds = np.zeros((len(split), len(numbers)), dtype=np.float32)
    for row, words_held in zip(holds, held, strict=True):
        row[words_held] = 1.0
    return np.asarray(holds @ holds.T, dtype=np.float64)
