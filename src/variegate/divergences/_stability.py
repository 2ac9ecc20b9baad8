"""The population stability index: drift between two histograms, with what chance alone gives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import numbers
from variegate.errors import UsageError

__all__ = ["StabilityIndex", "psi"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class StabilityIndex:
    """What `psi` found between two histograms.

    Args:
        value: the index, in nats; 0 is no drift.
        standard_error: by the full delta method; too small to mean anything where the two are
            equal to chance, which `p_value` tells.
        low, high: value ± z standard errors at `level`, cut off at 0.
        bias: about what chance alone adds to the value, (B - 1)(1/n + 1/m).
        statistic: value / (1/n + 1/m), χ² with `degrees` degrees of freedom if nothing changed.
        degrees: B - 1.
        p_value: the chance of an index this large if nothing changed.
        n, m: counts behind the two histograms, before smoothing.
        smoothing: what was added to every bin; 0 if no bin was empty.
        level: of the interval.
    """

    value: float
    standard_error: float
    low: float
    high: float
    bias: float
    statistic: float
    degrees: int
    p_value: float
    n: float
    m: float
    smoothing: float
    level: float


def psi(
    p_counts: ArrayLike, q_counts: ArrayLike, *, smoothing: float = 0.5, level: float = 0.95
) -> StabilityIndex:
    """Population stability index Σ (p - q) ln(p/q) of two histograms, with its uncertainty.

    It is the Jeffreys divergence of the shares. The standard error follows from the delta
    method in full, Var = (Σ p a² - (Σ p a)²)/n + (Σ q b² - (Σ q b)²)/m with
    a = ln(p/q) + 1 - q/p and b = ln(q/p) + 1 - p/q; the shorter form that holds the log ratios
    fixed gives about half of it. If nothing changed, value / (1/n + 1/m) is χ² with B - 1
    degrees of freedom, so fixed thresholds such as 0.1 mean something else at every n.

    Args:
        p_counts: (B,) how often each bin was seen in the one sample.
        q_counts: (B,) the same in the other.
        smoothing: added to every bin of both if any bin is empty on one side only, where the
            index would be infinite; 0 leaves it infinite.
        level: of the interval.

    Returns:
        The index with error, interval and test. Bins that both lack are left out. One bin
        left: 0, with p-value 1.

    Raises:
        UsageError: counts that are negative, not finite, of other length, or all 0.

    Example:
        >>> drift = psi([500, 300, 200], [400, 350, 250])
        >>> round(drift.value, 4), round(drift.standard_error, 4), round(drift.p_value, 5)
        (0.0412, 0.0182, 3e-05)

    Source: `2025 study of its errors <https://arxiv.org/abs/2509.09855>`_; derivation ours.
    """
    from scipy.special import chdtrc

    p, q = _counts(p_counts), _counts(q_counts)
    if p.shape != q.shape:
        raise UsageError(f"Expected as many bins on both sides, got {len(p)} and {len(q)}.")
    if not smoothing >= 0:
        raise UsageError(f"Expected a smoothing of at least 0, got {smoothing}.")
    if not 0 < level < 1:
        raise UsageError(f"Expected a level between 0 and 1, got {level}.")
    n, m = float(p.sum()), float(q.sum())
    seen = (p > 0) | (q > 0)
    p, q = p[seen], q[seen]
    added = smoothing if (p * q == 0).any() else 0.0
    p, q = (p + added) / (p + added).sum(), (q + added) / (q + added).sum()
    degrees, chance = len(p) - 1, 1 / n + 1 / m
    if (p * q == 0).any():
        value, error = math.inf, math.nan
    else:
        ratio = np.log(p) - np.log(q)
        value = float(((p - q) * ratio).sum())
        error = math.sqrt(_variance(p, ratio + 1 - q / p) / n + _variance(q, 1 - p / q - ratio) / m)
    reach = NormalDist().inv_cdf((1 + level) / 2) * error
    return StabilityIndex(
        value=value,
        standard_error=error,
        low=max(value - reach, 0.0),
        high=value + reach,
        bias=degrees * chance,
        statistic=value / chance,
        degrees=degrees,
        p_value=float(chdtrc(degrees, value / chance)) if degrees else 1.0,
        n=n,
        m=m,
        smoothing=added,
        level=level,
    )


def _variance(p: Floats, values: Floats) -> float:
    # Around the mean first: the difference of squares would lose the digits of small drifts.
    return float((p * (values - (p * values).sum()) ** 2).sum())


def _counts(values: ArrayLike) -> Floats:
    array = numbers(values, "values", largest=1e150)
    if array.ndim != 1:
        raise UsageError(f"Expected counts of shape (B,), got {array.shape}.")
    if not np.isfinite(array).all() or (array < 0).any() or array.sum() == 0:
        raise UsageError("Expected counts of at least 0, not all 0, got something else.")
    return array
