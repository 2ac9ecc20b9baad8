"""Cheap verdicts and exact ones: how many of each a budget should buy."""

from __future__ import annotations

import math
from dataclasses import dataclass

from variegate.errors import UsageError

__all__ = ["JudgeMix", "judge_mix"]


@dataclass(frozen=True, kw_only=True)
class JudgeMix:
    """How many items each judge should see, and what the mean is then worth."""

    cheap: int  # items the cheap judge sees; 0 means exact verdicts only
    exact: int  # items both see (or the exact one alone)
    error: float  # mean squared error of the estimated mean
    cost: float


def judge_mix(
    *,
    budget: float,
    cheap_cost: float,
    exact_cost: float,
    exact_variance: float,
    cheap_variance: float,
    difference_variance: float,
    cheap_bias: float = 0.0,
) -> JudgeMix:
    """Split a budget between a cheap noisy judge and a costly exact one.

    Three ways to estimate a mean verdict, the best is taken: exact verdicts on n items, variance
    σ_e²/n; cheap ones on N, σ_c²/N + bias²; or cheap ones on N corrected by the mean difference
    on n of them, σ_c²/N + σ_d²/n. The best n is found by trying all.

    Args:
        budget: what may be spent.
        cheap_cost: of one cheap verdict, in the unit of the budget, above 0.
        exact_cost: of one exact verdict.
        exact_variance: of exact verdicts from item to item.
        cheap_variance: of cheap verdicts from item to item.
        difference_variance: of exact minus cheap verdict on the same item.
        cheap_bias: mean of cheap minus exact, which cheap verdicts alone cannot see.

    Returns:
        A `JudgeMix` within the budget, of least mean squared error.

    Raises:
        UsageError: costs not above 0, negative variances, or a budget below one cheap verdict.

    Example:
        >>> mix = judge_mix(budget=1000, cheap_cost=1, exact_cost=50, exact_variance=0.25,
        ...                 cheap_variance=0.25, difference_variance=0.04, cheap_bias=0.1)
        >>> mix.cheap > 100 > mix.exact > 5
        True

    Reference:
        Angelopoulos 2023, https://arxiv.org/abs/2301.09633, for the corrected mean
    """
    if not (cheap_cost > 0 and exact_cost > 0 and math.isfinite(budget) and budget >= cheap_cost):
        raise UsageError(
            f"Expected costs above 0 and a budget of one cheap verdict or more, got "
            f"{cheap_cost}, {exact_cost} and {budget}."
        )
    if min(exact_variance, cheap_variance, difference_variance) < 0:
        raise UsageError("Expected variances of at least 0, got a negative one.")
    many = int(budget / cheap_cost)
    found = [
        JudgeMix(
            cheap=many,
            exact=0,
            error=cheap_variance / many + cheap_bias**2,
            cost=many * cheap_cost,
        )
    ]
    for n in range(1, int(budget / exact_cost) + 1):
        both = int((budget - n * exact_cost) / cheap_cost)
        found.append(JudgeMix(cheap=0, exact=n, error=exact_variance / n, cost=n * exact_cost))
        if both >= n:
            found.append(
                JudgeMix(
                    cheap=both,
                    exact=n,
                    error=cheap_variance / both + difference_variance / n,
                    cost=n * exact_cost + both * cheap_cost,
                )
            )
    return min(found, key=lambda mix: (mix.error, mix.cost))
