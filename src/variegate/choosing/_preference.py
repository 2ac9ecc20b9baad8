"""Sample under nearby preferences, choose by the one that was asked for."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import DataError, UsageError

__all__ = ["choose_by_preference", "nearby_preferences"]

Floats = NDArray[np.float64]


def nearby_preferences(
    target: ArrayLike, candidates: ArrayLike, *, k: int, degrees: float
) -> Floats:
    """The k directions of preference nearest to a target, none farther than an angle.

    Args:
        target: (d,) direction, e.g. weights of helpfulness and brevity; any length above 0.
        candidates: (m, d) directions the model was trained for.
        k: how many to sample under; with fewer within the angle the nearest repeat.
        degrees: the largest angle. 0 gives k times the target itself.

    Returns:
        (k, d) unit rows, nearest first.

    Raises:
        UsageError: a direction of length 0, k < 1, or a negative angle.
        DataError: NaN or Inf.

    Example:
        >>> nearby_preferences([1, 0], [[1, 0.1], [0, 1]], k=2, degrees=30).round(2).tolist()
        [[1.0, 0.1], [1.0, 0.1]]

    Reference:
        2025, https://arxiv.org/abs/2510.20498
    """
    v, c = _units(np.atleast_2d(np.asarray(target, float)))[0], np.atleast_2d(candidates)
    if k < 1 or degrees < 0:
        raise UsageError(f"Expected k >= 1 and an angle >= 0, got {k} and {degrees}.")
    if degrees == 0:
        return np.tile(v, (k, 1))
    rows = _units(np.asarray(c, dtype=np.float64))
    cosine = np.clip(rows @ v, -1, 1)
    near = np.flatnonzero(np.degrees(np.arccos(cosine)) <= degrees + 1e-9)
    if not len(near):
        return np.tile(v, (k, 1))
    near = near[np.argsort(-cosine[near], kind="stable")][:k]
    return np.asarray(rows[near[np.arange(k) % len(near)]])


def choose_by_preference(rewards: ArrayLike, target: ArrayLike) -> int:
    """The candidate with the largest reward along the direction that was asked for: argmax v·r.

    Args:
        rewards: (n, d) reward of each candidate in every dimension.
        target: (d,) direction.

    Returns:
        Its number; under the target no candidate is better.

    Raises:
        UsageError: other shapes, no candidates, or a target of length 0.
        DataError: NaN or Inf.

    Example:
        >>> choose_by_preference([[1, 0], [0.8, 0.8]], [1, 1])
        1
    """
    r, v = np.asarray(rewards, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if r.ndim != 2 or not len(r) or v.shape != r.shape[1:]:
        raise UsageError(f"Expected rewards (n, d) and a target (d,), got {r.shape}, {v.shape}.")
    if not np.isfinite(r).all():
        raise DataError("Expected finite rewards, got NaN or Inf in them.")
    return int(np.round(r @ _units(v[None])[0], 12).argmax())


def _units(rows: Floats) -> Floats:
    if not np.isfinite(rows).all():
        raise DataError("Expected finite directions, got NaN or Inf in them.")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (lengths > 0).all() or not math.isfinite(float(lengths.sum())):
        raise UsageError("Expected directions of a length above 0, got one of length 0.")
    return np.asarray(rows / lengths)
