"""Estimate: a number with its interval, its n, and the settings that made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Estimate"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number that says how sure it is.

    Args:
        value: the estimate; NaN where nothing could be estimated, with the reason in `note`.
        low, high: ends of the interval at `level`; NaN where there is none.
        n_prompts: prompts that entered.
        n_excluded: prompts left out because their value was NaN.
        level: confidence level of the interval, e.g. 0.95.
        method: how the interval was made, e.g. ``"bootstrap over prompts, B=2000"``.
        note: what a reader must know (why NaN, what was left out).
        settings: everything else that made the number (seed, resamples, k, ...).
    """

    value: float
    low: float
    high: float
    n_prompts: int
    n_excluded: int = 0
    level: float = 0.95
    method: str = ""
    note: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"
