"""select: k rows by the name of an objective."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from variegate._numbers import numbers
from variegate.errors import UnknownName, UsageError
from variegate.selection._greedy import greedy
from variegate.selection._objectives import (
    Dispersion,
    FacilityLocation,
    KCenter,
    LogDeterminant,
    Objective,
)
from variegate.selection._result import Selection

__all__ = ["OBJECTIVES", "select"]

OBJECTIVES: dict[str, str] = {
    "facility-location": "every row has a likeness among the chosen",
    "log-determinant": "the chosen differ from one another, with a ridge of 1",
    "k-center": "no row is far from the chosen",
    "dispersion": "the chosen are far from one another",
}
"""The objectives `select` knows, and what each wants."""


def select(
    features: ArrayLike,
    k: int,
    *,
    objective: str = "facility-location",
    quality: ArrayLike | None = None,
    alpha: float = 0.5,
    optimizer: str = "lazy",
    seed: int = 0,
) -> Selection:
    """Choose k rows that serve an objective and, with quality, are good as well.

    With quality: argmax (1 - α) gain_i(S)/s + α q_i at every step, where s is the largest first
    gain and q runs from 0 to 1, so that α weighs two numbers of one size.

    Args:
        features: (n, d) rows.
        k: rows wanted.
        objective: a name of `OBJECTIVES`.
        quality: (n,) what a row is worth by itself, in any unit; None for variety only.
        alpha: weight of quality from 0 to 1; not read without quality.
        optimizer: ``"lazy"`` or ``"naive"``; the rows are the same.
        seed: not read by these objectives; of the orders of others.

    Returns:
        A `Selection`.

    Raises:
        UnknownName: another objective or optimizer.
        UsageError: k beyond the rows, or quality of other length.
        DataError: NaN or Inf.

    Example:
        >>> rows = [[1, 0], [1, 0], [0, 1]]
        >>> select(rows, 2).indices.tolist()
        [0, 2]
        >>> select(rows, 2, quality=[0.1, 0.9, 0.8], alpha=1).indices.tolist()
        [1, 2]
    """
    makers: dict[str, Callable[[ArrayLike], Objective]] = {
        "facility-location": FacilityLocation,
        "log-determinant": lambda x: LogDeterminant(x, ridge=1.0),
        "k-center": KCenter,
        "dispersion": Dispersion,
    }
    if objective not in makers:
        raise UnknownName("objective", objective, OBJECTIVES)
    made = makers[objective](features)
    settings = {"objective": objective, "k": k, "optimizer": optimizer, "seed": seed}
    if quality is None:
        found = greedy(made, k, optimizer=optimizer)  # type: ignore[arg-type]
        return replace(found, settings=settings)
    q = numbers(quality, "quality")
    if q.ndim != 1 or not np.isfinite(q).all():
        raise UsageError(f"Expected a finite quality a row, got shape {q.shape}.")
    q = (q - q.min(initial=0)) / (np.ptp(q) or 1) if len(q) else q
    scaled = _Scaled(made)
    found = greedy(scaled, k, quality=q, alpha=alpha, optimizer=optimizer)  # type: ignore[arg-type]
    return replace(found, settings={**settings, "alpha": alpha})


class _Scaled:
    """An objective in units of its largest first gain."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.bounded = objective.bounded
        first = objective.gains()
        seen = np.abs(first[np.isfinite(first)])
        self.unit = float(seen.max(initial=0)) or 1.0
        if hasattr(objective, "gains_of"):
            self.gains_of = lambda rows: objective.gains_of(rows) / self.unit

    def gains(self) -> np.ndarray:
        return np.asarray(self.objective.gains() / self.unit)

    def add(self, row: int) -> None:
        self.objective.add(row)
