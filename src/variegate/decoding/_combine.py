"""One distribution from those of two or three contexts over one vocabulary."""

from __future__ import annotations

import math
from collections.abc import Sequence

from variegate.decoding._ranges import check
from variegate.decoding._rows import Array, Rows, open_all
from variegate.decoding._temperature import tempered
from variegate.errors import UsageError

__all__ = ["contrast", "kl_temperature", "mixture", "steer", "uscd"]

_FLOOR = math.log(1e-7)  # below it a probability weighs as 1e-7 in the divergence, as published
_COLDEST = 1e-4


def kl_temperature(
    lp_with: Array, lp_without: Array, *, sigma: float = 1.0, temperature: float = 1.0
) -> Array:
    """Cool down where a source matters: T = T₀ · 2^(−KL/σ), KL = Σ p ln(p/q).

    p is the distribution with the source in the prompt, q without it, both at temperature 1 and
    not truncated; both contexts go on with the same drawn token. Top-k or top-p come after.

    Args:
        lp_with: log-probabilities with the source, in nats, (..., V), numpy or torch.
        lp_without: those without it, same shape.
        sigma: the divergence in nats that halves the temperature; 0 switches the rule off.
        temperature: T₀ > 0, kept where the source changes nothing.

    Returns:
        `lp_with` at T in [1e-4, T₀], (..., V), float64, renormalised.

    Raises:
        UsageError: a setting outside its range, or shapes that differ.
        DataError: NaN, +inf, a value above 0, or a row without any token.

    Example:
        >>> import numpy as np
        >>> p, q = np.log([0.6, 0.3, 0.1]), np.log([0.4, 0.4, 0.2])
        >>> np.exp(kl_temperature(p, q)).round(4)  # KL = 0.08766, T = 0.94105
        array([0.6144, 0.2941, 0.0915])

    Reference: Chang 2023, https://arxiv.org/abs/2306.01286
    """
    check("kl_temperature", sigma=sigma, temperature=temperature)
    p, q = open_all(lp_with, lp_without)
    if p.empty:
        return lp_with
    xp = p.xp
    gap = xp.clip(p.lp, _FLOOR, None) - xp.clip(q.lp, _FLOOR, None)
    kl = xp.clip(xp.sum(xp.exp(p.lp) * gap, axis=-1, keepdims=True), 0.0, None)
    halvings = kl / sigma if sigma else 0 * kl
    return tempered(p, xp.clip(temperature * 2.0**-halvings, _COLDEST, None))


def contrast(
    lp_expert: Array, lp_amateur: Array, *, beta: float | None = 0.5, plausibility: float = 0.1
) -> Array:
    """Contrastive decoding: prefer what an expert says more readily than an amateur.

    score = (1 + β) ln p_expert − β ln p_amateur over the plausible tokens, those with
    p_expert ≥ plausibility · max p_expert. The first published form, β = None, is
    ln p_expert − ln p_amateur over them. It serves quality and tends to cost variety.

    Args:
        lp_expert: log-probabilities of the expert in nats, (..., V), numpy or torch.
        lp_amateur: those of the amateur, same shape.
        beta: weight of the difference; 0 gives the plausible part of the expert, None the
            original form, which is flat where both agree.
        plausibility: share of the largest probability, in [0, 1]; 0 masks nothing.

    Returns:
        Log-probabilities, (..., V), float64: -inf for implausible tokens, the rest renormalised.

    Raises:
        UsageError: a setting outside its range, shapes that differ, or an amateur that gives a
            plausible token no probability at all.
        DataError: NaN, +inf, a value above 0, or a row without any token.

    Example:
        >>> import numpy as np
        >>> expert, amateur = np.log([0.6, 0.35, 0.05]), np.log([0.4, 0.4, 0.2])
        >>> np.exp(contrast(expert, amateur)).round(4)
        array([0.6918, 0.3082, 0.    ])
        >>> np.exp(contrast(expert, expert, beta=None)).round(4)
        array([0.5, 0.5, 0. ])

    Reference: Li 2022, https://arxiv.org/abs/2210.15097; O'Brien 2023,
    https://arxiv.org/abs/2309.09117 (β).
    """
    check("contrast", beta=beta, plausibility=plausibility)
    expert, amateur = open_all(lp_expert, lp_amateur)
    if expert.empty:
        return lp_expert
    weights = (1.0, -1.0) if beta is None else (1.0 + beta, -beta)
    return _weighted([expert, amateur], weights, plausibility)


