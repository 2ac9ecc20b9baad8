"""A merge as data: what a recipe file says."""

from __future__ import annotations

import dataclasses
import os
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from variegate.errors import DataError, MissingExtra, UnknownName, UsageError, VariegateError
from variegate.merging._places import number_of

__all__ = ["METHODS", "Recipe", "Slice", "Source", "load_yaml"]

METHODS = ("linear", "slerp", "task_arithmetic", "ties", "dare", "fisher", "passthrough")
BASED = ("task_arithmetic", "ties", "dare")
# Settings that mean something to one method only: elsewhere they would be read past.
OWN = {
    "t": "slerp", "scope": "slerp", "weight": "ties", "trim": "ties", "drop": "dare",
    "elect": "dare", "seed": "dare", "rest": "passthrough",
}  # fmt: skip
OWN_OF_MODELS = {
    "weight": ("linear", "task_arithmetic", "ties", "dare", "fisher"),
    "density": ("ties",), "fisher": ("fisher",),
}  # fmt: skip
DTYPES = ("float32", "float16", "bfloat16", "float64")
VALUES = 100_000  # in a recipe, aliases unfolded


@dataclass(frozen=True, kw_only=True)
class Source:
    """A model that goes into a merge.

    Args:
        path: a checkpoint folder.
        adapter: a LoRA adapter of peft, merged into it on the way.
        weight: its weight: a number, numbers along the layers, or choices (see `resolve`).
        density: for TIES, the share of its changes that stay.
        fisher: for Fisher averages, the file with its Fisher information.
    """

    path: Path
    adapter: Path | None = None
    weight: Any = None
    density: float | None = None
    fisher: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A run of layers that is taken over.

    Args:
        path: a checkpoint folder.
        layers: the first, and past the last.
    """

    path: Path
    layers: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to merge and how.

    Args:
        method: "linear", "slerp", "task_arithmetic", "ties", "dare", "fisher", "passthrough".
        models: what goes in; for slerp the two ends.
        base: what the models were trained from, for task arithmetic, TIES and DARE.
        slices: for passthrough, the layers of the result from the first on.
        rest: for passthrough, where embedding, final norm and head come from; when left out, what
            comes before the layers from the first slice, what comes after from the last.
        t: for slerp, how far from the first to the second; a number, or along the layers.
        scope: for slerp, one angle per "tensor" or one for all ("global").
        weight: the factor of the merged change of TIES.
        trim: for TIES, ranks within all tensors ("global") or within each ("tensor").
        drop: for DARE, the share of changes that is dropped.
        elect: for DARE, average what agrees on a sign instead of summing.
        seed: of DARE.
        dtype: storage type of the result; that of the models when left out.
        special_tokens: "post": rows of tokens that only some models were trained on (as their
            chat templates tell) come from such a model; "merge": rows like any other.
        settings: the model whose configuration, generation settings, tokenizer and template the
            result gets; the last with a chat template, else the last, when left out.
        notes: what a reader of this recipe should know.
    """

    method: str
    models: tuple[Source, ...] = ()
    base: Source | None = None
    slices: tuple[Slice, ...] = ()
    rest: Path | None = None
    t: Any = None
    scope: str = "tensor"
    weight: Any = 1.0
    trim: str = "global"
    drop: float = 0.9
    elect: bool = False
    seed: int = 0
    dtype: str | None = None
    special_tokens: str = "post"
    settings: Path | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UnknownName("method", self.method, METHODS)
        if self.dtype is not None and self.dtype not in DTYPES:
            raise UnknownName("dtype", self.dtype, DTYPES)
        if self.special_tokens not in ("post", "merge"):
            raise UnknownName("way with special tokens", self.special_tokens, ("post", "merge"))
        if bool(self.slices) != (self.method == "passthrough"):
            raise UsageError("Expected slices for passthrough, and for no other method.")
        if bool(self.slices) == bool(self.models):
            raise UsageError(
                "Expected models to merge, got none."
                if not self.models
                else "Expected slices alone for passthrough, got models beside them."
            )
        if self.method == "slerp" and (len(self.models) != 2 or self.t is None):
            raise UsageError(f"Expected two models and t for slerp, got {len(self.models)} models.")
        if (self.base is None) == (self.method in BASED):
            raise UsageError(
                f"Expected a base for {', '.join(BASED)} and for no other method, "
                f"got {'none' if self.base is None else 'one'} for {self.method}."
            )
        if self.method == "fisher" and any(one.fisher is None for one in self.models):
            raise UsageError("Expected a file `fisher` for every model.")
        self._nothing_is_read_past()

    def _nothing_is_read_past(self) -> None:
        for field in dataclasses.fields(self):
            method = OWN.get(field.name, self.method)
            if method != self.method and getattr(self, field.name) != field.default:
                raise UsageError(
                    f"{field.name!r} is a setting of {method}: {self.method} does not read it.",
                    hint="Every model may have a weight of its own."
                    if field.name == "weight"
                    else None,
                )
        for key, methods in OWN_OF_MODELS.items():
            if self.method not in methods and any(getattr(m, key) is not None for m in self.models):
                raise UsageError(
                    f"{key!r} of a model is a setting of {', '.join(methods)}: {self.method} does "
                    "not read it."
                )

    @classmethod
    def read(cls, path: str | Path) -> Recipe:
        """Read a recipe, ours or mergekit's; paths in it are relative to the file.

        Args:
            path: of a YAML file.

        Returns:
            The recipe. From mergekit's, `notes` say where the result will differ from mergekit's.

        Raises:
            DataError: no YAML, or keys that a recipe does not have.
            UsageError: settings that cannot be, or that we do not have.

        Example:
            >>> import pathlib, tempfile
            >>> path = pathlib.Path(tempfile.mkdtemp(), "half.yaml")
            >>> _ = path.write_text(
            ...     "{method: linear, models: [{path: a, weight: 0.5}, {path: b, weight: 0.5}]}"
            ... )
            >>> Recipe.read(path).models[1].weight
            0.5
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise DataError(
                f"Cannot read the recipe {path}: {reason}.", hint="Check the path."
            ) from error
        table = load_yaml(text, str(path))
        if "merge_method" in table:
            from variegate.merging._mergekit import from_mergekit

            return from_mergekit(table, folder=path.parent)
        return cls.from_table(table, folder=path.parent, where=str(path))

    @classmethod
    def from_table(cls, table: Mapping[str, Any], *, folder: Path, where: str = "recipe") -> Recipe:
        """Build a recipe from plain data.

        Raises:
            DataError: keys that a recipe does not have.
        """
        known = dict(table)
        try:
            if "models" in known:
                known["models"] = tuple(_source(one, folder) for one in _list(known, "models"))
            if known.get("base") is not None:
                known["base"] = _source(known["base"], folder)
            if "slices" in known:
                known["slices"] = tuple(_slice(one, folder) for one in _list(known, "slices"))
            for key in ("rest", "settings"):
                if known.get(key) is not None:
                    known[key] = _path(known[key], folder)
            if "drop" in known:
                known["drop"] = number_of(known["drop"], what="drop")
            for key, kind in (("seed", int), ("elect", bool)):
                if type(known.get(key, kind())) is not kind or known.get(key, 0) < 0:
                    raise TypeError(f"{key} is {reprlib.repr(known[key])}")
            known["notes"] = tuple(str(note) for note in _list(known, "notes"))
            return cls(**known)
        except VariegateError:
            raise
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise DataError(
                f"{where} is no recipe: {str(error)[:200]}.",
                hint=f"Keys: {', '.join(field.name for field in dataclasses.fields(cls))}.",
            ) from error

    def to_yaml(self) -> str:
        """Return the text of the recipe, with absolute paths and without what is at its default.

        Example:
            >>> one = Source(path=Path("/a"), weight=1)
            >>> Recipe(method="linear", models=(one,)).to_yaml().splitlines()
            ['method: linear', 'models:', '- path: /a', '  weight: 1']
        """
        return _yaml().safe_dump(_plain(self), sort_keys=False, allow_unicode=True)

    def to_table(self) -> dict[str, Any]:
        """Return the recipe as plain data, paths absolute."""
        return dict(_plain(self))


def load_yaml(text: str, where: str) -> dict[str, Any]:
    """Read YAML without tags, so that nothing in it can run."""
    yaml = _yaml()
    try:
        repeated = _repeated(yaml.compose(text, Loader=yaml.SafeLoader), set())
        table = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        # Numbers and dates that cannot be are ValueErrors of Python's own.
        raise DataError(f"{where} is no YAML: {str(error)[:200]}.") from error
    if not isinstance(table, dict):
        raise DataError(f"Expected keys and values in {where}.")
    if repeated is not None:
        raise DataError(f"The key {repeated!r} comes twice in one place of {where}.")
    if _unfolded(table, {}) > VALUES:
        raise DataError(f"Expected at most {VALUES} values in {where}; its aliases make more.")
    return table


def _repeated(node: Any, seen: set[int]) -> str | None:
    """A key that a mapping has twice: YAML forbids it, and its readers take the last."""
    if node is None or id(node) in seen or not isinstance(node.value, list):
        return None
    seen.add(id(node))
    pairs = node.value if node.id == "mapping" else [(None, part) for part in node.value]
    keys = [key.value for key, _ in pairs if key is not None and key.value != "<<"]
    twice = next((str(key) for place, key in enumerate(keys) if key in keys[:place]), None)
    return twice or next(filter(None, (_repeated(part, seen) for _, part in pairs)), None)


def _unfolded(value: Any, known: dict[int, float]) -> float:
    """How many values there are when every alias is written out; without end in a circle."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        known[id(value)] = float("inf")
        parts = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_unfolded(part, known) for part in parts)
    return known[id(value)]


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra("Reading recipes", "merge") from error
    return yaml


