"""What every function on arrays does first: numbers as float64, or a word what was wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError

__all__ = ["as_array", "counted", "numbers"]


def numbers(values: Any, name: str, *, largest: float = np.inf) -> NDArray[np.float64]:
    """As float64, infinities and NaN as they are; None within is NaN.

    Args:
        values: a number, or numbers in as many axes as there are.
        name: what an error calls them.
        largest: magnitude beyond which what is made of them would overflow.

    Raises:
        DataError: rows of unequal length, whole numbers beyond float64, or no numbers at all.

    Example:
        >>> numbers([1, 2], "counts").tolist()
        [1.0, 2.0]
        >>> numbers([[1, 2], [3]], "features")
        Traceback (most recent call last):
        ...
        variegate.errors.DataError: Expected features as an array of numbers, ...
    """
    array = as_array(values, name).astype(np.float64, copy=False)
    if largest < np.inf and ((beyond := np.abs(array) > largest) & np.isfinite(array)).any():
        raise DataError(
            f"Expected {name} of at most {largest:g} in magnitude, got {array[beyond][0]:g}.",
            hint="What is made of them would overflow: bring them to another unit.",
        )
    return array


def as_array(values: Any, name: str) -> NDArray[Any]:
    """As an array of numbers, float32 and whole numbers as they are."""
    try:
        array = np.asarray(values)
        if array.dtype.kind in "cmMSUV" or values is None:
            raise TypeError(f"got {'None' if values is None else array.dtype}")
        return array.astype(np.float64) if array.dtype.kind == "O" else array
    except (TypeError, ValueError, OverflowError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"Expected {name} as an array of numbers, all rows of one length: {reason}",
            hint="Text, ragged lists and whole numbers beyond 1e308 are none.",
        ) from None


def counted(values: Any, name: str) -> NDArray[np.float64]:
    """As float64, and finite: numbers of outputs, which float64 holds exactly."""
    array = numbers(values, name, largest=2.0**53)
    if not np.isfinite(array).all():
        raise DataError(f"Expected finite {name}, got NaN or Inf.")
    return array
