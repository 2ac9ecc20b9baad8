"""Where in a model a tensor sits, told from its name; and settings that depend on it."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from variegate.errors import UsageError

__all__ = ["Module", "layer_of", "module_of", "number_of", "resolve"]

Module = Literal["embedding", "attention", "mlp", "norm", "head", "other"]

CHOICE = {"value", "filter", "layers"}
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks|block)\.(\d+)\.")
_MODULES: tuple[tuple[Module, str], ...] = (
    ("embedding", r"(embed_tokens|wte|wpe|word_embeddings|embed_in|position_embeddings)\."),
    ("head", r"^(lm_head|embed_out|output)\."),
    ("norm", r"(norm|ln_\w+)\d*\.|layernorm"),
    ("attention", r"attn|attention|\b[qkvo]_proj\."),
    ("mlp", r"mlp|feed_forward|experts|\b(gate|up|down)_proj\.|\bfc[12]\."),
)


def layer_of(name: str) -> int | None:
    """Return the number of the layer that a tensor belongs to.

    Args:
        name: of the tensor.

    Returns:
        From 0; None for what belongs to no layer (embedding, final norm, head).

    Example:
        >>> layer_of("model.layers.12.mlp.up_proj.weight"), layer_of("model.norm.weight")
        (12, None)
    """
    found = _LAYER.search(name)
    return int(found[1]) if found else None


def module_of(name: str) -> Module:
    """Return the kind of module that a tensor belongs to.

    Args:
        name: of the tensor.

    Returns:
        One of "embedding", "attention", "mlp", "norm", "head", "other".

    Example:
        >>> module_of("model.layers.3.self_attn.q_proj.weight")
        'attention'
        >>> module_of("lm_head.weight")
        'head'
    """
    return next((module for module, pattern in _MODULES if re.search(pattern, name)), "other")


def resolve(setting: Any, layers: int, *, what: str = "weight") -> Callable[[str], float]:
    """Turn a setting of a recipe into a function from the name of a tensor to its number.

    A setting is a finite number; a list of numbers, spread evenly over the layers and interpolated
    between (what belongs to no layer takes the first); or a list of choices, mappings with
    `value` and, where they do not fit everything, `filter` (part of the name, or a kind of
    module) and `layers` (first and past the last): the first that fits counts.

    Args:
        setting: as read from a recipe.
        layers: of the model.
        what: the name of the setting, for errors.

    Returns:
        The function.

    Raises:
        UsageError: it is none of these, or no choice fits a tensor.

    Example:
        >>> weight = resolve([{"layers": [1, 3], "filter": "mlp", "value": 1}, {"value": 0}], 4)
        >>> weight("layers.2.mlp.up_proj.weight"), weight("layers.3.mlp.up_proj.weight")
        (1.0, 0.0)
        >>> resolve([0, 1], 3)("layers.1.mlp.up_proj.weight")
        0.5
    """
    number = _number(setting)
    if number is not None:
        return lambda _: number
    if isinstance(setting, Mapping):
        setting = [setting]
    if isinstance(setting, Sequence) and setting and not isinstance(setting, str):
        points = [point for one in setting if (point := _number(one)) is not None]
        if len(points) == len(setting):
            return lambda name: _gradient(points, layer_of(name), layers)
        if all(_is_choice(one) for one in setting):
            choices = [(one, resolve(one["value"], layers, what=what)) for one in setting]
            return lambda name: _chosen(choices, name, what)
    raise UsageError(
        f"Expected a number, a list of numbers, or choices as {what}, got {reprlib.repr(setting)}.",
        hint="A choice has a value, and may have a filter (a text) and layers (first, past last).",
    )


def number_of(value: Any, *, what: str) -> float:
    """Read one number of a recipe.

    Raises:
        UsageError: it is none, or not finite.
    """
    number = _number(value)
    if number is None:
        raise UsageError(f"Expected a number as {what}, got {reprlib.repr(value)}.")
    return number


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)  # YAML 1.1 reads 1e-3 as text
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _is_choice(one: Any) -> bool:
    if not isinstance(one, Mapping) or "value" not in one or one.keys() - CHOICE:
        return False
    layers = one.get("layers", (0, 0))
    return isinstance(one.get("filter") or "", str) and (
        isinstance(layers, Sequence)
        and len(layers) == 2
        and all(type(layer) is int for layer in layers)
    )


def _gradient(points: Sequence[float], layer: int | None, layers: int) -> float:
    place = (len(points) - 1) * ((layer or 0) / (layers - 1) if layers > 1 else layer is not None)
    low = min(int(place), len(points) - 1)
    high = min(low + 1, len(points) - 1)
    return points[low] + (points[high] - points[low]) * (place - low)


def _chosen(
    choices: Sequence[tuple[Mapping[str, Any], Callable[[str], float]]], name: str, what: str
) -> float:
    for choice, value in choices:
        part, layer = choice.get("filter"), layer_of(name)
        fits = part in (None, "*") or part in name or part == module_of(name)
        if "layers" in choice:
            first, end = choice["layers"]
            fits = fits and layer is not None and first <= layer < end
        if fits:
            return value(name)
    raise UsageError(
        f"No choice of {what} fits the tensor {name!r}.", hint="End the list with {value: ...}."
    )
