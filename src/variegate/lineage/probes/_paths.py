"""Paths: how far the shares of the modes travel from stage to stage, and how straight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.divergences import fisher_rao
from variegate.errors import UsageError

__all__ = ["StagePath", "absorption_times", "stage_path"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class StagePath:
    """The way of the mode shares through the stages, in Fisher–Rao distance.

    Args:
        steps: (S - 1,) length of every step, each from 0 to π.
        length: their sum.
        chord: straight distance from the first stage to the last, at most `length`.
        straightness: chord/length; 1 means every step went the same way, small values that
            stages undid each other. NaN where nothing moved.
    """

    steps: Floats
    length: float
    chord: float
    straightness: float


def stage_path(shares: ArrayLike) -> StagePath:
    """Length of a lineage's path on the simplex of mode shares.

    Args:
        shares: (S, C) share of every mode (class, answer, group) at every stage, in order.

    Returns:
        A `StagePath`.

    Raises:
        UsageError: fewer than two stages, or rows that are no distributions.

    Example:
        >>> path = stage_path([[0.5, 0.5], [0.9, 0.1], [0.5, 0.5]])  # there and back
        >>> round(path.length, 3), round(path.chord, 3)
        (1.855, 0.0)

    Reference: Rao 1945, https://doi.org/10.1007/978-1-4612-0919-5_16
    """
    rows = np.asarray(shares, dtype=np.float64)
    if rows.ndim != 2 or len(rows) < 2:
        raise UsageError(
            f"Expected (stages, modes) shares of two stages or more, got {rows.shape}."
        )
    steps = np.asarray(fisher_rao(rows[:-1], rows[1:]))
    length, chord = float(steps.sum()), float(fisher_rao(rows[0], rows[-1]))
    return StagePath(
        steps=steps,
        length=length,
        chord=chord,
        straightness=chord / length if length > 0 else float("nan"),
    )


def absorption_times(transitions: ArrayLike) -> Floats:
    """Expected steps until a chain of modes reaches a mode that it never leaves.

    t = (I - Q)⁻¹ 1 with Q the transitions among the modes that are not absorbing.

    Args:
        transitions: (C, C) row-stochastic: chance that an output of mode i becomes mode j in
            one stage (or one step of training). A mode with 1 on the diagonal absorbs.

    Returns:
        (C,) expected steps; 0 for absorbing modes, inf where none can be reached.

    Raises:
        UsageError: a matrix that is not square and row-stochastic.

    Example:
        >>> absorption_times([[0.5, 0.5], [0.0, 1.0]]).tolist()
        [2.0, 0.0]
    """
    matrix = np.asarray(transitions, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise UsageError(f"Expected a square matrix, got {matrix.shape}.")
    if (matrix < 0).any() or not np.allclose(matrix.sum(axis=1), 1, atol=1e-6):
        raise UsageError("Expected rows of probabilities that sum to 1.")
    absorbing = np.diag(matrix) >= 1
    # Modes from which some absorbing one can be reached, found by walking backwards.
    reaches = absorbing.copy()
    for _ in range(len(matrix)):
        reaches |= (matrix[:, reaches] > 0).any(axis=1)
    # A mode that may fall into a closed set without an exit waits for ever too.
    for _ in range(len(matrix)):
        reaches &= absorbing | ~(matrix[:, ~reaches] > 0).any(axis=1)
    times = np.where(absorbing, 0.0, np.inf)
    inside = reaches & ~absorbing
    if inside.any():
        q = matrix[np.ix_(inside, inside)]
        times[inside] = np.linalg.solve(np.eye(len(q)) - q, np.ones(len(q)))
    return times
