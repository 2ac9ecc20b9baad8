"""Homogenisation: how much two texts of a set have in common, over all pairs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import numbers
from variegate.errors import UsageError
from variegate.metrics._arrays import unit_rows
from variegate.metrics.texts._words import NGrams, Text, words

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["Overlap", "blocks_of_pairs", "homogenisation", "homogenisation_of_tokens"]

Overlap = Literal["rouge-l", "rouge-1", "bleu"]
"""What two texts share: words in order, words, or runs of one to four words."""

Floats = NDArray[np.float64]

_BLOCK = 4_000_000  # pairs that are held at a time
_ORDERS = 4
_EPSILON = 0.1  # stands in for a count of zero matches, as in `self_bleu`


def homogenisation(
    texts: Sequence[Text],
    *,
    by: Overlap = "rouge-l",
    compat: Literal["diversity"] | None = None,
) -> float:
    """Mean overlap of the pairs of a set.

    (2 / (n (n - 1))) Σ_{i<j} 2 m_ij / (N_i + N_j), where m_ij is the length of the longest
    common subsequence of words (ROUGE-L) or the number of common words, counted as often as
    both have them (ROUGE-1). By BLEU, the mean over both orders of a pair of BLEU-4 of the one
    against the other, smoothed as in `self_bleu`.

    Args:
        texts: texts, or sequences of words.
        by: what is common to two texts.
        compat: ``"diversity"`` takes lower-case runs of a to z and digits for words, by ROUGE
            only, and gives 1 where no two texts share any: the numbers of the package of
            `Shaib 2024 <https://arxiv.org/abs/2403.00553>`_, which rounds them to three digits.

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
        >>> round(homogenisation(["a b c d", "a b c d e f"], by="bleu"), 4)
        0.5573

    Pairs are held a block at a time; longest common subsequences come from rapidfuzz, on all
    cores.

    Source: `Padmakumar 2023 <https://arxiv.org/abs/2309.05196>`_.
    """
    if by not in get_args(Overlap):
        raise UsageError(f"Expected an overlap of {', '.join(get_args(Overlap))}, got {by!r}.")
    if compat not in (None, "diversity") or (compat and by == "bleu"):
        raise UsageError(f"Expected compat of None or, by ROUGE, 'diversity', got {compat!r}.")
    split = [_plain_words(text) if compat else words(text) for text in texts]
    n = len(split)
    if n < 2:
        return float("nan")
    lengths = np.array([len(one) for one in split])
    if by == "bleu":
        total = _sum_of_bleu(split, lengths)
    else:
        common = _in_order(split) if by == "rouge-l" else _in_any_order(split)
        total = 0.0
        for start, shared in common:
            both = lengths[start : start + len(shared), None] + lengths
            overlap = np.where(both > 0, 2 * shared / np.maximum(both, 1), 0.0 if compat else 1.0)
            total += float(np.triu(overlap, k=1 + start).sum())
    return 1.0 if compat and total == 0 else total / (n * (n - 1) / 2)


def _plain_words(text: Text) -> list[str]:
    joined = text if isinstance(text, str) else " ".join(text)
    return re.findall(r"[a-z0-9]+", joined.lower())


def homogenisation_of_tokens(features: Sequence[ArrayLike]) -> float:
    """Mean overlap of the pairs of a set, word by word in meaning (BERTScore).

    Of a pair, the F1 of R = mean over the tokens of the one of the largest cosine with a token
    of the other, and P the other way round: 2 P R / (P + R). No weights for rare words, no
    rescaling by a baseline.

    Args:
        features: n arrays (N_i, d): the contextual vectors of the tokens of each text.

    Returns:
        Up to 1 (every token has its like in every other text): higher is LESS various. What
        unrelated texts have is a property of the embedder, and not 0. Two texts without tokens
        are the same text. NaN for n < 2.

    Raises:
        DataError: NaN or Inf.
        UsageError: tokens of other dimension.

    Example:
        >>> homogenisation_of_tokens([[[1, 0], [0, 1]], [[2, 0]]])
        0.666...

    Source: `Zhang 2020 <https://arxiv.org/abs/1904.09675>`_, over pairs as in `Padmakumar 2023
    <https://arxiv.org/abs/2309.05196>`_.
    """
    rows = [numbers(one, "values") for one in features]
    n = len(rows)
    if n < 2:
        return float("nan")
    there = [i for i, one in enumerate(rows) if one.size]
    widths = sorted({one.shape[-1] if one.ndim else 0 for one in rows if one.size})
    if any(rows[i].ndim != 2 for i in there) or len(widths) > 1:
        raise UsageError(f"Expected tokens (N, d) of one dimension, got {widths}.")
    overlap = np.zeros((n, n))
    overlap[np.ix_(*[np.setdiff1d(np.arange(n), there)] * 2)] = 1.0
    if there:
        found = _found_in([unit_rows(rows[i]) for i in there])
        sums = found + found.T
        # Opposed tokens can bring a sum to 0, and then the product is not above 0 either.
        overlap[np.ix_(there, there)] = np.divide(
            2 * found * found.T, sums, out=np.zeros_like(sums), where=sums > 0
        )
    return float(np.triu(overlap, k=1).sum() / (n * (n - 1) / 2))


def blocks_of_pairs(n: int, *, held: int = 1) -> Iterator[slice]:
    """Runs of rows of an (n, n) table of pairs, few enough for `held` tables to fit in memory."""
    step = max(1, _BLOCK // (held * max(n, 1)))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def _found_in(rows: list[Floats]) -> Floats:
    """(n, n) mean over the tokens of i of the largest cosine with a token of j."""
    starts = np.cumsum([0, *map(len, rows)])[:-1]
    every = np.concatenate(rows)
    best = np.empty((len(every), len(rows)))
    for part in blocks_of_pairs(len(every)):
        best[part] = np.maximum.reduceat(every[part] @ every.T, starts, axis=1)
    lengths = np.array([len(one) for one in rows])
    return np.asarray(np.add.reduceat(best, starts, axis=0) / lengths[:, None])


def _in_order(split: Sequence[Sequence[str]]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Rows of the lengths of the longest common subsequences of i < j."""
    from rapidfuzz.distance import LCSseq
    from rapidfuzz.process import cdist

    numbers: dict[str, int] = {}
    # Small whole numbers are their own hashes, where words would be hashed for every pair.
    runs = [[numbers.setdefault(word, len(numbers)) for word in run] for run in split]
    for part in blocks_of_pairs(len(runs)):
        rows = runs[part]
        # The pairs to the left are those of rows before.
        later = runs[part.start :] if part.start or len(rows) < len(runs) else rows
        shared = np.zeros((len(rows), len(runs)), dtype=np.int32)
        shared[:, part.start :] = cdist(
            rows, later, scorer=LCSseq.similarity, dtype=np.int32, workers=-1
        )
        yield part.start, shared


