"""Samples: what was said, one row per output."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from variegate.errors import DataError, UsageError
from variegate.samples._clean import clean_text
from variegate.samples._columns import column
from variegate.samples._completing import complete
from variegate.samples._schema import SCHEMA

__all__ = ["Samples"]


@dataclass(frozen=True, repr=False)
class Samples:
    """What was said: a table with one row per output, of the fixed columns of `SCHEMA`.

    Columns that a source does not have are null. Build it from rows or a frame with the class
    methods, which check and complete the columns.

    Args:
        frame: the table, already of the schema.
        source: where it came from, for messages.
        detected: what kind of file the reader found, in words.

    Example:
        >>> from variegate.samples import Samples
        >>> samples = Samples.from_rows(
        ...     {"prompt": "Name a fruit.", "text": text} for text in ["apple", "kiwi", ""]
        ... )
        >>> samples
        Samples(3 outputs: 1 arm, 1 task, 1 prompt)
        >>> samples.frame.select("arm", "prompt_id", "sample", "text", "finish").rows()
        [('default', 'ae53951fa695da1b', 0, 'apple', None),
         ('default', 'ae53951fa695da1b', 1, 'kiwi', None),
         ('default', 'ae53951fa695da1b', 2, '', 'empty')]
    """

    frame: pl.DataFrame
    source: str | None = None
    detected: str | None = None

    def __post_init__(self) -> None:
        if self.frame.schema != SCHEMA:
            raise UsageError(
                f"Expected the columns {', '.join(SCHEMA)} in this order and of their types, "
                f"got {', '.join(self.frame.columns)}.",
                hint="Build Samples with Samples.from_frame or Samples.from_rows.",
            )

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[Mapping[str, Any]],
        *,
        source: str | None = None,
        detected: str | None = None,
        place: Callable[[int], str] | None = None,
    ) -> Samples:
        """Build Samples from dictionaries keyed by column name; other keys are left aside.

        Args:
            rows: one mapping an output; a key that is missing is null.
            source: where they came from.
            detected: what was found there.
            place: from a row number to words that name it in messages.

        Raises:
            DataError: a row without `text`, a value that cannot be of its column's type, or rows
                that contradict each other (see `from_frame`).
        """
        rows = list(rows)
        place = place or _place(source)
        # A row that ended for a reason may come without text; any other has lost it.
        for number, row in enumerate(rows):
            if "text" not in row and row.get("finish") is None:
                raise _no_text(place(number), row)
        columns = [column(name, [row.get(name) for row in rows], place) for name in SCHEMA]
        return cls(complete(pl.DataFrame(columns), place), source, detected)

    @classmethod
    def from_frame(
        cls,
        frame: pl.DataFrame,
        *,
        source: str | None = None,
        detected: str | None = None,
        place: Callable[[int], str] | None = None,
    ) -> Samples:
        """Build Samples from a frame with some of the columns; missing ones become null.

        What can be known is filled in: arm and task ("default"), the prompt's name (its content
        hash), the index of the sample, an empty finish.

        Raises:
            DataError: no `text` column, a value that cannot be of its column's type, one prompt id
                with two texts, one sample twice.
        """
        place = place or _place(source)
        if "text" not in frame.columns:
            raise _no_text(source or "the table", frame.columns)
        columns = [
            column(name, frame[name], place)
            if name in frame.columns
            else pl.Series(name, [None] * frame.height, dtype=dtype)
            for name, dtype in SCHEMA.items()
        ]
        return cls(complete(pl.DataFrame(columns), place), source, detected)

    @classmethod
    def concat(cls, parts: Sequence[Samples]) -> Samples:
        """Put several tables together; the same draw may not stand in two of them.

        Raises:
            DataError: one draw twice, or one prompt id with two texts; names both places.
        """
        if not parts:
            return cls.from_rows([])
        origins = [
            (part.source or f"part {index + 1}", len(part)) for index, part in enumerate(parts)
        ]

        def place(row: int) -> str:
            for origin, length in origins:
                if row < length:
                    return f"{origin} (output {row + 1})"
                row -= length
            raise IndexError(row)

        frame = complete(pl.concat([part.frame for part in parts]), place)
        sources = list(dict.fromkeys(part.source for part in parts if part.source))
        detected = list(dict.fromkeys(part.detected for part in parts if part.detected))
        return cls(frame, ", ".join(sources) or None, "; ".join(detected) or None)

    @classmethod
    def read(cls, source: str | Path, *, arm: str | None = None) -> Samples:
        """Read outputs from a file or a folder; see `variegate.samples.read`."""
        from variegate.samples._read import read

        return read(source, arm=arm)

    def write(self, path: str | Path) -> Path:
        """Write to .parquet, .jsonl or .csv; see `variegate.samples.write`."""
        from variegate.samples._write import write

        return write(self, path)

    def __len__(self) -> int:
        return self.frame.height

    def __repr__(self) -> str:
        counts = [
            (self.frame["arm"].n_unique(), "arm"),
            (self.frame["task"].n_unique(), "task"),
            (self.frame.select(pl.struct("task", "prompt_id").n_unique()).item(), "prompt"),
        ]
        about = ", ".join(_count(number, noun) for number, noun in counts)
        source = f"; {clean_text(self.source)}" if self.source else ""
        return f"Samples({_count(len(self), 'output')}: {about}{source})"

    def _repr_html_(self) -> str:
        """Show how many outputs there are of each arm and task: escaped text, no script."""
        table = (
            self.frame.group_by("arm", "task", maintain_order=True)
            .agg(
                pl.len().alias("outputs"),
                pl.col("prompt_id").n_unique().alias("prompts"),
                (pl.col("finish") == "length").sum().alias("cut off"),
                (pl.col("finish") == "empty").sum().alias("empty"),
            )
            .head(20)
        )

        def cell(value: object) -> str:
            return html.escape(clean_text(str(value)))

        head = "".join(f"<th>{cell(name)}</th>" for name in table.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{cell(value)}</td>" for value in row) + "</tr>"
            for row in table.iter_rows()
        )
        return f"<p>{cell(repr(self))}</p><table><tr>{head}</tr>{body}</table>"


def _place(source: str | None) -> Callable[[int], str]:
    return lambda row: f"{source}: output {row + 1}" if source else f"output {row + 1}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _no_text(where: str, found: Iterable[str]) -> DataError:
    names = ", ".join(map(str, found)) or "nothing"
    return DataError(
        f"{where}: expected 'text' with the output, found {clean_text(names)[:200]}.",
        hint="Rename the column that holds the outputs to 'text'.",
    )
