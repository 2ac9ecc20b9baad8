"""Other weights in a live module, in place, for as long as they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from variegate.errors import UsageError

__all__ = ["swapped"]


@contextmanager
def swapped(module: torch.nn.Module, weights: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Put other weights into a live module, in place, and take them out again.

    Nothing is written to disk and no second module is made. What stood there before comes back bit
    for bit, also after an exception. Tensors that share their storage (a tied head) change
    together.

    Args:
        module: what is asked afterwards, e.g. `TransformersModel.model`. Hold it in float32:
            weights are rounded to the type that the module has.
        weights: of some or all of its parameters and buffers, by name.

    Yields:
        Nothing; within the block the module computes with these weights. A model made inside by
        `variegate.models.transformers_model(module, tokenizer=...)` is named by their hash, so
        its draws are its own; it must not be asked after the block.

    Raises:
        UsageError: a name that the module does not have, another shape, or two values for tensors
            that are one.

    Example:
        >>> module = torch.nn.Linear(1, 1, bias=False)
        >>> before = module.weight.item()
        >>> with swapped(module, {"weight": torch.tensor([[2.0]])}):
        ...     module(torch.ones(1)).item()
        2.0
        >>> module.weight.item() == before
        True
    """
    own = named(module)
    _check(own, weights)
    kept = {name: own[name].clone() for name in weights}
    try:
        put(own, weights)
        yield
    finally:
        put(own, kept)


def named(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Every parameter and buffer that a checkpoint holds, not copied and without a gradient."""
    return {name: tensor.detach() for name, tensor in module.state_dict().items()}


def put(own: Mapping[str, torch.Tensor], weights: Mapping[str, torch.Tensor]) -> None:
    """Write weights into the tensors of a module."""
    with torch.no_grad():
        for name, value in weights.items():
            own[name].copy_(value)


def _check(own: Mapping[str, torch.Tensor], weights: Mapping[str, torch.Tensor]) -> None:
    unknown = [name for name in weights if name not in own]
    if unknown:
        raise UsageError(
            f"Expected names of the module's tensors, got {len(unknown)} others: "
            f"{', '.join(unknown[:3])}."
        )
    places: dict[tuple[int, torch.Size], str] = {}
    for name, value in weights.items():
        if value.shape != own[name].shape:
            raise UsageError(
                f"Expected {name!r} of shape {tuple(own[name].shape)}, got {tuple(value.shape)}."
            )
        twin = places.setdefault((own[name].data_ptr(), own[name].shape), name)
        if twin != name and own[name].numel() and not torch.equal(weights[twin], value):
            raise UsageError(
                f"{twin!r} and {name!r} are one tensor in the module, but two values came.",
                hint="Leave one of them out: the head is tied to the embedding.",
            )
