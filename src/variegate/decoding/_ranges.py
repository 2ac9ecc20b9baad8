"""Which settings of a rule are possible: one table for the functions and for the list of rules."""

from __future__ import annotations

import math
from typing import Any

from variegate.errors import UsageError

__all__ = ["RANGES", "check"]

RANGES: dict[str, dict[str, str]] = {
    "temperature": {"temperature": "[0, inf)"},
    "entropy_temperature": {
        "temperature": "(0, inf)",
        "theta": "[0, inf)",
        "base": "(0, inf)",
        "lowest": "(0, inf)",
        "highest": "(0, inf)",
    },
    "top_k": {"top_k": "integer [1, inf)"},
    "top_p": {"top_p": "(0, 1]"},
    "min_p": {"min_p": "[0, 1]"},
    "typical": {"tau": "(0, 1]"},
    "epsilon": {"epsilon": "[0, 1)"},
    "eta": {"epsilon": "[0, 1)"},
    "top_h": {"alpha": "(0, 1]", "compat": "None or 'transformers'"},
    "suppress": {"bias": "pairs of token id and bias [-100, 100]"},
    "kl_temperature": {"sigma": "[0, inf)", "temperature": "(0, inf)"},
    "contrast": {"beta": "None or [0, inf)", "plausibility": "[0, 1]"},
    "uscd": {"theta": "[0, inf)", "ratio": "[0, inf)", "weights": "numbers, one a context"},
    "steer": {
        "gamma": "[0, inf)",
        "eta": "[0, inf)",
        "plausibility": "[0, 1]",
        "normalised": "True or False",
    },
    "mixture": {"weights": "numbers >= 0, one a context"},
}
"""By rule and parameter: an interval, or a few words where no interval says it."""


def check(rule: str, **settings: Any) -> None:
    """Refuse a setting outside its range.

    Raises:
        UsageError: names the setting, its range and what came.
    """
    for name, value in settings.items():
        wanted = RANGES[rule][name]
        if not _fits(wanted, value):
            raise UsageError(f"Expected {name} of {rule} in {wanted}, got {value!r}.")


def _fits(wanted: str, value: Any) -> bool:
    if wanted.startswith("None or "):
        if value is None:
            return True
        wanted = wanted.removeprefix("None or ")
    if wanted.startswith("'"):
        return bool(value == wanted.strip("'"))
    if wanted == "True or False":
        return isinstance(value, bool)
    whole = wanted.startswith("integer ")
    interval = wanted.removeprefix("integer ")
    if interval[0] not in "[(":
        return True  # said in words, checked where it is used
    try:
        number = float(value)
    except (TypeError, ValueError):
        return False
    if isinstance(value, bool) or (whole and not number.is_integer()):
        return False
    low, high = (float(end) for end in interval[1:-1].split(", "))
    above = number >= low if interval[0] == "[" else number > low
    below = number <= high if interval[-1] == "]" else number < high
    return above and below and not math.isnan(number)
