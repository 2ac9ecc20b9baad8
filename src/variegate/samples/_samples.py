"""Samples: what was said, one row per output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from variegate.errors import DataError
from variegate.samples._schema import SCHEMA

__all__ = ["Samples"]


@dataclass(frozen=True)
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
        >>> samples = Samples.from_rows([{"prompt": "Name a fruit.", "text": "apple"}])
        >>> samples.frame.select("arm", "sample", "text").row(0)
        ('default', 0, 'apple')
    """

    frame: pl.DataFrame
    source: str | None = None
    detected: str | None = None

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]], **about: Any) -> Samples:
        """Build Samples from dictionaries keyed by column name."""
        return cls.from_frame(pl.DataFrame(list(rows), infer_schema_length=None), **about)

    @classmethod
    def from_frame(cls, frame: pl.DataFrame, **about: Any) -> Samples:
        """Build Samples from a frame with some of the columns; missing ones become null.

        Raises:
            DataError: no `text` column, or a column that cannot hold its type.
        """
        if "text" not in frame.columns:
            raise DataError(
                f"Expected a column 'text' with the outputs, found {', '.join(frame.columns)}.",
                hint="Rename the column that holds the outputs to 'text'.",
            )
        columns = []
        for name, dtype in SCHEMA.items():
            if name in frame.columns:
                columns.append(pl.col(name).cast(dtype))
            else:
                columns.append(pl.lit(None, dtype=dtype).alias(name))
        frame = frame.select(columns).with_columns(
            pl.col("arm").fill_null("default"),
            pl.col("task").fill_null("default"),
        )
        return cls(frame=frame, **about)

    def __len__(self) -> int:
        return self.frame.height
