"""The engine: take the row with the largest gain, k times."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UnknownName, UsageError
from variegate.selection._objectives import Objective
from variegate.selection._result import Selection

__all__ = ["greedy"]

Optimizer = Literal["naive", "lazy"]


def greedy(
    objective: Objective,
    k: int,
    *,
    quality: ArrayLike | None = None,
    alpha: float = 0.0,
    optimizer: Optimizer = "naive",
) -> Selection:
    """Choose k rows one by one, each with the largest gain; ties go to the lowest row.

    argmax_i (1 - α) gain_i(S) + α q_i. For objectives that are monotone and submodular the result
    is worth at least 1 - 1/e of the best set of k rows; `certificate` is usually much tighter.

    Args:
        objective: fresh, or with rows in it already.
        k: rows wanted.
        quality: (n,) q_i, added to the gains.
        alpha: α from 0 (the objective only) to 1 (quality only). Gains of facility location are
            sums over all rows, so put both on one scale first.
        optimizer: ``"lazy"`` asks again only for rows that may have the largest gain, which needs
            gains that never grow (an objective with `gains_of`); the rows are the same.

    Returns:
        A `Selection`; its value is the sum of what was gained.

    Raises:
        UsageError: k < 0 or beyond the rows, alpha outside [0, 1] or without quality.
        UnknownName: another optimizer.

    Example:
        >>> from variegate.selection import FacilityLocation
        >>> found = greedy(FacilityLocation([[1, 0], [0, 1], [1, 0]]), 2)
        >>> found.indices.tolist(), found.value, found.certificate
        ([0, 1], 3.0, 3.0)

    Reference:
        Nemhauser 1978, https://doi.org/10.1007/BF01588971; lazy: Minoux 1978,
        https://doi.org/10.1007/BFb0006528
    """
    if optimizer not in ("naive", "lazy"):
        raise UnknownName("optimizer", optimizer, ["naive", "lazy"])
    first = objective.gains()
    n = len(first)
    if not 0 <= k <= n:
        raise UsageError(f"Expected k from 0 to the {n} rows there are, got {k}.")
    if not 0 <= alpha <= 1 or (alpha > 0 and quality is None):
        raise UsageError(f"Expected alpha from 0 to 1, above 0 only with quality, got {alpha}.")
    bonus = np.zeros(n) if quality is None else np.asarray(quality, dtype=np.float64)
    if bonus.shape != (n,) or not np.isfinite(bonus).all():
        raise UsageError(f"Expected {n} finite qualities, got {bonus.shape}.")
    asks = getattr(objective, "gains_of", None)
    if optimizer == "lazy" and asks is not None and objective.bounded:
        indices, gains = _lazy(objective, asks, k, first, bonus, alpha)
    else:
        indices, gains = _naive(objective, k, first, bonus, alpha)
    return Selection(
        indices=np.array(indices, dtype=np.int64),
        value=float(np.sum(gains)),
        gains=np.array(gains, dtype=np.float64),
        certificate=_certificate(objective, indices, gains, k, bonus, alpha),
        note="" if len(indices) == k else f"Only {len(indices)} of {k}: nothing else adds.",
        settings={"k": k, "alpha": alpha, "optimizer": optimizer},
    )


def _scores(
    gains: NDArray[np.float64], bonus: NDArray[np.float64], a: float
) -> NDArray[np.float64]:
    """What is compared; rounded, so that ties in exact arithmetic are ties here."""
    return np.round(bonus if a == 1 else (1 - a) * gains + a * bonus, 9)


def _naive(
    objective: Objective, k: int, gains: NDArray[np.float64], bonus: NDArray[np.float64], a: float
) -> tuple[list[int], list[float]]:
    free = np.ones(len(gains), dtype=bool)
    chosen: list[int] = []
    gained: list[float] = []
    for step in range(k):
        now = gains if step == 0 else objective.gains()
        score = np.where(free, _scores(now, bonus, a), -np.inf)
        row = int(score.argmax())
        if score[row] == -np.inf:
            break
        objective.add(row)
        free[row] = False
        chosen.append(row)
        gained.append(float(score[row]) if a == 1 else float((1 - a) * now[row] + a * bonus[row]))
    return chosen, gained


def _lazy(
    objective: Objective,
    asks: Callable[[NDArray[np.int64]], NDArray[np.float64]],
    k: int,
    gains: NDArray[np.float64],
    bonus: NDArray[np.float64],
    a: float,
) -> tuple[list[int], list[float]]:
    heap = [
        (-score, row, 0, gain)
        for row, (score, gain) in enumerate(
            zip(_scores(gains, bonus, a).tolist(), gains.tolist(), strict=True)
        )
    ]
    heapq.heapify(heap)
    chosen: list[int] = []
    gained: list[float] = []
    while heap and len(chosen) < k:
        _, row, when, gain = heapq.heappop(heap)
        if when < len(chosen):
            now = asks(np.array([row]))
            score = float(_scores(now, bonus[[row]], a)[0])
            heapq.heappush(heap, (-score, row, len(chosen), float(now[0])))
            continue
        objective.add(row)
        chosen.append(row)
        gained.append((1 - a) * gain + a * float(bonus[row]))
    return chosen, gained


def _certificate(
    objective: Objective,
    indices: list[int],
    gains: list[float],
    k: int,
    bonus: NDArray[np.float64],
    a: float,
) -> float:
    """f(S) plus the k largest gains left: what any other k rows could still add."""
    if not objective.bounded or (a > 0 and bonus.min(initial=0) < 0):
        return float("nan")
    now = objective.gains()
    left = (1 - a) * np.where(np.isfinite(now), now, 0) + a * bonus
    left[indices] = 0
    top = np.sort(left)[::-1][:k]
    return float(np.sum(gains) + np.maximum(top, 0).sum())
