"""What every kernel shares: pieces of tensors in float32, and the loop over dicts of tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch

from variegate.errors import UsageError

__all__ = ["PIECE", "Coefficient", "Method", "Piece", "Scan", "Weights", "apply", "coefficient"]

Weights = Mapping[str, torch.Tensor]
Coefficient = float | Callable[[str], float]
Found = TypeVar("Found")

# Elements of one piece. Its buffers in float32 stay near the caches of a core, and
# sums are taken piece by piece, so dicts and files give the same bits.
PIECE = 1 << 18


@dataclass(frozen=True, slots=True)
class Piece:
    """The same stretch of one tensor in every model, flat and in float32.

    A method may write into `parts`.
    """

    name: str
    start: int
    parts: tuple[torch.Tensor, ...]


class Scan(Protocol):
    """Hand every piece to a function and give back what it found, in order."""

    def __call__(self, look: Callable[[Piece], Found]) -> Iterator[Found]: ...


class Method(Protocol):
    """How the pieces of several models become one."""

    def only(self, name: str, /) -> int | None:
        """Which model a tensor is copied from, storage and all; None where it is computed."""

    def prepare(self, scan: Scan, /) -> None:
        """Look at all pieces before the first is merged."""

    def merge(self, piece: Piece, /) -> torch.Tensor:
        """One piece of the result, in float32."""


def apply(
    models: Sequence[Weights], method: Method, *, beside: Sequence[Weights] = ()
) -> dict[str, torch.Tensor]:
    """Run a method over dicts of tensors; those `beside` are read with them, not merged.

    Raises:
        UsageError: no models, other names, other shapes, or integers that are not the same.
    """
    agree([*models, *beside], whole_numbers=not beside)
    first = models[0]
    computed = [n for n in first if first[n].is_floating_point() and method.only(n) is None]

    def scan(look: Callable[[Piece], Found]) -> Iterator[Found]:
        for name in computed:
            yield from (look(piece) for piece in _pieces(name, [*models, *beside]))

    with torch.no_grad():
        if computed:
            method.prepare(scan)
        merged = {}
        for name in first:
            if name in computed:
                parts = [method.merge(piece) for piece in _pieces(name, [*models, *beside])]
                merged[name] = torch.cat(parts).reshape(first[name].shape).to(_dtype(name, models))
            else:
                merged[name] = models[method.only(name) or 0][name].detach().clone()
    return merged


def agree(models: Sequence[Weights], *, whole_numbers: bool = True) -> None:
    """Refuse models that do not have the same tensors."""
    if not models:
        raise UsageError("Expected at least one model to merge, got none.")
    first, wrong = models[0], []
    for number, other in enumerate(models[1:], 2):
        wrong += [f"{name} in one only" for name in sorted(first.keys() ^ other.keys())]
        for name in first.keys() & other.keys():
            a, b = first[name], other[name]
            if a.shape != b.shape:
                wrong.append(f"{name} is {tuple(a.shape)} and {tuple(b.shape)} in model {number}")
            elif whole_numbers and not a.is_floating_point() and not torch.equal(a, b):
                wrong.append(f"{name} holds whole numbers that differ in model {number}")
    if wrong:
        raise UsageError(
            f"Expected the same tensors in every model, got {len(wrong)} differences: "
            f"{'; '.join(wrong[:5])}."
        )


def coefficient(value: Coefficient, name: str) -> float:
    """The coefficient of one tensor."""
    number = float(value(name)) if callable(value) else float(value)
    if not math.isfinite(number):
        raise UsageError(f"Expected finite coefficients, got {number} for {name!r}.")
    return number


def _pieces(name: str, models: Sequence[Weights]) -> Iterator[Piece]:
    flat = [model[name].detach().reshape(-1) for model in models]
    for start in range(0, max(flat[0].numel(), 1), PIECE):
        stretch = tuple(one[start : start + PIECE].to(torch.float32, copy=True) for one in flat)
        yield Piece(name, start, stretch)


def _dtype(name: str, models: Sequence[Weights]) -> torch.dtype:
    dtype = models[0][name].dtype
    for model in models[1:]:
        dtype = torch.promote_types(dtype, model[name].dtype)
    return dtype
