"""Precision, recall, density and coverage: a generated set against a real one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.divergences import squared_distances, two_sets
from variegate.errors import UsageError
from variegate.metrics.reference._neighbours import inside, kth_squared_distance, rim

__all__ = ["Prdc", "PrecisionRecall", "prdc", "probabilistic_precision_recall"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Prdc:
    """What `prdc` found; a ball reaches from a point to its k-th neighbour in its own set.

    Args:
        precision: share of generated points inside some real ball.
        recall: share of real points inside some generated ball.
        density: real balls a generated point is in, over k; 1 on average for the same
            distribution, more where the generated points crowd the dense parts.
        coverage: share of real balls with a generated point inside.
        symmetric_precision: the smaller of precision and the share of generated balls with a
            real point inside.
        symmetric_recall: the smaller of recall and coverage.
        expected_coverage: what coverage is on average for the same distribution.
        k: the neighbour that makes the balls.
        n_real, n_generated: points in the sets.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    symmetric_precision: float
    symmetric_recall: float
    expected_coverage: float
    k: int
    n_real: int
    n_generated: int


def prdc(real: ArrayLike, generated: ArrayLike, *, k: int = 5) -> Prdc:
    """Fidelity and coverage of a generated set, by nearest neighbours.

    Precision and density say whether generated points are where real ones are, recall and
    coverage whether they are everywhere real ones are. A point is inside a ball if it is nearer
    to the centre than the radius; one on the rim, to rounding, is outside. In many dimensions a
    shell inside the real one has precision 1 and recall near 0, a shell outside the reverse;
    the symmetric pair, the same low number for both, does not depend on the side.

    If both come from the same distribution, coverage is 1 - Π_{i=1..k} (N - i)/(N + M - i) on
    average, N real and M generated points. Choose k so that this is above 0.95.

    Args:
        real: (N, d) features of the reference.
        generated: (M, d) features of what is judged.
        k: the neighbour that makes the balls.

    Returns:
        Shares from 0 to 1; density from 0 up without bound. Points all alike have balls of
        radius 0, with nothing inside: all 0. All move with N, M and k: compare at equal ones.

    Raises:
        DataError: NaN or Inf.
        UsageError: sets of other dimension, or k beyond the neighbours a set has.

    Example:
        >>> fit = prdc([[0.0], [1.0], [2.0], [9.0]], [[0.1], [0.9], [1.1], [1.9]], k=1)
        >>> fit.precision, fit.recall, fit.density, fit.coverage
        (1.0, 0.75, 2.0, 0.75)

    Time N² + M² + N M; distances are held a block of rows at a time.

    No entry of `measure`: samples hold no reference set. Intervals: `estimate.subsampled`, with
    the prompts as clusters where there are prompts.

    Source: `Kynkäänniemi 2019 <https://arxiv.org/abs/1904.06991>`_, `Naeem 2020
    <https://arxiv.org/abs/2002.09797>`_; the symmetric pair `Khayatkhoei 2023
    <https://arxiv.org/abs/2306.09618>`_.
    """
    x, y = two_sets(real, generated)
    own, other = kth_squared_distance(x, k=k), kth_squared_distance(y, k=k)
    balls = (own - rim(x, own))[:, None], (other - rim(y, other))[None, :]
    inside_real, hit_by_real = np.zeros(len(y), dtype=np.int64), np.zeros(len(y), dtype=bool)
    covered, recalled = np.zeros(len(x), dtype=bool), np.zeros(len(x), dtype=bool)
    for rows, (within_real, within_other) in inside(x, y, *balls):
        inside_real += within_real.sum(axis=0)
        covered[rows] = within_real.any(axis=1)
        hit_by_real |= within_other.any(axis=0)
        recalled[rows] = within_other.any(axis=1)
    precision, recall = float((inside_real > 0).mean()), float(recalled.mean())
    coverage = float(covered.mean())
    steps = np.arange(1, k + 1)
    missed = np.prod((len(x) - steps) / (len(x) + len(y) - steps))
    return Prdc(
        precision=precision,
        recall=recall,
        density=float(inside_real.mean() / k),
        coverage=coverage,
        symmetric_precision=min(precision, float(hit_by_real.mean())),
        symmetric_recall=min(recall, coverage),
        expected_coverage=float(1 - missed),
        k=k,
        n_real=len(x),
        n_generated=len(y),
    )


@dataclass(frozen=True, kw_only=True)
class PrecisionRecall:
    """What `probabilistic_precision_recall` found.

    Args:
        precision: mean chance that a generated point lies where real ones are.
        recall: mean chance that a real point lies where generated ones are.
        k: the neighbour whose mean distance makes the radius.
        scale: factor on that radius.
        n_real, n_generated: points in the sets.
    """

    precision: float
    recall: float
    k: int
    scale: float
    n_real: int
    n_generated: int


def probabilistic_precision_recall(
    real: ArrayLike, generated: ArrayLike, *, k: int = 4, scale: float = 1.2
) -> PrecisionRecall:
    """Precision and recall with soft balls of one radius, which no single outlier can widen.

    R = scale · mean distance to the k-th neighbour in the set; a point at distance d from
    another is in its ball with chance max(0, 1 - d/R), and in the set with chance
    1 - Π (1 - chance), the product over the set, taken as a sum of logarithms.

    Args:
        real: (N, d) features of the reference.
        generated: (M, d) features of what is judged.
        k: the neighbour that makes the radius.
        scale: factor on the radius.

    Returns:
        Both from 0 (out of reach) to 1 (the same points). About 0.7 for two normal samples of
        500 in 8 dimensions. Points all alike have radius 0: 1 for those that coincide, else 0.

    Raises:
        DataError: NaN or Inf.
        UsageError: sets of other dimension, k beyond the neighbours a set has, or a scale that
            is not positive.

    Example:
        >>> fit = probabilistic_precision_recall([0.0, 1.0, 2.0], [0.5, 9.0, 9.5], k=1)
        >>> round(fit.precision, 4), round(fit.recall, 4)
        (0.2755, 0.7807)

    No entry of `measure`: samples hold no reference set. Intervals: `estimate.subsampled`.

    Source: `Park 2023 <https://arxiv.org/abs/2309.01590>`_.
    """
    if not scale > 0:
        raise UsageError(f"Expected a positive scale, got {scale}.")
    x, y = two_sets(real, generated)
    own = scale * float(np.sqrt(kth_squared_distance(x, k=k)).mean())
    other = scale * float(np.sqrt(kth_squared_distance(y, k=k)).mean())
    outside_real, outside_generated = np.zeros(len(y)), np.zeros(len(x))
    for start, squared in squared_distances(x, y):
        distance = np.sqrt(squared)
        outside_real += _log_outside(distance, own).sum(axis=0)
        rows = slice(start, start + len(squared))
        outside_generated[rows] = _log_outside(distance, other).sum(axis=1)
    return PrecisionRecall(
        precision=float(-np.expm1(outside_real).mean()),
        recall=float(-np.expm1(outside_generated).mean()),
        k=k,
        scale=scale,
        n_real=len(x),
        n_generated=len(y),
    )


def _log_outside(distance: Floats, radius: float) -> Floats:
    """ln(1 - max(0, 1 - d/R)), which is ln min(1, d/R)."""
    with np.errstate(divide="ignore"):
        if radius == 0:
            return np.where(distance == 0, -np.inf, 0.0)
        outside: Floats = np.log(np.minimum(distance / radius, 1.0))
        return outside
