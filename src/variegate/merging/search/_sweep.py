"""Many points between models, each evaluated in one live module."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
import torch
from numpy.typing import ArrayLike, NDArray

from variegate.errors import DataError, UnknownName, UsageError
from variegate.merging._linear import task_arithmetic
from variegate.merging._method import Weights
from variegate.merging._places import layer_of, module_of
from variegate.merging.search._swap import named, put, swapped

__all__ = ["Knobs", "Sweep", "blended", "grid", "knobs", "sweep"]

Floats = NDArray[np.float64]
By = Literal["model", "block", "module"]
PLACES = 10**6


@dataclass(frozen=True, kw_only=True)
class Knobs:
    """What can be turned: which coefficient every tensor of every model takes.

    Args:
        names: (T,) what each coefficient is called.
        of: tensor name -> (models,) the number of its coefficient, one a model.
    """

    names: tuple[str, ...]
    of: Mapping[str, tuple[int, ...]]

    def weights(self, name: str, point: Sequence[float]) -> list[float]:
        """The coefficients of one tensor, one a model."""
        return [float(point[place]) for place in self.of[name]]


def knobs(
    tensors: Sequence[str],
    *,
    models: Sequence[str] = ("post",),
    by: By = "model",
    blocks: int = 2,
) -> Knobs:
    """Say which tensors share a coefficient.

    Args:
        tensors: names of the model's tensors.
        models: what the models that were trained from the base are called; each has its own
            coefficients.
        by: "model": one coefficient for a model; "block": one for each of `blocks` stretches of
            layers (the embedding goes with the first, final norm and head with the last);
            "module": one for attention, one for the MLPs, one for the rest.
        blocks: how many stretches, at most the number of layers.

    Returns:
        The knobs, model by model.

    Raises:
        UnknownName: another `by`.
        UsageError: more blocks than layers, or none; no models.

    Example:
        >>> tensors = ["embed_tokens.weight", "layers.0.mlp.w", "layers.1.self_attn.w"]
        >>> knobs(tensors, by="block").names
        ('post: layers 0-0', 'post: layers 1-1')
        >>> knobs(tensors, by="module").of["layers.0.mlp.w"]
        (1,)
    """
    if by not in ("model", "block", "module"):
        raise UnknownName("way to group tensors", by, ("model", "block", "module"))
    layers = 1 + max((layer_of(name) or 0 for name in tensors), default=0)
    if not models or (by == "block" and not 1 <= blocks <= layers):
        raise UsageError(
            f"Expected at least one model and 1 to {layers} blocks of layers, got "
            f"{len(models)} models and {blocks} blocks."
        )
    if by == "model":
        groups, place = [""], dict.fromkeys(tensors, 0)
    elif by == "block":
        block = [layer * blocks // layers for layer in range(layers)]
        ends = [(block.index(b), layers - 1 - block[::-1].index(b)) for b in range(blocks)]
        groups = [f": layers {first}-{last}" for first, last in ends]
        place = {name: block[_layer(name, layers)] for name in tensors}
    else:
        groups = [": attention", ": mlp", ": rest"]
        kinds = ("attention", "mlp")
        place = {n: kinds.index(m) if (m := module_of(n)) in kinds else 2 for n in tensors}
    of = {
        name: tuple(number * len(groups) + place[name] for number in range(len(models)))
        for name in tensors
    }
    return Knobs(names=tuple(f"{model}{group}" for model in models for group in groups), of=of)


@contextmanager
def blended(
    module: torch.nn.Module,
    base: Weights,
    models: Sequence[Weights],
    *,
    knobs: Knobs,
    rows: Sequence[int] = (),
) -> Iterator[Callable[[Sequence[float]], None]]:
    """Turn a live module into any point θ = θ_base + Σ wᵢ (θᵢ − θ_base), again and again.

    Args:
        module: written into in place; afterwards it is what it was, bit for bit.
        base: what the models were trained from.
        models: dicts of tensors with the same names and shapes.
        knobs: which coefficient each tensor takes, see `knobs`.
        rows: of embedding and head that are never mixed but come from the first model: special
            tokens that the base was not trained on, as `inspect_checkpoint` tells.

    Yields:
        A function from a point, one coefficient a knob, that writes it into the module. Every
        point is computed from the models in float32 by `task_arithmetic`, never from the point
        before: without `rows` all 0 is the base, and a single 1 that model, bit for bit.

    Raises:
        UsageError: other names or shapes, or a point of another length.

    Example:
        >>> module = torch.nn.Linear(1, 1, bias=False)
        >>> base, post = {"weight": torch.zeros(1, 1)}, {"weight": torch.ones(1, 1)}
        >>> with blended(module, base, [post], knobs=knobs(["weight"])) as turn:
        ...     turn([0.25])
        ...     module.weight.item()
        0.25
    """
    own, kept = named(module), list(rows)

    def turn(point: Sequence[float]) -> None:
        if len(point) != len(knobs.names):
            raise UsageError(
                f"Expected {len(knobs.names)} coefficients ({', '.join(knobs.names)}), "
                f"got {len(point)}."
            )
        # One tensor at a time, so that a point costs the memory of one tensor.
        for name in base:
            weights = knobs.weights(name, point)
            parts = [{name: model[name]} for model in models]
            mixed = task_arithmetic({name: base[name]}, parts, weights=weights)
            if kept and module_of(name) in ("embedding", "head"):
                mixed[name][kept] = models[0][name][kept].to(mixed[name].dtype)
            put(own, mixed)

    strange = [name for name in base if any(name not in model for model in models)]
    if strange or any(len(places) != len(models) for places in knobs.of.values()):
        raise UsageError(
            f"Expected the base's tensors in all of {len(models)} models, with a knob each; "
            f"{strange[:3] or 'the knobs are of another number of models'} do not fit."
        )
    with swapped(module, base):
        yield turn


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What was found at every point.

    Args:
        values: (K, M) metrics.
        metrics: (M,) their names.
        points: (K, T) coefficients.
        knobs: (T,) their names.
    """

    values: Floats
    metrics: tuple[str, ...]
    points: Floats
    knobs: tuple[str, ...]

    @property
    def frame(self) -> pl.DataFrame:
        """One row a point: its coefficients, then its metrics."""
        names = [*self.knobs, *self.metrics]
        return pl.DataFrame(np.hstack([self.points, self.values]), schema=names, orient="row")