def steer(
    lp_tuned: Array,
    lp_base: Array | None,
    lp_negative: Array | None,
    *,
    gamma: float,
    eta: float,
    plausibility: float = 0.1,
    normalised: bool = False,
) -> Array:
    """STEER: towards a tuned model and away from what earlier examples make likely.

    score = (1 + γ) ln p_tuned − γ ln p_base − η ln p_negative over the tokens with
    p_tuned ≥ plausibility · max p_tuned, where p_negative is the tuned model after a prompt that
    holds earlier examples. The weights sum to 1 − η, so η also flattens as the temperature
    1/(1 − η) would; `normalised` takes (1 + γ + η) ln p_tuned instead, whose weights sum to 1.

    Args:
        lp_tuned: log-probabilities of the tuned model in nats, (..., V), numpy or torch.
        lp_base: those of its base; may be None where gamma is 0.
        lp_negative: those after the negative prompt; may be None where eta is 0.
        gamma: strength of the contrast with the base; 0 for none.
        eta: strength of the negative prompt; 0 for none.
        plausibility: share of the largest probability, in [0, 1]; 0 masks nothing.
        normalised: whether the weights sum to 1.

    Returns:
        Log-probabilities, (..., V), float64: -inf for implausible tokens, the rest renormalised.
        With gamma = eta = 0 nothing is masked: `lp_tuned` itself.

    Raises:
        UsageError: a setting outside its range, shapes that differ, a context that is missing,
            or one that gives a plausible token no probability at all.
        DataError: NaN, +inf, a value above 0, or a row without any token.

    Example:
        >>> import numpy as np
        >>> tuned, base, negative = np.log([[0.6, 0.3, 0.1], [0.4, 0.4, 0.2], [0.7, 0.2, 0.1]])
        >>> np.exp(steer(tuned, base, negative, gamma=1, eta=0.5)).round(4)
        array([0.6193, 0.2897, 0.091 ])

    Reference: O'Neill 2023, https://arxiv.org/abs/2308.07645
    """
    check("steer", gamma=gamma, eta=eta, plausibility=plausibility, normalised=normalised)
    contexts: list[Array] = [lp_tuned]
    weights = [1.0 + gamma + (eta if normalised else 0.0)]
    for name, other, weight in (("lp_base", lp_base, gamma), ("lp_negative", lp_negative, eta)):
        if weight and other is None:
            raise UsageError(f"Expected {name}, as its weight is {weight}, got None.")
        if weight:
            contexts.append(other)
            weights.append(-weight)
    opened = open_all(*contexts)
    if len(opened) == 1 or opened[0].empty:
        return lp_tuned
    return _weighted(opened, weights, plausibility)


def uscd(
    lp: Array,
    *lp_lame: Array,
    theta: float = 0.0035,
    ratio: float = 1 / 3,
    weights: Sequence[float] = (1.0, -0.7),
) -> Array:
    """Contrast with a lame prompt only where the model is unsure (USCD).

    Where the standard deviation of p over the vocabulary exceeds θ the model is sure and its
    distribution stays. Elsewhere tokens with p < ratio · mean p go, and the rest is
    q ∝ Σ w p over the standard prompt and the lame ones; what is not positive goes too. It
    serves quality and costs variety.

    θ belongs to a vocabulary: the deviation runs from 0 (uniform) to 1/√V (one token).

    Args:
        lp: log-probabilities after the standard prompt, in nats, (..., V), numpy or torch.
        lp_lame: those after lame prompts (examples taken out), same shape.
        theta: deviation above which nothing changes.
        ratio: share of the mean probability 1/V that a token needs.
        weights: of the standard prompt and of each lame one; (1, 0) is standard sampling over
            the tokens that have `ratio`.

    Returns:
        Log-probabilities, (..., V), float64, renormalised; a row with nothing positive left
        keeps its standard distribution, and so does one that is sure.

    Raises:
        UsageError: a setting outside its range, shapes that differ, or a wrong number of weights.
        DataError: NaN, +inf, a value above 0, or a row without any token.

    Example:
        >>> import numpy as np
        >>> p, lame = np.log([0.4, 0.35, 0.2, 0.05]), np.log([0.1, 0.4, 0.4, 0.1])
        >>> np.exp(uscd(p, lame, theta=0.2)).round(3)
        array([0.825, 0.175, 0.   , 0.   ])
        >>> uscd(p, lame, theta=0.1) is p
        True

    Reference: Wang 2024, https://arxiv.org/abs/2409.05923
    """
    check("uscd", theta=theta, ratio=ratio)
    _one_each(weights, 1 + len(lp_lame), "uscd")
    opened = open_all(lp, *lp_lame)
    first = opened[0]
    if first.empty:
        return lp
    xp = first.xp
    p = xp.exp(first.lp)
    unsure = xp.std(p, axis=-1, correction=min(1, p.shape[-1] - 1), keepdims=True) <= theta
    if not bool(xp.any(unsure)):
        return lp
    mixed = sum((w * xp.exp(r.lp) for w, r in zip(weights[1:], opened[1:], strict=True)), 0.0)
    mixed = weights[0] * p + mixed
    mixed = xp.where(p >= ratio / p.shape[-1], xp.clip(mixed, 0.0, None), 0.0)
    mass = xp.sum(mixed, axis=-1, keepdims=True)
    changed = unsure & (mass > 0)
    mixed = xp.where(changed, mixed / xp.where(changed, mass, 1.0), 1.0)
    return first.back(xp.where(changed, _log(xp, mixed), first.lp))


