"""Particle filtering of begun answers: how flat to resample, and how."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UnknownName, UsageError

__all__ = ["Annealing", "log_weights", "particle_temperature", "systematic_resample"]

Floats = NDArray[np.float64]
Annealing = Literal["ess", "entropy", "base", "none"]
"""How the temperature of early resampling is found; see `particle_temperature`."""


def log_weights(scores: ArrayLike) -> Floats:
    """Log-weights of step scores in [0, 1]: their logits, scores held 1e-7 away from the ends.

    Example:
        >>> log_weights([0.5, 0.731058579]).round(4).tolist()
        [0.0, 1.0]
    """
    s = np.asarray(scores, dtype=np.float64)
    if not ((s >= 0) & (s <= 1)).all():
        raise UsageError("Expected step scores in [0, 1], got one outside or NaN.")
    s = np.clip(s, 1e-7, 1 - 1e-7)
    return np.log(s) - np.log1p(-s)


def particle_temperature(
    weights: ArrayLike,
    *,
    progress: float,
    annealing: Annealing = "ess",
    threshold: float = 0.5,
    early: float = 0.5,
) -> float:
    """Temperature at which particles are resampled while few of them carry the weight.

    With w the normalised weights of N particles, ESS = 1 / Σ w², r = ESS / N, h = H(w) / ln N and
    t the progress: 1 unless r < threshold and t < early; else

    - ``"ess"``: max(1, (1 - t) / r)
    - ``"entropy"``: max(1, 1 / (h + (1 - h) t))
    - ``"base"``: max(1, 2 - t)
    - ``"none"``: 1, the plain particle filter.

    Args:
        weights: (N,) not negative, any scale.
        progress: t, the share of steps done, in [0, 1].
        annealing: one of the rules.
        threshold: of r; 0 never flattens.
        early: how long flattening may last.

    Returns:
        1 or more.

    Raises:
        UsageError: weights that cannot be normalised, or a progress outside [0, 1].
        UnknownName: another rule.

    Example:
        >>> w = [0.65] + [0.05] * 7
        >>> [round(particle_temperature(w, progress=0, annealing=a), 3)
        ...  for a in ("ess", "entropy", "base")]
        [3.52, 1.565, 2.0]

    Reference: `Giannone 2025 <https://arxiv.org/abs/2510.05825>`_.
    """
    if annealing not in get_args(Annealing):
        raise UnknownName("annealing", annealing, get_args(Annealing))
    if not 0 <= progress <= 1:
        raise UsageError(f"Expected progress in [0, 1], got {progress}.")
    w = _normalised(weights)
    n = len(w)
    r = float(1 / (w**2).sum() / n)
    if annealing == "none" or n == 1 or r >= threshold or progress >= early:
        return 1.0
    if annealing == "ess":
        return max(1.0, (1 - progress) / r)
    if annealing == "base":
        return max(1.0, 2.0 - progress)
    positive = w[w > 0]
    h = float(-(positive * np.log(positive)).sum() / np.log(n))
    spread = h + (1 - h) * progress
    # All weight on one particle at the start: as flat as can be.
    return max(1.0, 1 / spread) if spread > 0 else float("inf")


def systematic_resample(weights: ArrayLike, *, n: int, u: float) -> NDArray[np.int64]:
    """Resample by one random number: each particle ⌊n w⌋ or ⌈n w⌉ times.

    Args:
        weights: (N,) not negative, any scale.
        n: particles wanted.
        u: in [0, 1), uniform; positions are (i + u) / n.

    Returns:
        (n,) indices, not decreasing.

    Raises:
        UsageError: weights that cannot be normalised, n < 0, or u outside [0, 1).

    Example:
        >>> systematic_resample([0.5, 0.25, 0.25], n=4, u=0.3).tolist()
        [0, 0, 1, 2]
    """
    if n < 0 or not 0 <= u < 1:
        raise UsageError(f"Expected n >= 0 and u in [0, 1), got {n} and {u}.")
    w = _normalised(weights)
    # In units of particles, so that n w that is a whole number stays one.
    upper = np.cumsum(w * n)
    upper[-1] = n
    found: NDArray[np.int64] = np.searchsorted(upper, np.arange(n) + u, side="right")
    return np.minimum(found, int(np.flatnonzero(w)[-1]))


def _normalised(weights: ArrayLike) -> Floats:
    w = np.asarray(weights, dtype=np.float64)
    if w.ndim != 1 or not len(w) or not np.isfinite(w).all() or (w < 0).any() or not w.any():
        raise UsageError("Expected finite weights >= 0 with a positive sum, one a particle.")
    scaled = w / w.max()
    normalised: Floats = scaled / scaled.sum()
    return normalised
