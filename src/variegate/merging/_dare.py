"""DARE: drop changes at random and enlarge what is left."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from variegate.errors import UsageError
from variegate.merging._linear import one_each
from variegate.merging._method import Coefficient, Piece, Scan, Weights, apply, coefficient
from variegate.merging._ties import elected_mean

__all__ = ["Dare", "dare"]

FINE = 0.99


class Dare:
    """Drop, rescale by 1/(1 − p), sum; model 0 is the base."""

    def __init__(
        self, drop: float, seed: int, weights: Sequence[Coefficient], elect: bool = False
    ) -> None:
        if not 0 <= drop < 1:
            raise UsageError(f"Expected a share to drop in [0, 1), got {drop}.")
        self.drop, self.seed, self.weights, self.elect = drop, seed, tuple(weights), elect

    def only(self, name: str) -> int | None:
        weights = [coefficient(weight, name) for weight in self.weights]
        if not any(weights):
            return 0
        used = [place for place, weight in enumerate(weights, 1) if weight]
        return used[0] if not self.drop and len(used) == 1 and sum(weights) == 1 else None

    def prepare(self, scan: Scan) -> None:
        """Nothing to look at."""

    def merge(self, piece: Piece) -> torch.Tensor:
        base, *models = piece.parts
        weights = [coefficient(weight, piece.name) for weight in self.weights]
        deltas = [self._drop(part.sub_(base), piece, n) for n, part in enumerate(models)]
        if self.elect and min(weights) < 0:
            raise UsageError(f"Expected weights of at least 0 for an election, got {weights}.")
        if self.elect:
            return base.add_(elected_mean(deltas, weights, 0.0))
        for delta, weight in zip(deltas, weights, strict=True):
            base.add_(delta, alpha=weight)
        return base

    def _drop(self, delta: torch.Tensor, piece: Piece, model: int) -> torch.Tensor:
        if not self.drop:
            return delta
        # The draw hangs on the place of the entry, not on the order in which pieces are merged.
        place = hashlib.blake2b(f"{model}/{piece.start}/{piece.name}".encode(), digest_size=8)
        rng = np.random.default_rng([self.seed, int.from_bytes(place.digest(), "little")])
        # Numbers of 24 bits are too coarse for a share of 1 − p this small.
        fine = np.float64 if self.drop > FINE else np.float32
        dropped = torch.from_numpy(rng.random(delta.numel(), dtype=fine) < self.drop)
        return delta.masked_fill_(dropped.to(delta.device), 0).mul_(1 / (1 - self.drop))


def dare(
    base: Weights,
    models: Sequence[Weights],
    *,
    drop: float,
    seed: int,
    weights: Sequence[Coefficient] | None = None,
    elect: bool = False,
) -> dict[str, torch.Tensor]:
    """Drop each change with probability p and rescale the rest by 1/(1 − p), then merge.

    θ = θ_base + Σ wᵢ τ̃ᵢ with τ̃ = m ∘ (θᵢ − θ_base) / (1 − p) and m ~ Bernoulli(1 − p), so that
    the expectation of τ̃ is τ exactly.

    Args:
        base: what the models were trained from.
        models: dicts of tensors with the same names and shapes.
        drop: p, in [0, 1).
        seed: of the draw, which also hangs on the model's place and on the tensor's name, not on
            the order of anything.
        weights: one per model; 1/n each when left out.
        elect: average only the changes whose sign is that of their weighted sum (as in `ties`),
            instead of summing all.

    Returns:
        The tensors, computed in float32. p = 0 with one model gives that model, all weights 0
        give the base, bit for bit.

    Raises:
        UsageError: other names or shapes; p outside of [0, 1); not one weight per model.

    Example:
        >>> import torch
        >>> base, model = {"w": torch.zeros(6)}, {"w": torch.ones(6)}
        >>> sorted(set(dare(base, [model], drop=0.5, seed=0)["w"].tolist()))
        [0.0, 2.0]

    Reference:
        `Yu 2024 <https://arxiv.org/abs/2311.03099>`_.
    """
    weights = [1 / max(len(models), 1)] * len(models) if weights is None else weights
    one_each(weights, models)
    return apply([base, *models], Dare(drop, seed, weights, elect))
