"""How many draws the shares of answers need."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from variegate.errors import UsageError
from variegate.metrics._arrays import finite

__all__ = ["draws_needed", "expected_share_error"]


def expected_share_error(
    shares: ArrayLike, *, n: int, smoothing: float = 0.5, simulations: int = 2000, seed: int = 0
) -> float:
    """Mean KL divergence between true shares of answers and those estimated from n draws.

    E KL(p ‖ p̂), p̂_i = (n_i + α)/(n + α m), simulated. For large n it is near (m - 1)/(2n), for m
    answers that all can happen.

    Args:
        shares: (m,) true probabilities; scaled to sum 1.
        n: draws.
        smoothing: α, added to every count, so that an answer not drawn keeps a finite logarithm.
        simulations: how many times n draws are made.
        seed: of the simulation.

    Returns:
        Nats, from 0 (one answer only).

    Raises:
        DataError: NaN or Inf.
        UsageError: shares that are not probabilities, n < 1 or smoothing not positive.

    Example:
        >>> round(expected_share_error([0.4, 0.3, 0.2, 0.1], n=500), 3)  # near 3/1000
        0.003

    Reference:
        Cover 2006, https://doi.org/10.1002/047174882X, for the asymptotic
    """
    p = finite(shares, "shares")
    if p.ndim != 1 or not len(p) or p.min() < 0 or not p.sum() > 0:
        raise UsageError("Expected a row of probabilities with a sum above 0, got something else.")
    if n < 1 or not smoothing > 0:
        raise UsageError(f"Expected n >= 1 and smoothing > 0, got {n} and {smoothing}.")
    p = p[p > 0] / p.sum()
    counts = np.random.default_rng(seed).multinomial(n, p, size=simulations)
    guess = (counts + smoothing) / (n + smoothing * len(p))
    return float((p * (np.log(p) - np.log(guess))).sum(axis=1).mean())


def draws_needed(answers: int, *, tolerance: float) -> int:
    """Draws after which shares of so many answers are known to a tolerance, in mean KL.

    n = ⌈(m - 1)/(2 ε)⌉, the asymptotic of `expected_share_error`.

    Args:
        answers: m, how many answers can happen.
        tolerance: ε, nats of mean KL divergence that are allowed.

    Returns:
        At least 1; a rule of thumb where n is not much larger than m.

    Raises:
        UsageError: fewer than one answer, or a tolerance that is not positive.

    Example:
        >>> draws_needed(11, tolerance=0.05)
        100
    """
    if answers < 1 or not (tolerance > 0 and math.isfinite(tolerance)):
        raise UsageError(
            f"Expected answers >= 1 and a tolerance > 0, got {answers} and {tolerance}."
        )
    return max(1, math.ceil((answers - 1) / (2 * tolerance) - 1e-9))
