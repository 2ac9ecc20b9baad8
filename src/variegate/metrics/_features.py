"""Measure features that stand in a Parquet file, however large: a chunk in memory at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from polars.exceptions import ComputeError, PolarsError

from variegate.errors import DataError, UsageError
from variegate.metrics._arrays import unit_rows
from variegate.metrics._result import LEVELS, PER_PROMPT, Caution, Measurement, level_row
from variegate.metrics.reference._coverage import Coverage
from variegate.metrics.similarity._moments import Moments
from variegate.samples import ALIASES

__all__ = ["feature_columns", "measure_features"]

_BYTES = 32 * 2**20  # of float32 in one chunk
_REFERENCE = 2**30  # bytes of float64 a reference may take
_NAMES = ("features", "embedding", "embeddings", "vector", "vectors")
_GROUPS = ("prompt_id", *ALIASES.get("prompt_id", ()), "prompt")


def measure_features(
    source: str | Path,
    *,
    columns: str | Sequence[str] | None = None,
    groups: str | None = None,
    reference: ArrayLike | str | Path | None = None,
    k: int = 5,
    nan: Literal["error", "skip"] = "error",
    level: float = 0.95,
    seed: int = 0,
) -> Measurement:
    """Measure a set of features from a Parquet file that need not fit in memory.

    Vendi scores of order 1, 2 and ∞, the mean distance of pairs, and the coverage of a reference
    set, in one pass: the file is read a chunk of 32 MB at a time, and what is kept is a d × d
    matrix for each of at most 32 blocks. The whole file is one set; the order of its rows plays
    no part. Intervals delete a block of rows at a time.

    Args:
        source: path of the file. Files whose row groups are large are held a few row groups at a
            time.
        columns: the features: a column of lists of numbers, or the columns that hold a number
            each. By default the only column of lists or, among several, that named features,
            embedding or vector; else all columns of floating-point numbers.
        groups: the column that says which rows belong together, so that intervals are over
            groups; by default prompt_id or prompt, where there is one.
        reference: (m, d) features, or a Parquet file of them, at most 1 GB: adds the share of
            them that have some row near (`Coverage`), all brought to length 1.
        k: the neighbour of a reference point that says what is near.
        nan: refuse rows that hold NaN, Inf or no number, or leave them out and count them.
        level: of the intervals.
        seed: of the deal of rows to blocks.

    Returns:
        One row a metric: vendi, vendi_2, vendi_inf, pairwise and, with a reference, coverage.
        Rows of zeros count as unlike all others, and are counted in the cautions.

    Raises:
        DataError: no Parquet file, no features in it, rows of unequal length, or NaN or Inf.
        UsageError: columns that are not there, or a reference that is too large.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "features.parquet"
        >>> pl.DataFrame({"features": [[1.0, 0.0], [0.0, 1.0]] * 50}).write_parquet(path)
        >>> measured = measure_features(path)
        >>> dict(zip(measured.frame["metric"], measured.frame["value"]))
        {'vendi': 2.0, 'vendi_2': 2.0, 'vendi_inf': 2.0, 'pairwise': 0.5050505051}
    """
    path = Path(source)
    schema = _schema(path)
    names = _columns(schema, columns, path)
    group = _group(schema, groups, path)
    moments = Moments(nan=nan, seed=seed)
    cover = None
    if reference is not None:
        cover = Coverage(_reference(reference), k=k, seed=seed)
    for rows, members in _chunks(path, schema, names, group, nan=nan):
        moments.add(rows, groups=members)
        if cover is not None:
            sound = np.isfinite(rows).all(axis=1)
            kept = members.filter(pl.Series(sound)) if members is not None else None
            cover.add(unit_rows(rows[sound]), groups=kept)
    if not moments.n:
        raise DataError(f"Expected at least one row of features in {path}, got none that counts.")
    found = {
        "vendi": moments.vendi(level=level),
        "vendi_2": moments.vendi(2, level=level),
        "vendi_inf": moments.vendi(math.inf, level=level),
        "pairwise": moments.pairwise(level=level),
    }
    if cover is not None:
        found["coverage"] = cover.estimate(level=level)
    return Measurement(
        frame=pl.DataFrame(
            [
                level_row(path.stem, "default", name, estimate, moments.n, estimate.note)
                for name, estimate in found.items()
            ],
            schema=LEVELS,
        ),
        per_prompt=pl.DataFrame(schema=PER_PROMPT),
        cautions=_cautions(path.stem, moments),
        settings={
            "features": names[0] if len(names) == 1 else f"{len(names)} columns",
            "groups": group,
            "n": moments.n,
            "blank": moments.blank,
            "skipped": moments.skipped,
            "intervals": found["vendi"].method,
            "level": level,
            "seed": seed,
        }
        | ({"k": k, "n_reference": cover.n_reference} if cover is not None else {}),
    )


def feature_columns(source: str | Path) -> list[str]:
    """Columns of a Parquet file that `measure_features` would take; none if it holds outputs.

    A file with a column of texts holds outputs, whatever other columns it has.

    Args:
        source: path of a file of any kind.

    Returns:
        Names; empty for another kind of file.

    Example:
        >>> feature_columns("no-such-file.jsonl")
        []
    """
    path = Path(source)
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PAR1":
                return []
        schema = _schema(path)
        if {"text", *ALIASES["text"]} & set(schema):
            return []
        return _columns(schema, None, path)
    except (OSError, DataError, UsageError):
        return []


def _schema(path: Path) -> pl.Schema:
    try:
        return pl.scan_parquet(path, glob=False).collect_schema()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file.") from None
    except (PolarsError, OSError) as error:
        first = str(error).partition("\n")[0]
        raise DataError(
            f"{path}: not a Parquet file that can be read: {first}.",
            hint="Write the features with polars' write_parquet or another Parquet writer.",
        ) from None


def _columns(schema: pl.Schema, asked: str | Sequence[str] | None, path: Path) -> list[str]:
    lists = [name for name, kind in schema.items() if _is_list(kind)]
    wide = [name for name, kind in schema.items() if kind.is_float()]
    if asked is not None:
        names = [asked] if isinstance(asked, str) else list(asked)
        missing = [name for name in names if name not in schema]
        if missing or not names:
            raise UsageError(
                f"{path}: expected columns {', '.join(missing) or 'by name, got none'}.",
                hint=f"There are: {', '.join(list(schema)[:10])}.",
            )
        if len(names) == 1 and names[0] in lists:
            return names
        flat = [name for name in names if not schema[name].is_numeric()]
        if flat:
            raise UsageError(
                f"{path}: expected a column of lists of numbers, or columns of numbers; "
                f"{flat[0]!r} holds {schema[flat[0]]}."
            )
        return names
    named = [name for name in _NAMES if name in lists]
    if len(lists) == 1 or named:
        return named[:1] or lists
    if len(lists) > 1:
        raise UsageError(
            f"{path}: several columns hold lists: {', '.join(lists[:5])}.",
            hint="Name the one that holds the features.",
        )
    if len(wide) < 2:
        raise DataError(
            f"{path}: no features in it: neither a column of lists of numbers nor several columns "
            "of floating-point numbers.",
            hint=f"There are: {', '.join(list(schema)[:10])}.",
        )
    return wide


def _is_list(kind: pl.DataType) -> bool:
    return isinstance(kind, pl.List | pl.Array) and _inner(kind).is_float()


def _inner(kind: Any) -> pl.DataType:
    inner: pl.DataType = kind.inner
    return inner


def _group(schema: pl.Schema, asked: str | None, path: Path) -> str | None:
    if asked is not None and asked not in schema:
        raise UsageError(f"{path}: expected a column {asked!r} that names groups.")
    return asked or next((name for name in _GROUPS if name in schema), None)


def _chunks(
    path: Path, schema: pl.Schema, names: list[str], group: str | None, *, nan: str = "error"
) -> Iterator[tuple[NDArray[Any], pl.Series | None]]:
    """Rows of features as they stand in the file, and the groups they belong to."""
    listed = isinstance(schema[names[0]], pl.List | pl.Array)
    width = 0 if listed else len(names)
    frame = pl.scan_parquet(path, glob=False)
    if listed:
        heads = frame.select(names[0]).drop_nulls().head(1).collect()
        width = len(heads[names[0]][0]) if heads.height else 0
    if width == 0:
        raise DataError(f"{path}: no features in it.")
    size = max(256, _BYTES // (4 * width))
    start = 0
    wanted = frame.select([*names, *([group] if group and group not in names else [])])
    try:
        for chunk in wanted.collect_batches(chunk_size=size, maintain_order=True):
            # A batch may be a whole row group.
            for part in chunk.iter_slices(size):
                if listed:
                    rows = _unlisted(part[names[0]], width, f"{path}: row", start, nan=nan)
                else:
                    rows = part.select(names).to_numpy()
                yield rows, part[group] if group else None
                start += part.height
    except ComputeError as error:
        raise DataError(f"{path}: cannot be read to its end: {error}.") from None


def _unlisted(series: pl.Series, width: int, place: str, start: int, *, nan: str) -> NDArray[Any]:
    """(n, d) of a column of lists; a row without a list is a row of NaN."""
    lists = series.arr.to_list() if isinstance(series.dtype, pl.Array) else series
    lengths = lists.list.len()
    empty = lengths.is_null()
    wrong = (lengths != width).fill_null(nan == "error").arg_true()
    if len(wrong):
        first = int(wrong[0])
        raise DataError(
            f"{place} {start + first}: expected {width} features as in the rows before, got "
            f"{lengths[first] if lengths[first] is not None else 'none'}.",
            hint="Features of one file are rows of one length.",
        )
    flat = lists.drop_nulls().explode().to_numpy()
    if not empty.any():
        return flat.reshape(-1, width)
    rows = np.full((len(series), width), np.nan, dtype=flat.dtype)
    rows[~empty.to_numpy()] = flat.reshape(-1, width)
    return rows


def _reference(given: ArrayLike | str | Path) -> NDArray[np.float64]:
    if not isinstance(given, str | Path):
        return unit_rows(np.asarray(given))
    path = Path(given)
    schema = _schema(path)
    parts, taken = [], 0
    for rows, _ in _chunks(path, schema, _columns(schema, None, path), None):
        taken += 8 * rows.size
        if taken > _REFERENCE:
            raise UsageError(
                f"{path}: the reference takes more than {_REFERENCE / 2**30:.0f} GiB.",
                hint="Take a random subset of it; 1,000 rows give coverage to ± 0.03.",
            )
        parts.append(unit_rows(rows))
    return np.concatenate(parts)


def _cautions(arm: str, moments: Moments) -> tuple[Caution, ...]:
    total = moments.n + moments.skipped
    told = [
        ("empty", moments.blank, "rows of {arm} are zeros; each counts as unlike all others."),
        ("unscored", moments.skipped, "rows of {arm} hold NaN or Inf and are left out."),
    ]
    return tuple(
        Caution(
            kind=kind,
            where=arm,
            count=count,
            total=total,
            text=f"{count} of {total} {text.format(arm=arm)}",
        )
        for kind, count, text in told
        if count
    )
