"""Homogenisation: how much two texts of a set have in common, over all pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from variegate.errors import UsageError
from variegate.metrics._words import Text, words

__all__ = ["Overlap", "homogenisation"]

Overlap = Literal["rouge-l", "rouge-1"]
"""What two texts share: their longest common subsequence of words, or their words."""

_TABLE = 2**21  # entries of the table of where words stand that is held at a time
_BITS = 64


def homogenisation(texts: Sequence[Text], *, by: Overlap = "rouge-l") -> float:
    """Mean overlap of the pairs of a set.

    (2 / (n (n - 1))) Σ_{i<j} 2 m_ij / (N_i + N_j), where m_ij is the length of the longest
    common subsequence of words (ROUGE-L) or the number of common words, counted as often as
    both have them (ROUGE-1).

    Args:
        texts: texts, or sequences of words.
        by: what is common to two texts.

    Returns:
        0 (no two share a word) to 1 (all the same): higher is LESS various. Its expectation does
        not depend on n. Two texts without words are the same text. NaN for n < 2.

    Raises:
        UsageError: another overlap.

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
    split = [words(text) for text in texts]
    n = len(split)
    if n < 2:
        return float("nan")
    run, lengths = _padded(split if by == "rouge-l" else [_told_apart(one) for one in split])
    common = _in_order(run) if by == "rouge-l" else _in_any_order(run)
    both = lengths[:, None] + lengths[None, :]
    overlap = np.where(both > 0, 2 * common / np.maximum(both, 1), 1.0)
    return float(np.triu(overlap, k=1).sum() / (n * (n - 1) / 2))


def _padded(split: Sequence[Sequence[Any]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(n, L) numbers of the words from 1, 0 where a text has ended; (n,) lengths."""
    numbers: dict[Any, int] = {}
    lengths = np.array([len(one) for one in split], dtype=np.int64)
    run = np.zeros((len(split), int(lengths.max(initial=0))), dtype=np.int64)
    for row, one in zip(run, split, strict=True):
        row[: len(one)] = [numbers.setdefault(word, len(numbers) + 1) for word in one]
    return run, lengths


def _told_apart(run: Sequence[str]) -> list[tuple[str, int]]:
    """The first, second, ... of a word as different words: what two sets share is then counted."""
    seen: dict[str, int] = {}
    apart = []
    for word in run:
        seen[word] = seen.get(word, 0) + 1
        apart.append((word, seen[word]))
    return apart


def _in_any_order(run: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, n) words in common, of texts in which no word stands twice."""
    holds = np.zeros((len(run), int(run.max(initial=0)) + 1), dtype=np.float32)
    np.put_along_axis(holds, run, 1.0, axis=1)
    holds[:, 0] = 0.0
    return np.asarray(holds @ holds.T, dtype=np.float64)


def _in_order(run: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n, n) lengths of the longest common subsequences; the lower triangle may be left out.

    Hyyrö's bit-parallel form: a row of the table of dynamic programming is one whole number, of
    which the zeros count the matches; each step reads one word of every right text at once.
    Numbers longer than 64 bits carry from block to block.
    """
    n, longest = run.shape
    vocabulary = int(run.max(initial=0)) + 1
    blocks = -(-longest // _BITS)
    common = np.zeros((n, n), dtype=np.int64)
    step = max(1, _TABLE // (vocabulary * max(blocks, 1)))
    for start in range(0, n, step):
        left, right = run[start : start + step], run[start:]
        place = np.zeros((blocks, len(left), vocabulary), dtype=np.uint64)
        for position in range(longest):
            block, bit = divmod(position, _BITS)
            # A word stands once at a position, so bits add without carry.
            place[block, np.arange(len(left)), left[:, position]] |= np.uint64(1 << bit)
        place[:, :, 0] = 0  # past its end a text matches nothing, and nothing changes
        rows = np.full((blocks, len(left), len(right)), np.iinfo(np.uint64).max, dtype=np.uint64)
        for position in range(longest):
            carry = np.zeros((len(left), len(right)), dtype=np.uint64)
            for row, table in zip(rows, place, strict=True):
                match = table[:, right[:, position]]
                kept = row & match
                half = row + kept
                total = half + carry
                carry = ((half < row) | (total < half)).astype(np.uint64)
                np.bitwise_or(total, row & ~match, out=row)
        common[start : start + step, start:] = np.bitwise_count(~rows).sum(axis=0)
    return common
