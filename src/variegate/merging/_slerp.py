"""Interpolation along the arc between two models."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Literal

import torch

from variegate.errors import UnknownName, UsageError
from variegate.merging._length import squared_length
from variegate.merging._method import Coefficient, Piece, Scan, Weights, apply, coefficient

__all__ = ["Scope", "Slerp", "slerp"]

Scope = Literal["tensor", "global"]
SCOPES = ("tensor", "global")

# Below this sine the two factors are those of the straight line to the last bit of a float32.
STRAIGHT = 1e-6


class Slerp:
    """The arc from model 0 to model 1, with one angle per tensor or one for all."""

    def __init__(self, t: Coefficient, scope: Scope = "tensor") -> None:
        if scope not in SCOPES:
            raise UnknownName("scope", scope, SCOPES)
        self.t, self.scope = t, scope
        self.angles: dict[str, float] = {}

    def at(self, name: str) -> float:
        """How far from 0 to 1 one tensor is."""
        t = coefficient(self.t, name)
        if not 0 <= t <= 1:
            raise UsageError(f"Expected t in [0, 1], got {t} for {name!r}.")
        return t

    def only(self, name: str) -> int | None:
        return {0.0: 0, 1.0: 1}.get(self.at(name))

    def prepare(self, scan: Scan) -> None:
        sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
        for name, found in scan(_products):
            total = sums[name if self.scope == "tensor" else ""]
            for place, value in enumerate(found):
                total[place] += value
        self.angles = {name: _angle(name, *total) for name, total in sums.items()}

    def merge(self, piece: Piece) -> torch.Tensor:
        angle = self.angles[piece.name if self.scope == "tensor" else ""]
        a, b = piece.parts
        t = self.at(piece.name)
        if math.sin(angle) < STRAIGHT:
            return a.lerp_(b, t)
        return a.mul_(math.sin((1 - t) * angle) / math.sin(angle)).add_(
            b, alpha=math.sin(t * angle) / math.sin(angle)
        )


def slerp(
    a: Weights, b: Weights, *, t: Coefficient, scope: Scope = "tensor"
) -> dict[str, torch.Tensor]:
    """Interpolate along the arc: θ(t) = sin((1−t)Ω)/sin Ω · a + sin(tΩ)/sin Ω · b.

    Ω is the angle between a and b. Two checkpoints of one lineage have a cosine of .999 or more,
    where the arc is the straight line of `linear`: between base and post-trained it changes
    nothing.

    Args:
        a: a dict of tensors.
        b: another with the same names and shapes.
        t: how far from a to b, in [0, 1]; a number, or a function from the name of a tensor.
        scope: "tensor" takes the angle of each flattened tensor, "global" that of all computed
            tensors together.

    Returns:
        The tensors, computed in float32. t = 0 gives a and t = 1 gives b bit for bit. Where one
        side is zero or both point the same way, the straight line.

    Raises:
        UsageError: other names or shapes; t outside [0, 1]; the two point in opposite directions,
            where no arc is shorter than the others.

    Example:
        >>> import torch
        >>> a, b = {"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([0.0, 1.0])}
        >>> slerp(a, b, t=0.5)
        {'w': tensor([0.7071, 0.7071])}

    Reference:
        `Shoemake 1985 <https://doi.org/10.1145/325165.325242>`_.
    """
    return apply([a, b], Slerp(t, scope))


def _products(piece: Piece) -> tuple[str, tuple[float, float, float]]:
    a, b = piece.parts
    squares = squared_length(a), squared_length(b)
    return piece.name, (*squares, squared_length(b.sub_(a)))


def _angle(name: str, aa: float, bb: float, apart: float) -> float:
    """The angle from three sides; unlike the cosine it is exact where models almost agree."""
    a, b = math.sqrt(aa), math.sqrt(bb)
    if a == 0 or b == 0:
        return 0.0
    near, far = apart - (a - b) ** 2, (a + b) ** 2 - apart
    angle = 2 * math.atan2(math.sqrt(max(near, 0.0)), math.sqrt(max(far, 0.0)))
    if angle > 1 and math.sin(angle) < 1e-3:
        where = f"tensor {name!r}" if name else "the models"
        raise UsageError(
            f"Expected two directions that are not opposite, but {where} of a and b are.",
            hint='Use linear for it, or scope="global".',
        )
    return angle
