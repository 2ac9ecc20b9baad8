"""Which of two is the more various, by judges who saw both: exact tests of their votes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError
from variegate.metrics._arrays import finite

__all__ = ["SideBySide", "holm", "side_by_side"]


@dataclass(frozen=True, kw_only=True)
class SideBySide:
    """What the votes say.

    Args:
        p_value: chance of votes as one-sided as these, or more, if neither were the better.
        share: of the decided votes that went to the first; NaN where none was decided.
        decided: votes that were not ties.
        ties: votes that were.
    """

    p_value: float
    share: float
    decided: int
    ties: int

    def winner(self, *, alpha: float = 0.05) -> Literal["first", "second"] | None:
        """Say which won, or None where the votes do not tell at this error rate."""
        if self.p_value > alpha:
            return None
        return "first" if self.share > 0.5 else "second"


def side_by_side(first: int, second: int, *, ties: int = 0) -> SideBySide:
    """Exact two-sided sign test of votes for one of two.

    min(1, 2 Σ_{i ≤ min(a, b)} C(a + b, i) / 2^(a + b)) with a and b votes; ties say nothing
    about a difference and are left out. Votes must be independent: take the majority of the
    judges of an item as one vote.

    Args:
        first: votes for the first.
        second: votes for the second.
        ties: votes for neither.

    Returns:
        A p-value from near 0 (all for one) to 1 (as many for each, or no vote), the share of
        the first, and the counts. Five votes for one do not tell at 5 %, six do.

    Raises:
        UsageError: negative counts.

    Example:
        >>> side_by_side(50, 50).p_value
        1.0
        >>> side_by_side(5, 0).winner(), side_by_side(6, 0).winner()
        (None, 'first')

    No entry of `measure`: samples hold no votes between two sets.

    Source: protocol of `Albuquerque 2025 <https://arxiv.org/abs/2511.10547>`_.
    """
    if min(first, second, ties) < 0:
        raise UsageError(f"Expected votes of at least 0, got {first}, {second} and {ties}.")
    n = first + second
    tail, ways = 0, 1
    for i in range(min(first, second) + 1):
        tail += ways
        ways = ways * (n - i) // (i + 1)
    return SideBySide(
        # Whole numbers to the end: nothing overflows however many votes there are.
        p_value=min(1.0, 2 * tail / 2**n),
        share=first / n if n else math.nan,
        decided=n,
        ties=ties,
    )


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust p-values for having made several comparisons.

    The i-th smallest of m becomes the largest of (m - j + 1) p_(j) over j ≤ i, at most 1: those
    below α then hold together with error rate α.

    Args:
        p_values: (m,) in [0, 1].

    Returns:
        (m,) adjusted, in the order given.

    Raises:
        UsageError: a number outside [0, 1].

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]

    Source: `Holm 1979 <https://www.jstor.org/stable/4615733>`_.
    """
    p = finite(p_values, "p-values")
    if p.ndim != 1 or (p < 0).any() or (p > 1).any():
        raise UsageError(f"Expected a vector of p-values in [0, 1], got {p}.")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return adjusted
