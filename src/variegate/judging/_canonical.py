"""Canonical answers and equality classes: when two outputs say the same thing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from variegate.errors import UsageError
from variegate.judging._normalise import normalise
from variegate.judging._patterns import find

__all__ = ["By", "answer_keys", "canonical", "classes"]

By = Literal["exact", "normalised"] | re.Pattern[str] | Callable[[str], str | None]


def canonical(texts: Sequence[str], *, by: By = "normalised") -> list[str | None]:
    """Bring every output to its canonical answer.

    Args:
        texts: n outputs.
        by: ``"exact"`` (the text itself), ``"normalised"`` (see `normalise`), a compiled regular
            expression (its first group, normalised; it sees the last 8,192 characters), or a
            function from text to answer.

    Returns:
        n answers; None where the pattern is not found or the function returns None.

    Raises:
        UsageError: an unknown `by`, or a pattern that can take exponential time.

    Example:
        >>> canonical(["I say: 12!", "no idea"], by=re.compile("([0-9]+)"))
        ['12', None]
    """
    if isinstance(by, re.Pattern):
        found = (find(by, text) for text in texts)
        return [None if one is None else normalise(one) for one in found]
    if by == "exact":
        return list(texts)
    if by == "normalised":
        return [normalise(text) for text in texts]
    if callable(by):
        return [by(text) for text in texts]
    raise UsageError(
        f"Expected 'exact', 'normalised', a compiled pattern or a function, got {by!r}."
    )


def classes(texts: Sequence[str], *, by: By = "normalised") -> NDArray[np.int64]:
    """Number the equality classes of the outputs, in order of first appearance.

    Args:
        texts: n outputs.
        by: as in `canonical`.

    Returns:
        (n,) whole numbers from 0; -1 where an output has no canonical answer.

    Example:
        >>> classes(["Apple", "kiwi", "apple."]).tolist()
        [0, 1, 0]
    """
    numbers: dict[str, int] = {}
    return np.array(
        [
            -1 if answer is None else numbers.setdefault(answer, len(numbers))
            for answer in canonical(texts, by=by)
        ],
        dtype=np.int64,
    )


def answer_keys(answers: Iterable[str | None], texts: Iterable[str | None]) -> list[str]:
    """Name the class of each output of a table: equal keys are the same answer, everywhere.

    That is its canonical answer (in Unicode form NFC, so that two ways to write é are one), or
    its normalised text where it has none; an answer never equals a text.

    Args:
        answers: n canonical answers; None where an output has none.
        texts: the n outputs.

    Returns:
        n keys.

    Example:
        >>> answer_keys(["12", None, None], ["So 12.", "Plum!", "plum"])
        ['a12', 'tplum', 'tplum']
    """
    return [
        f"a{unicodedata.normalize('NFC', answer)}"
        if answer is not None
        else f"t{normalise(text or '')}"
        for answer, text in zip(answers, texts, strict=True)
    ]
