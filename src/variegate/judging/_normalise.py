"""Normalise: one spelling for texts that differ only in how they were typed."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from variegate.errors import UsageError

__all__ = ["normalise"]

# Marks without a shape: direction marks, zero-width space, byte order mark, soft hyphen. The
# joiners U+200C and U+200D stay: they tell emoji and Persian words apart.
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_MINUS = str.maketrans("\u2212\u2010\u2011", "---")
_SIGN = re.compile(r"[-+]?\.?$")
# Compatibility forms above these are gone after NFKC; the percent sign is part of its number.
_PUNCTUATION = "`^" + "".join(
    character
    for character in map(chr, range(0x3100))
    if unicodedata.category(character).startswith("P") and character != "%"
)


def normalise(
    text: str,
    *,
    form: Literal["NFC", "NFKC"] = "NFKC",
    casefold: bool = True,
    whitespace: bool = True,
    punctuation: bool = True,
) -> str:
    """Bring a text to one spelling, for comparing answers.

    Args:
        text: any text.
        form: Unicode form; NFKC also joins full-width and other compatibility letters.
        casefold: ignore case.
        whitespace: runs of blanks become one, none at the ends.
        punctuation: drop it at the ends of words; inside words and in numbers it stays
            (``3.5``, ``-2``, ``50%``, ``it's``). A text of nothing but punctuation keeps it.

    Returns:
        The normalised text. Invisible direction marks and zero-width spaces are always dropped.

    Example:
        >>> normalise("  The CAFE\u0301, really! ")
        'the café really'
        >>> normalise("-3.50") == normalise("\u22123.50")
        True
    """
    if not isinstance(text, str):
        raise UsageError(f"Expected a text, got {text!r:.60}.")
    text = unicodedata.normalize(form, _INVISIBLE.sub("", text)).translate(_MINUS)
    if casefold:
        text = unicodedata.normalize(form, text.casefold())
    words = text.split() if whitespace else re.split(r"(\s)", text)
    if punctuation:
        bare = [_bare(word) for word in words]
        if any(word.strip() for word in bare):
            words = bare
    return " ".join(filter(None, words)) if whitespace else "".join(words)


def _bare(word: str) -> str:
    """Drop punctuation at both ends of a word, but not the sign of a number."""
    bare = word.strip(_PUNCTUATION)
    if bare and bare[0].isdigit() and not word.startswith(bare):
        sign = _SIGN.search(word, 0, word.index(bare))
        bare = (sign[0] if sign else "") + bare
    return bare
