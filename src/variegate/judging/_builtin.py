"""The built-in verifiers, each a plain function of output and target."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from variegate.errors import UsageError
from variegate.judging._normalise import normalise
from variegate.judging._numbers import last_number
from variegate.judging._patterns import find
from variegate.judging._verdict import Verdict

__all__ = ["choice", "contains", "exact", "normalised", "numeric", "one_of", "regex"]

# "the answer is (B)", "Answer: C"; then a letter that opens the text like an option; then the
# last letter in brackets. A letter alone in a sentence ("A man ...") is no answer.
_CHOICES = (
    re.compile(r"answer\s{0,3}(?:is|:|=)?\s{0,3}\**\(?([A-J])\b", re.IGNORECASE),
    re.compile(r"^\s{0,20}\**\(?([A-Ja-j])(?:[).:,*]|\s{0,20}$)"),
    re.compile(r"\(([A-J])\)(?!.{0,8192}\([A-J]\))", re.DOTALL),
)


def exact(text: str, target: Any) -> Verdict:
    """Right where the output is the target, character by character (blanks at the ends aside).

    Example:
        >>> exact(" Paris ", "Paris").correct, exact("paris", "Paris").correct
        (True, False)
    """
    return Verdict(correct=text.strip() == str(target).strip(), answer=text.strip() or None)


def normalised(text: str, target: Any) -> Verdict:
    """Right where output and target agree after `normalise`.

    Example:
        >>> normalised("PARIS.", "Paris")
        Verdict(correct=True, answer='paris', quality=None)
    """
    answer = normalise(text)
    return Verdict(correct=bool(answer) and answer == normalise(str(target)), answer=answer or None)


def one_of(text: str, target: Any) -> Verdict:
    """Right where the output agrees with one of a list of answers after `normalise`.

    Example:
        >>> one_of("Kiwi!", ["apple", "kiwi"]).correct
        True
    """
    answer = normalise(text)
    right = answer in {normalise(str(one)) for one in _several(target)}
    return Verdict(correct=bool(answer) and right, answer=answer or None)


def contains(text: str, target: Any) -> Verdict:
    """Right where the output holds the target, or one of several, as whole words.

    The canonical answer is the target found. An empty output holds nothing.

    Example:
        >>> contains("It is Paris, of course.", "paris").correct
        True
        >>> contains("", "paris").correct
        False
    """
    said = f" {normalise(text)} "
    for one in _several(target):
        wanted = normalise(str(one))
        if wanted and f" {wanted} " in said:
            return Verdict(correct=True, answer=wanted)
    return Verdict(correct=False, answer=said.strip() or None)


def regex(text: str, target: Any) -> Verdict:
    """Right where the pattern is found; its first group, normalised, is the canonical answer.

    A pattern sees the last 8,192 characters. Patterns that repeat a repeat are refused.

    Example:
        >>> regex("I pick route B-C-D.", r"route ([A-Z-]+)")
        Verdict(correct=True, answer='b-c-d', quality=None)
    """
    found = find(str(target), text)
    return Verdict(correct=found is not None, answer=normalise(found) if found else None)


def numeric(text: str, target: Any) -> Verdict:
    """Right where the last number of the output is the target.

    The target is a number, or a mapping with `value` and an absolute `tolerance`. Thousands
    commas, decimals, exponents and fractions are read; nothing is computed.

    Example:
        >>> numeric("3 and 4 make 7.0", 7)
        Verdict(correct=True, answer='7', quality=None)
        >>> numeric("1/3", {"value": 0.333, "tolerance": 0.001}).correct
        True
    """
    given: Mapping[str, Any] = target if isinstance(target, Mapping) else {"value": target}
    wanted = last_number(str(given["value"]))
    if wanted is None:
        raise UsageError(f"Expected a number as target, got {given['value']!r}.")
    found = last_number(text)
    if found is None:
        return Verdict(correct=False, answer=None)
    tolerance = Fraction(str(given.get("tolerance", 0)))
    return Verdict(correct=abs(found - wanted) <= tolerance, answer=str(found))


def choice(text: str, target: Any) -> Verdict:
    """Right where the output picks the target's letter, A to J.

    Example:
        >>> choice("The answer is (B).", "B").correct, choice("A man walks in.", "A").correct
        (True, False)
    """
    for pattern in _CHOICES:
        if match := pattern.search(text[-8192:]):
            letter = match[1].upper()
            return Verdict(correct=letter == str(target).strip(" ().").upper(), answer=letter)
    return Verdict(correct=False, answer=None)


def _several(target: Any) -> list[Any]:
    return list(target) if isinstance(target, list | tuple | set | frozenset) else [target]
