"""From pairs to classes: what to do when "the same as" is not transitive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UnknownName, UsageError
from variegate.judging._relation import Bools, as_relation

__all__ = ["AnswerClasses", "partition"]

Rule = Literal["components", "greedy", "average"]
Ask = Callable[[int, int], bool]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class AnswerClasses:
    """How many different answers there are, and which output gives which.

    Args:
        n_classes: number of classes; with the rule ``"average"`` its mean over orders.
        spread: standard deviation of that number over random orders: how much of it is an
            accident of order. 0 for ``"components"``, which knows no order; NaN for
            ``"greedy"``, which sees only one.
        labels: (n,) class of each item, from 0 in order of first appearance. With ``"average"``
            those of the drawn order whose number of classes comes nearest to the mean.
        settings: rule, seed, and how many orders were drawn.
    """

    n_classes: float
    spread: float
    labels: Ints
    settings: Mapping[str, Any] = field(default_factory=dict)


def partition(
    same: ArrayLike | Ask,
    *,
    rule: Rule = "components",
    n: int | None = None,
    orders: int = 200,
    seed: int = 0,
) -> AnswerClasses:
    """Turn a relation between pairs into classes.

    Where the relation is transitive every rule gives the same classes. Where it is not (a ~ b,
    b ~ c, but not a ~ c) the rules differ, and none is right:

    - ``"components"``: whatever a chain of pairs connects is one class. Fewest classes; one
      wrong pair can join two large ones.
    - ``"greedy"``: in the order given, the first free item founds a class and takes in every
      free item that is the same as *it*. Depends on order; what NoveltyBench does.
    - ``"average"``: greedy over random orders. The chain gives 1 class when b comes first (one
      time in three) and 2 otherwise: 5/3 on average.

    Args:
        same: (n, n) symmetric booleans, the diagonal is not read; or a symmetric function of two
            item numbers. Greedy asks a function only about founders, at most n · classes pairs;
            the other rules ask about each of n(n-1)/2 pairs once.
        rule: see above.
        n: number of items; needed with a function only.
        orders: random orders to draw for ``"average"``; the standard error of its mean is
            spread / √orders.
        seed: for the orders.

    Returns:
        `AnswerClasses`, with 1 (all the same) to n (all different) classes; 0 for no items.

    Raises:
        UsageError: a matrix that is not square, boolean and symmetric, a function without `n`,
            or fewer than one order.
        UnknownName: an unknown rule.

    Example:
        >>> chain = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]], dtype=bool)
        >>> partition(chain).labels.tolist(), partition(chain, rule="greedy").labels.tolist()
        ([0, 0, 0], [0, 0, 1])
        >>> found = partition(chain, rule="average", orders=3000)
        >>> round(found.n_classes, 1), round(found.spread, 1)
        (1.7, 0.5)

    Source: greedy rule `Zhang 2025 <https://arxiv.org/abs/2504.05228>`_.
    """
    if rule not in get_args(Rule):
        raise UnknownName("rule", rule, get_args(Rule))
    if orders < 1:
        raise UsageError(f"Expected `orders` of at least 1, got {orders}.")
    settings: dict[str, Any] = {"rule": rule}
    if rule == "greedy" and callable(same):
        labels = _greedy(_asking(same), range(_number(n)))
        return _classes(labels, spread=float("nan"), settings=settings)
    relation = _asked(same, _number(n)) if callable(same) else as_relation(same, name="same")
    if n is not None and n != len(relation):
        raise UsageError(f"Expected `n` to be the {len(relation)} items of `same`, got {n}.")

    def alike(item: int, others: Ints) -> Bools:
        return np.asarray(relation[item, others])

    if rule == "components":
        return _classes(_components(relation), spread=0.0, settings=settings)
    if rule == "greedy":
        labels = _greedy(alike, range(len(relation)))
        return _classes(labels, spread=float("nan"), settings=settings)
    rng = np.random.default_rng(seed)
    drawn = [_greedy(alike, rng.permutation(len(relation))) for _ in range(orders)]
    numbers = np.array([labels.max(initial=-1) + 1 for labels in drawn])
    mean = float(numbers.mean())
    return AnswerClasses(
        n_classes=mean,
        spread=float(numbers.std()),
        labels=_by_appearance(drawn[int(np.abs(numbers - mean).argmin())]),
        settings={**settings, "orders": orders, "seed": seed},
    )


def _classes(labels: Ints, *, spread: float, settings: Mapping[str, Any]) -> AnswerClasses:
    return AnswerClasses(
        n_classes=float(labels.max(initial=-1) + 1),
        spread=spread,
        labels=_by_appearance(labels),
        settings=settings,
    )


def _components(relation: Bools) -> Ints:
    labels = np.full(len(relation), -1, dtype=np.int64)
    found = 0
    for item in range(len(relation)):
        if labels[item] >= 0:
            continue
        front = np.array([item])
        while front.size:  # each item is in the front once, so that all of it reads n² entries
            labels[front] = found
            front = np.flatnonzero(relation[front].any(axis=0) & (labels < 0))
        found += 1
    return labels


def _greedy(alike: Callable[[int, Ints], Bools], order: Iterable[int] | Ints) -> Ints:
    free = np.array(list(order), dtype=np.int64)
    labels = np.empty(len(free), dtype=np.int64)
    found = 0
    while free.size:
        founder, others = int(free[0]), free[1:]
        joins = alike(founder, others)
        labels[founder] = found
        labels[others[joins]] = found
        free = others[~joins]
        found += 1
    return labels


def _by_appearance(labels: Ints) -> Ints:
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return first.argsort().argsort()[inverse].astype(np.int64)


def _number(n: int | None) -> int:
    if n is None or n < 0:
        raise UsageError(f"Expected `n`, the number of items, with a function, got {n}.")
    return n


def _asking(same: Ask) -> Callable[[int, Ints], Bools]:
    def alike(item: int, others: Ints) -> Bools:
        return np.array([bool(same(item, int(other))) for other in others], dtype=np.bool_)

    return alike


def _asked(same: Ask, n: int) -> Bools:
    relation = np.eye(n, dtype=np.bool_)
    for i in range(n):
        for j in range(i + 1, n):
            relation[i, j] = relation[j, i] = bool(same(i, j))
    return relation
