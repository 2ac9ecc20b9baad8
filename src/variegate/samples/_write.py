"""Writing samples: Parquet and JSONL keep everything, CSV is for spreadsheets."""

from __future__ import annotations

import csv
import io
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from variegate.errors import UsageError
from variegate.samples._atomic import write_atomically
from variegate.samples._json import plain

if TYPE_CHECKING:
    from variegate.samples._samples import Samples

__all__ = ["guard", "unguard", "write", "write_frame"]

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")


def write(samples: Samples, path: str | Path) -> Path:
    """Write samples to .parquet, .jsonl or .csv, in full or not at all.

    Parquet and JSONL give back exactly what was written. JSON has no NaN: a number that is none is
    written as the word "NaN" (and "Infinity", "-Infinity") in quotation marks, which `read` takes
    back; null stays null. CSV holds lists as JSON, makes no difference between null and an empty
    cell, and puts a ' before text that a spreadsheet would run as a formula; `read` removes it.

    Raises:
        UsageError: another suffix.
        RunUnwritable: the file cannot be written; an old one is intact.

    Example:
        >>> import tempfile
        >>> from variegate.samples import Samples, read
        >>> samples = Samples.from_rows([{"text": "apple", "quality": float("nan")}])
        >>> read(write(samples, f"{tempfile.mkdtemp()}/outputs.jsonl")).frame["quality"].to_list()
        [nan]
    """
    return write_frame(path, samples.frame)


def write_frame(path: str | Path, frame: pl.DataFrame) -> Path:
    """Write a table (.parquet, .jsonl or .csv by its suffix), in full or not at all.

    Raises:
        UsageError: another suffix.
        RunUnwritable: the disk is full or read-only; the old file is intact.

    Example:
        >>> import tempfile
        >>> levels = pl.DataFrame({"value": [0.5]})
        >>> write_frame(f"{tempfile.mkdtemp()}/levels.csv", levels).name
        'levels.csv'
    """
    return write_atomically(path, _bytes(frame, Path(path).suffix))


def _bytes(frame: pl.DataFrame, suffix: str) -> bytes:
    """Serialise a frame as the suffix says: .parquet, .jsonl or .csv."""
    match suffix.lower():
        case ".parquet":
            buffer = io.BytesIO()
            frame.write_parquet(buffer, compression="zstd")
            return buffer.getvalue()
        case ".jsonl":
            return b"".join(
                orjson.dumps(_sized(row)) + b"\n" for row in frame.iter_rows(named=True)
            )
        case ".csv":
            return _csv(frame)
    raise UsageError(
        f"Expected a path that ends in .parquet, .jsonl or .csv, got {suffix or 'no suffix'!r}.",
        hint="Parquet is smallest and exact.",
    )


def guard(text: str) -> str:
    """Keep a spreadsheet from running text as a formula.

    Example:
        >>> guard("=cmd()"), unguard(guard("=cmd()"))
        ("'=cmd()", '=cmd()')
    """
    return f"'{text}" if _FORMULA.match(text) else text


def unguard(text: str) -> str:
    """Take back what `guard` did."""
    return text[1:] if _GUARDED.match(text) else text


def _csv(frame: pl.DataFrame) -> bytes:
    buffer = io.StringIO(newline="")
    # With this terminator the writer quotes cells that hold either half of it.
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(frame.columns)
    writer.writerows([_cell(value) for value in row] for row in frame.iter_rows())
    return buffer.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return orjson.dumps(plain_list(value)).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return plain(value)
    return guard(value) if isinstance(value, str) else value


def _sized(row: dict[str, Any]) -> dict[str, Any]:
    """Replace numbers of no size by words; orjson alone would write null."""
    return {
        key: plain_list(value) if isinstance(value, list) else
        plain(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in row.items()
    }  # fmt: skip


def plain_list(values: list[Any]) -> list[Any]:
    """Replace the numbers of no size in a list by words."""
    if all(map(math.isfinite, filter(None, values))):
        return values
    return [
        plain(value) if value is not None and not math.isfinite(value) else value
        for value in values
    ]
