"""The answer most like all others: majority, minimum Bayes risk, and several medoids."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import DataError, UsageError

__all__ = ["Medoids", "k_medoids", "least_risk", "majority", "utilities_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Medoids:
    """Candidates that stand for all of them."""

    indices: NDArray[np.int64]  # in the order they were found
    value: float  # mean utility of the best medoid for each candidate
    price: float  # what one medoid loses against these k: their value minus its value


def utilities_of(utility: ArrayLike) -> Floats:
    """Check (n, n) finite utilities: row a candidate, column a possible truth."""
    u = np.asarray(utility, dtype=np.float64)
    if u.ndim != 2 or u.shape[0] != u.shape[1] or not len(u):
        raise UsageError(f"Expected utilities of shape (n, n), n >= 1, got {u.shape}.")
    if not np.isfinite(u).all():
        raise DataError("Expected finite utilities, got NaN or Inf in them.")
    return u


def majority(answers: Sequence[Hashable | None]) -> int:
    """The first candidate that gives the most frequent answer.

    Args:
        answers: canonical answers; None (unread, refused) votes for nothing.

    Returns:
        Its number; among answers of one frequency the one that appears first wins.

    Raises:
        UsageError: no candidate has an answer.

    Example:
        >>> majority(["a", "b", None, "b"])
        1

    Reference:
        Wang 2022, https://arxiv.org/abs/2203.11171
    """
    counts: dict[Hashable, int] = {}
    for answer in answers:
        if answer is not None:
            counts[answer] = counts.get(answer, 0) + 1
    if not counts:
        raise UsageError("Expected a candidate with an answer, got none.")
    return list(answers).index(max(counts, key=counts.__getitem__))


def least_risk(utility: ArrayLike, *, weights: ArrayLike | None = None) -> int:
    """The candidate of least expected risk when each candidate may be the truth.

    argmax_i Σ_j w_j u(i, j). With utility 1 for equal answers and 0 otherwise this is the
    majority; with a similarity it is the medoid.

    Args:
        utility: (n, n) what candidate i is worth if j is the truth.
        weights: (n,) how likely each is the truth; equal by default.

    Returns:
        Its number; the first of equals.

    Raises:
        UsageError: other shapes or negative weights.
        DataError: NaN or Inf.

    Example:
        >>> least_risk([[1, 0, 0], [0, 1, 1], [0, 1, 1]])
        1

    Reference:
        Suzgun 2022, https://arxiv.org/abs/2211.07634
    """
    u = utilities_of(utility)
    w = np.ones(len(u)) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != (len(u),) or w.min(initial=0) < 0 or not np.isfinite(w).all():
        raise UsageError(f"Expected {len(u)} weights of at least 0, got {w.shape}.")
    return int(np.round(u @ w, 12).argmax())


def k_medoids(utility: ArrayLike, k: int, *, rounds: int = 20) -> Medoids:
    """K candidates such that each candidate is like one of them: minimum risk for a set.

    max_S mean_j max_{i in S} u(i, j), greedy, then exchanged one by one while that helps.

    Args:
        utility: (n, n) what candidate i is worth if j is the truth.
        k: medoids; 1 gives `least_risk`.
        rounds: of exchanges at the most.

    Returns:
        `Medoids`, with the price of one answer instead of k.

    Raises:
        UsageError: k outside 1..n, or other shapes.
        DataError: NaN or Inf.

    Example:
        >>> u = np.kron(np.eye(2), np.ones((3, 3)))  # two camps of three
        >>> found = k_medoids(u, 2)
        >>> found.indices.tolist(), found.value, found.price
        ([0, 3], 1.0, 0.5)

    Reference:
        Kaufman 1990, https://doi.org/10.1002/9780470316801
    """
    u = utilities_of(utility)
    n = len(u)
    if not 1 <= k <= n:
        raise UsageError(f"Expected k from 1 to the {n} candidates there are, got {k}.")
    chosen: list[int] = []
    best = np.full(n, -np.inf)
    for _ in range(k):
        totals = np.maximum(u, best).sum(axis=1)
        totals[chosen] = -np.inf
        chosen.append(int(np.round(totals, 12).argmax()))
        best = np.maximum(best, u[chosen[-1]])
    for _ in range(rounds if k > 1 else 0):
        changed = False
        for place in range(k):
            others = [c for i, c in enumerate(chosen) if i != place]
            without = u[others].max(axis=0)
            totals = np.maximum(u, without).sum(axis=1)
            totals[others] = -np.inf
            if totals.max() > totals[chosen[place]] + 1e-12:
                chosen[place], changed = int(totals.argmax()), True
        if not changed:
            break
    value = float(u[chosen].max(axis=0).mean())
    return Medoids(
        indices=np.array(chosen, dtype=np.int64),
        value=value,
        price=value - float(u[least_risk(u)].mean()),
    )
