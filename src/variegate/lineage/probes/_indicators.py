"""Indicators of over-optimisation: top-k mass and entropy along training, and when they turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError

__all__ = ["TopK", "Turn", "topk_indicators", "turning_point"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TopK:
    """How next-token probability is spread over the k most likely tokens.

    Args:
        mass: (...) their summed probability, from k/V (uniform) to 1.
        entropy: (...) their entropy in nats, from 0 to ln k (renormalised; otherwise up to the
            entropy of the whole distribution).
        k: how many tokens.
        renormalised: whether the k probabilities were brought to sum to 1 for the entropy.
    """

    mass: Floats
    entropy: Floats
    k: int
    renormalised: bool


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Where a series stopped rising or falling.

    Args:
        at: index where it turned (centre of the first window with the other slope), or None.
        known_at: index at which that could be known (end of the last window needed), or None.
        slope_before: mean slope per step of the windows before the turn.
        slope_after: slope of the window at the turn; NaN without one.
    """

    at: int | None
    known_at: int | None
    slope_before: float
    slope_after: float


def topk_indicators(logprobs: ArrayLike, *, k: int = 10, renormalise: bool = False) -> TopK:
    """Mass and entropy of the k most likely next tokens.

    S_k = Σ p_i and H_k = -Σ p_i ln p_i over the k largest p. Averaged over the tokens of
    held-out preferred answers and logged during preference training, a fall of either while
    the preference margin still grows warns of over-optimisation.

    Args:
        logprobs: (..., V) log-probabilities in nats that sum to 1 in probability.
        k: how many tokens, 1 ≤ k ≤ V.
        renormalise: divide the k probabilities by their mass before the entropy is taken.

    Returns:
        A `TopK`. A uniform distribution gives k/V, and ln k renormalised; k = V gives 1 and the
        full entropy.

    Raises:
        UsageError: k outside 1 … V, or rows that do not sum to 1.

    Example:
        >>> import numpy as np
        >>> found = topk_indicators(np.log(np.full(20, 1 / 20)), k=5, renormalise=True)
        >>> round(float(found.mass), 6), round(float(found.entropy), 6)
        (0.25, 1.609438)

    Reference: Shi 2024, https://arxiv.org/abs/2410.11677
    """
    lp = np.asarray(logprobs, dtype=np.float64)
    if lp.ndim == 0 or not 1 <= k <= lp.shape[-1]:
        raise UsageError(f"Expected k from 1 to V, got k = {k} with shape {lp.shape}.")
    p = np.exp(lp)
    if not np.allclose(p.sum(axis=-1), 1, atol=1e-4):
        raise UsageError(
            "Expected log-probabilities of whole distributions, got rows that do not sum to 1.",
            hint="Take log_softmax of the logits over the full vocabulary.",
        )
    top = np.partition(p, -k, axis=-1)[..., -k:]
    mass = top.sum(axis=-1)
    if renormalise:
        top = top / mass[..., None]
    terms = top * np.log(np.where(top > 0, top, 1.0))
    return TopK(mass=mass, entropy=0.0 - terms.sum(axis=-1), k=k, renormalised=renormalise)


def turning_point(series: ArrayLike, *, window: int = 5, patience: int = 2) -> Turn:
    """First place where the running slope of a series changes sign and stays changed.

    The slope is that of a least-squares line through `window` consecutive values; the sign to
    compare with is that of the first window that has one.

    Args:
        series: (T,) values at equally spaced steps of training.
        window: values a slope is taken over, at least 2. Larger is calmer and later.
        patience: windows in a row that must have the other sign.

    Returns:
        A `Turn`; `at` and `known_at` are None for a series that is monotone or too short.

    Raises:
        UsageError: a series that is not a finite vector, window < 2, or patience < 1.

    Example:
        >>> turn = turning_point([0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0], window=3, patience=2)
        >>> turn.at, turn.known_at
        (6, 8)

    Reference: Shi 2024, https://arxiv.org/abs/2410.11677
    """
    y = np.asarray(series, dtype=np.float64)
    if y.ndim != 1 or not np.isfinite(y).all():
        raise UsageError(f"Expected a finite vector, got shape {y.shape}.")
    if window < 2 or patience < 1:
        raise UsageError(f"Expected window ≥ 2 and patience ≥ 1, got {window} and {patience}.")
    none = Turn(at=None, known_at=None, slope_before=np.nan, slope_after=np.nan)
    if len(y) < window:
        return none
    x = np.arange(window) - (window - 1) / 2
    slopes = np.lib.stride_tricks.sliding_window_view(y, window) @ x / (x @ x)
    # Slopes that are rounding of a flat stretch have no sign.
    floor = 1e-12 * max(float(np.abs(y).max()), 1e-300)
    signs = np.where(np.abs(slopes) > floor, np.sign(slopes), 0)
    moving = np.flatnonzero(signs)
    if not moving.size:
        return none
    turned = signs == -signs[moving[0]]
    for first in np.flatnonzero(turned):
        if turned[first : first + patience].sum() == patience:
            return Turn(
                at=int(first + (window - 1) // 2),
                known_at=int(first + patience - 1 + window - 1),
                slope_before=float(slopes[:first].mean()),
                slope_after=float(slopes[first]),
            )
    return Turn(at=None, known_at=None, slope_before=float(slopes.mean()), slope_after=np.nan)
