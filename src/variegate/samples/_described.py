"""Files that people write: TOML into a checked description, with errors that name the line."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

from variegate.errors import DataError

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

__all__ = ["did_you_mean", "read_described"]

Described = TypeVar("Described", bound="BaseModel")
Keys = tuple[str | int, ...]


def read_described(path: str | Path, kind: type[Described], *, example: str) -> Described:
    """Read a TOML file as a description of one kind.

    Paths can be taken from the file's place: a field's validator finds its folder under
    ``info.context["folder"]``. A validator that raises a ``PydanticCustomError`` of the type
    ``"described"`` speaks for itself, with ``keys`` in its context where the place is another, and
    ``within`` where it is further inside.

    Args:
        path: the file.
        kind: the pydantic model it describes.
        example: what such a file is called, for the hint.

    Raises:
        DataError: the file is not there, is not TOML, or describes something else; the message
            names the line and the key, and the name that was probably meant.

    Example:
        >>> import tempfile
        >>> from pydantic import BaseModel
        >>> class Cake(BaseModel, extra="forbid"):
        ...     eggs: int
        >>> path = Path(tempfile.mkdtemp()) / "CAKE.toml"
        >>> _ = path.write_text("egs = 2")
        >>> read_described(path, Cake, example="CAKE.toml")
        Traceback (most recent call last):
        variegate.errors.DataError: ...CAKE.toml: eggs: is missing.
    """
    from pydantic import ValidationError

    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise DataError(
            f"{path}: cannot be read: {reason}.", hint=f"Check the path of {example}."
        ) from error
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise DataError(
            f"{path}: not TOML: {error}.", hint=f"See the {example} in the docs."
        ) from None
    try:
        return kind.model_validate(tables, context={"folder": path.resolve().parent})
    except ValidationError as error:
        keys, words = _first_problem(error, kind)
        line = _line_of(text, keys)
        where = f"{path}:{line}" if line else str(path)
        raise DataError(
            f"{where}: {_spelled(keys)}{words}.", hint=f"See the {example} in the docs."
        ) from None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant, or all of them.

    Example:
        >>> did_you_mean("temprature", ["temperature", "top_p"])
        "; did you mean 'temperature'?"
    """
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"


def _first_problem(error: ValidationError, kind: type[Any]) -> tuple[Keys, str]:
    """Return the keys and the words of the first thing that is wrong."""
    first = error.errors(include_url=False)[0]
    context = first.get("ctx", {})
    keys = (*context.get("keys", first["loc"]), *context.get("within", ()))
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return keys, "unknown key" + did_you_mean(str(keys[-1]), _known(kind, keys)).rstrip("?")
    if first["type"] == "missing":
        return keys, "is missing"
    message = first["msg"].removeprefix("Value error, ")
    got = first.get("input")
    if first["type"] != "described" and isinstance(got, str | int | float):
        message += f", found {got!r}"
    return keys, message[0].lower() + message[1:].rstrip(".")


def _known(kind: type[Any], keys: Keys) -> list[str]:
    """Name the keys that may stand where an unknown one stood."""
    known = _names(kind)
    for key in keys[:-1]:
        if isinstance(key, int):
            continue
        inner = _kinds(known.get(key))
        if not inner:
            return []
        known = _names(inner[0])
    return list(known)


def _names(kind: type[Any]) -> dict[str, Any]:
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return {field.name: hints[field.name] for field in fields(kind)}
    return {name: field.annotation for name, field in kind.model_fields.items()}


def _kinds(annotation: Any) -> list[type[Any]]:
    """Find the described kinds within an annotation such as ``tuple[Stage, ...]``."""
    if isinstance(annotation, type) and (
        is_dataclass(annotation) or hasattr(annotation, "model_fields")
    ):
        return [annotation]
    return [kind for part in get_args(annotation) for kind in _kinds(part)]


def _spelled(keys: Keys) -> str:
    words = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
    return f"{words}: " if words else ""


def _line_of(text: str, keys: Keys) -> int | None:
    """Find the line a key stands on; the line of its table where the key is not there."""
    wanted_table = keys[0] if len(keys) > 1 else None
    wanted_index = keys[1] if len(keys) > 1 and isinstance(keys[1], int) else 0
    key = next((key for key in reversed(keys) if isinstance(key, str)), None)
    table, index, table_line = None, 0, None
    for number, line in enumerate(text.split("\n"), start=1):
        header = re.match(r"\s*\[\[?\s*([\w-]+)(?:\.[\w.-]+)?\s*\]\]?", line)
        if header:
            inner = "." in header[0]
            if not inner:
                index = index + 1 if header[1] == table else 0
            table = header[1]
            if keys == (table,):
                return number
        if table == wanted_table and index == wanted_index:
            if header and not inner:
                table_line = number
            if key and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*=""", line):
                return number
    return table_line
