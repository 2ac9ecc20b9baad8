"""Temperature: the same for every token, or following the entropy."""

from __future__ import annotations

import math

from variegate.decoding._ranges import check
from variegate.decoding._rows import Array, Rows, entropies, greedy
from variegate.errors import UsageError

__all__ = ["entropy", "entropy_temperature", "temperature", "tempered"]


def entropy(lp: Array) -> Array:
    """Shannon entropy of the next token, H = −Σ p ln p.

    With it, any schedule f(H) is one line: ``temperature(lp, temperature=f(entropy(lp)))``.

    Args:
        lp: log-probabilities in nats, (..., V), numpy or torch.

    Returns:
        Nats, (...): 0 where one token is certain, ln V where all are equally likely.

    Raises:
        DataError: NaN, +inf, a value above 0, or a row without any token.

    Example:
        >>> import numpy as np
        >>> float(entropy(np.log([0.5, 0.3, 0.15, 0.05])).round(5))
        1.14212
    """
    rows = Rows(lp)
    shape = rows.shape
    rows.shape = shape[:-1]
    return rows.back(entropies(rows) if not rows.empty else rows.lp[..., 0])


def temperature(lp: Array, *, temperature: float | Array) -> Array:
    """Flatten or sharpen: q ∝ p^(1/T).

    Comes first in the order this house uses (temperature, top-k, top-p, min-p, then the rest),
    as in transformers; a server that tempers last keeps other tokens.

    Args:
        lp: log-probabilities in nats, (..., V), numpy or torch.
        temperature: T ≥ 0, or one T > 0 a row as an array (...). 1 changes nothing and gives
            back `lp` itself; 0 is the point mass on the most likely token, the first of equals.

    Returns:
        Log-probabilities, (..., V), float64, renormalised.

    Raises:
        UsageError: T outside its range.
        DataError: NaN, +inf, a value above 0, or a row without any token.

    Example:
        >>> import numpy as np
        >>> lp = np.log([0.5, 0.3, 0.15, 0.05])
        >>> np.exp(temperature(lp, temperature=0.5)).round(4)
        array([0.6849, 0.2466, 0.0616, 0.0068])
    """
    rows = Rows(lp)
    if getattr(temperature, "ndim", 0):
        value = rows.column(temperature)
        check("entropy_temperature", temperature=float(rows.xp.min(value)))
        check("entropy_temperature", temperature=float(rows.xp.max(value)))
        return lp if rows.empty else tempered(rows, value)
    check("temperature", temperature=temperature)
    if temperature == 1 or rows.empty:
        return lp
    if temperature == 0:
        return rows.back(greedy(rows))
    return tempered(rows, float(temperature))


def entropy_temperature(
    lp: Array,
    *,
    temperature: float = 1.0,
    theta: float = 0.1,
    base: float = 0.8,
    lowest: float = 1e-4,
    highest: float = 2.0,
) -> Array:
    """Let the temperature follow the entropy: T = T₀ · base^(θ/H), kept between two ends.

    A base below 1 (the paper's 0.8) sharpens where the model is sure already and leaves forks
    at T₀: it protects quality. A base above 1 flattens where the model is sure: it buys variety
    where there is least, and what it breaks there is what `highest` limits.

    Args:
        lp: log-probabilities in nats, (..., V), numpy or torch, not tempered.
        temperature: T₀, approached as the entropy grows.
        theta: strength in nats; 0 is the constant temperature T₀.
        base: below 1 sharpens sure tokens, above 1 flattens them, 1 is the constant T₀.
        lowest: lower end of T, where a certain token (H = 0) lies for a base below 1.
        highest: upper end of T, where it lies for a base above 1.

    Returns:
        Log-probabilities, (..., V), float64, renormalised.

    Raises:
        UsageError: a setting outside its range, or lowest above highest.
        DataError: NaN, +inf, a value above 0, or a row without any token.

    Example:
        >>> import numpy as np
        >>> lp = np.log([0.5, 0.3, 0.15, 0.05])
        >>> sharp = entropy_temperature(lp, temperature=0.6)  # here T = 0.58839
        >>> np.exp(sharp).round(4)
        array([0.6374, 0.2675, 0.0824, 0.0127])

    Reference: Zhang 2024, https://arxiv.org/abs/2403.14541 (base 0.8).
    """
    check("entropy_temperature", temperature=temperature, theta=theta, base=base)
    check("entropy_temperature", lowest=lowest, highest=highest)
    if lowest > highest:
        raise UsageError(f"Expected lowest <= highest, got {lowest} and {highest}.")
    rows = Rows(lp)
    if rows.empty:
        return lp
    xp = rows.xp
    # Below 1e-9 nats the exponent only has to be large: the ends decide.
    exponent = theta / xp.clip(entropies(rows), 1e-9, None)
    spread = xp.exp(xp.clip(math.log(base) * exponent, -700.0, 700.0))
    return tempered(rows, xp.clip(temperature * spread, lowest, highest))


def tempered(rows: Rows, temperature: float | Array) -> Array:
    """Temper a checked table by a number above 0 or a column (R, 1) of them."""
    xp = rows.xp
    out = rows.lp - rows.peak
    out /= temperature
    out -= xp.log(xp.sum(xp.exp(out), axis=-1, keepdims=True))
    return rows.back(out)
