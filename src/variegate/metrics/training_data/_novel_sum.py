"""NovelSum: how much new each item of a data set brings, where items are dense and where not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import as_array
from variegate.errors import UnknownName, UsageError
from variegate.metrics._arrays import unit_rows

__all__ = ["novel_sum"]

Floats = NDArray[np.float64]

_BLOCK = 4_000_000  # entries of one block of distances: 32 MB


def novel_sum(
    features: ArrayLike,
    *,
    reference: ArrayLike | None = None,
    proximity: float = 1.0,
    density: float = 0.5,
    k: int = 10,
    density_of: Literal["item", "other"] = "item",
    floor: float = 1e-2,
    itself: bool = False,
) -> float:
    """Mean novelty of the items of a set: distances to the others, the near ones counting most.

    An item's novelty is Σ_r r^(-α) Δ_r / Σ_r r^(-α) over its distances Δ in rising order, with
    Δ_ij = σ (1 - cosine_ij) and σ = (mean squared distance to the k nearest)^(-β) of rows of
    length 1: in a dense part of the space the same distance is worth more. The two readings of
    σ are both named: that of the item itself, as in the released code, where it is one factor
    of the whole row; or that of the other, as in the paper's text, where it changes the order.

    Args:
        features: (n, d); rows are brought to length 1.
        reference: (m, d) items that densities are told from; by default the set itself, each
            item without itself.
        proximity: α ≥ 0; 0 counts all distances the same.
        density: β ≥ 0; 0 leaves density out.
        k: neighbours behind a density; all there are if fewer.
        density_of: ``"item"`` or ``"other"``.
        floor: least mean squared distance, in [0, 4]: k copies of an item would make its
            density, and the sum, explode. The released code stops at 1e-9 only.
        itself: count the distance 0 of an item to itself as its nearest, as the released code
            does; that takes the largest weight.

    Returns:
        From 0 (all the same) up to 2 floor^(-β). With α = β = 0 the mean pairwise cosine
        distance, or (n - 1)/n of it with `itself`. It moves with n: compare equal n, features
        and settings. A row of zeros is at distance 1 from all. NaN for fewer than two items.

    Raises:
        DataError: NaN or Inf.
        UsageError: settings out of range, an empty reference or one of other dimension.
        UnknownName: another reading of density.

    Example:
        >>> import numpy as np
        >>> round(novel_sum(np.eye(4), proximity=0, density=0), 6)
        1.0
        >>> round(novel_sum([[1, 0], [1, 0], [0, 1]], density=0), 4)
        0.5556

    Time n² (d + ln n); distances are held a block of rows at a time.

    No entry of `measure`: it asks of a training set, not of outputs to a prompt. Intervals:
    `estimate.subsampled`.

    Source: `Yang 2025 <https://arxiv.org/abs/2502.17184>`_.
    """
    if density_of not in ("item", "other"):
        raise UnknownName("density_of", density_of, ["item", "other"])
    if not (proximity >= 0 and density >= 0 and k >= 1 and 0 < floor <= 4):
        raise UsageError(
            "Expected proximity and density of at least 0, k of at least 1 and a floor in "
            f"(0, 4], got {proximity}, {density}, {k} and {floor}."
        )
    rows = _rows(features)
    others = rows if reference is None else _rows(reference)
    n = len(rows)
    if n < 2:
        return float("nan")
    if not len(others) or others.shape[1] != rows.shape[1]:
        raise UsageError(f"Expected a reference of shape (m, {rows.shape[1]}), got {others.shape}.")
    sigma = _density(rows, None if reference is None else others, k, floor, density)
    ranks = np.arange(1, n + itself, dtype=np.float64)
    weights = ranks**-proximity / (ranks**-proximity).sum()
    total = 0.0
    for start, cosine in _distances(rows, rows):
        block = np.arange(start, start + len(cosine))
        distances = cosine * sigma if density_of == "other" else cosine * sigma[block, None]
        # Below every distance, so that sorting puts an item itself first, whatever rounding did.
        distances[np.arange(len(block)), block] = -1.0
        ordered = np.sort(distances, axis=1)
        if itself:
            ordered[:, 0] = 0.0
        total += float((ordered[:, 0 if itself else 1 :] @ weights).sum())
    return total / n


def _density(rows: Floats, reference: Floats | None, k: int, floor: float, power: float) -> Floats:
    others = rows if reference is None else reference
    k = min(k, len(others) - (reference is None))
    spread = np.empty(len(rows))
    for start, cosine in _distances(rows, others):
        block = np.arange(len(cosine))
        if reference is None:
            cosine[block, start + block] = np.inf
        nearest = np.partition(cosine, k - 1, axis=1)[:, :k]
        # Rows of length 1: the squared distance is twice one minus the cosine.
        spread[start + block] = 2 * nearest.mean(axis=1)
    density: Floats = np.maximum(spread, floor) ** -power
    return density


def _distances(x: Floats, y: Floats) -> Iterator[tuple[int, Floats]]:
    """(first row, cosine distances of a block of rows of x to all of y)."""
    step = max(1, _BLOCK // len(y))
    for start in range(0, len(x), step):
        yield start, np.maximum(1 - x[start : start + step] @ y.T, 0.0)


def _rows(features: ArrayLike) -> Floats:
    array = as_array(features, "features")
    if array.ndim != 2:
        raise UsageError(f"Expected features of shape (n, d), got {array.shape}.")
    return unit_rows(array)
