"""TIES: keep the large changes, agree on a sign, average those who have it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, Literal

import numpy as np
import torch

from variegate.errors import UnknownName, UsageError
from variegate.merging._method import Coefficient, Piece, Scan, Weights, apply, coefficient

__all__ = ["Ties", "Trim", "elected_mean", "ties"]

Trim = Literal["global", "tensor"]
TRIMS = ("global", "tensor")

# The 31 bits of a float32's magnitude are ordered like the number: a count of the upper ones says
# in which bin the threshold lies, a count of the lower ones inside that bin which it is.
LOW = 16
UPPER, LOWER = 1 << (31 - LOW), 1 << LOW


class Ties:
    """Trim, elect, average; model 0 is the base."""

    def __init__(
        self,
        density: Sequence[float],
        weight: Coefficient = 1.0,
        trim: Trim = "global",
        shares: Sequence[float] | None = None,
    ) -> None:
        if trim not in TRIMS:
            raise UnknownName("trim", trim, TRIMS)
        if not all(0 <= value <= 1 for value in density):
            raise UsageError(f"Expected densities in [0, 1], got {list(density)}.")
        if shares is not None and not all(value > 0 for value in shares):
            raise UsageError(f"Expected weights above 0 for an election, got {list(shares)}.")
        self.density, self.weight, self.trim = tuple(density), weight, trim
        self.shares = (1.0,) * len(self.density) if shares is None else tuple(shares)
        self.thresholds: dict[str, list[float]] = {}
        self.majority = 0.0

    def only(self, name: str) -> int | None:
        weight = coefficient(self.weight, name)
        if weight == 0 or not any(self.density):
            return 0
        return 1 if self.density == (1.0,) and weight == 1 else None

    def prepare(self, scan: Scan) -> None:
        counts: dict[str, int] = defaultdict(int)
        upper: dict[str, list[tuple[int, int]]] = {}
        for key, found in self._by_key(scan, self._upper):
            counts[key] = int(found[0].sum())
            upper[key] = [
                _locate(bins, self._keep(density, counts[key]))
                for bins, density in zip(found, self.density, strict=True)
            ]
        for key, found in self._by_key(scan, lambda piece: self._lower(piece, upper)):
            self.thresholds[key] = [
                self._threshold(density, bucket, bins, rest, counts[key])
                for density, (bucket, rest), bins in zip(
                    self.density, upper[key], found, strict=True
                )
            ]
        if len(self.density) > 1:
            total = sum(scan(self._votes))
            self.majority = float((total > 0) - (total < 0))

    def merge(self, piece: Piece) -> torch.Tensor:
        deltas = self._trimmed(piece)
        merged = elected_mean(deltas, self.shares, self.majority)
        return piece.parts[0].add_(merged, alpha=coefficient(self.weight, piece.name))

    def _key(self, name: str) -> str:
        return name if self.trim == "tensor" else ""

    def _by_key(
        self, scan: Scan, look: Callable[[Piece], list[torch.Tensor]]
    ) -> Iterator[tuple[str, list[torch.Tensor]]]:
        """Counts per scope of the trim: one table at a time is in memory."""
        found: Iterator[Any] = scan(lambda piece: (self._key(piece.name), look(piece)))
        for key, group in groupby(found, lambda pair: pair[0]):
            total: list[torch.Tensor] = []
            for _, bins in group:
                total = [a.add_(b) for a, b in zip(total, bins, strict=True)] if total else bins
            yield key, total

    def _upper(self, piece: Piece) -> list[torch.Tensor]:
        return [
            torch.bincount(bits.bitwise_right_shift_(LOW), minlength=UPPER)
            for bits in _magnitudes(piece)
        ]

    def _lower(self, piece: Piece, upper: dict[str, list[tuple[int, int]]]) -> list[torch.Tensor]:
        found = []
        for bits, (bucket, _) in zip(_magnitudes(piece), upper[self._key(piece.name)], strict=True):
            inside = bits[(bits >> LOW) == bucket].bitwise_and_(LOWER - 1)
            found.append(torch.bincount(inside, minlength=LOWER))
        return found

    def _votes(self, piece: Piece) -> int:
        # Whole numbers below 2²⁴: the sum is exact in float32.
        return int(_sum(self._trimmed(piece), self.shares).sign_().sum())

    def _trimmed(self, piece: Piece) -> list[torch.Tensor]:
        base, *models = piece.parts
        deltas = [part.sub_(base) for part in models]
        for delta, threshold in zip(deltas, self.thresholds[self._key(piece.name)], strict=True):
            if threshold > 0:
                delta.masked_fill_(delta.abs() < threshold, 0)
        return deltas

    def _keep(self, density: float, count: int) -> int:
        return min(count, math.ceil(density * count * (1 - 1e-12)))

    def _threshold(
        self, density: float, bucket: int, bins: torch.Tensor, rest: int, count: int
    ) -> float:
        if self._keep(density, count) == 0:
            return math.inf
        low, _ = _locate(bins, rest)
        return float(torch.tensor((bucket << LOW) | low, dtype=torch.int32).view(torch.float32))


def ties(
    base: Weights,
    models: Sequence[Weights],
    *,
    density: float | Sequence[float],
    weight: Coefficient = 1.0,
    trim: Trim = "global",
    weights: Sequence[float] | None = None,
) -> dict[str, torch.Tensor]:
    """Merge changes without the small ones and without those that pull the other way.

    With τᵢ = θᵢ − θ_base: (1) trim: in each τᵢ the share `density` of largest |τ| stays, the
    rest becomes 0; (2) elect: γ = sign of Σ τᵢ per entry, and where the sum is 0 the sign that
    most entries of the whole vector got; (3) average, per entry, the τᵢ that are not 0 and have
    the sign γ. Then θ = θ_base + weight · τ.

    Args:
        base: what the models were trained from.
        models: dicts of tensors with the same names and shapes.
        density: share of entries that stay, in [0, 1]; one for all or one per model. The
            threshold is exact: ⌈density · n⌉ entries, more where several are equally large.
        weight: the factor of the merged change; a number, or a function from the name of a tensor.
        trim: "global" ranks the entries of all tensors together, as published; "tensor" ranks
            within each tensor.
        weights: one per model, for a weighted election and average; equal when left out.

    Returns:
        The tensors, computed in float32. A weight or a density of 0 gives the base, one model
        with density and weight 1 that model, bit for bit. Opposite changes of equal size give
        the base when no sign has a majority.

    Raises:
        UsageError: other names or shapes; a density outside of [0, 1]; lists of another length.

    Example:
        >>> import torch
        >>> base = {"w": torch.zeros(4)}
        >>> models = [{"w": torch.tensor([4.0, 1, 2, 0.5])}, {"w": torch.tensor([2.0, -3, 4, 0.5])}]
        >>> ties(base, models, density=0.5)
        {'w': tensor([ 4., -3.,  3.,  0.])}

    Reference:
        `Yadav 2023 <https://arxiv.org/abs/2306.01708>`_.
    """
    each = [density] * len(models) if isinstance(density, int | float) else list(density)
    for values in (each, weights):
        if values is not None and len(values) != len(models):
            raise UsageError(f"Expected one value per model ({len(models)}), got {len(values)}.")
    return apply([base, *models], Ties(each, weight, trim, weights))


def elected_mean(
    deltas: Sequence[torch.Tensor], shares: Sequence[float], majority: float
) -> torch.Tensor:
    """Mean, per entry, of the changes whose sign is that of their sum."""
    # In arithmetic, not with masks: those go entry by entry, this goes by vectors.
    sign = _sum(deltas, shares).sign_()
    if majority:
        sign.mul_(2).add_(majority).sign_()
    total, count = torch.zeros_like(sign), torch.zeros_like(sign)
    for delta, share in zip(deltas, shares, strict=True):
        agreeing = (delta * sign).clamp_(min=0)
        total.add_(agreeing, alpha=share)
        count.add_(agreeing.sign_(), alpha=share)
    return total.mul_(sign).div_(count.clamp_(min=torch.finfo(torch.float32).tiny))


def _sum(deltas: Sequence[torch.Tensor], shares: Sequence[float]) -> torch.Tensor:
    total = deltas[0] * shares[0]
    for delta, share in zip(deltas[1:], shares[1:], strict=True):
        total.add_(delta, alpha=share)
    return total


def _below(threshold: float) -> float:
    """The float32 before: what is at the threshold stays, what is below goes."""
    return float(np.nextafter(np.float32(threshold), np.float32(0)))


def _magnitudes(piece: Piece) -> Iterator[torch.Tensor]:
    base, *models = piece.parts
    for part in models:
        yield part.sub_(base).view(torch.int32).bitwise_and_(0x7FFFFFFF)


def _locate(bins: torch.Tensor, rank: int) -> tuple[int, int]:
    """The bin that holds the rank-th largest, and its rank inside that bin."""
    if rank < 1:
        return bins.numel() - 1, 0
    above = bins.flip(0).cumsum(0)
    place = int(torch.searchsorted(above, rank))
    before = int(above[place - 1]) if place else 0
    return bins.numel() - 1 - place, rank - before
