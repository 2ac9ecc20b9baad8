"""Who knows what: information of two sources about a third, taken apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError
from variegate.metrics._arrays import finite

__all__ = ["PartialInformation", "mutual_information", "partial_information"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PartialInformation:
    """The information of two sources about a target, in nats; the four parts sum to `total`."""

    total: float
    redundant: float  # either source gives it
    first: float  # only the first source gives it
    second: float
    synergistic: float  # only both together give it


def mutual_information(joint: ArrayLike) -> float:
    """Mutual information of a joint distribution: Σ p(x, y) ln p(x, y)/(p(x) p(y)).

    Args:
        joint: (a, b) probabilities or counts; scaled to sum 1.

    Returns:
        Nats, from 0 (independent) to the smaller of the two entropies. From counts it is biased
        upwards by about (a - 1)(b - 1)/(2n).

    Raises:
        DataError: NaN or Inf.
        UsageError: no table, or nothing or negative numbers in it.

    Example:
        >>> round(mutual_information([[1, 0], [0, 1]]), 4)
        0.6931

    Reference:
        Cover 2006, https://doi.org/10.1002/047174882X
    """
    p = _distribution(joint, axes=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Logarithms one by one: a product of two small probabilities may be 0.
        terms = p * (np.log(p) - np.log(p.sum(1, keepdims=True)) - np.log(p.sum(0, keepdims=True)))
    return float(max(np.nansum(terms), 0.0))


def partial_information(joint: ArrayLike) -> PartialInformation:
    """Take apart what two sources know about a target: shared, each alone, only together.

    Redundancy is Σ_y p(y) min_i I(Y = y; X_i), with the specific information
    I(Y = y; X) = Σ_x p(x|y) ln p(y|x)/p(y); the rest follows from I(X₁; Y), I(X₂; Y) and
    I(X₁, X₂; Y). With prompts and stages as sources and the answer as target it says how much of
    an answer either explains.

    Args:
        joint: (a, b, c) probabilities or counts of first source, second source, target.

    Returns:
        Five numbers of at least 0.

    Raises:
        DataError: NaN or Inf.
        UsageError: no such table, or nothing or negative numbers in it.

    Example:
        >>> import numpy as np
        >>> xor = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]]])
        >>> parts = partial_information(xor)
        >>> round(float(parts.synergistic / np.log(2)), 6), round(float(parts.redundant), 6)
        (1.0, 0.0)

    Reference:
        Williams 2010, https://arxiv.org/abs/1004.2515
    """
    p = _distribution(joint, axes=3)
    both = mutual_information(p.reshape(-1, p.shape[2]))
    pairs = [p.sum(axis=1), p.sum(axis=0)]
    single = [mutual_information(pair) for pair in pairs]
    target = p.sum(axis=(0, 1))
    redundant = float((target * np.minimum(*map(_specific, pairs))).sum())
    redundant = min(redundant, *single)
    return PartialInformation(
        total=both,
        redundant=redundant,
        first=single[0] - redundant,
        second=single[1] - redundant,
        synergistic=max(both - single[0] - single[1] + redundant, 0.0),
    )


def _specific(pair: Floats) -> Floats:
    """I(Y = y; X) for every y of a joint table (x, y); 0 where y never happens."""
    target = pair.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(pair) - np.log(pair.sum(axis=1, keepdims=True)) - np.log(target)
        terms = np.where(pair > 0, pair / target * ratio, 0.0)
    return np.asarray(terms.sum(axis=0))


def _distribution(joint: ArrayLike, *, axes: int) -> Floats:
    table = finite(joint, "joint", axes=axes)
    if table.ndim != axes or table.min(initial=0) < 0 or not table.sum() > 0:
        raise UsageError(
            f"Expected a table of {axes} axes with numbers of at least 0 and a sum above 0, "
            f"got shape {table.shape} with sum {table.sum()}."
        )
    table = table / table.max()  # so that the sum of the smallest numbers has all its digits
    return np.asarray(table / table.sum())
