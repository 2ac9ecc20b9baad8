"""Uniform numbers that depend on nothing but a seed and a step."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["uniforms"]


def uniforms(seeds: npt.ArrayLike, *, steps: int) -> npt.NDArray[np.float64]:
    """Return the first uniform numbers of every seed's own stream.

    A counter-based generator: number t of a stream is a hash of (seed, t), so that a draw gets
    the same numbers whatever stands beside it in a batch. The hash is the finaliser of
    SplitMix64 on a Weyl sequence, started from the hashed seed.

    Args:
        seeds: whole numbers below 2^64, shape (B,).
        steps: numbers wanted of each.

    Returns:
        Shape (B, steps), strictly between 0 and 1, multiples of 2^-53.

    Example:
        >>> from variegate.models._uniform import uniforms
        >>> bool((uniforms([7, 8], steps=3)[1] == uniforms([8], steps=3)[0]).all())
        True

    Reference:
        Steele 2014, https://doi.org/10.1145/2660193.2660195
    """
    start = _mix(np.atleast_1d(np.asarray(seeds, dtype=np.uint64)))
    weyl = np.arange(1, steps + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    bits = _mix(start[:, None] + weyl)
    # 52 bits and a half, so that neither 0 nor 1 can come out.
    return ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
