"""Verifiers by name: the built-in ones, and those that other packages register."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from variegate.errors import UnknownName, UsageError
from variegate.judging import _builtin
from variegate.judging._verdict import Verifier

__all__ = ["verifier", "verifier_names"]

_BUILTIN: dict[str, Verifier] = {
    "exact": _builtin.exact,
    "normalised": _builtin.normalised,
    "one_of": _builtin.one_of,
    "contains": _builtin.contains,
    "regex": _builtin.regex,
    "numeric": _builtin.numeric,
    "choice": _builtin.choice,
}


def verifier(name: str) -> Verifier:
    """Find a verifier by name.

    Args:
        name: a built-in one, or one that an installed package registers under the entry points
            ``variegate.verifiers``.

    Returns:
        A function ``(text, target) -> Verdict``.

    Raises:
        UnknownName: nobody registered it.
        UsageError: somebody did, but it cannot be loaded.

    Example:
        >>> verifier("numeric")("It is 12.", 12).correct
        True
    """
    if name in _BUILTIN:
        return _BUILTIN[name]
    registered = _registered()
    if name not in registered:
        raise UnknownName("verifier", name, verifier_names())
    try:
        found: Verifier = registered[name].load()
    except Exception as error:
        raise UsageError(
            f"The verifier {name!r} ({registered[name].value}) cannot be loaded: {error}.",
            hint="It comes from another package: update or remove that package.",
        ) from error
    return found


def verifier_names() -> tuple[str, ...]:
    """Names that `verifier` knows, the built-in ones first.

    Example:
        >>> verifier_names()[:3]
        ('exact', 'normalised', 'one_of')
    """
    return (*_BUILTIN, *sorted(set(_registered()) - set(_BUILTIN)))


@cache
def _registered() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group="variegate.verifiers")}
