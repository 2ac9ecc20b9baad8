"""Averages in which each entry is weighted by how much its model cares about it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from variegate.errors import UsageError
from variegate.merging._length import squared_length
from variegate.merging._linear import one_each
from variegate.merging._method import Piece, Scan, Weights, apply

__all__ = ["Fisher", "fisher"]


class Fisher:
    """θ₀ + Σ rᵢ (θᵢ − θ₀) with rᵢ proportional to wᵢ Fᵢ; parts are the models, then the Fishers."""

    def __init__(
        self, weights: Sequence[float], normalise: bool = True, floor: float = 1e-6
    ) -> None:
        if floor < 0 or any(weight < 0 for weight in weights) or not any(weights):
            raise UsageError(
                f"Expected a floor and weights of at least 0, one above it, got {floor} and "
                f"{list(weights)}."
            )
        self.weights, self.normalise, self.floor = tuple(map(float, weights)), normalise, floor
        self.scales = [1.0] * len(self.weights)

    def only(self, _: str) -> int | None:
        used = [place for place, weight in enumerate(self.weights) if weight]
        return used[0] if len(used) == 1 else None

    def prepare(self, scan: Scan) -> None:
        squares, count = [0.0] * len(self.weights), 0
        for found, size in scan(self._squares):
            squares = [a + b for a, b in zip(squares, found, strict=True)]
            count += size
        if self.normalise:
            self.scales = [math.sqrt(count / total) if total else 1.0 for total in squares]

    def merge(self, piece: Piece) -> torch.Tensor:
        models, fishers = self._halves(piece)
        shares = [
            (part * scale).clamp_(min=self.floor).mul_(weight)
            for part, scale, weight in zip(fishers, self.scales, self.weights, strict=True)
        ]
        total = torch.stack(shares).sum(0)
        # Where no model cares, all count as their weights say.
        for share, weight in zip(shares, self.weights, strict=True):
            share.masked_fill_(total == 0, weight)
        total.masked_fill_(total == 0, sum(self.weights))
        first, merged = models[0], models[0].clone()
        for model, share in zip(models[1:], shares[1:], strict=True):
            merged.add_(model.sub_(first).mul_(share.div_(total)))
        return merged

    def _halves(self, piece: Piece) -> tuple[Sequence[torch.Tensor], Sequence[torch.Tensor]]:
        half = len(self.weights)
        return piece.parts[:half], piece.parts[half:]

    def _squares(self, piece: Piece) -> tuple[list[float], int]:
        _, fishers = self._halves(piece)
        if not all(bool((part >= 0).all()) for part in fishers):
            raise UsageError(
                f"Expected Fisher information of at least 0, {piece.name!r} holds less or NaN."
            )
        # Squares of squares of gradients leave the range of a float32.
        return [squared_length(part.double()) for part in fishers], fishers[0].numel()


def fisher(
    models: Sequence[Weights],
    fishers: Sequence[Weights],
    *,
    weights: Sequence[float] | None = None,
    normalise: bool = True,
    floor: float = 1e-6,
) -> dict[str, torch.Tensor]:
    """Average models entry by entry with their Fisher information: θ = Σ wᵢFᵢθᵢ / Σ wᵢFᵢ.

    Args:
        models: dicts of tensors with the same names and shapes.
        fishers: one per model, of the same shapes: the diagonal of its Fisher information, see
            `estimate_fisher`.
        weights: one per model, at least 0; equal when left out.
        normalise: divide every Fisher by its root mean square first, so that a model counts for
            where it cares, not for how large its gradients are.
        floor: the least a (normalised) entry counts.

    Returns:
        The tensors, computed in float32. Equal Fishers give the weighted mean; where one Fisher
        is far above the others, that model. With Hessians of quadratic losses, `normalise=False`
        and `floor=0`, the minimiser of the weighted sum of losses (diagonal case). Entries of
        Fisher 0 in every model take the weighted mean.

    Raises:
        UsageError: other names or shapes; negative or NaN Fishers; negative weights.

    Example:
        >>> import torch
        >>> models = [{"w": torch.tensor([0.0, 0.0])}, {"w": torch.tensor([1.0, 1.0])}]
        >>> fishers = [{"w": torch.tensor([1.0, 3.0])}, {"w": torch.tensor([1.0, 1.0])}]
        >>> fisher(models, fishers, normalise=False)
        {'w': tensor([0.5000, 0.2500])}

    Reference:
        `Matena 2022 <https://arxiv.org/abs/2111.09832>`_.
    """
    weights = [1.0] * len(models) if weights is None else weights
    one_each(weights, models)
    one_each(fishers, models)
    return apply(models, Fisher(weights, normalise, floor), beside=fishers)
