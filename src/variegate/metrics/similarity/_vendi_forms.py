"""Vendi scores that bear a small n, or leave out what the prompt explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError
from variegate.estimate import Estimate, jackknife
from variegate.metrics._arrays import cosine_kernel
from variegate.metrics.similarity._vendi import effective_number, spectrum, vendi

__all__ = ["ConditionalVendi", "rke", "rke_within", "vendi_conditional", "vendi_truncated"]

Floats = NDArray[np.float64]


def vendi_truncated(
    features: ArrayLike | None = None,
    *,
    kernel: ArrayLike | None = None,
    t: int,
    q: float = 1.0,
) -> Any:
    """Vendi score of the t largest eigenvalues, the rest spread evenly over them.

    `vendi` of λ_i + (1 - Σ_{j≤t} λ_j) / t for i ≤ t. The tail of the spectrum is what a small
    sample gets wrong; without it the score settles at a smaller n.

    Args:
        features: (..., n, d), as in `vendi`.
        kernel: (..., n, n) instead.
        t: eigenvalues kept.
        q: order in [0, ∞].

    Returns:
        A float, or an array of the leading axes, in [1, t]; `vendi` itself for t ≥ n. NaN for
        an empty set.

    Raises:
        UsageError: t below 1, or as `vendi`.
        DataError: as `vendi`.

    Example:
        >>> vendi_truncated(np.eye(4), t=4), vendi_truncated(np.eye(4), t=2)
        (4.0, 2.0)

    Source: `Ospanov 2024 <https://arxiv.org/abs/2410.21719>`_.
    """
    if t < 1:
        raise UsageError(f"Expected t of at least 1, got {t}.")
    ranked = -np.sort(-spectrum(features, kernel=kernel), axis=-1)
    kept = ranked[..., :t]
    tail = 1.0 - kept.sum(axis=-1, keepdims=True)
    # What rounding leaves of a sum of 1 is no mass, and no eigenvalue more at order 0.
    tail = np.where(tail > ranked.shape[-1] * np.finfo(np.float64).eps, tail, 0.0)
    # Where fewer than t eigenvalues differ from zero there is no tail to spread.
    shares = kept + tail / t if ranked.shape[-1] > t else kept
    return _plain(effective_number(shares, q))


@dataclass(frozen=True, kw_only=True)
class ConditionalVendi:
    """A Vendi score split: `total` = `conditional` · `mutual`.

    Args:
        conditional: effective number of different outputs that the prompts do not explain.
        mutual: effective number of groups that the prompts do explain.
        total: Vendi score of the outputs.
    """

    conditional: float
    mutual: float
    total: float


def vendi_conditional(
    outputs: ArrayLike, prompts: ArrayLike, *, q: float = 1.0
) -> ConditionalVendi:
    """Variety of outputs beyond that of the prompts they answer.

    Conditional = VS_q(K_X ∘ K_T) / VS_q(K_T), the exponential of the entropy H(X, T) - H(T) of
    the kernels of outputs X and prompts T; mutual = VS_q(K_X) / conditional.

    Args:
        outputs: (n, d) features of the outputs, cosine kernel.
        prompts: (n, e) features of the prompts, row for row.
        q: order in [0, ∞].

    Returns:
        Conditional: 1 where the prompt decides the output, VS_q of the outputs where all have
        one prompt. For orders other than 1 the mutual part can fall below 1. NaN for n = 0.

    Raises:
        UsageError: other numbers of rows.
        DataError: NaN or Inf.

    Example:
        >>> split = vendi_conditional(np.eye(4), [[1, 0], [1, 0], [0, 1], [0, 1]])
        >>> round(split.conditional, 6), round(split.mutual, 6), split.total
        (2.0, 2.0, 4.0)

    Source: `Jalali 2024 <https://arxiv.org/abs/2411.02817>`_.
    """
    of_outputs, of_prompts = cosine_kernel(outputs), cosine_kernel(prompts)
    if of_outputs.shape != of_prompts.shape or of_outputs.ndim != 2:
        raise UsageError(
            "Expected outputs (n, d) and as many prompts (n, e), got "
            f"{np.shape(outputs)} and {np.shape(prompts)}."
        )
    total = vendi(kernel=of_outputs, q=q)
    conditional = vendi(kernel=of_outputs * of_prompts, q=q) / vendi(kernel=of_prompts, q=q)
    return ConditionalVendi(conditional=conditional, mutual=total / conditional, total=total)


_ROWS = 1200  # outputs that enter `conditional_within`: two eigendecompositions of that size


def conditional_within(
    features: Sequence[ArrayLike], prompts: Sequence[ArrayLike], *, level: float = 0.95
) -> Estimate:
    """`vendi_conditional` of all outputs of a task, prompts as what explains them.

    The interval is that of the infinitesimal jackknife over prompts, as in `vendi_across`. Of
    many outputs the first of every prompt enter, as many as keep their number at 1200.
    """
    P = len(features)
    most = max(_ROWS // max(P, 1), 1)
    sets = [np.asarray(rows)[:most] for rows in features][:_ROWS]
    size = np.array([len(rows) for rows in sets])
    prompt = np.repeat(np.arange(len(sets)), size)
    if not len(prompt):
        return _none(P, level, "no output")
    of_prompts = cosine_kernel(np.stack([np.asarray(p) for p in prompts[: len(sets)]])[prompt])
    of_outputs = cosine_kernel(np.concatenate(sets))
    both, explained = _slopes(of_outputs * of_prompts), _slopes(of_prompts)
    value = max(float(np.exp(both[0] - explained[0])), 1.0)
    if len(sets) < 2:
        return _none(P, level, "one prompt gives no interval", value=value)
    slope = both[1] - explained[1]
    moved = np.bincount(prompt, weights=slope - slope.mean()) / (len(prompt) - size)
    left_out = sum(np.shape(rows)[0] for rows in features) - len(prompt)
    estimate = jackknife(value * (1 - moved), value=value, level=level)
    note = f"{left_out} outputs beyond the first {most} a prompt left out" if left_out else ""
    return replace(estimate, low=max(estimate.low, 1.0), note=note)


def _slopes(kernel: Floats) -> tuple[float, Floats]:
    """Entropy of the spectrum of K / n, and what it does as an item gains weight."""
    n = len(kernel)
    shares, axes = np.linalg.eigh(kernel / n)
    keep = shares > n * np.finfo(np.float64).eps * shares[-1]
    logs = np.log(shares[keep])
    return -float(shares[keep] @ logs), -(n * axes[:, keep] ** 2) @ (shares[keep] * logs)


def rke(features: ArrayLike | None = None, *, kernel: ArrayLike | None = None) -> Any:
    """Effective number of modes, from pairs only: the Vendi score of order 2 without self-pairs.

    1 / (Σ_{i≠j} K_ij² / (n (n - 1))). `vendi(q=2)` counts every item as its own double, and so
    grows with n; the mean over pairs has the same expectation for every n. Its inverse has it
    too, the value itself only nearly: over prompts, average the inverses (`rke_within`).

    Args:
        features: (..., n, d), as in `vendi`.
        kernel: (..., n, n) instead.

    Returns:
        A float, or an array of the leading axes. 1: all items are the same. ∞: no two have
        anything in common. NaN for n < 2.

    Raises:
        UsageError, DataError: as `vendi`.

    Example:
        >>> rke([[1, 0], [1, 0], [0, 1], [0, 1]])  # of the 6 pairs 2 are equal
        3.0

    Source: RKE, `Jalali 2023 <https://github.com/mjalali/renyi-kernel-entropy>`_, as a U-statistic.
    """
    likeness = np.asarray(_squared_likeness(features, kernel))
    return _plain(
        np.divide(1.0, likeness, out=np.full(likeness.shape, np.inf), where=likeness != 0)
    )


def rke_within(features: Sequence[ArrayLike], *, level: float = 0.95) -> Estimate:
    """Effective number of modes of a prompt's outputs, over many prompts.

    One over the mean over prompts of Σ_{i≠j} K_ij² / (n (n - 1)): the mean is unbiased whatever
    n each prompt has, and is inverted once. The interval deletes one prompt at a time.

    Args:
        features: P arrays (n_p, d), one a prompt; prompts of one output are left out.
        level: of the interval.

    Returns:
        1: the outputs of every prompt are the same. NaN without a prompt of two outputs, or
        where no two outputs have anything in common; no interval where those of one prompt
        alone have.

    Example:
        >>> round(rke_within([[[1, 0], [1, 0]], [[1, 0], [0, 1]]]).value, 9)
        2.0

    Source: as `rke`.
    """
    sets = [np.asarray(rows) for rows in features]
    likeness = np.array([_squared_likeness(rows, None) for rows in sets if len(rows) >= 2])
    P, left = len(likeness), likeness.sum() - likeness
    if P > 1 and left.all():
        return jackknife((P - 1) / left, value=float(1.0 / likeness.mean()), level=level)
    note = "fewer than two prompts have outputs with anything in common"
    return _none(P, level, note, value=float(1.0 / likeness.mean()) if likeness.any() else np.nan)


def _none(prompts: int, level: float, note: str, *, value: float = np.nan) -> Estimate:
    return Estimate(
        value=value, low=np.nan, high=np.nan, n_prompts=prompts, level=level, note=note
    )  # fmt: skip


def _squared_likeness(features: ArrayLike | None, kernel: ArrayLike | None) -> Floats:
    """(...) mean of K² over the pairs of different items."""
    score = np.asarray(vendi(features, kernel=kernel, q=2))
    n = np.asarray(features if kernel is None else kernel).shape[-2]
    if n < 2:
        return np.full(score.shape, np.nan)
    mean = (n / score - 1.0) / (n - 1)
    # What is left of unrelated items is rounding.
    return np.asarray(np.where(mean < 8 * np.finfo(np.float64).eps, 0.0, mean))


def _plain(values: Floats) -> Any:
    return float(values) if values.ndim == 0 else values
