"""How rich the vocabulary of a text is, by measures that bear different lengths."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from variegate.errors import UsageError
from variegate.estimate import rarefy
from variegate.metrics.texts._words import Text, words

__all__ = ["hdd", "maas", "mattr", "mtld", "over_outputs"]

_NAN = float("nan")
_MTLD_WORDS = 100  # below it McCarthy and Jarvis find the score unstable


def mtld(tokens: Text, *, threshold: float = 0.72) -> float:
    """Mean length of the stretches of a text until its words begin to repeat.

    The text is read word by word; a factor closes where the share of different words since the
    last one is at most the threshold. The rest counts as (1 - share) / (1 - threshold) of a
    factor. N / factors, averaged over reading forwards and backwards.

    Args:
        tokens: a text, or its words.
        threshold: share of different words, in (0, 1), at which a factor closes.

    Returns:
        About 2 (one word repeated) to ∞ (no word stands twice, so no factor begins). Unstable
        below about 100 words. NaN without a word.

    Raises:
        UsageError: a threshold outside (0, 1).

    Example:
        >>> mtld("a " * 100)
        2.0
        >>> round(mtld("a b " * 50), 4)
        3.0303

    Source: `McCarthy 2010 <https://doi.org/10.3758/BRM.42.2.381>`_. Implementations differ in
    whether a share equal to the threshold closes a factor; here it does.
    """
    if not 0 < threshold < 1:
        raise UsageError(f"Expected a threshold between 0 and 1, got {threshold}.")
    run = words(tokens)
    if not run:
        return _NAN
    lengths = [
        len(run) / factors if (factors := _factors(way, threshold)) else math.inf
        for way in (run, run[::-1])
    ]
    return sum(lengths) / 2


def hdd(tokens: Text, *, draws: int = 42) -> float:
    """Expected share of different words among 42 drawn from a text without replacement.

    (1/k) Σ_w 1 - C(N - n_w, k) / C(N, k) over the different words w: `rarefy` of the word
    counts, divided by k.

    Args:
        tokens: a text, or its words.
        draws: k, how many are drawn.

    Returns:
        1/k (one word repeated) to 1 (no word stands twice). Its expectation does not depend on
        the length for words drawn independently. NaN for a text of fewer than k words.

    Raises:
        UsageError: no draws.

    Example:
        >>> hdd("a " * 50) == 1 / 42
        True
        >>> round(hdd([str(i) for i in range(50)]), 12)
        1.0

    Source: `McCarthy 2010 <https://doi.org/10.3758/BRM.42.2.381>`_.
    """
    _at_least_one(draws, "draws")
    run = _numbers(tokens)
    if len(run) < draws:
        return _NAN
    return float(rarefy(np.bincount(run), k=draws)) / draws


def mattr(tokens: Text, *, window: int = 50) -> float:
    """Mean share of different words in a window moved along a text.

    (1 / (w (N - w + 1))) Σ_i |{words i .. i + w - 1}|. A word is the first of its kind in the
    windows that hold it and not the place where it stood before, so one pass counts them all.

    Args:
        tokens: a text, or its words.
        window: w, words in a window; 1 or more.

    Returns:
        1/w (one word repeated) to 1 (none stands twice within w words). NaN for a text of fewer
        than w words.

    Raises:
        UsageError: an empty window.

    Example:
        >>> mattr("a b a b a b", window=2)
        1.0
        >>> mattr("a b a b a b", window=3)
        0.666...

    Source: `Covington 2010 <https://doi.org/10.1080/09296171003643098>`_.
    """
    _at_least_one(window, "window")
    run = _numbers(tokens)
    windows = len(run) - window + 1
    if windows < 1:
        return _NAN
    place = np.arange(len(run))
    before = np.full(len(run), -1)
    order = np.argsort(run, kind="stable")
    again = run[order[1:]] == run[order[:-1]]
    before[order[1:][again]] = order[:-1][again]
    first = np.maximum(before + 1, place - window + 1).clip(0)
    last = np.minimum(place, windows - 1)
    return int(np.maximum(last - first + 1, 0).sum()) / (window * windows)


def maas(tokens: Text) -> float:
    """How far the vocabulary of a text stays behind its length, on logarithmic scales.

    a² = (ln N - ln V) / (ln N)² with V different words among N.

    Args:
        tokens: a text, or its words.

    Returns:
        0 (no word stands twice) to 1 / ln N (one word repeated): higher is LESS various. NaN
        for fewer than 2 words.

    Example:
        >>> maas("a b c d")
        0.0
        >>> round(maas("a b a b"), 6)  # ln 2 / (ln 4)²
        0.360674

    Source: Maas 1972, as in `McCarthy 2010 <https://doi.org/10.3758/BRM.42.2.381>`_.
    """
    run = words(tokens)
    if len(run) < 2:
        return _NAN
    length = math.log(len(run))
    return (length - math.log(len(set(run)))) / length**2


def over_outputs(texts: Sequence[Text], *, measure: str) -> float:
    """Mean of one of the measures above over the outputs long enough for it; NaN if none is."""
    runs = [words(text) for text in texts]
    if measure == "mtld":
        runs = [run for run in runs if len(run) >= _MTLD_WORDS]
    of = {"mtld": mtld, "hdd": hdd, "mattr": mattr, "maas": maas}[measure]
    values = [value for run in runs if math.isfinite(value := of(run))]
    return sum(values) / len(values) if values else _NAN


def _factors(run: Sequence[str], threshold: float) -> float:
    closed, seen, length = 0, set[str](), 0
    for word in run:
        seen.add(word)
        length += 1
        if len(seen) <= threshold * length:
            closed, seen, length = closed + 1, set(), 0
    rest = (1 - len(seen) / length) / (1 - threshold) if length else 0.0
    return closed + rest


def _numbers(tokens: Text) -> NDArray[np.int64]:
    """A number for each word, the same for the same word."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(word, len(numbers)) for word in words(tokens)], np.int64)


def _at_least_one(value: int, name: str) -> None:
    if value < 1:
        raise UsageError(f"Expected {name} of at least 1, got {value}.")
