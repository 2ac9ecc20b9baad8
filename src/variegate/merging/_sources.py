"""The files a recipe reads, opened, and the method it names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from variegate.errors import UsageError
from variegate.merging._checkpoint import Checkpoint, TensorFiles
from variegate.merging._dare import Dare
from variegate.merging._fisher import Fisher
from variegate.merging._linear import Linear, TaskArithmetic
from variegate.merging._method import Method, Piece, Scan
from variegate.merging._places import layer_of, resolve
from variegate.merging._recipe import Recipe, Source
from variegate.merging._slerp import Slerp
from variegate.merging._ties import Ties
from variegate.models import check_safetensors

__all__ = ["Passthrough", "Sources"]


class Passthrough:
    """Layers that are taken over as they are."""

    def __init__(self, recipe: Recipe, models: list[Checkpoint]) -> None:
        number = {model.folder: place for place, model in enumerate(models)}
        self.layers: list[tuple[int, int]] = []  # of the result: model, and which of its layers
        for one in recipe.slices:
            model = models[number[one.path]]
            if one.layers[1] > model.layers:
                raise UsageError(
                    f"Expected layers up to {model.layers} of {one.path}, got {one.layers[1]}."
                )
            self.layers += [(number[one.path], layer) for layer in range(*one.layers)]
        if not self.layers:
            raise UsageError("Expected at least one layer in the slices, got none.")
        self.before = number[recipe.rest] if recipe.rest else self.layers[0][0]
        self.after = number[recipe.rest] if recipe.rest else self.layers[-1][0]
        self.models = models

    def outputs(self) -> Iterator[tuple[str, int, str]]:
        """Name in the result, the model, and the name there."""
        before, after = self.models[self.before], self.models[self.after]
        for name in before.tensors:
            if layer_of(name) is None and name == before.embedding:
                yield name, self.before, name
        for place, (model, layer) in enumerate(self.layers):
            for name in self.models[model].tensors:
                if layer_of(name) == layer:
                    yield name.replace(f".{layer}.", f".{place}.", 1), model, name
        for name in after.tensors:
            if layer_of(name) is None and name != after.embedding:
                yield name, self.after, name
        if before is not after and after.head is None and after.embedding:
            yield "lm_head.weight", self.after, after.embedding

    def only(self, _: str) -> int | None:
        return 0

    def prepare(self, scan: Scan) -> None:
        """Nothing to look at."""

    def merge(self, piece: Piece) -> Any:
        raise NotImplementedError


class Sources:
    """The models of a recipe, what is read beside them, and its method; a context manager."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        listed = [*([recipe.base] if recipe.base else []), *recipe.models]
        paths = [one.path for one in recipe.slices] + ([recipe.rest] if recipe.rest else [])
        listed += [Source(path=path) for path in dict.fromkeys(paths)]
        self.models = [Checkpoint(one.path, one.adapter) for one in listed]
        self.beside: list[TensorFiles] = []
        if recipe.method == "fisher":
            for one in recipe.models:
                if one.fisher is not None:
                    check_safetensors(one.fisher)
                    self.beside.append(TensorFiles([one.fisher]))
        self.layers = max(model.layers for model in self.models)
        self.method: Method = self._method()
        self._opened = ExitStack()

    def __enter__(self) -> Sources:
        for one in self.all:
            self._opened.enter_context(one)
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def all(self) -> list[TensorFiles]:
        """Models, then what is read beside them."""
        return [*self.models, *self.beside]

    @property
    def settings(self) -> Checkpoint:
        """The model whose configuration, tokenizer and template the result gets."""
        if self.recipe.settings is not None:
            return Checkpoint(self.recipe.settings)
        talking = [model for model in self.models if model.template]
        return (talking or self.models)[-1]

    @property
    def files(self) -> list[Path]:
        """Every file of weights that is read."""
        found = [file for one in self.all for file in one.files]
        for model in self.models:
            if model.adapter is not None:
                found.append(model.adapter.folder / "adapter_model.safetensors")
                found.append(model.adapter.folder / "adapter_config.json")
        return list(dict.fromkeys(found))

    def _method(self) -> Method:
        recipe = self.recipe
        given = [one.weight for one in recipe.models]
        # Nothing is normalised, but weights that nobody gave are equal.
        equal = 1.0 if recipe.method == "task_arithmetic" else 1 / max(len(given), 1)
        weights = [
            resolve(equal if weight is None else weight, self.layers) for weight in given
        ]  # fmt: skip
        match recipe.method:
            case "linear":
                return Linear(weights)
            case "task_arithmetic":
                return TaskArithmetic(weights)
            case "slerp":
                return Slerp(resolve(recipe.t, self.layers, what="t"), recipe.scope)  # type: ignore[arg-type]
            case "ties":
                density = [1.0 if one.density is None else one.density for one in recipe.models]
                shares = [self._number(weight) for weight in given]
                factor = resolve(recipe.weight, self.layers)
                return Ties(density, factor, recipe.trim, shares)  # type: ignore[arg-type]
            case "dare":
                return Dare(recipe.drop, recipe.seed, weights, recipe.elect)
            case "fisher":
                return Fisher([self._number(weight) for weight in given])
        return Passthrough(recipe, self.models)

    def _number(self, weight: Any) -> float:
        if weight is None:
            return 1.0
        if isinstance(weight, list | dict):
            raise UsageError(
                f"Expected one number as weight of a model for {self.recipe.method}, "
                f"got {weight!r:.80}."
            )
        return resolve(weight, self.layers)("")
