"""Self-BLEU in linear time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from variegate.metrics.texts._words import NGrams, Text

__all__ = ["self_bleu", "self_bleu_by_set"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ORDERS = 4
_EPSILON = 0.1  # stands in for a count of zero matches (smoothing method 1 of Chen and Cherry)


def self_bleu(texts: Sequence[Text]) -> float:
    """Mean BLEU-4 of each text against all the others.

    An n-gram of a text is matched up to its largest count in any other text. That is the
    largest count in the whole set, or the second largest where the text itself holds the
    largest, so one pass over all n-grams serves all texts: linear where the definition is
    quadratic, with the same result. Brevity against the closest length; a count of zero
    matches becomes 0.1.

    Args:
        texts: texts, or sequences of words.

    Returns:
        A number in [0, 1]. 1: every text can be pieced together from the others. 0: no two
        share a word. Grows with the number of texts: compare sets of equal n. NaN for n < 2.

    Example:
        >>> self_bleu(["a b c d e", "a b c d e"])
        1.0
        >>> self_bleu(["a b c d e", "v w x y z"])
        0.0

    Source: `Zhu 2018 <https://arxiv.org/abs/1802.01886>`_.
    """
    return float(self_bleu_by_set(NGrams(texts, [len(texts)]))[0])


def self_bleu_by_set(grams: NGrams) -> Floats:
    """`self_bleu` of every set."""
    texts = len(grams.lengths)
    log_precision = np.zeros(texts)
    silent = np.zeros(texts, dtype=bool)
    for n in range(1, _ORDERS + 1):
        total = np.maximum(grams.lengths - n + 1, 0)
        matches = _matches(grams, n)
        if n == 1:
            silent = matches == 0
        smoothed = np.where(matches > 0, matches, _EPSILON) / np.maximum(total, 1)
        log_precision += np.log(smoothed) / _ORDERS
    score = np.exp(log_precision + _log_brevity(grams))
    score[silent] = 0.0
    sums = np.bincount(grams.set_of_text, weights=score, minlength=len(grams.sizes))
    return np.where(grams.sizes >= 2, sums / np.maximum(grams.sizes, 1), np.nan)


def _matches(grams: NGrams, n: int) -> Ints:
    """(texts,) n-grams of each text found in the others, counted up to their largest count."""
    text, gram, count = grams.counts(n)
    key = grams.set_of_text[text] * (int(gram.max(initial=0)) + 1) + gram
    order = np.lexsort((-count, key))
    key, count, text = key[order], count[order], text[order]
    # Runs of one n-gram in one set, largest count first: place 0 owns the maximum.
    opens = np.concatenate([[True], key[1:] != key[:-1]])[: len(key)]
    run = np.cumsum(opens) - 1
    first = np.flatnonzero(opens)
    largest = count[first]
    alone = np.diff(np.append(first, len(key))) == 1
    second = np.where(alone, 0, count[np.minimum(first + 1, max(len(count) - 1, 0))])
    clip = np.where(opens, second[run], largest[run]) if len(key) else count
    matched = np.minimum(count, clip)
    return np.bincount(text, weights=matched, minlength=len(grams.lengths)).astype(np.int64)


def _log_brevity(grams: NGrams) -> Floats:
    """(texts,) log of the penalty against the closest length among the others, shorter in ties."""
    penalty = np.zeros(len(grams.lengths))
    for start, size in zip(grams.first_text, grams.sizes, strict=True):
        if size < 2:
            continue
        own = grams.lengths[start : start + size]
        order = np.argsort(own, kind="stable")
        ranked = own[order].astype(np.float64)
        below = np.concatenate([[-np.inf], ranked[:-1]])
        above = np.concatenate([ranked[1:], [np.inf]])
        closest = np.where(ranked - below <= above - ranked, below, above)
        short = closest > ranked
        # A text without words has no precision to begin with; any finite penalty will do.
        ratio = np.where(short, closest / np.maximum(ranked, 1), 1.0)
        log = np.zeros(size)
        log[order] = np.where(short, 1.0 - ratio, 0.0)
        penalty[start : start + size] = log
    return penalty
