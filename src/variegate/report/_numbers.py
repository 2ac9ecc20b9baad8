"""Numbers as they are read: sensible digits, true minus signs, intervals beside every value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

__all__ = ["between", "brief", "clock", "count", "known", "level", "percent", "signed"]

ABSENT = "–"


def known(value: Any) -> TypeGuard[float]:
    """Whether there is a number to show."""
    return value is not None and not isinstance(value, str) and math.isfinite(value)


def level(value: float | None) -> str:
    """Write a level: two decimals below ten, one below a hundred, whole above.

    Example:
        >>> level(0.3184), level(3.42), level(42.38), level(1234.5), level(float("nan"))
        ('0.32', '3.42', '42.4', '1,234', '–')
    """
    if value is None or not known(value):
        return ABSENT
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return _minus(f"{value:,.{digits}f}")


def brief(value: float | None) -> str:
    """Write a level of one prompt: whole where it is whole.

    Example:
        >>> brief(6.0), brief(0.3184)
        ('6', '0.32')
    """
    return f"{value:,.0f}" if value is not None and float(value).is_integer() else level(value)


def signed(value: float | None, *, digits: int = 1) -> str:
    """Write a change with its sign.

    Example:
        >>> signed(-23.41), signed(0.02), signed(4.0)
        ('−23.4', '0.0', '+4.0')
    """
    if value is None or not known(value):
        return ABSENT
    text = f"{value:+,.{digits}f}"
    return text[1:] if float(text.replace(",", "")) == 0 else _minus(text)


def percent(share: float | None) -> str:
    """Write a share as a whole percentage.

    Example:
        >>> percent(0.413), percent(None)
        ('41%', '–')
    """
    if share is None or not known(share):
        return ABSENT
    return _minus(f"{100 * share:.0f}%")


def count(value: float) -> str:
    """Write a count with thousands parted.

    Example:
        >>> count(25600)
        '25,600'
    """
    return f"{value:,.0f}"


def between(row: Mapping[str, Any], write: Any = level) -> str:
    """Write the interval of a row with `low` and `high`; empty where there is none.

    Example:
        >>> between({"low": 0.29, "high": 0.351})
        '[0.29, 0.35]'
    """
    if not (known(row.get("low")) and known(row.get("high"))):
        return ""
    return f"[{write(row['low'])}, {write(row['high'])}]"


def clock(seconds: float) -> str:
    """Write a duration.

    Example:
        >>> clock(41.2), clock(184.2), clock(7500)
        ('41 s', '3 min 4 s', '2 h 5 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _minus(text: str) -> str:
    if text.startswith("-"):
        bare = text[1:]
        return bare if not any(c in "123456789" for c in bare) else "−" + bare
    return text
