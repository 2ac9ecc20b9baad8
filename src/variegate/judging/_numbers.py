"""Numbers in text, read by a tiny grammar and never evaluated."""

from __future__ import annotations

import re
from fractions import Fraction

__all__ = ["last_number"]

# [sign] digits [.digits] [e±dd] [/ digits] or 1,234,567; digits are bounded so that no text can
# ask for an integer of a million places.
_DIGITS = r"(?:\d{1,3}(?:,\d{3}){1,6}(?!\d)|\d{1,30})"
_NUMBER = re.compile(
    rf"(?<![\w.,])(?P<sign>[-+]?)(?P<whole>{_DIGITS}(?:\.\d{{1,30}})?|\.\d{{1,30}})"
    r"(?:[eE](?P<exponent>[-+]?\d{1,2})(?!\d))?(?:\s?/\s?(?P<below>\d{1,30}))?(?!\d)"
)
_LONGEST = 8192
_MINUS = str.maketrans("\u2212", "-")


def last_number(text: str) -> Fraction | None:
    """Return the last number in a text, exactly; None where there is none.

    Example:
        >>> last_number("so 3 + 4 gives 1,007.5.")
        Fraction(2015, 2)
        >>> last_number("about -1/3")
        Fraction(-1, 3)
    """
    match = None
    for match in _NUMBER.finditer(text[-_LONGEST:].translate(_MINUS)):  # noqa: B007
        pass
    if match is None:
        return None
    value = Fraction(match["whole"].replace(",", ""))
    value *= Fraction(10) ** int(match["exponent"] or 0)
    below = int(match["below"]) if match["below"] else 1
    if below == 0:
        return None
    return (-value if match["sign"] == "-" else value) / below
