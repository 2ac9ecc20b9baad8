"""Optimum: where a regularised objective would converge to, in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.divergences import generator
from variegate.errors import UsageError

__all__ = ["Optimum", "optimum"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """The best policy under a regularised objective.

    Args:
        policy: (V,) probabilities.
        entropy: of the policy, in nats.
        value: the objective there, E[reward] - β D(policy ‖ reference).
        reward: expected reward alone.
        beta: weight of the divergence.
        divergence: its name.
    """

    policy: Floats
    entropy: float
    value: float
    reward: float
    beta: float
    divergence: str


def optimum(
    reference: ArrayLike,
    rewards: ArrayLike,
    *,
    beta: float,
    divergence: str = "reverse-kl",
    alpha: float = 0.5,
) -> Optimum:
    """Maximise E_policy[reward] - β D_f(policy ‖ reference) over all policies.

    The optimum is reference · (f')⁻¹((reward - λ)/β), with λ found so that it sums to 1.
    Answers with equal rewards keep the reference's ratio under every divergence.

    Args:
        reference: (V,) probabilities of the reference over the answers.
        rewards: (V,) reward of each answer.
        beta: weight of the divergence, above 0.
        divergence: a name of `variegate.divergences.generator_names`.
        alpha: for ``"alpha"``.

    Returns:
        An `Optimum`. Answers of reference 0 stay at 0.

    Raises:
        UsageError: β ≤ 0, shapes that differ, or a divergence without an inverse slope.
        UnknownName: no such divergence.

    Example:
        >>> best = optimum([0.6, 0.3, 0.1], [1, 1, 0], beta=0.5)
        >>> best.policy.round(6).tolist(), round(best.value, 6)
        ([0.65679, 0.328395, 0.014814], 0.954782)
    """
    p = np.asarray(reference, dtype=np.float64)
    r = np.asarray(rewards, dtype=np.float64)
    if p.ndim != 1 or p.shape != r.shape or not np.isfinite(r).all():
        raise UsageError(
            f"Expected (V,) reference and finite rewards, got {p.shape} and {r.shape}."
        )
    if not beta > 0:
        raise UsageError(f"Expected beta above 0, got {beta}.")
    f = generator(divergence, alpha=alpha)
    here = p > 0
    # Slopes are written from the best answer's, s: at u = 1 for it nobody has gained, and the
    # sum is at most 1; as s nears the limit its own share alone passes 1.
    below = (r[here] - r[here].max()) / beta
    low = float(f.derivative(1.0))
    high = f.at_infinity
    if np.isinf(high):
        high = float(f.derivative(1 / p[here][below == 0].sum()))
    with np.errstate(over="ignore", divide="ignore"):
        for _ in range(200):
            middle = (low + high) / 2
            if middle in (low, high):
                break
            if float((p[here] * f.inverse(middle + below)).sum()) < 1:
                low = middle
            else:
                high = middle
        shares = p[here] * f.inverse(low + below)
    policy = np.zeros(p.shape)
    policy[here] = shares / shares.sum()
    reward = float((policy * r).sum())
    positive = policy[policy > 0]
    return Optimum(
        policy=policy,
        entropy=float(-(positive * np.log(positive)).sum()),
        value=reward - beta * float(f.divergence(policy, p)),
        reward=reward,
        beta=beta,
        divergence=divergence,
    )