def sweep(
    module: torch.nn.Module,
    base: Weights,
    models: Sequence[Weights],
    points: ArrayLike,
    *,
    evaluate: Callable[[torch.nn.Module, Floats], Mapping[str, float]],
    knobs: Knobs,
    rows: Sequence[int] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Sweep:
    """Evaluate many merges in one live module; no checkpoint is written.

    Args:
        module: written into in place; afterwards it is what it was, bit for bit.
        base: what the models were trained from.
        models: dicts of tensors with the same names and shapes.
        points: (K, T) coefficients, see `grid`; 0 is the base, 1 a model.
        evaluate: from the module and the point to metrics by name, the same names every time.
        knobs: which coefficient each tensor takes, see `knobs`.
        rows: as in `blended`.
        progress: called with points done and points wanted.

    Returns:
        Every metric at every point.

    Raises:
        UsageError: other names or shapes, points of another width.
        DataError: metrics of other names at another point.

    Example:
        >>> module = torch.nn.Linear(1, 1, bias=False)
        >>> base, post = {"weight": torch.zeros(1, 1)}, {"weight": torch.ones(1, 1)}
        >>> found = sweep(
        ...     module, base, [post], grid(1, steps=3), knobs=knobs(["weight"]),
        ...     evaluate=lambda module, _: {"weight": module.weight.item()},
        ... )
        >>> found.values.ravel().tolist()
        [0.0, 0.5, 1.0]
    """
    asked = np.atleast_2d(np.asarray(points, dtype=np.float64))
    found: list[Mapping[str, float]] = []
    with blended(module, base, models, knobs=knobs, rows=rows) as turn:
        for point in asked:
            turn(point.tolist())
            found.append(evaluate(module, point))
            if found[0].keys() != found[-1].keys():
                raise DataError(
                    f"Expected the metrics {sorted(found[0])} at every point, "
                    f"got {sorted(found[-1])} at {point.tolist()}."
                )
            if progress is not None:
                progress(len(found), len(asked))
    metrics = tuple(found[0]) if found else ()
    return Sweep(
        values=np.array([[float(row[name]) for name in metrics] for row in found]),
        metrics=metrics,
        points=asked,
        knobs=knobs.names,
    )


def grid(dimensions: int, *, steps: int = 11, low: float = 0.0, high: float = 1.0) -> Floats:
    """Every combination of evenly spaced coefficients.

    Args:
        dimensions: T, the number of coefficients.
        steps: values of each, both ends included.
        low: the first.
        high: the last.

    Returns:
        (steps^T, T), the last coefficient running fastest.

    Raises:
        UsageError: no dimension, fewer than 2 steps, or more than a million points.

    Example:
        >>> grid(2, steps=2).tolist()
        [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    """
    if dimensions < 1 or steps < 2 or steps**dimensions > PLACES:
        raise UsageError(
            f"Expected 1 or more dimensions, 2 or more steps and at most {PLACES} points, got "
            f"{steps} steps in {dimensions} dimensions.",
            hint="amortised_front needs far fewer.",
        )
    axes = np.meshgrid(*[np.linspace(low, high, steps)] * dimensions, indexing="ij")
    return np.stack([axis.ravel() for axis in axes], axis=1)


def _layer(name: str, layers: int) -> int:
    place = layer_of(name)
    if place is not None:
        return place
    return 0 if module_of(name) == "embedding" else layers - 1
