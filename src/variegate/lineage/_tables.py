"""The columns of the tables of a trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

__all__ = ["TABLES", "stacked", "table"]

_INTERVAL = {"low": pl.Float64, "high": pl.Float64}
_VALUE = {"value": pl.Float64, **_INTERVAL}
_PERCENT = {"percent": pl.Float64, **_INTERVAL, "n_prompts": pl.Int64, "note": pl.String}
_WHERE = {"stage": pl.String, "task": pl.String, "metric": pl.String}

TABLES: Mapping[str, Mapping[str, type[pl.DataType]]] = {
    "levels": {
        **_WHERE, **_VALUE, "n_prompts": pl.Int64, "n_samples": pl.Int64, "note": pl.String,
    },
    "per_prompt": {
        "stage": pl.String, "task": pl.String, "prompt_id": pl.String, "metric": pl.String,
        "value": pl.Float64,
    },
    "losses": {
        "stage": pl.String, "parent": pl.String, "task": pl.String, "metric": pl.String,
        **_PERCENT,
    },
    "retained": {**_WHERE, **_PERCENT},
    "decomposition": {
        "stage": pl.String, "task": pl.String, "part": pl.String, **_VALUE,
        "n_matched": pl.Int64, "note": pl.String,
    },
    "formats": {**_WHERE, "step": pl.String, **_VALUE, "n_prompts": pl.Int64},
    "positions": {
        "stage": pl.String, "task": pl.String, "position": pl.Int64, "entropy": pl.Float64,
        "branching": pl.Float64, **_INTERVAL, "n": pl.Int64,
    },
    "layers": {
        "stage": pl.String, "parent": pl.String, "layer": pl.Int64, "module": pl.String,
        "relative_norm": pl.Float64, "effective_rank": pl.Float64,
        "sign_agreement": pl.Float64, "cosine": pl.Float64,
    },
    "exact": {**_WHERE, "value": pl.Float64},
}  # fmt: skip


def table(name: str, rows: pl.DataFrame | Sequence[Mapping[str, Any]], **same: str) -> pl.DataFrame:
    """Give rows the columns of a table of `Trace`, in their order and types.

    Args:
        name: of the table.
        rows: a frame with at least these columns, or dictionaries.
        same: columns that are the same in every row.
    """
    columns = TABLES[name]
    if not isinstance(rows, pl.DataFrame):
        left = {key: dtype for key, dtype in columns.items() if key not in same}
        rows = pl.DataFrame(list(rows), schema=left)
    rows = rows.with_columns(pl.lit(value).alias(key) for key, value in same.items())
    return rows.select(pl.col(key).cast(dtype) for key, dtype in columns.items())


def stacked(name: str, parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Put parts of a table under each other; without any it is empty and has its columns."""
    return pl.concat([pl.DataFrame(schema=dict(TABLES[name])), *parts])
