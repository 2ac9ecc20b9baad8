"""Recipes of mergekit, read and written for the methods that both have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from variegate.errors import DataError, UsageError
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
    "sum of 0 takes the sign of the majority, not +; arithmetic in float32.",
    "dare": "dare: what is kept is rescaled by exactly 1/(1 - p), where mergekit matches the sum "
    "of magnitudes; other random draws.",
}


def from_mergekit(table: Mapping[str, Any] | str, *, folder: Path = Path()) -> Recipe:
    """Read a recipe of mergekit.

    Args:
        table: the YAML text, or what was read from it.
        folder: that relative paths start from.

    Returns:
        The recipe; its `notes` say where our semantics differ.

    Raises:
        DataError: no recipe of mergekit.
        UsageError: a method or a setting that we do not have.

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
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise DataError(f"This is no recipe of mergekit: {error!r}.") from error


def _read(table: Mapping[str, Any], folder: Path) -> Recipe:
    name = str(table["merge_method"])
    if name not in OURS:
        raise UsageError(
            f"The method {name!r} of mergekit is not ours.", hint=f"Shared: {', '.join(OURS)}."
        )
    method = OURS[name]
    notes = [NOTES[method]] if method in NOTES else []
    for key in ("modules", "tokenizer"):
        if table.get(key):
            raise UsageError(f"The setting {key!r} of mergekit is not ours.")
    dtype = table.get("out_dtype") or table.get("dtype")
    if table.get("dtype"):
        notes.append("dtype is the storage type of the result; arithmetic is in float32 always.")
    shared = dict(table.get("parameters") or {})
    base = table.get("base_model")
    common: dict[str, Any] = {"dtype": dtype, "settings": _settings(table, folder)}
    if method == "passthrough":
        return Recipe(method=method, slices=_slices(table, folder), notes=tuple(notes), **common)
    models = [(one["model"], dict(one.get("parameters") or {})) for one in _models(table)]
    names = [str(model) for model, _ in models]
    settings = {str(model): {**shared, **own} for model, own in models}  # the nearer setting counts
    if method == "slerp":
        first = str(base or names[0])
        ends = sorted(names, key=lambda one: one != first)
        return Recipe(
            method=method,
            models=tuple(_source(one, folder) for one in ends),
            t=shared["t"],
            notes=tuple(notes),
            **common,
        )
    others = [one for one in names if method == "linear" or one != str(base)]
    normalise = bool(shared.get("normalize", name in ("linear", "ties")))
    weights = [settings[one].get("weight", 1.0) for one in others]
    if normalise and method != "ties":
        weights = _normalised(weights)
    factor = float(shared.get("lambda", 1.0))
    if method in ("task_arithmetic", "dare") and factor != 1:
        weights = [_scaled(weight, factor) for weight in weights]
    if method == "ties" and not normalise:
        raise UsageError("ties without normalize sums what agrees; ours averages it, as published.")
    density = [settings[one].get("density", 1.0) for one in others]
    if method == "dare" and len(set(density)) > 1:
        raise UsageError(f"Expected one density for all models of DARE, got {density}.")
    sources = tuple(
        _source(one, folder, weight=weight, density=float(share) if method == "ties" else None)
        for one, weight, share in zip(others, weights, density, strict=True)
    )
    return Recipe(
        method=method,
        models=sources,
        base=_source(str(base), folder) if method != "linear" else None,
        weight=factor if method == "ties" else 1.0,
        trim="tensor" if method == "ties" else "global",
        drop=1 - float(density[0]) if method == "dare" else 0.9,
        elect=name == "dare_ties",
        notes=tuple(notes),
        **common,
    )


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
        parameters["normalize"] = False
    if recipe.method == "ties":
        parameters |= {"normalize": True, "lambda": recipe.weight}
    if recipe.dtype:
        table["dtype"] = recipe.dtype
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


def _models(table: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    if table.get("models"):
        return list(table["models"])
    slices = table["slices"]
    ranges = {tuple(one["layer_range"]) for one in slices[0]["sources"]}
    # One slice over the same layers of every model, from the first on, is how mergekit's own
    # examples write a plain merge; that it covers all layers is held against the models by name.
    if len(slices) != 1 or len(ranges) != 1 or next(iter(ranges))[0] != 0:
        raise UsageError(
            "Expected one slice over all layers of every model for a method that mixes models.",
            hint="Merge first, then take slices with passthrough.",
        )
    return [
        {"model": one["model"], "parameters": {**(slices[0].get("parameters") or {}),
                                               **(one.get("parameters") or {})}}
        for one in slices[0]["sources"]
    ]  # fmt: skip


def _slices(table: Mapping[str, Any], folder: Path) -> tuple[Slice, ...]:
    found = []
    for one in table.get("slices") or ():
        (source,) = one["sources"]
        if (source.get("parameters") or {}).get("scale", 1) != 1:
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
    if not all(isinstance(weight, int | float) for weight in weights):
        raise UsageError(
            "Weights along the layers cannot be normalised.", hint="Set normalize: false."
        )
    total = sum(weights)
    if total == 0:
        raise UsageError("Expected weights with a sum, got a sum of 0.")
    return [weight / total for weight in weights]


def _scaled(weight: Any, factor: float) -> Any:
    if isinstance(weight, int | float):
        return weight * factor
    if isinstance(weight, Mapping):
        return {**weight, "value": _scaled(weight["value"], factor)}
    return [_scaled(one, factor) for one in weight]