def _in_any_order(split: Sequence[Sequence[str]]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Rows of the numbers of words in common, each as often as both texts have it."""
    holds = _holds(NGrams(split, [len(split)]), 1)
    for part in blocks_of_pairs(len(split)):
        yield part.start, (holds[part] @ holds.T).toarray()


def _sum_of_bleu(split: Sequence[Sequence[str]], lengths: NDArray[np.int64]) -> float:
    """Sum over pairs of the mean of BLEU in both orders."""
    grams = NGrams(split, [len(split)])
    holds = [_holds(grams, n) for n in range(1, _ORDERS + 1)]
    total = 0.0
    for part in blocks_of_pairs(len(split), held=_ORDERS):
        own, other = lengths[part, None], lengths[None, :]
        score = np.zeros((len(own), len(split)))
        for n, held in enumerate(holds, start=1):
            matches = (held[part] @ held.T).toarray()
            if n == 1:
                silent = matches == 0
            score += np.log(np.where(matches > 0, matches, _EPSILON)) / _ORDERS
            score -= np.log(np.maximum(own - n + 1, 1)) / _ORDERS
        score += np.minimum(0.0, 1.0 - other / np.maximum(own, 1))
        values = np.where(silent, np.where((own == 0) & (other == 0), 1.0, 0.0), np.exp(score))
        rows = np.arange(len(values))
        values[rows, part.start + rows] = 0.0
        total += float(values.sum())
    return total / 2


def _holds(grams: NGrams, n: int) -> csr_matrix:
    """(texts, n-grams) 1 where a text holds an n-gram; what stands in one text alone is left out.

    The first, second, ... of an n-gram in a text are different ones: common ones, each as often
    as both have it, are then a product.
    """
    from scipy.sparse import csr_matrix

    text, gram, count = grams.counts(n)
    first = np.cumsum(count) - count
    which = np.arange(int(count.sum())) - np.repeat(first, count)
    text, gram = np.repeat(text, count), np.repeat(gram, count)
    _, column, holders = np.unique(
        gram * (int(count.max(initial=0)) + 1) + which, return_inverse=True, return_counts=True
    )
    shared = holders[column] > 1
    _, column = np.unique(column[shared], return_inverse=True)
    rows = text[shared]
    width = int(column.max(initial=-1)) + 1
    return csr_matrix(
        (np.ones(len(rows), dtype=np.int32), (rows, column)), shape=(len(grams.lengths), width)
    )
