"""Tuning that spares what the base needs: a block of modules, and a soft mask on its gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from variegate.errors import UsageError
from variegate.merging._method import Weights
from variegate.merging.search._restore import Modules

__all__ = ["Range", "masked_gradients", "module_range"]


@dataclass(frozen=True, kw_only=True)
class Range:
    """The block of modules that a search ended at.

    Args:
        first: its first layer.
        end: the first layer after it.
        modules: which part of these layers.
        score: what `evaluate` said of it.
        evaluated: every block that was looked at, with its score.
    """

    first: int
    end: int
    modules: Modules
    score: float
    evaluated: Mapping[tuple[int, int, Modules], float]


def module_range(
    evaluate: Callable[[int, int, Modules], float], *, layers: int, least: int = 1
) -> Range:
    """Find a block of layers and a kind of module by a tree search: halve, keep the best half.

    Args:
        evaluate: from first layer, end and modules to a score, larger being better; for
            restoration the variety of `restored(...)`, for tuning the trade-off after tuning only
            that block.
        layers: of the model.
        least: layers below which a block is not halved.

    Returns:
        The best block of all that were evaluated, the widest of equal ones: the whole, then
        lower, middle and upper half of the winner, and at last the two kinds of module alone. A
        tree of depth log2 L, where all blocks would be L(L+1)/2; it can miss the best.

    Raises:
        UsageError: no layers, or least below 1.

    Example:
        >>> found = module_range(lambda a, b, m: -abs(a - 4) - abs(b - 8), layers=16)
        >>> found.first, found.end, len(found.evaluated)
        (4, 8, 14)

    Reference:
        CoFiTune, the coarse level: a range of layers times a module, found by a tree search.
    """
    if layers < 1 or least < 1:
        raise UsageError(f"Expected layers and least of at least 1, got {layers} and {least}.")
    known: dict[tuple[int, int, Modules], float] = {}

    def score(block: tuple[int, int, Modules]) -> float:
        if block not in known:
            known[block] = float(evaluate(*block))
        return known[block]

    best: tuple[int, int, Modules] = (0, layers, "all")
    score(best)
    here = best
    while (width := here[1] - here[0]) > least:
        half = -(-width // 2)
        starts = sorted({here[0], here[0] + (width - half) // 2, here[1] - half})
        here = max(((start, start + half, "all") for start in starts), key=score)
        best = max((best, here), key=score)
    parts: tuple[Modules, ...] = ("attention", "mlp")
    best = max((best, *((best[0], best[1], part) for part in parts)), key=score)
    first, end, modules = best
    return Range(first=first, end=end, modules=modules, score=known[best], evaluated=known)


def masked_gradients(gradients: Weights, importance: Weights) -> dict[str, torch.Tensor]:
    """Hold back updates where the base would be missed: g · (1 − I).

    Adam divides every gradient by the size of its past, which undoes a constant factor, and its
    weight decay moves what has no gradient. With such an optimiser mask its updates: let it step,
    then set each parameter to what it was plus the masked difference.

    Args:
        gradients: by the name of the parameter; or updates.
        importance: of the same names and shapes, in [0, 1]; e.g. a Fisher divided by its largest
            entry.

    Returns:
        The gradients. An importance of 0 leaves plain tuning, 1 freezes.

    Raises:
        UsageError: other names or shapes, importance outside [0, 1].

    Example:
        >>> g, i = {"w": torch.tensor([2.0, 2.0])}, {"w": torch.tensor([0.0, 1.0])}
        >>> masked_gradients(g, i)["w"].tolist()
        [2.0, 0.0]

    Reference:
        CoFiTune, the fine level: a soft mask of importance on the gradients.
    """
    wrong = [
        n for n in gradients if n not in importance or importance[n].shape != gradients[n].shape
    ]
    if wrong:
        raise UsageError(f"Expected an importance for every gradient, {wrong[:3]} have none.")
    if any(not bool(((one >= 0) & (one <= 1)).all()) for one in importance.values()):
        raise UsageError("Expected importance in [0, 1], got something else.")
    return {name: value * (1 - importance[name]) for name, value in gradients.items()}
