"""A block of layers, taken back from the base."""

from __future__ import annotations

from typing import Literal

import torch

from variegate.errors import UnknownName, UsageError
from variegate.merging._method import Weights, agree
from variegate.merging._places import layer_of, module_of

__all__ = ["Modules", "Rest", "belongs", "restored"]

Modules = Literal["all", "attention", "mlp"]
Rest = Literal["post", "base"]
MODULES = ("all", "attention", "mlp")


def restored(
    base: Weights,
    post: Weights,
    *,
    first: int,
    end: int,
    modules: Modules = "all",
    rest: Rest = "post",
) -> dict[str, torch.Tensor]:
    """Take a block of layers from the base and everything else from the post-trained model.

    Args:
        base: what the model was trained from.
        post: a dict of tensors with the same names and shapes.
        first: the first layer from the base.
        end: the first one after it that is not.
        modules: of those layers: "all", only "attention" (the projections), or only "mlp".
        rest: where embedding, final norm and head come from.

    Returns:
        The tensors, copied bit for bit. first = end gives the post-trained model; all layers,
        modules="all" and rest="base" give the base.

    Raises:
        UsageError: other names or shapes; no such layers.
        UnknownName: other modules or another rest.

    Example:
        >>> base = {f"layers.{i}.w": torch.zeros(1) for i in range(3)}
        >>> post = {f"layers.{i}.w": torch.ones(1) for i in range(3)}
        >>> [int(t) for t in restored(base, post, first=1, end=2).values()]
        [1, 0, 1]

    Reference:
        `Selective Layer Restoration 2026 <https://arxiv.org/abs/2602.06665>`_.
    """
    if modules not in MODULES:
        raise UnknownName("modules", modules, MODULES)
    if rest not in ("post", "base"):
        raise UnknownName("rest", rest, ("post", "base"))
    agree([base, post])
    layers = 1 + max((layer_of(name) or 0 for name in post), default=0)
    if not 0 <= first <= end <= layers:
        raise UsageError(f"Expected 0 <= first <= end <= {layers} layers, got {first} and {end}.")

    def source(name: str) -> Weights:
        place = layer_of(name)
        if place is None:
            return base if rest == "base" else post
        return base if first <= place < end and belongs(name, modules) else post

    return {name: source(name)[name].detach().clone() for name in post}


def belongs(name: str, modules: Modules) -> bool:
    """Whether a tensor of a layer is one of these modules."""
    return modules == "all" or module_of(name) == modules
