"""Selection: what was chosen, and how good it is at least."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Selection"]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Rows chosen one by one.

    Args:
        indices: the rows in the order they were chosen; fewer than asked for where nothing new
            was left (`note` says so).
        value: the objective of all of them.
        gains: what each added when it was chosen.
        certificate: no set of k rows is better than this (for objectives where adding never
            costs and helps less and less); NaN where no such bound is known.
        note: what a reader must know.
        settings: objective, k and everything else that made it.
    """

    indices: NDArray[np.int64]
    value: float
    gains: NDArray[np.float64]
    certificate: float
    note: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.indices)
