"""Same by words: short answers that share half of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from variegate.errors import UsageError
from variegate.judging._normalise import normalise
from variegate.judging._relation import Bools, as_relation

__all__ = ["same_words", "unigram_overlap"]


def unigram_overlap(a: str, b: str) -> float:
    """Share of the words that two texts have in common.

    common / max(words of a, words of b), where a word that stands twice in both counts twice.

    Args:
        a: any text; words are what blanks separate after `normalise`.
        b: another.

    Returns:
        0 (no word in common) to 1 (the same words, in any order). Two texts without words have
        1, one without words has 0 with any other.

    Example:
        >>> unigram_overlap("The Eiffel Tower", "Eiffel tower!")
        0.6666666666666666

    Source: `Zhang 2025 <https://arxiv.org/abs/2504.05228>`_.
    """
    first, second = normalise(a).split(), normalise(b).split()
    longer = max(len(first), len(second))
    return (Counter(first) & Counter(second)).total() / longer if longer else 1.0


def same_words(
    texts: Sequence[str], *, longest: int = 5, otherwise: ArrayLike | None = None
) -> Bools:
    """Say which short answers are the same: those that share at least half of their words.

    2 · common ≥ max(words of a, words of b), which is `unigram_overlap` ≥ 1/2. The rule speaks
    where both texts have at most `longest` words; the other pairs are decided `otherwise`.

    The rule is not transitive: "red apple" is the same as "red" and as "apple". See `partition`.
    The source counts a word once however often it stands, so that "no no no" differs from
    itself; here each text is the same as itself.

    Args:
        texts: n texts.
        longest: words that a short answer has at most, from 1.
        otherwise: (n, n) symmetric booleans for pairs with a longer text, as from
            `same_by_similarity`. By default these are the same only where all words agree, in
            order.

    Returns:
        (n, n) symmetric booleans, True on the diagonal; (0, 0) for no texts.

    Raises:
        UsageError: `longest` below 1, or `otherwise` not symmetric booleans of shape (n, n).

    Example:
        >>> same_words(["Blue.", "dark blue", "green"]).astype(int).tolist()
        [[1, 1, 0], [1, 1, 0], [0, 0, 1]]

    Source: `Zhang 2025 <https://arxiv.org/abs/2504.05228>`_.
    """
    if longest < 1:
        raise UsageError(f"Expected `longest` of at least 1 word, got {longest}.")
    words = [normalise(text).split() for text in texts]
    n = len(words)
    lengths = np.array([len(one) for one in words], dtype=np.int64)
    short = np.flatnonzero(lengths <= longest)
    if otherwise is None:
        same = np.zeros((n, n), dtype=np.bool_)
        alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for index, one in enumerate(words):
            alike[tuple(one)].append(index)
        for indices in alike.values():
            same[np.ix_(indices, indices)] = True
    else:
        same = as_relation(otherwise, name="otherwise").copy()
        if len(same) != n:
            raise UsageError(f"Expected `otherwise` of shape ({n}, {n}), got {same.shape}.")
    # The second "no" of a text meets only the second "no" of another: a sum over shared pairs
    # (word, how many times before) is the common count with repeats.
    common = np.zeros((len(short), len(short)), dtype=np.int32)
    holders: dict[tuple[str, int], list[int]] = defaultdict(list)
    for row, index in enumerate(short.tolist()):
        seen: Counter[str] = Counter()
        for word in words[index]:
            holders[word, seen[word]].append(row)
            seen[word] += 1
    for rows in holders.values():
        common[np.ix_(rows, rows)] += 1
    longer = np.maximum.outer(lengths[short], lengths[short])
    same[np.ix_(short, short)] = 2 * common >= longer
    np.fill_diagonal(same, True)
    return same
