"""The Sinkhorn divergence: optimal transport with the blur taken out."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.divergences._distances import squared_distances, two_sets
from variegate.errors import UnknownName, UsageError

__all__ = ["sinkhorn"]

Floats = NDArray[np.float64]


def sinkhorn(
    x: ArrayLike,
    y: ArrayLike,
    *,
    epsilon: float,
    cost: Literal["squared", "euclidean"] = "squared",
    tolerance: float = 1e-4,
    most_rounds: int = 10_000,
) -> float:
    """Sinkhorn divergence OT_ε(x, y) - ½ OT_ε(x, x) - ½ OT_ε(y, y) of two sets of points.

    OT_ε = min_π Σ π C + ε KL(π ‖ uniform), over the plans π that move the one set onto the
    other. Without the two self terms equal sets would not be at 0. The potentials are updated
    as logarithms, f = -ε ln mean exp((g - C)/ε), which never underflows, with ε falling from
    the largest cost to its value; rounds stop when the plan's marginals are right.

    ε → 0 gives optimal transport, ε → ∞ the mean discrepancy with kernel -C: for the Euclidean
    cost, half the V form of `energy_distance`.

    Args:
        x: (n, d) or (n,) points of the one set, equally weighted.
        y: (m, d) or (m,) points of the other.
        epsilon: blur, in the unit of the cost.
        cost: ``"squared"`` ‖x - y‖² or ``"euclidean"`` ‖x - y‖.
        tolerance: sum of absolute errors of the marginals at which rounds stop; the
            value is then right to about that share of the largest cost, mostly far better.
        most_rounds: rounds after which it gives up.

    Returns:
        In the unit of the cost, from 0 (same set) up, symmetric. A set moved by a vector s is
        at ‖s‖² from itself for the squared cost, whatever ε.

    Raises:
        DataError: NaN or Inf.
        UsageError: sets of other dimension, an epsilon that is not positive, or marginals that
            are still wrong after the last round.

    Example:
        >>> round(sinkhorn([[0.0, 0.0], [1.0, 0.0]], [[0.0, 2.0], [1.0, 2.0]], epsilon=0.5), 6)
        4.0

    The costs between all pairs are held at once: n m numbers.

    Source: `Feydy 2019 <https://arxiv.org/abs/1810.08278>`_; for distillation `Cui 2024
    <https://arxiv.org/abs/2402.17110>`_.
    """
    if cost not in ("squared", "euclidean"):
        raise UnknownName("cost", cost, ["squared", "euclidean"])
    if not (epsilon > 0 and np.isfinite(epsilon)):
        raise UsageError(f"Expected a positive epsilon, got {epsilon}.")
    left, right = two_sets(x, y)

    def transport(a: Floats, b: Floats) -> float:
        costs = np.concatenate([block for _, block in squared_distances(a, b)])
        if cost == "euclidean":
            costs = np.sqrt(costs)
        return _transport(costs, epsilon, tolerance, most_rounds, itself=a is b)

    own = (transport(left, left) + transport(right, right)) / 2
    return max(transport(left, right) - own, 0.0)


def _transport(
    costs: Floats, epsilon: float, tolerance: float, most_rounds: int, *, itself: bool
) -> float:
    """OT_ε by its dual, which at the optimum is mean f + mean g."""
    f = _potential(costs, np.zeros(costs.shape[1]), epsilon)
    blur = max(float(costs.max()), epsilon)
    error = np.inf
    for _ in range(most_rounds):
        blur = max(blur / 2, epsilon)
        # From a set to itself both potentials are one, and half steps find it at once.
        g = f if itself else _potential(costs.T, f, blur)
        updated = _potential(costs, g, blur)
        # How far f still moves says how wrong the rows are; the columns are right, or as wrong.
        error = float(np.abs(np.expm1(np.minimum((f - updated) / blur, 50.0))).mean())
        f = (f + updated) / 2 if itself else updated
        if blur == epsilon and error <= tolerance:
            return float(f.mean() + (f if itself else g).mean())
    raise UsageError(
        f"Expected marginals within {tolerance:g} after {most_rounds} rounds, got {error:.2g}.",
        hint="Take a larger epsilon, more rounds, or a looser tolerance.",
    )


def _potential(costs: Floats, other: Floats, epsilon: float) -> Floats:
    """-ε ln mean_j exp((other_j - C_ij)/ε)."""
    terms = (other - costs) / epsilon
    largest = terms.max(axis=1, keepdims=True)
    means = np.exp(terms - largest).mean(axis=1)
    potential: Floats = -epsilon * (largest[:, 0] + np.log(means))
    return potential
