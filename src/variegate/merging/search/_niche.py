"""Merging by evolution in which models compete for prompts, and mate with what they lack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import DataError, UsageError

__all__ = ["Evolved", "attraction", "evolve", "shared_fitness"]

Floats = NDArray[np.float64]
Candidate = TypeVar("Candidate")


def shared_fitness(scores: ArrayLike, *, alpha: float = 1.0) -> Floats:
    """What each model earns where every prompt is a resource that those who solve it share.

    fᵢ = Σⱼ Sᵢⱼ / zⱼ with zⱼ = (Σᵢ Sᵢⱼ)^α.

    Args:
        scores: (P, N) of P models on N prompts, at least 0, e.g. right or wrong.
        alpha: how much is shared: 0 not at all (f is the plain sum), 1 all of it.

    Returns:
        (P,) at least 0. With α = 1 they sum to the number of prompts that anybody solves, and
        twins earn half each; prompts that nobody solves feed nobody.

    Raises:
        UsageError: another shape.
        DataError: negative scores, NaN.

    Example:
        >>> shared_fitness([[1, 1, 0, 0], [0, 0, 1, 0], [1, 1, 1, 0]]).tolist()
        [1.0, 0.5, 1.5]

    Reference:
        `Abrantes 2025 <https://arxiv.org/abs/2508.16204>`_.
    """
    return np.asarray(_shares(scores, alpha).sum(axis=1))


def attraction(scores: ArrayLike, *, to: int, alpha: float = 1.0) -> Floats:
    """How much each model has of what one model lacks: Σⱼ max(0, Sₖⱼ/zⱼ − Sₐⱼ/zⱼ).

    Args:
        scores: (P, N) as in `shared_fitness`.
        to: the row a of the model that looks for a mate.
        alpha: as in `shared_fitness`.

    Returns:
        (P,) at least 0, 0 for the model itself; all 0 where nobody has what it lacks.

    Raises:
        UsageError: another shape, no such row.
        DataError: negative scores, NaN.

    Example:
        >>> attraction([[1, 1, 0, 0], [0, 0, 1, 0], [1, 1, 1, 0]], to=0).tolist()
        [0.0, 0.5, 0.5]

    Reference:
        `Abrantes 2025 <https://arxiv.org/abs/2508.16204>`_.
    """
    shares = _shares(scores, alpha)
    if not 0 <= to < len(shares):
        raise UsageError(f"Expected a row below {len(shares)}, got {to}.")
    return np.asarray(np.maximum(shares - shares[to], 0.0).sum(axis=1))


@dataclass(frozen=True, kw_only=True)
class Evolved(Generic[Candidate]):
    """What is left after the last child.

    Args:
        population: the candidates.
        scores: (P, N) theirs.
        fitness: (P,) shared.
        solved: (steps + 1,) prompts that anybody solves (scores above 0), from the start on.
        accepted: children that stayed when they came.
    """

    population: tuple[Candidate, ...]
    scores: Floats
    fitness: Floats
    solved: NDArray[np.int64]
    accepted: int


def evolve(
    population: Sequence[Candidate],
    *,
    evaluate: Callable[[Candidate], ArrayLike],
    cross: Callable[[Candidate, Candidate, np.random.Generator], Candidate],
    steps: int,
    alpha: float = 1.0,
    seed: int = 0,
) -> Evolved[Candidate]:
    """Evolve merges whose fitness is a niche, not an average.

    Each step: a parent by shared fitness, a mate by attraction to it, their child; then the least
    fit of all goes, which may be the child.

    Args:
        population: at least two candidates, e.g. dicts of tensors; their number stays.
        evaluate: from a candidate to scores (N,) at least 0, one a prompt. For variety beside
            quality score both: right or not a prompt, then how many different right answers.
        cross: from parent, mate and a generator to their child, e.g. with
            `variegate.merging.crossover` at a split and a t that the generator draws.
        steps: children.
        alpha: as in `shared_fitness`; 0 is a plain genetic algorithm.
        seed: of all draws.

    Returns:
        The population after the last step. Where nobody earns anything, or nobody has what the
        parent lacks, parent or mate are drawn evenly.

    Raises:
        UsageError: fewer than two candidates.
        DataError: negative scores, NaN, or scores of another length.

    Example:
        >>> found = evolve(
        ...     [0b0011, 0b1100],
        ...     evaluate=lambda bits: [bits >> i & 1 for i in range(4)],
        ...     cross=lambda a, b, rng: a | b if rng.random() < 0.5 else a & b,
        ...     steps=20,
        ... )
        >>> max(bin(bits).count("1") for bits in found.population)
        4

    Reference:
        `Abrantes 2025 <https://arxiv.org/abs/2508.16204>`_.
    """
    alive = list(population)
    if len(alive) < 2:
        raise UsageError(f"Expected at least 2 candidates to cross, got {len(alive)}.")
    rng = np.random.default_rng(seed)
    rows = [np.asarray(evaluate(one), dtype=np.float64) for one in alive]
    solved, accepted = [_solved(rows)], 0
    for _ in range(steps):
        scores = _stacked(rows)
        parent = _drawn(shared_fitness(scores, alpha=alpha), rng)
        pull = attraction(scores, to=parent, alpha=alpha)
        mate = _drawn(pull, rng, without=parent)
        child = cross(alive[parent], alive[mate], rng)
        rows.append(np.asarray(evaluate(child), dtype=np.float64))
        alive.append(child)
        fitness = shared_fitness(_stacked(rows), alpha=alpha)
        # Of equals the child goes: what is known already stays.
        worst = len(alive) - 1 - int(fitness[::-1].argmin())
        accepted += worst != len(alive) - 1
        del rows[worst], alive[worst]
        solved.append(_solved(rows))
    scores = _stacked(rows)
    return Evolved(
        population=tuple(alive),
        scores=scores,
        fitness=shared_fitness(scores, alpha=alpha),
        solved=np.array(solved),
        accepted=accepted,
    )


def _shares(scores: ArrayLike, alpha: float) -> Floats:
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or alpha < 0:
        raise UsageError(f"Expected scores (P, N) and alpha >= 0, got {table.shape} and {alpha}.")
    if not (np.isfinite(table).all() and (table >= 0).all()):
        raise DataError("Expected finite scores of at least 0, got NaN, Inf or less.")
    shared = table.sum(axis=0) ** alpha
    return np.divide(table, shared, out=np.zeros_like(table), where=table.sum(axis=0) > 0)


def _stacked(rows: Sequence[Floats]) -> Floats:
    if len({row.shape for row in rows}) != 1 or rows[0].ndim != 1:
        raise DataError(f"Expected scores of one length, got {[row.shape for row in rows]}.")
    return np.stack(rows)


def _solved(rows: Sequence[Floats]) -> int:
    return int((_stacked(rows) > 0).any(axis=0).sum())


def _drawn(weights: Floats, rng: np.random.Generator, without: int | None = None) -> int:
    allowed = np.ones(len(weights))
    if without is not None:
        allowed[without] = 0.0
    chances = weights * allowed
    chances = chances if chances.sum() > 0 else allowed
    return int(rng.choice(len(weights), p=chances / chances.sum()))