def mixture(*lp: Array, weights: Sequence[float]) -> Array:
    """Mix distributions: q = Σ w p. A token that any context allows stays possible.

    Args:
        lp: log-probabilities in nats, (..., V) each, numpy or torch.
        weights: one a context, at least 0; they are scaled to sum 1. All on one context gives
            that context back itself.

    Returns:
        Log-probabilities, (..., V), float64, renormalised.

    Raises:
        UsageError: shapes that differ, a wrong number of weights, a negative one, or all 0.
        DataError: NaN, +inf, a value above 0, or a row without any token.

    Example:
        >>> import numpy as np
        >>> np.exp(mixture(np.log([0.9, 0.1]), np.log([0.5, 0.5]), weights=(1, 3))).round(3)
        array([0.6, 0.4])
    """
    _one_each(weights, len(lp), "mixture")
    total = math.fsum(weights)
    if min(weights) < 0 or not 0 < total < math.inf:
        raise UsageError(f"Expected weights of at least 0 with a positive sum, got {weights!r}.")
    opened = open_all(*lp)
    parts = [(w / total, rows, one) for w, rows, one in zip(weights, opened, lp, strict=True) if w]
    first = opened[0]
    if len(parts) == 1 or first.empty:
        return parts[0][2]
    xp = first.xp
    mixed = parts[0][0] * xp.exp(parts[0][1].lp)
    for weight, rows, _ in parts[1:]:
        mixed += weight * xp.exp(rows.lp)
    mixed /= xp.sum(mixed, axis=-1, keepdims=True)
    return first.back(_log(xp, mixed))


def _one_each(weights: Sequence[float], contexts: int, rule: str) -> None:
    if len(weights) != contexts or not all(math.isfinite(weight) for weight in weights):
        raise UsageError(
            f"Expected {contexts} weights for {contexts} distributions in {rule}, "
            f"got {tuple(weights)!r}."
        )


def _log(xp: object, values: Array) -> Array:
    """Logarithm, -inf at 0, without a warning."""
    positive = values > 0
    return xp.where(positive, xp.log(xp.where(positive, values, 1.0)), -xp.inf)  # type: ignore[attr-defined]


def _weighted(opened: Sequence[Rows], weights: Sequence[float], plausibility: float) -> Array:
    """Σ w ln p over the tokens plausible under the first, renormalised."""
    first = opened[0]
    xp = first.xp
    least = first.peak + (math.log(plausibility) - 1e-12 if plausibility else -1e300)
    stays = first.lp >= least
    score = weights[0] * xp.where(stays, first.lp, 0.0)
    for weight, rows in zip(weights[1:], opened[1:], strict=True):
        if not weight:
            continue
        other = xp.where(stays, rows.lp, 0.0)
        if not bool(xp.all(other > -xp.inf)):
            raise UsageError(
                "A context gives a plausible token no probability at all, so the contrast with "
                "it is infinite.",
                hint="Truncate after combining, not before.",
            )
        score += weight * other
    first.lp = xp.where(stays, score, -xp.inf)
    first.peak = xp.max(first.lp, axis=-1, keepdims=True)
    return tempered(first, 1.0)
