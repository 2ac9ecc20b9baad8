"""How two models differ: in what they produce, or in what they make of the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from variegate.errors import UsageError

__all__ = ["Shift", "model_shift"]


@dataclass(frozen=True, kw_only=True)
class Shift:
    """Two kinds of difference between models, each from 0 to 1."""

    diversity: float  # mass on modes that only one of them has
    correlation: float  # other verdicts on the modes both have


def model_shift(a: ArrayLike, b: ArrayLike) -> Shift:
    """Split the difference of two models into other modes and other verdicts on shared modes.

    diversity = ½ Σ_{z: p(z) q(z) = 0} abs(p(z) - q(z)),
    correlation = ½ Σ_{z shared} √(p(z) q(z)) Σ_y abs(p(y|z) - q(y|z)).

    For choosing what to combine: a weak model with other modes or verdicts can add more than a
    strong one without.

    Args:
        a: (Z, Y) counts of the first model: mode z (a class of answers, a plan), verdict y (right
            and wrong, or a label).
        b: (Z, Y) of the second.

    Returns:
        A `Shift`; zeros for identical tables.

    Raises:
        UsageError: tables of other shape, negative, or empty.

    Example:
        >>> model_shift([[4, 0], [0, 0]], [[0, 0], [4, 0]])
        Shift(diversity=1.0, correlation=0.0)
        >>> model_shift([[4, 0]], [[0, 4]])
        Shift(diversity=0.0, correlation=1.0)

    Reference:
        Ye 2021, https://arxiv.org/abs/2106.03721
    """
    tables = [np.asarray(table, dtype=np.float64) for table in (a, b)]
    if tables[0].shape != tables[1].shape or tables[0].ndim != 2:
        raise UsageError(f"Expected two tables of one shape, got {[t.shape for t in tables]}.")
    if any(not np.isfinite(t).all() or t.min(initial=0) < 0 or not t.sum() > 0 for t in tables):
        raise UsageError("Expected counts of at least 0 and some above 0, got something else.")
    p, q = (table / table.sum() for table in tables)
    pz, qz = p.sum(axis=1), q.sum(axis=1)
    shared = (pz > 0) & (qz > 0)
    verdicts = np.abs(p[shared] / pz[shared, None] - q[shared] / qz[shared, None]).sum(axis=1)
    return Shift(
        diversity=float(np.abs(pz - qz)[~shared].sum() / 2),
        correlation=float((np.sqrt(pz[shared] * qz[shared]) * verdicts).sum() / 2),
    )
