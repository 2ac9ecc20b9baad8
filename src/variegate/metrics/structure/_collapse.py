"""Neural collapse: features that say which prompt they answer, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from variegate.errors import UsageError
from variegate.metrics._arrays import finite

__all__ = ["NeuralCollapse", "neural_collapse"]


@dataclass(frozen=True, kw_only=True)
class NeuralCollapse:
    """How far features have collapsed onto one point a group; every number is 0 at collapse."""

    within: float  # NC1: spread within groups over spread between them
    norms: float  # NC2: how unequal the distances of the group means from the centre are
    angles: float  # NC2: mean distance of their cosines from those of a simplex, -1/(K - 1)
    duality: float | None  # NC3: distance of the classifier from the means, None without one
    groups: int
    items: int


def neural_collapse(
    features: ArrayLike, groups: ArrayLike, *, classifier: ArrayLike | None = None
) -> NeuralCollapse:
    """Measure how far the features of groups have fallen onto one point each.

    NC1 = tr(Σ_W Σ_B⁺)/K with Σ_W the covariance within groups and Σ_B that of the K group means,
    each group counted once; NC2 the coefficient of variation of the lengths of the centred means,
    and the mean of abs(cos + 1/(K - 1)) over their pairs; NC3 the Frobenius distance of classifier
    and means, each scaled to length 1.

    Groups may be prompts: then NC1 near 0 says that outputs of one prompt are one output.

    Args:
        features: (n, d) one row an output, any unit.
        groups: (n,) which prompt or class each belongs to.
        classifier: (K, d) rows of a linear head, in the sorted order of the groups.

    Returns:
        Numbers of at least 0; `within` is infinite where the group means agree, and NaN where
        nothing differs at all.

    Raises:
        DataError: NaN or Inf.
        UsageError: fewer than two groups, or shapes that do not fit.

    Example:
        >>> neural_collapse([[1, 0], [1, 0], [0, 1], [0, 1]], [0, 0, 1, 1]).within
        0.0
        >>> neural_collapse([[0.0], [2.0], [4.0], [6.0]], [0, 0, 1, 1]).within
        0.125

    Reference:
        Papyan 2020, https://arxiv.org/abs/2008.08186
    """
    x = finite(features, "features", axes=2)
    names, which = np.unique(np.asarray(groups), return_inverse=True)
    k = len(names)
    if x.ndim != 2 or which.shape != x.shape[:1]:
        raise UsageError(
            f"Expected features (n, d) and a group a row, got {x.shape} and {which.shape}."
        )
    if k < 2:
        raise UsageError(f"Expected two groups or more, got {k}.")
    counts = np.bincount(which)
    means = np.zeros((k, x.shape[1]))
    np.add.at(means, which, x)
    means /= counts[:, None]
    centred = means - means.mean(axis=0)
    scale = np.abs(x).max(initial=1.0)

    inner = (x - means[which]) / np.sqrt(counts[which] * k)[:, None]
    # tr(Σ_W Σ_B⁺) through the thin factor of the means: no d × d inverse.
    _, singular, directions = np.linalg.svd(centred / np.sqrt(k), full_matrices=False)
    real = singular > scale * k * np.finfo(float).eps * 8
    along = inner @ directions[real].T
    spread = float((inner**2).sum())
    if real.any():
        within = float((along**2 / singular[real] ** 2).sum()) / k
    else:
        within = float("inf") if spread > (scale * 1e-12) ** 2 else float("nan")

    lengths = np.linalg.norm(centred, axis=1)
    mean = lengths.mean()
    unit = centred / np.where(lengths > 0, lengths, 1)[:, None]
    cosines = (unit @ unit.T)[np.triu_indices(k, 1)]
    return NeuralCollapse(
        within=within,
        norms=float(lengths.std() / mean) if mean > 0 else float("nan"),
        angles=float(np.abs(cosines + 1 / (k - 1)).mean()),
        duality=None if classifier is None else _duality(classifier, centred),
        groups=k,
        items=len(x),
    )


def _duality(classifier: ArrayLike, centred: np.ndarray) -> float:
    head = finite(classifier, "classifier", axes=2)
    if head.shape != centred.shape:
        raise UsageError(f"Expected a classifier of shape {centred.shape}, got {head.shape}.")
    sizes = np.linalg.norm(head), np.linalg.norm(centred)
    if min(sizes) == 0:
        return float("nan")
    return float(np.linalg.norm(head / sizes[0] - centred / sizes[1]))
