"""Rows of a prompt file, with the names of their columns settled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from variegate.errors import DataError
from variegate.samples._read import read_values
from variegate.samples._tables import ALIASES, prompt_words

__all__ = ["prompt_rows"]


def prompt_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place and the fields of `Prompt` of every row."""
    values, _ = read_values(path)
    for place, value in values:
        if not isinstance(value, Mapping):
            raise DataError(
                f"{place}: expected an object with 'prompt', got {type(value).__name__}.",
                hint='One JSON object a row: {"prompt": "..."}.',
            )
        row = {name: _field(value, name) for name in ("prompt", "task", "prompt_id", "verifier")}
        row["prompt"] = prompt_words(row["prompt"], place)
        if row["prompt"] is None:
            raise DataError(
                f"{place}: expected 'prompt', found {', '.join(map(str, value))[:200]}.",
                hint="Rename the column that holds the prompts to 'prompt'.",
            )
        row["target"] = value.get("target")
        for name in ("task", "prompt_id", "verifier"):
            if row[name] is None or row[name] == "":
                del row[name]
            elif isinstance(row[name], str | int):
                row[name] = str(row[name])
            else:
                raise DataError(
                    f"{place}: expected {name!r} to be text, got {type(row[name]).__name__}.",
                    hint="Write it as text.",
                )
        yield place, row


def _field(value: Mapping[str, Any], name: str) -> Any:
    names = (name, *ALIASES.get(name, ()))
    return next((value[key] for key in names if value.get(key) is not None), None)
