"""Lengths of long vectors, the same bits on any number of cores."""

from __future__ import annotations

import math

import torch

__all__ = ["squared_length"]

ROW = 4096


def squared_length(x: torch.Tensor) -> float:
    """Sum of squares of a flat tensor, in its own precision within rows.

    Rows of fixed length are summed one by one, and threads share out whole rows only. A sum of the
    whole would be cut wherever there are threads to take the parts, and its last bits with it.

    Args:
        x: (n,) floats.
    """
    whole = len(x) // ROW * ROW
    rows = x[:whole].view(-1, ROW).square().sum(1)
    return math.fsum(rows.tolist()) + math.fsum(x[whole:].square().tolist())
