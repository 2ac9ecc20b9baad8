"""From values as people write them to the types of the schema, one column at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson
import polars as pl
from polars.exceptions import PolarsError

from variegate.errors import DataError
from variegate.samples._schema import SCHEMA

__all__ = ["column"]

_TRUE, _FALSE = {"true", "1", "1.0", "yes"}, {"false", "0", "0.0", "no"}


def column(name: str, values: pl.Series | Sequence[Any], place: Callable[[int], str]) -> pl.Series:
    """Build one column of the schema.

    Takes what CSV files and other people's logs hold: numbers and truth values written as text,
    names written as numbers, "NaN" for a number that is none. Nothing is rounded to fit.

    Raises:
        DataError: a value that is not of the column's type; names its place.
    """
    dtype = SCHEMA[name]
    if isinstance(values, pl.Series):
        if values.dtype == dtype:
            return values.alias(name)
        values = values.to_list()
    try:
        series = pl.Series(name, values, dtype=dtype, strict=True)
        if series.dtype == dtype:  # lists of numpy arrays are given another
            return series
    except (TypeError, ValueError, OverflowError, PolarsError):
        pass
    converted = []
    for row, value in enumerate(values):
        try:
            converted.append(_convert(value, dtype))
        except (ValueError, OverflowError):
            raise DataError(
                f"{place(row)}: expected {name!r} to be {_words(dtype)}, got {_short(value)}.",
                hint=f"Correct the value, or rename the column if it is not our {name!r}.",
            ) from None
    return pl.Series(name, converted, dtype=dtype, strict=True)


def _convert(value: Any, dtype: pl.DataType) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None:
        return None
    if isinstance(dtype, pl.List):
        return _list(value, dtype)
    if dtype == pl.String():
        return _text(value)
    if value == "":  # an empty cell of a CSV file
        return None
    if dtype == pl.Boolean():
        return _truth(value)
    if not isinstance(value, str | int | float):
        raise ValueError
    if dtype == pl.Float64():
        return float(value)
    whole, limit = int(value), 2**31 if dtype == pl.Int32() else 2**63
    if (isinstance(value, float) and value != whole) or not -limit <= whole < limit:
        raise ValueError
    return whole


def _text(value: Any) -> str:
    if not isinstance(value, str | int | float):
        raise ValueError
    text = str(value)
    text.encode()  # a lone surrogate raises UnicodeEncodeError, a ValueError
    return text


def _truth(value: Any) -> bool | None:
    word = str(value).strip().lower()
    if isinstance(value, float) and math.isnan(value):
        return None
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError


def _list(value: Any, dtype: pl.List) -> list[Any] | None:
    if isinstance(value, str):
        value = orjson.loads(value) if value else None
        if value is None:
            return None
    if not isinstance(value, list | tuple | np.ndarray):
        raise ValueError
    inner = dtype.inner
    return [_convert(item, inner() if isinstance(inner, type) else inner) for item in value]


def _words(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.List):
        return f"a list of {'whole numbers' if dtype.inner == pl.Int32() else 'numbers'}"
    return {
        pl.String(): "text",
        pl.Boolean(): "true or false",
        pl.Float64(): "a number",
        pl.Int32(): "a whole number of 32 bits",
        pl.Int64(): "a whole number of 64 bits",
    }[dtype]


def _short(value: Any) -> str:
    shown = ascii(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
