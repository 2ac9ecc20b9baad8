"""A merge as data: what a recipe file says."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from variegate.errors import DataError, MissingExtra, UnknownName, UsageError

__all__ = ["METHODS", "Recipe", "Slice", "Source", "load_yaml"]

METHODS = ("linear", "slerp", "task_arithmetic", "ties", "dare", "fisher", "passthrough")
BASED = ("task_arithmetic", "ties", "dare")
DTYPES = ("float32", "float16", "bfloat16", "float64")


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
        if not self.slices and not self.models:
            raise UsageError("Expected models to merge, got none.")
        if self.method == "slerp" and (len(self.models) != 2 or self.t is None):
            raise UsageError(f"Expected two models and t for slerp, got {len(self.models)} models.")
        if (self.base is None) == (self.method in BASED):
            raise UsageError(
                f"Expected a base for {', '.join(BASED)} and for no other method, "
                f"got {'none' if self.base is None else 'one'} for {self.method}."
            )
        if self.method == "fisher" and any(one.fisher is None for one in self.models):
            raise UsageError("Expected a file `fisher` for every model.")

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
                known["models"] = tuple(_source(one, folder) for one in known["models"])
            if known.get("base") is not None:
                known["base"] = _source(known["base"], folder)
            if "slices" in known:
                known["slices"] = tuple(
                    Slice(path=folder / one["path"], layers=_range(one["layers"]))
                    for one in known["slices"]
                )
            for key in ("rest", "settings"):
                if known.get(key) is not None:
                    known[key] = folder / known[key]
            known["notes"] = tuple(known.get("notes", ()))
            return cls(**known)
        except (TypeError, KeyError) as error:
            raise DataError(
                f"{where} is no recipe: {error}.",
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
        table = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{where} is no YAML: {str(error)[:200]}.") from error
    if not isinstance(table, dict):
        raise DataError(f"Expected keys and values in {where}.")
    return table


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra("Reading recipes", "merge") from error
    return yaml


def _source(one: Any, folder: Path) -> Source:
    table = {"path": one} if isinstance(one, str) else dict(one)
    for key in ("path", "adapter", "fisher"):
        if table.get(key) is not None:
            table[key] = folder / table[key]
    return Source(**table)


def _range(value: Any) -> tuple[int, int]:
    if (
        not (
            isinstance(value, Sequence)
            and len(value) == 2
            and all(type(one) is int for one in value)
        )
        or not 0 <= value[0] <= value[1]
    ):
        raise UsageError(f"Expected the first layer and past the last, got {value!r}.")
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
