"""Gram matrices of the directions of rows: the one product that all spectra wait for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate._numbers import numbers
from variegate.metrics._arrays import unit_and_blank

__all__ = ["SINGLE", "gram", "gram_single", "unit_single"]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Blank = NDArray[np.bool_]

SINGLE = float(np.finfo(np.float32).eps)  # rounding of float32

_PIECE = 2 * 2**20  # bytes of one large set brought to float64 at a time
_ROWS = 4096  # rows in one float32 product; the sum over products is in float64
_RANGE = (1e-30, 1e30)  # squared lengths that float32 holds with all their digits


def gram(X: NDArray[Any], p: Floats) -> tuple[Floats, Blank]:
    """(m, s, s) smaller Gram matrix of m sets, and which of their rows have no direction.

    Args:
        X: (m, n, d) sets; NaN or Inf anywhere in a set gives NaN somewhere on its diagonal.
        p: (m, n) the share of every row.
    """
    m, n, d = X.shape
    if n <= d:
        return _of_rows(X, p)
    product, blank = np.zeros((m, d, d)), np.zeros((m, n), dtype=bool)
    # Pieces that stay in the processor's cache between conversion and product.
    step = max(64, _PIECE // (8 * max(d, 1)))
    for j in range(m):
        for i in range(0, n, step):
            part = slice(i, i + step)
            rows, blank[j, part] = unit_and_blank(X[j, part])
            rows *= np.sqrt(p[j, part])[:, None]
            product[j] += rows.T @ rows
    return product, blank


def gram_single(X: NDArray[Any], p: Floats) -> tuple[Floats, Blank]:
    """(m, d, d) as `gram`, of products in float32: twice as fast, entries right to about 1e-8."""
    m, n, d = X.shape
    product, blank = np.zeros((m, d, d)), np.zeros((m, n), dtype=bool)
    for j in range(m):
        for i in range(0, n, _ROWS):
            part = slice(i, i + _ROWS)
            rows, blank[j, part] = unit_single(X[j, part], p[j, part])
            product[j] += rows.T @ rows
        # The lengths of the rows were rounded, their sum of squares is known.
        trace = float(np.trace(product[j]))
        if trace > 0:
            product[j] *= p[j, ~blank[j]].sum() / trace
    return product, blank


def unit_single(X: NDArray[Any], p: Floats | None = None) -> tuple[Singles, Blank]:
    """Rows of length 1 (or √p) in float32, and which have no direction."""
    with np.errstate(over="ignore"):
        rows = np.array(X, dtype=np.float32)
        squares = np.einsum("ij,ij->i", rows, rows)
    blank = np.zeros(len(rows), dtype=bool)
    low, high = _RANGE
    odd = ~((squares > low) & (squares < high))
    if odd.any():
        rows[odd], blank[odd] = unit_and_blank(X[odd])
        squares[odd] = 1.0
    scale = 1.0 / np.sqrt(squares) if p is None else np.sqrt(p / squares)
    rows *= scale.astype(np.float32)[:, None]
    return rows, blank


def _of_rows(X: NDArray[Any], p: Floats) -> tuple[Floats, Blank]:
    """Gram matrix between rows: scaled after the product, where it is small."""
    rows = numbers(X, "features")
    with np.errstate(over="ignore", invalid="ignore"):
        product = np.asarray(rows @ rows.swapaxes(-1, -2))
    squares = np.diagonal(product, axis1=-2, axis2=-1)
    blank = np.zeros(squares.shape, dtype=bool)
    low, high = 1e-200, 1e200
    if ((squares > low) & (squares < high)).all():
        scale = np.sqrt(p / squares)
    else:
        rows, blank = unit_and_blank(rows)
        product, scale = rows @ rows.swapaxes(-1, -2), np.sqrt(p)
    product *= scale[..., :, None]
    product *= scale[..., None, :]
    return product, blank
