"""Words and n-grams as whole numbers: texts are read once, whatever counts them later."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError

__all__ = ["TOKENIZER", "NGrams", "Text", "first_words", "words"]

Ints = NDArray[np.int64]
Text = str | Sequence[str]  # a text, or the words of one

TOKENIZER = "words (NFC; marks of their own; every Chinese or Japanese character a word)"

_WIDE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# A wide character; or letters, digits and marks that hang together (joiners and combining marks
# included, so that one emoji is one word); or any other single character that shows.
_WORD = re.compile(
    rf"[{_WIDE}]|(?:(?![{_WIDE}])\w)+(?:['\u2019](?:(?![{_WIDE}])\w)+)*"
    r"|[^\w\s](?:[\u0300-\u036f\ufe0f\U0001f3fb-\U0001f3ff]|\u200d[^\w\s])*"
)


def words(text: Text) -> list[str]:
    """Split a text into words; a sequence of words passes through.

    Example:
        >>> words("It's 3.50, 東京!")
        ["It's", '3', '.', '50', ',', '東', '京', '!']
    """
    if not isinstance(text, str):
        given: object = text
        if not isinstance(given, Iterable) or isinstance(given, bytes):
            raise DataError(f"Expected a text or its words, got {text!r:.60}.")
        return list(text)
    return _WORD.findall(unicodedata.normalize("NFC", text))


def first_words(text: str, count: int) -> str:
    """Cut a text after its first `count` words.

    Example:
        >>> first_words("one, two, three", 3)
        'one, two'
    """
    text = unicodedata.normalize("NFC", text)
    end = 0
    for number, match in enumerate(_WORD.finditer(text)):
        if number == count:
            return text[:end]
        end = match.end()
    return text


class NGrams:
    """The n-grams of many texts in many sets; texts are numbered through, n-grams never cross.

    Args:
        texts: all texts of all sets, set after set.
        sizes: (G,) how many of the texts belong to each set.
    """

    def __init__(self, texts: Sequence[Text], sizes: Sequence[int]) -> None:
        numbers: dict[str, int] = {}
        split = [words(text) for text in texts]
        self.sizes = np.asarray(sizes, dtype=np.int64)
        self.lengths: Ints = np.array([len(one) for one in split], dtype=np.int64)
        self.set_of_text: Ints = np.repeat(np.arange(len(self.sizes)), self.sizes)
        self.first_text: Ints = np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.int64)
        # setdefault with the size before insertion numbers words by first appearance.
        ids = [numbers.setdefault(word, len(numbers)) for one in split for word in one]
        self._word = np.array(ids, dtype=np.int64)
        self._position = np.arange(len(ids)) - np.repeat(
            np.cumsum(self.lengths) - self.lengths, self.lengths
        )
        self._text = np.repeat(np.arange(len(split)), self.lengths)
        self._orders: dict[int, tuple[Ints, Ints]] = {}

    def total(self, n: int) -> Ints:
        """(G,) n-grams of each set."""
        grams = np.maximum(self.lengths - n + 1, 0)
        return np.bincount(self.set_of_text, weights=grams, minlength=len(self.sizes)).astype(
            np.int64
        )

    def order(self, n: int) -> tuple[Ints, Ints]:
        """Number of the n-gram and of its text, for every place where one begins."""
        if n not in self._orders:
            if n == 1:
                gram = self._word
            else:
                before, _ = self.order(n - 1)
                # An (n-1)-gram and the word after it, both numbered, are one number.
                short = np.zeros(len(self._word), dtype=np.int64)
                short[self._starts(n - 1)] = before
                starts = self._starts(n)
                base = int(self._word.max(initial=0)) + 1
                pair = short[starts] * base + self._word[starts + n - 1]
                gram = _numbered(pair)
            self._orders[n] = (gram, self._text[self._starts(n)])
        return self._orders[n]

    def counts(self, n: int) -> tuple[Ints, Ints, Ints]:
        """Distinct (text, n-gram) pairs, sorted, and how often each stands: text, gram, count."""
        gram, text = self.order(n)
        base = int(gram.max(initial=0)) + 1
        pairs = np.sort(text * base + gram)
        first = np.flatnonzero(_opens(pairs))
        count = np.diff(np.append(first, len(pairs)))
        return pairs[first] // base, pairs[first] % base, count

    def distinct(self, n: int) -> Ints:
        """(G,) different n-grams of each set."""
        gram, text = self.order(n)
        base = int(gram.max(initial=0)) + 1
        pairs = np.sort(self.set_of_text[text] * base + gram)
        sets = pairs[_opens(pairs)] // base
        return np.bincount(sets, minlength=len(self.sizes)).astype(np.int64)

    def _starts(self, n: int) -> Ints:
        """Places in the run of all words where an n-gram begins."""
        left = np.repeat(self.lengths, self.lengths) - self._position
        return np.flatnonzero(left >= n)


def _opens(ranked: Ints) -> NDArray[np.bool_]:
    """Where a run of equal numbers begins in a sorted array."""
    # By sort and difference: np.unique hashes, which costs five times as much here.
    opens = np.ones(len(ranked), dtype=bool)
    np.not_equal(ranked[1:], ranked[:-1], out=opens[1:])
    return opens


def _numbered(values: Ints) -> Ints:
    """Ranks of the distinct values, 0 for the smallest."""
    order = np.argsort(values, kind="stable")
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[order] = np.cumsum(_opens(values[order])) - 1
    return ranks
