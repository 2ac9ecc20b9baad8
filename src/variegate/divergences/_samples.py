"""KL from samples: three estimators, and what each does when it is a loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import numbers
from variegate.errors import UnknownName, UsageError

__all__ = ["kl_samples"]


def kl_samples(logp: ArrayLike, logq: ArrayLike, *, estimator: str = "k3") -> NDArray[np.float64]:
    """Per-sample terms whose mean over samples from p estimates KL(p‖q).

    With d = ln p - ln q at a sample drawn from p:

    ========  =====================  ==============================================
    name      term                   as a number
    ========  =====================  ==============================================
    ``k1``    d                      unbiased, may be negative, high variance
    ``k2``    d²/2                   biased (exact to second order), never negative
    ``k3``    e^(-d) - 1 + d         unbiased, never negative
    ========  =====================  ==============================================

    The value and the gradient are different things. With samples held fixed and ln p
    differentiated, the expected gradient of k1 is 0, of k2 that of KL(p‖q), and of k3 that of
    KL(q‖p): a k3 penalty follows the *forward* KL. `variegate.objectives.kl_penalty` is the
    differentiable form.

    Args:
        logp: (...) log-probability, in nats, of each sample under p, which it was drawn from.
        logq: (...) the same under q.
        estimator: ``"k1"``, ``"k2"`` or ``"k3"``.

    Returns:
        (...) terms, in nats.

    Raises:
        UnknownName: another estimator.

    Example:
        >>> kl_samples([-1.0, -1.0], [-1.0, -2.0], estimator="k2").tolist()
        [0.0, 0.5]

    Reference: Schulman 2020, http://joschu.net/blog/kl-approx.html
    """
    own, other = numbers(logp, "logp"), numbers(logq, "logq")
    if own.shape != other.shape:
        raise UsageError(
            f"Expected log-probabilities of one shape, got {own.shape} and {other.shape}."
        )
    with np.errstate(invalid="ignore"):  # impossible under both: no difference to speak of
        d = own - other
    match estimator:
        case "k1":
            return d
        case "k2":
            return d**2 / 2
        case "k3":
            return np.expm1(-d) + d
    raise UnknownName("estimator", estimator, ["k1", "k2", "k3"])
