"""A kernel density estimate that says when it hangs on too few points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import as_array
from variegate.errors import UsageError
from variegate.metrics._arrays import finite

__all__ = ["Density", "kernel_density"]

ENOUGH = 10.0  # effective neighbours below which the central limit theorem is not to be relied on


@dataclass(frozen=True, kw_only=True)
class Density:
    """Densities at some points, and on how many points of the sample each rests."""

    log_density: NDArray[np.float64]  # nats, shape (n,)
    neighbours: NDArray[np.float64]  # effective number, from 1 to the size of the sample
    reliable: NDArray[np.bool_]  # at least ten of them
    width: float


def kernel_density(at: ArrayLike, sample: ArrayLike, *, width: float) -> Density:
    """Log-density by a Gaussian kernel, with the number of points each estimate rests on.

    ln (1/m) Σ_j N(x; y_j, h² I), and (Σ_j w_j)²/Σ_j w_j² effective neighbours for its terms w_j.
    In many dimensions a few nearest points make up the whole sum unless m grows as e^d; the
    average then has no central limit, and neighbour distances (`knn_entropy`) serve better.

    Args:
        at: (n, d) or (n,) where.
        sample: (m, d) or (m,) points drawn from the distribution.
        width: h, in the unit of the points.

    Returns:
        A `Density`; `reliable` is false where fewer than ten points carry the estimate.

    Raises:
        DataError: NaN or Inf.
        UsageError: other dimensions, an empty sample, or a width that is not positive.

    Example:
        >>> import numpy as np
        >>> sample = np.random.default_rng(0).standard_normal(2000)
        >>> here = kernel_density([0.0, 8.0], sample, width=0.2)
        >>> here.reliable.tolist(), round(float(np.exp(here.log_density[0])), 1)
        ([True, False], 0.4)

    Reference:
        Biroli 2024, https://arxiv.org/abs/2408.05807
    """
    x, y = (_points(rows, name) for rows, name in ((at, "points"), (sample, "sample")))
    if x.shape[1] != y.shape[1] or not len(y):
        raise UsageError(
            f"Expected points and a sample of one dimension, got {x.shape} and {y.shape}."
        )
    if not (width > 0 and np.isfinite(width)):
        raise UsageError(f"Expected a width > 0, got {width}.")
    log_density, neighbours = np.empty(len(x)), np.empty(len(x))
    rows = max(1, 2**24 // len(y))
    for start in range(0, len(x), rows):
        block = x[start : start + rows]
        squared = (block**2).sum(1)[:, None] + (y**2).sum(1) - 2 * block @ y.T
        logs = -np.maximum(squared, 0) / (2 * width**2)
        top = logs.max(axis=1, keepdims=True)
        w = np.exp(logs - top)
        total = w.sum(axis=1)
        log_density[start : start + rows] = top[:, 0] + np.log(total)
        neighbours[start : start + rows] = total**2 / (w**2).sum(axis=1)
    log_density -= np.log(len(y)) + x.shape[1] * np.log(width * np.sqrt(2 * np.pi))
    return Density(
        log_density=log_density,
        neighbours=neighbours,
        reliable=neighbours >= ENOUGH,
        width=float(width),
    )


def _points(values: ArrayLike, name: str) -> NDArray[np.float64]:
    given = as_array(values, name)
    rows = finite(given, name, axes=given.ndim)
    if rows.ndim not in (1, 2):
        raise UsageError(f"Expected {name} of shape (n, d) or (n,), got {rows.shape}.")
    return rows.reshape(len(rows), -1) if rows.size else rows.reshape(len(rows), 0)
