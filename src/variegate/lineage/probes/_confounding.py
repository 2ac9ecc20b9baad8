"""How far an observed level can be from the one an intervention would give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from variegate.errors import UsageError

__all__ = ["CausalBound", "causal_bound"]


@dataclass(frozen=True, kw_only=True)
class CausalBound:
    """Where the interventional mean must lie.

    Args:
        low: smallest mean under the intervention.
        high: largest.
        divergence: largest KL(observed ‖ interventional) of the outcome's distribution, nats.
        total_variation: largest total variation between the two.
    """

    low: float
    high: float
    divergence: float
    total_variation: float


def causal_bound(
    observed: float, *, propensity: float, smallest: float = 0.0, largest: float = 1.0
) -> CausalBound:
    """Bound the effect of a stage on prompts that were not given to it at random.

    A fraction π of the prompts went through the stage and show a mean level; for the others
    nothing is seen. Whatever hidden cause chose them, P(y | do) ≥ π P(y | seen) for every y, so
    the mean lies in [π m + (1 - π) smallest, π m + (1 - π) largest], the KL from seen to
    interventional is at most -ln π, and the total variation at most 1 - π.

    Args:
        observed: m, the mean level on the prompts that went through.
        propensity: π, their share of all prompts, in (0, 1].
        smallest: the least the level can be.
        largest: the most it can be.

    Returns:
        A `CausalBound`. π = 1: the interval is the observed mean. It assumes nothing about the
        hidden cause, so it is wide for small π, and it can not be made narrower without
        assuming something.

    Raises:
        UsageError: π outside (0, 1], or a mean outside the range.

    Example:
        >>> bound = causal_bound(0.4, propensity=0.5)
        >>> round(bound.low, 3), round(bound.high, 3), round(bound.divergence, 3)
        (0.2, 0.7, 0.693)

    Reference: Manski 1990, https://www.jstor.org/stable/2006592
    """
    if not 0 < propensity <= 1:
        raise UsageError(f"Expected a propensity above 0 and up to 1, got {propensity}.")
    if not smallest <= observed <= largest:
        raise UsageError(f"Expected a mean from {smallest} to {largest}, got {observed}.")
    seen, unseen = propensity * observed, 1 - propensity
    return CausalBound(
        low=seen + unseen * smallest,
        high=seen + unseen * largest,
        divergence=float(-np.log(propensity)) + 0.0,
        total_variation=unseen,
    )
