"""Recipes of mergekit, read and written for the methods that both have."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from variegate.errors import DataError, UsageError, VariegateError
from variegate.merging._places import number_of
from variegate.merging._recipe import Recipe, Slice, Source, load_yaml

__all__ = ["from_mergekit", "to_mergekit"]

OURS = {
    "linear": "linear", "slerp": "slerp", "task_arithmetic": "task_arithmetic", "ties": "ties",
    "dare_linear": "dare", "dare_ties": "dare", "passthrough": "passthrough",
}  # fmt: skip
NOTES = {
    "slerp": "slerp: the angle is taken from the sides, not from the cosine; the arc is left for "
    "the straight line below a sine of 1e-6 instead of above a cosine of .9995.",
    "ties": "ties: trimmed within each tensor as mergekit does (trim: global is as published); a "
    "sum of 0 takes the sign of the majority, not +; changes as large as the last that stays stay "
    "too; arithmetic in float32.",
    "dare": "dare: what is kept is rescaled by exactly 1/(1 - p), where mergekit matches the sum "
    "of magnitudes; other random draws.",
    "elect": "dare_ties: a sum of 0 changes nothing, where mergekit takes its sign for +.",
    "mean": "dare_ties: what agrees is averaged, where mergekit sums it unless normalize is true.",
    "passthrough": "passthrough: where first and last slice are of two models, a tied head of the "
    "last comes along as a head of its own, where mergekit ties it to the first.",
}
# What is read; whatever else a recipe holds is refused by name.
TOP = {
    "merge_method", "models", "slices", "base_model", "dtype", "out_dtype", "tokenizer_source",
    "parameters", "name",
}  # fmt: skip
OF_ALL = {
    "linear": {"normalize"}, "slerp": set(), "passthrough": set(),
    "task_arithmetic": {"normalize", "lambda", "rescale", "int8_mask"},
    "ties": {"normalize", "lambda", "rescale", "int8_mask"},
    "dare": {"normalize", "lambda", "rescale", "int8_mask"},
}  # fmt: skip
OF_ONE = {
    "linear": {"weight"}, "slerp": {"t"}, "passthrough": {"scale"}, "task_arithmetic": {"weight"},
    "ties": {"weight", "density"}, "dare": {"weight", "density"},
}  # fmt: skip


def from_mergekit(table: Mapping[str, Any] | str, *, folder: Path = Path()) -> Recipe:
    """Read a recipe of mergekit.

    Args:
        table: the YAML text, or what was read from it.
        folder: that relative paths start from.

    Returns:
        The recipe; its `notes` say where our semantics differ.

    Raises:
        DataError: no recipe of mergekit.
        UsageError: a method or a setting that we do not have: nothing is read past.

    Example:
        >>> models = "[{model: a, parameters: {weight: 3}}, {model: b, parameters: {weight: 1}}]"
        >>> text = f"{{merge_method: linear, models: {models}}}"
        >>> [model.weight for model in from_mergekit(text).models]
        [0.75, 0.25]
    """
    if isinstance(table, str):
        table = load_yaml(table, "the recipe")
    try:
        return _read(table, folder)
    except VariegateError:
        raise
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise DataError(f"This is no recipe of mergekit: {reprlib.repr(error)}.") from error


def _read(table: Mapping[str, Any], folder: Path) -> Recipe:
    name = str(table["merge_method"])
    if name not in OURS:
        raise UsageError(
            f"The method {name!r} of mergekit is not ours.", hint=f"Shared: {', '.join(OURS)}."
        )
    method = OURS[name]
    notes = [NOTES[method]] if method in NOTES else []
    _known(table, TOP, "")
    dtype = table.get("out_dtype") or table.get("dtype")
    if table.get("dtype"):
        notes.append("dtype is the storage type of the result; arithmetic is in float32 always.")
    shared = {k: v for k, v in (table.get("parameters") or {}).items() if v is not None}
    _known(shared, OF_ALL[method] | OF_ONE[method], "parameters.")
    base = table.get("base_model")
    common: dict[str, Any] = {"dtype": dtype, "settings": _settings(table, folder)}
    if method == "passthrough":
        slices = _slices(table, shared, folder)
        return Recipe(method=method, slices=slices, notes=tuple(notes), **common)
    models = [(one["model"], dict(one.get("parameters") or {})) for one in _models(table, folder)]
    for _, own in models:
        _known(own, OF_ONE[method], "parameters.")
    names = [str(model) for model, _ in models]
    settings = {str(model): {**shared, **own} for model, own in models}  # the nearer setting counts
    if method == "slerp":
        return _slerp(names, base, settings, tuple(notes), common, folder)
    others = [one for one in names if method == "linear" or one != str(base)]
    elect = name == "dare_ties"
    normalise = shared.get("normalize", name in ("linear", "ties"))
    if not isinstance(normalise, bool):
        raise UsageError(f"Expected true or false as normalize, got {reprlib.repr(normalise)}.")
    weights = [settings[one].get("weight", 1.0) for one in others]
    if normalise and method != "ties" and not elect:  # an average does not hang on their sum
        weights = _normalised(weights)
    factor = number_of(shared.get("lambda", 1.0), what="lambda")
    if elect and factor != 1:
        raise UsageError("The setting 'lambda' of mergekit is not ours for dare_ties.")
    if method in ("task_arithmetic", "dare") and factor != 1:
        weights = [_scaled(weight, factor) for weight in weights]
    if not normalise and (method == "ties" or (elect and "normalize" in shared)):
        raise UsageError(
            f"{name} without normalize sums what agrees; ours averages it, as published."
        )
    if elect:
        notes += [NOTES["elect"]] + ([] if normalise else [NOTES["mean"]])
    if shared.get("rescale", method == "dare") != (method == "dare"):
        raise UsageError(
            f"The setting 'rescale: {shared['rescale']}' of mergekit is not ours for {name}."
        )
    density = [number_of(settings[one].get("density", 1.0), what="density") for one in others]
    if method == "dare" and len(set(density)) > 1:
        raise UsageError(f"Expected one density for all models of DARE, got {density}.")
    sources = tuple(
        _source(one, folder, weight=weight, density=share if method == "ties" else None)
        for one, weight, share in zip(others, weights, density, strict=True)
    )
    return Recipe(
        method=method,
        models=sources,
        base=_source(str(base), folder) if method != "linear" else None,
        weight=factor if method == "ties" else 1.0,
        trim="tensor" if method == "ties" else "global",
        drop=1 - density[0] if method == "dare" else 0.9,
        elect=elect,
        notes=tuple(notes),
        **common,
    )


def _slerp(
    names: Sequence[str],
    base: Any,
    settings: Mapping[str, Mapping[str, Any]],
    notes: tuple[str, ...],
    common: Mapping[str, Any],
    folder: Path,
) -> Recipe:
    first = str(base or names[0])
    if first not in names or any("t" not in settings[one] for one in names):
        raise UsageError(f"Expected t and a base_model among {', '.join(names)} for slerp.")
    if len({repr(settings[one]["t"]) for one in names}) > 1:
        raise UsageError("Expected one t for slerp, got one for each model.")
    ends = sorted(names, key=lambda one: one != first)
    sources = tuple(_source(one, folder) for one in ends)
    return Recipe(method="slerp", models=sources, t=settings[first]["t"], notes=notes, **common)


def to_mergekit(recipe: Recipe) -> str:
    """Write a recipe for mergekit.

    Args:
        recipe: of a method that both have.

    Returns:
        The YAML text. mergekit has no global trim, no majority sign and no rescale by 1/(1 − p):
        its result differs where those matter.

    Raises:
        UsageError: what mergekit cannot express: Fisher averages, one angle for all tensors,
            choices by layer, rest.

    Example:
        >>> models = (Source(path=Path("/a"), weight=0.5), Source(path=Path("/b"), weight=0.5))
        >>> print(to_mergekit(Recipe(method="linear", models=models)))
        merge_method: linear
        models:
        - model: /a
          parameters:
            weight: 0.5
        - model: /b
          parameters:
            weight: 0.5
        parameters:
          normalize: false
        <BLANKLINE>
    """
    import yaml

    if recipe.method == "fisher" or recipe.scope == "global" or recipe.rest:
        raise UsageError("mergekit has no Fisher averages, no global angle and no `rest`.")
    for value in [recipe.t, recipe.weight, *(one.weight for one in recipe.models)]:
        if isinstance(value, list) and any(isinstance(v, dict) and "layers" in v for v in value):
            raise UsageError("mergekit has no choices by layer; write a list along the layers.")
    name = recipe.method
    if name == "dare":
        name = "dare_ties" if recipe.elect else "dare_linear"
    table: dict[str, Any] = {"merge_method": name}
    parameters: dict[str, Any] = {}
    if recipe.method == "passthrough":
        table["slices"] = [
            {"sources": [{"model": str(one.path.resolve()), "layer_range": list(one.layers)}]}
            for one in recipe.slices
        ]
    else:
        table["models"] = [_written(one, recipe) for one in recipe.models]
    if recipe.method == "slerp":
        table["base_model"] = _path(recipe.models[0])
        parameters["t"] = recipe.t
    if recipe.base is not None:
        table["base_model"] = _path(recipe.base)
    if recipe.method in ("linear", "task_arithmetic", "dare"):
        parameters["normalize"] = recipe.elect  # what agrees is averaged, not summed
    if recipe.method == "ties":
        parameters |= {"normalize": True, "lambda": recipe.weight}
    if recipe.dtype:
        # mergekit's dtype is what it computes in.
        table |= {"dtype": "float32", "out_dtype": recipe.dtype}
    if parameters:
        table["parameters"] = parameters
    return str(yaml.safe_dump(table, sort_keys=False, allow_unicode=True))


def _written(one: Source, recipe: Recipe) -> dict[str, Any]:
    written: dict[str, Any] = {"model": _path(one)}
    parameters: dict[str, Any] = {}
    if recipe.method != "slerp":
        equal = 1.0 if recipe.method in ("task_arithmetic", "ties") else 1 / len(recipe.models)
        parameters["weight"] = equal if one.weight is None else one.weight
    if recipe.method == "ties":
        parameters["density"] = 1.0 if one.density is None else one.density
    if recipe.method == "dare":
        parameters["density"] = 1 - recipe.drop
    if parameters:
        written["parameters"] = parameters
    return written


def _path(one: Source) -> str:
    path = str(one.path.resolve())
    return f"{path}+{one.adapter.resolve()}" if one.adapter else path


def _known(table: Mapping[str, Any], keys: set[str], where: str) -> None:
    strange = sorted(str(key) for key in table.keys() - keys if table[key] is not None)
    if strange:
        raise UsageError(
            f"The setting {where + strange[0]!r} of mergekit is not ours.",
            hint=f"Read here: {', '.join(sorted(keys))}." if keys else None,
        )


def _models(table: Mapping[str, Any], folder: Path) -> Sequence[Mapping[str, Any]]:
    if table.get("models"):
        for one in table["models"]:
            _known(one, {"model", "parameters"}, "models.")
        return list(table["models"])
    slices = table["slices"]
    for one in slices:
        _known(one, {"sources", "parameters"}, "slices.")
        for source in one["sources"]:
            _known(source, {"model", "layer_range", "parameters"}, "slices.sources.")
    ranges = {tuple(one["layer_range"]) for one in slices[0]["sources"]}
    # One slice over all layers of every model is how mergekit's own examples write a plain merge.
    whole = len(slices) == len(ranges) == 1 and all(
        ranges == {(0, _depth(folder / str(one["model"]).partition("+")[0], ranges))}
        for one in slices[0]["sources"]
    )
    if not whole:
        raise UsageError(
            "Expected one slice over all layers of every model for a method that mixes models.",
            hint="Merge first, then take slices with passthrough.",
        )
    return [
        {"model": one["model"], "parameters": {**(slices[0].get("parameters") or {}),
                                               **(one.get("parameters") or {})}}
        for one in slices[0]["sources"]
    ]  # fmt: skip


def _depth(folder: Path, ranges: set[tuple[int, ...]]) -> int:
    """Layers of a model by its settings; as many as asked for where there are none to read."""
    try:
        return int(json.loads((folder / "config.json").read_bytes())["num_hidden_layers"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return next(iter(ranges))[-1]


def _slices(table: Mapping[str, Any], shared: Mapping[str, Any], folder: Path) -> tuple[Slice, ...]:
    found = []
    for one in table.get("slices") or ():
        _known(one, {"sources", "parameters"}, "slices.")
        (source,) = one["sources"]
        _known(source, {"model", "layer_range", "parameters"}, "slices.sources.")
        for settings in (shared, one.get("parameters") or {}, source.get("parameters") or {}):
            _known(settings, {"scale"}, "parameters.")
            if settings.get("scale", 1) != 1:
                raise UsageError("The setting 'scale' of passthrough is not ours.")
        first, end = source["layer_range"]
        found.append(Slice(path=folder / str(source["model"]), layers=(int(first), int(end))))
    return tuple(found)


def _settings(table: Mapping[str, Any], folder: Path) -> Path | None:
    source = table.get("tokenizer_source")
    if source == "union":
        raise UsageError("A union of tokenizers is not ours: the models must share one.")
    chosen = table.get("base_model") if source in (None, "base") else source
    return folder / str(chosen).partition("+")[0] if source is not None and chosen else None


def _source(name: str, folder: Path, *, weight: Any = None, density: float | None = None) -> Source:
    path, _, adapter = name.partition("+")
    return Source(
        path=folder / path,
        adapter=folder / adapter if adapter else None,
        weight=weight,
        density=density,
    )


def _normalised(weights: Sequence[Any]) -> list[float]:
    if any(isinstance(weight, list | dict) for weight in weights):
        raise UsageError(
            "Weights along the layers cannot be normalised.", hint="Set normalize: false."
        )
    weights = [number_of(weight, what="weight") for weight in weights]
    total = sum(weights)
    if total == 0:
        raise UsageError("Expected weights with a sum, got a sum of 0.")
    return [weight / total for weight in weights]


def _scaled(weight: Any, factor: float) -> Any:
    if isinstance(weight, Mapping):
        return {**weight, "value": _scaled(weight["value"], factor)}
    if isinstance(weight, list):
        return [_scaled(one, factor) for one in weight]
    return number_of(weight, what="weight") * factor
