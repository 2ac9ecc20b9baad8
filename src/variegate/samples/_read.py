"""Reading outputs: find out what was given, say so, and take nothing that is not sound."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from variegate.errors import DataError
from variegate.samples import _inspect, _lm_eval
from variegate.samples._frames import load_frame
from variegate.samples._json import parse_json, parse_lines
from variegate.samples._samples import Samples
from variegate.samples._schema import OWN_COLUMNS, SCHEMA
from variegate.samples._tables import Table
from variegate.samples._write import unguard

__all__ = ["read", "read_values"]

_BOM = b"\xef\xbb\xbf"
_KNOWN = (
    "JSONL, JSON, CSV, TSV, Parquet, a run directory, a data set saved by Hugging Face datasets, "
    "a samples log of lm-evaluation-harness, or a log of inspect (.eval, .json)"
)


def read(source: str | Path, *, arm: str | None = None) -> Samples:
    """Read outputs from a file or a folder.

    Finds out what it was given by looking inside, and says so in `detected`: JSONL or a JSON array
    with one row an output or one row a prompt with a list of completions; CSV and TSV; Parquet; a
    run directory; a data set saved by Hugging Face `datasets`; a samples log of
    lm-evaluation-harness; a log of inspect. Other names of the columns are understood (`ALIASES`),
    and a reasoning block between <think> and </think> moves to `reasoning`.

    Args:
        source: path of the file or folder.
        arm: name all outputs as of this arm, whatever the file says.

    Raises:
        DataError: what stands there cannot be read without guessing; names file and line.

    Example:
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "outputs.jsonl"
        >>> _ = path.write_text('{"prompt": "Name a fruit.", "completions": ["kiwi", "plum"]}')
        >>> read(path).detected
        "JSONL, one row a prompt with a list in 'completions'"
    """
    path, name = Path(source), str(source)
    if path.is_dir():
        return _read_folder(path, name, arm)
    data = _bytes(path, name)
    if data.startswith(b"PAR1"):
        frame = _parquet(data, name)
        return _from_frame(frame, name, "Parquet", arm)
    if data.startswith(b"PK\x03\x04"):
        return _from_table(_inspect.read_eval(data, name), name, "inspect log (.eval)", arm)
    values, container = read_values(path)
    first = next(values, None)
    if first is None:
        raise DataError(f"{name}: no outputs in it.", hint="The file is empty.")
    values = _again(first, values)
    if _inspect.is_log(first[1]):
        return _from_table(_inspect.gather(first[1], name), name, "inspect log (.json)", arm)
    if _lm_eval.is_sample(first[1]):
        table = _lm_eval.gather(values, path.name)
        return _from_table(table, name, "samples log of lm-evaluation-harness", arm)
    return _from_table(Table.gather(values), name, container, arm)


def read_values(path: Path) -> tuple[Iterator[tuple[str, Any]], str]:
    """Return the rows of a JSON, JSONL, CSV, TSV or Parquet file with their places, and its kind.

    Raises:
        DataError: the file is missing, or not of these kinds.
    """
    name = str(path)
    data = _bytes(path, name)
    if data.startswith(b"PAR1"):
        rows = _parquet(data, name).to_dicts()
        return ((f"{name}: row {number}", row) for number, row in enumerate(rows, 1)), "Parquet"
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return _csv_rows(data, name, "\t" if suffix == ".tsv" else ","), suffix[1:].upper()
    start = data.removeprefix(_BOM).lstrip()
    if not start:
        return iter(()), "empty file"
    if not start.startswith((b"{", b"[")):
        raise DataError(f"{name}: not a format that can be read.", hint=f"Known: {_KNOWN}.")
    if suffix in (".jsonl", ".ndjson") or _is_lines(start):
        return ((f"{name}:{line}", value) for line, value in parse_lines(data, name)), "JSONL"
    document = parse_json(start, name, nan=_inspect.may_be_log(start))
    if isinstance(document, list):
        items = enumerate(document, start=1)
        return ((f"{name}: item {number}", value) for number, value in items), "JSON array"
    return iter([(name, document)]), "JSON"


def _is_lines(start: bytes) -> bool:
    """Whether the first line is an object by itself and something comes after it."""
    line, _, rest = start.partition(b"\n")
    if not line.startswith(b"{") or not rest.strip():
        return False
    try:
        parse_json(line, "")
    except DataError:
        return False
    return True


def _again(first: tuple[str, Any], rest: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    yield first
    yield from rest


def _csv_rows(data: bytes, name: str, delimiter: str) -> Iterator[tuple[str, Any]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(
            f"{name}:{line}: not UTF-8 text.", hint="Save the file as UTF-8 and read it again."
        ) from None
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise DataError(
                f"{name}:{line}: not valid CSV: {error}.",
                hint="Quote cells that hold quotation marks or line breaks, or use JSONL.",
            ) from None
        if cells is None:
            return
        if not cells:
            continue
        if header is None:
            header = cells
            _refuse_doubled(header, name)
            ours = set(header) >= OWN_COLUMNS
            continue
        if len(cells) != len(header):
            raise DataError(
                f"{name}:{line}: expected {len(header)} cells ({', '.join(header)[:100]}), "
                f"got {len(cells)}.",
                hint="Quote cells that hold the delimiter or line breaks.",
            )
        row: dict[str, Any] = dict(zip(header, cells, strict=True))
        # An empty cell says nothing, except where it is the output itself.
        row = {
            key: unguard(cell) if ours else cell
            for key, cell in row.items()
            if cell or key not in SCHEMA or key == "text"
        }
        yield f"{name}:{line}", {**dict.fromkeys(SCHEMA), **row} if ours else row


def _refuse_doubled(header: list[str], name: str) -> None:
    doubled = sorted({key for key in header if header.count(key) > 1})
    if doubled:
        raise DataError(
            f"{name}:1: two columns are called {doubled[0]!r}.", hint="Give each its own name."
        )


def _read_folder(path: Path, name: str, arm: str | None) -> Samples:
    if (path / "run.json").is_file():
        from variegate.samples._run import read_parts

        return _from_frame(read_parts(path), name, "run directory", arm)
    if (path / "state.json").is_file() or (path / "dataset_dict.json").is_file():
        files = sorted(path.rglob("*.arrow"))
        if files:
            frame = load_frame(
                lambda: pl.concat([pl.read_ipc_stream(file) for file in files]),
                name,
                hint="Save the data set again.",
            )
            return _from_frame(frame, name, "data set saved by Hugging Face datasets", arm)
    logs = sorted(path.rglob("samples_*.jsonl"))
    if logs:
        # The harness makes one folder a model.
        arms = (arm or (log.parent.name if log.parent != path else None) for log in logs)
        return Samples.concat([read(log, arm=name) for log, name in zip(logs, arms, strict=True)])
    raise DataError(
        f"{name}: a folder, but neither a run directory nor a saved data set.",
        hint=f"Name a file. Known: {_KNOWN}.",
    )


def _from_table(table: Table, name: str, container: str, arm: str | None) -> Samples:
    if arm is not None:
        for row in table.rows:
            row["arm"] = arm
    return Samples.from_rows(
        table.rows,
        source=name,
        detected=table.describe(container),
        place=lambda row: table.places[row],
    )


def _from_frame(frame: pl.DataFrame, name: str, container: str, arm: str | None) -> Samples:
    if not set(frame.columns) >= OWN_COLUMNS:
        rows = ((f"{name}: row {row}", value) for row, value in enumerate(frame.to_dicts(), 1))
        return _from_table(Table.gather(rows), name, container, arm)
    if arm is not None:
        frame = frame.with_columns(arm=pl.lit(arm))
    detected = container if container == "run directory" else f"{container} written by variegate"
    place = lambda row: f"{name}: row {row + 1}"  # noqa: E731
    return Samples.from_frame(frame, source=name, detected=detected, place=place)


def _parquet(data: bytes, name: str) -> pl.DataFrame:
    load = lambda: pl.read_parquet(io.BytesIO(data))  # noqa: E731
    return load_frame(load, name, hint="Write the file again, or read it as JSONL.")


def _bytes(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DataError(f"{name}: {reason}.", hint="Check the path.") from None
