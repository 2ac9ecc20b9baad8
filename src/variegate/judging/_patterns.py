"""Regular expressions on hostile text: bounded, so that a match cannot take for ever."""

from __future__ import annotations

import re
from functools import lru_cache
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from variegate.errors import UsageError

__all__ = ["LONGEST", "compile_safely", "find"]

LONGEST = 8192  # characters of a text that a pattern sees: its end, where answers stand

_REPEATS = (_parser.MAX_REPEAT, _parser.MIN_REPEAT)


@lru_cache(maxsize=256)
def compile_safely(pattern: str) -> re.Pattern[str]:
    """Compile a pattern, refusing those that can take exponential time.

    A repeat without end inside a repeat without end, like ``(a+)+``, can be split in
    exponentially many ways; the same with a possessive inner repeat, ``(a++)+``, cannot.
    """
    try:
        compiled = re.compile(pattern)
        parsed = _parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"Expected a regular expression, got {pattern!r}: {error}.") from error
    if _nested(parsed, inside=False):
        raise UsageError(
            f"The pattern {pattern!r} repeats a repeat, which can take exponential time.",
            hint="Make the inner repeat possessive (a++ for a+, a*+ for a*), or drop one.",
        )
    return compiled


def find(pattern: str | re.Pattern[str], text: str) -> str | None:
    """Return the first group of the first match in the last `LONGEST` characters, or None."""
    source = pattern if isinstance(pattern, str) else pattern.pattern
    compiled = compile_safely(source)
    match = (compiled if isinstance(pattern, str) else pattern).search(text[-LONGEST:])
    if match is None:
        return None
    return match.group(1) if compiled.groups and match.group(1) is not None else match.group(0)


def _nested(parsed: Any, *, inside: bool) -> bool:
    for operator, argument in parsed:
        endless = operator in _REPEATS and argument[1] is _parser.MAXREPEAT
        if endless and inside:
            return True
        for part in _parts(operator, argument):
            # What stands in an atomic group or a possessive repeat is never split again.
            atomic = operator in (_parser.ATOMIC_GROUP, _parser.POSSESSIVE_REPEAT)
            if _nested(part, inside=not atomic and (inside or endless)):
                return True
    return False


def _parts(operator: Any, argument: Any) -> list[Any]:
    if isinstance(argument, _parser.SubPattern):
        return [argument]
    if operator is _parser.BRANCH:
        return list(argument[1])
    if isinstance(argument, tuple):
        return [part for part in argument if isinstance(part, _parser.SubPattern)]
    return []
