"""Probabilities as models say them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import DataError, UnknownName, UsageError

__all__ = ["WORDINGS", "Wording", "elicited_weights", "read_probabilities"]

Wording = Literal[
    "implicit", "explicit", "relative", "percentage", "confidence", "perplexity", "nll"
]
"""How a model is asked how likely an answer is."""

WORDINGS: tuple[str, ...] = get_args(Wording)
"""The words of `Wording`."""

_NUMBER = r"[-+−]?(?:\d{1,15}(?:[.,]\d{1,15})?|[.,]\d{1,15})(?:[eE][-+]?\d{1,3})?"
_ODDS = re.compile(rf"({_NUMBER})\s*(?:/|in|out\s+of|of|:)\s*({_NUMBER})", re.IGNORECASE)
_SHARE = re.compile(rf"({_NUMBER})\s*(%|percent\b|per\s+cent\b)?", re.IGNORECASE)
_LEAD = re.compile(r"^[^\d.,+\-−]{0,40}")
_NOTHING = re.compile(r"\b(?:nan|inf|infinity)\b", re.IGNORECASE)


def read_probabilities(
    said: Sequence[object], *, wording: Wording = "explicit"
) -> list[float | None]:
    """Read the probabilities that belong to the answers of one reply.

    Understood are 0.35, .35, 0,35, 35%, 35 percent, 7/20, "1 in 5", "20 out of 100", words
    around a number, 1e-3. Whether bare numbers above 1 are percentages is a question about all
    of them: they are where none lies strictly between 0 and 1, or where all add up to 100; a
    number above 1 among fractions is none. A negative number, one above 100 and a word is none.

    Args:
        said: what stands where a probability was asked for; None where nothing does.
        wording: what was asked for. ``"percentage"``: bare numbers are percentages, unless they
            are fractions that add up to 1. ``"nll"`` is read as exp(-x), ``"perplexity"`` as
            1 / x, so that larger always means more likely.

    Returns:
        A number in [0, 1] each, or None where none could be read.

    Raises:
        UnknownName: an unknown wording.

    Example:
        >>> read_probabilities(["0.5", "30%", "1 in 5", "-0.1", "likely", None])
        [0.5, 0.3, 0.2, None, None, None]
        >>> read_probabilities([70, 30]), read_probabilities([0.4, 1.7])
        ([0.7, 0.3], [0.4, None])
    """
    if wording not in WORDINGS:
        raise UnknownName("wording", wording, WORDINGS)
    read = [_number(value) for value in said]
    if wording == "nll":
        return [None if r is None or r[0] < 0 else math.exp(-r[0]) for r in read]
    if wording == "perplexity":
        return [None if r is None or r[0] < 1 else 1 / r[0] for r in read]
    bare = [number for number, exact in (r for r in read if r is not None) if not exact]
    percent = _in_percent(bare, asked=wording == "percentage")
    return [
        None
        if r is None or not 0 <= (p := r[0] / 100 if percent and not r[1] else r[0]) <= 1
        else p
        for r in read
    ]


def elicited_weights(
    said: ArrayLike, *, at_least: float = 0.0, at_most: float = 1.0
) -> NDArray[np.float64]:
    """Weights that add up to 1 from said probabilities, kept between two bounds.

    Asking for unlikely answers needs `at_most`, keeping likely ones `at_least`; a bound is never
    relaxed to keep something.

    Args:
        said: (n,) said probabilities; NaN where none was.
        at_least: least probability kept.
        at_most: largest probability kept; the rest, and NaN, weighs 0.

    Returns:
        (n,) weights with sum 1; equal ones where all that is kept has probability 0.

    Raises:
        UsageError: probabilities outside [0, 1].
        DataError: nothing is left.

    Example:
        >>> elicited_weights([0.6, 0.3, 0.1]).round(2).tolist()
        [0.6, 0.3, 0.1]
        >>> elicited_weights([0.6, 0.3, 0.1], at_most=0.3).round(2).tolist()
        [0.0, 0.75, 0.25]
    """
    p = np.asarray(said, dtype=np.float64)
    if ((p < 0) | (p > 1)).any():
        raise UsageError("Expected said probabilities in [0, 1], got one outside.")
    kept = (p >= at_least) & (p <= at_most)
    if not kept.any():
        raise DataError(
            f"None of {p.size} said probabilities lies in [{at_least:g}, {at_most:g}].",
            hint="Widen the bounds: asking below a threshold makes most probabilities small.",
        )
    weights: NDArray[np.float64] = np.where(kept, p, 0.0)
    if not weights.any():
        weights = kept.astype(np.float64)
    normalised: NDArray[np.float64] = weights / weights.sum()
    return normalised


def _number(value: object) -> tuple[float, bool] | None:
    """The number said, and whether its scale is certain (a percentage sign, a fraction)."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return (float(value), False) if math.isfinite(value) else None
    text = str(value).strip()[:200]
    if _NOTHING.search(text):
        return None
    # "about 0.3" says a number, a name with a number in it far away does not.
    text = text[match.end() :] if (match := _LEAD.match(text)) else text
    if odds := _ODDS.match(text):
        part, whole = _float(odds[1]), _float(odds[2])
        return (part / whole, True) if whole > 0 and ":" not in odds[0] else None
    if share := _SHARE.match(text):
        number = _float(share[1])
        return (number / 100, True) if share[2] else (number, False)
    return None


def _float(text: str) -> float:
    return float(text.replace("−", "-").replace(",", "."))


def _in_percent(bare: Sequence[float], *, asked: bool) -> bool:
    whole = [x for x in bare if x >= 0]
    total = sum(whole)
    if asked:
        return not (max(whole, default=2.0) <= 1 and 0.9 <= total <= 1.1)
    if max(whole, default=0.0) <= 1 or max(whole) > 100:
        return False
    return not any(0 < x < 1 for x in whole) or abs(total - 100) <= 1
