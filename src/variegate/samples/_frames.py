"""Loading tables with polars, whose complaints become ours."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
from polars.exceptions import PanicException, PolarsError

from variegate.errors import DataError

__all__ = ["load_frame"]


def load_frame(load: Callable[[], pl.DataFrame], name: str, *, hint: str) -> pl.DataFrame:
    """Call what loads a table.

    A damaged Parquet file makes polars fail in many ways; PanicException, one of them, is not even
    an Exception. A file forged to claim an absurd size can still end the process: Parquet is for
    files whose origin is known, JSONL for all others.

    Raises:
        DataError: the table cannot be loaded.
    """
    try:
        return load()
    except (PolarsError, PanicException, OSError, ValueError, MemoryError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"{name}: damaged or not a table: {reason}.", hint=hint) from None
