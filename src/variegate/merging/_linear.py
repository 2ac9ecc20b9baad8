"""Weighted sums of models, and of what training added to a base."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from variegate.errors import UsageError
from variegate.merging._method import Coefficient, Piece, Scan, Weights, apply, coefficient

__all__ = ["Linear", "TaskArithmetic", "linear", "task_arithmetic"]


class Linear:
    """θ = Σ wᵢ θᵢ, summed as s θ₀ + Σ wᵢ (θᵢ − θ₀) with s = Σ wᵢ."""

    def __init__(self, weights: Sequence[Coefficient]) -> None:
        self.weights = tuple(weights)

    def at(self, name: str) -> list[float]:
        """The weights of one tensor."""
        return [coefficient(weight, name) for weight in self.weights]

    def only(self, name: str) -> int | None:
        weights = self.at(name)
        one = [place for place, weight in enumerate(weights) if weight != 0]
        return one[0] if len(one) == 1 and weights[one[0]] == 1 else None

    def prepare(self, scan: Scan) -> None:
        """Nothing to look at."""

    def merge(self, piece: Piece) -> torch.Tensor:
        # Differences of neighbours are exact in floating point where sums are not, and equal
        # models give themselves back.
        weights = self.at(piece.name)
        used = [place for place, weight in enumerate(weights) if weight != 0]
        if not used:
            return torch.zeros_like(piece.parts[0])
        anchor = piece.parts[used[0]]
        scale = math.fsum(weights)
        if len(used) == 2 and scale == 1:
            return anchor.lerp_(piece.parts[used[1]], weights[used[1]])
        total = anchor * scale
        for place in used[1:]:
            total.add_(piece.parts[place].sub_(anchor), alpha=weights[place])
        return total


class TaskArithmetic(Linear):
    """θ = θ_base + Σ wᵢ (θᵢ − θ_base): a weighted sum in which the base takes the rest of 1."""

    def at(self, name: str) -> list[float]:
        weights = [coefficient(weight, name) for weight in self.weights]
        return [math.fsum([1.0, *(-weight for weight in weights)]), *weights]

    def merge(self, piece: Piece) -> torch.Tensor:
        base, weights = piece.parts[0], self.at(piece.name)[1:]
        total = base.clone()
        for part, weight in zip(piece.parts[1:], weights, strict=True):
            if weight != 0:
                total.add_(part.sub_(base), alpha=weight)
        return total


def linear(models: Sequence[Weights], *, weights: Sequence[Coefficient]) -> dict[str, torch.Tensor]:
    """Weighted sum of models: θ = Σ wᵢ θᵢ.

    Weights are taken as they are, never normalised. With `[1 − λ, λ]` this is the straight path
    from one checkpoint to another (WiSE-FT), and with both ends fine-tuned from one start, one for
    quality and one for variety, the pair of a quality and a diversity model.

    Args:
        models: dicts of tensors with the same names and shapes.
        weights: one per model; a number, or a function from the name of a tensor to its number.

    Returns:
        The merged tensors, computed in float32 and stored in the type of the models (the wider
        one where they differ). A weight of 1 beside zeros copies that model bit for bit; models
        of weight 0 are not read.

    Raises:
        UsageError: other names or shapes; not one weight per model.

    Example:
        >>> import torch
        >>> a, b = {"w": torch.zeros(2)}, {"w": torch.ones(2)}
        >>> linear([a, b], weights=[0.75, 0.25])
        {'w': tensor([0.2500, 0.2500])}

    Reference:
        `Wortsman 2022 <https://arxiv.org/abs/2109.01903>`_.
        `Cideron 2025 <https://arxiv.org/abs/2410.06084>`_ for the pair.
    """
    one_each(weights, models)
    return apply(models, Linear(weights))


def task_arithmetic(
    base: Weights, models: Sequence[Weights], *, weights: Sequence[Coefficient]
) -> dict[str, torch.Tensor]:
    """Add weighted task vectors to a base: θ = θ_base + Σ wᵢ (θᵢ − θ_base).

    Args:
        base: what the models were trained from.
        models: dicts of tensors with the same names and shapes.
        weights: one per model; negative weights unlearn. A number, or a function from the name
            of a tensor to its number.

    Returns:
        The merged tensors, computed in float32. All weights 0 give the base bit for bit, a
        weight of 1 beside zeros that model.

    Raises:
        UsageError: other names or shapes; not one weight per model.

    Example:
        >>> import torch
        >>> base, model = {"w": torch.ones(2)}, {"w": torch.tensor([1.0, 3.0])}
        >>> task_arithmetic(base, [model], weights=[0.5])
        {'w': tensor([1., 2.])}

    Reference:
        `Ilharco 2023 <https://arxiv.org/abs/2212.04089>`_.
    """
    one_each(weights, models)
    return apply([base, *models], TaskArithmetic(weights))


def one_each(values: Sequence[object], models: Sequence[Weights]) -> None:
    """Refuse lists of settings that are not as long as the list of models."""
    if len(values) != len(models):
        raise UsageError(f"Expected one weight per model ({len(models)}), got {len(values)}.")
