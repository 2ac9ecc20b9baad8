"""Effective channels: how many of several agents say something of their own."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from variegate.metrics.similarity._vendi import vendi

__all__ = ["effective_channels"]


def effective_channels(features: ArrayLike, *, weights: ArrayLike | None = None) -> Any:
    """Effective number of different agents, K*.

    `vendi` of order 1 over the agents' outputs: exp of the entropy of the eigenvalues of their
    cosines, which sum to 1. Not centred: subtracting the mean would remove what all agents
    have in common, and change the count.

    Args:
        features: (..., agents, d) the features of one output an agent; leading axes are rounds
            or questions, average over them.
        weights: (..., agents) how much each counts, as its share of right answers; equal by
            default.

    Returns:
        A float, or an array of the leading axes. 1: all agents are clones. Their number: no two
        have anything in common.

    Raises:
        UsageError, DataError: as `vendi`.

    Example:
        >>> effective_channels([[1, 0], [1, 0], [1, 0]])
        1.0
        >>> effective_channels([[1, 0], [0, 1]])
        2.0

    In `between` over the arms, not in `measure`, where each arm stands alone.

    Source: `Yang 2026 <https://arxiv.org/abs/2602.03794>`_.
    """
    return vendi(features, weights=weights)