def _list(table: Mapping[str, Any], key: str) -> list[Any] | tuple[Any, ...]:
    found = table.get(key, ())
    if not isinstance(found, list | tuple):
        raise TypeError(f"{key} is no list")
    return found


def _path(value: Any, folder: Path) -> Path:
    if not isinstance(value, str | Path) or b"\0" in os.fsencode(value):
        raise TypeError(f"{reprlib.repr(value)} is no path")
    return folder / value


def _source(one: Any, folder: Path) -> Source:
    table = {"path": one} if isinstance(one, str) else dict(one)
    for key in ("path", "adapter", "fisher"):
        if key == "path" or table.get(key) is not None:
            table[key] = _path(table[key], folder)
    if table.get("density") is not None:
        table["density"] = number_of(table["density"], what="density")
    return Source(**table)


def _slice(one: Any, folder: Path) -> Slice:
    table = dict(one)
    return Slice(
        **{**table, "path": _path(table["path"], folder), "layers": _range(table["layers"])}
    )


def _range(value: Any) -> tuple[int, int]:
    if (
        not (
            isinstance(value, Sequence)
            and len(value) == 2
            and all(type(one) is int for one in value)
        )
        or not 0 <= value[0] <= value[1]
    ):
        raise UsageError(f"Expected the first layer and past the last, got {reprlib.repr(value)}.")
    return value[0], value[1]


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {
            field.name: _plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if getattr(value, field.name) != field.default
        }
    if isinstance(value, Path):
        return str(value.resolve())
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value
