"""Different people, one choice: what each group gets, and a choice all can live with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import numbers
from variegate.errors import UsageError

__all__ = ["GroupReport", "bargain", "by_group"]


@dataclass(frozen=True, kw_only=True)
class GroupReport:
    """How each option does for all groups together, for the worst, and how evenly."""

    mean: NDArray[np.float64]  # (m,)
    worst: NDArray[np.float64]
    gini: NDArray[np.float64]  # 0 for equal shares, towards 1 where one group has all
    total: NDArray[np.float64]


def by_group(utilities: ArrayLike) -> GroupReport:
    """Report total, worst group and inequality beside the mean of every option.

    Gini = Σ_ij abs(u_i - u_j)/(2 g² ū).

    Args:
        utilities: (m, g) what option i is worth to group j, at least 0.

    Returns:
        Arrays of shape (m,); the Gini index of an option that gives nobody anything is 0.

    Raises:
        UsageError: no such table, or negative or infinite numbers.

    Example:
        >>> by_group([[1, 1], [2, 0]]).gini.tolist()
        [0.0, 0.5]
    """
    u = _table(utilities)
    mean = u.mean(axis=1)
    apart = np.abs(u[:, :, None] - u[:, None, :]).mean(axis=(1, 2))
    return GroupReport(
        mean=mean,
        worst=u.min(axis=1),
        gini=apart / np.where(mean > 0, 2 * mean, 1),
        total=u.sum(axis=1),
    )


def bargain(utilities: ArrayLike, *, disagreement: ArrayLike | float = 0.0) -> int:
    """Choose the option of Nash's bargaining solution: argmax_i Π_j (u_ij - d_j).

    Among options that give every group more than its disagreement value; where no option does,
    the one that comes nearest for the worst-off group.

    Args:
        utilities: (m, g) what option i is worth to group j.
        disagreement: (g,) what each group has without an agreement.

    Returns:
        The number of the option. It is not dominated by another, and where groups agree on the
        ranking it is the one with the best total.

    Raises:
        UsageError: no such table.

    Example:
        >>> bargain([[9, 1], [4, 4], [1, 9]])
        1

    Reference:
        Nash 1950, https://doi.org/10.2307/1907266
    """
    u = _table(utilities)
    gains = u - numbers(disagreement, "disagreement", largest=1e150)
    fair = (gains > 0).all(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        product = np.where(fair, np.log(np.where(gains > 0, gains, 1)).sum(axis=1), -np.inf)
    first = product if fair.any() else gains.min(axis=1)
    # Ties go to the larger total, so that nothing chosen is dominated.
    return int(np.lexsort((-u.sum(axis=1), -first))[0])


def _table(utilities: ArrayLike) -> NDArray[np.float64]:
    u = numbers(utilities, "utilities", largest=1e150)
    if u.ndim != 2 or not u.size or not np.isfinite(u).all() or u.min() < 0:
        raise UsageError(
            f"Expected finite utilities (options, groups) of at least 0, got shape {u.shape}."
        )
    return u
