"""Crossover of two models at a boundary between layers."""

from __future__ import annotations

import torch

from variegate.errors import UsageError
from variegate.merging._method import Weights
from variegate.merging._places import layer_of, module_of
from variegate.merging._slerp import Scope, slerp

__all__ = ["crossover"]


def crossover(
    a: Weights, b: Weights, *, split: int, t: float, scope: Scope = "global"
) -> dict[str, torch.Tensor]:
    """Mix two models on the arc with t before a layer and 1 − t from it on.

    The published split point lies anywhere in the flattened weights; here it lies between layers,
    so no matrix is cut in two.

    Args:
        a: a dict of tensors.
        b: another with the same names and shapes.
        split: the first layer of the second part, from 0 (all of it second) to the number of
            layers. The embedding belongs to the first layer, final norm and head to the last.
        t: how far from a to b in the first part, in [0, 1].
        scope: one angle for all tensors, as published, or one per tensor.

    Returns:
        The tensors, computed in float32. t = 0 takes the first part from a and the second from b
        bit for bit; t = 1/2 does not hang on the split; turning a and b round and t to 1 − t
        changes nothing.

    Raises:
        UsageError: other names or shapes, no such layer.

    Example:
        >>> import torch
        >>> a = {f"layers.{i}.w": torch.tensor([1.0, 0.0]) for i in range(2)}
        >>> b = {f"layers.{i}.w": torch.tensor([0.0, 1.0]) for i in range(2)}
        >>> crossover(a, b, split=1, t=0.0)
        {'layers.0.w': tensor([1., 0.]), 'layers.1.w': tensor([0., 1.])}

    Reference:
        `Abrantes 2025 <https://arxiv.org/abs/2508.16204>`_.
    """
    layers = 1 + max((layer_of(name) or 0 for name in a), default=0)
    if not 0 <= split <= layers:
        raise UsageError(f"Expected a split between 0 and {layers} layers, got {split}.")

    def share(name: str) -> float:
        outside = 0 if module_of(name) == "embedding" else layers - 1
        place = layer_of(name)
        return t if (outside if place is None else place) < split else 1 - t

    return slerp(a, b, t=share, scope=scope)
