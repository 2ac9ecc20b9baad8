"""Coverage of a reference set by a set that is seen a chunk at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import numbers
from variegate.divergences import two_sets
from variegate.errors import UsageError
from variegate.estimate import Estimate
from variegate.metrics._arrays import finite
from variegate.metrics.reference._neighbours import inside, kth_squared_distance, rim
from variegate.metrics.similarity._moments import Blocks

__all__ = ["Coverage"]

_TWICE = 2  # blocks that hit a ball: whichever is deleted, the ball stays covered


class Coverage:
    """Share of a reference set that has some row of a set of any size near it.

    The `coverage` of `variegate.metrics.prdc`: a reference point is covered if a row is nearer to
    it than its k-th neighbour among the reference points. Only reference points that not yet two
    blocks of rows have covered are compared with further rows, so the work per row falls as the
    set is read.

    Args:
        reference: (m, d) features of the reference, held in memory; taken as they are, so bring
            both sets to length 1 where directions alone count.
        k: the neighbour that makes the balls.
        blocks: parts of the set for the interval.
        seed: of the deal of rows to blocks.

    Raises:
        DataError: NaN or Inf.
        UsageError: k beyond the neighbours there are.

    Example:
        >>> covered = Coverage([[0.0], [1.0], [2.0], [9.0]], k=1)
        >>> covered.add([[0.1], [0.9]]).add([[1.1], [1.9]]).estimate().value
        0.75
    """

    def __init__(
        self, reference: ArrayLike, *, k: int = 5, blocks: int = 32, seed: int = 0
    ) -> None:
        self._centre = np.mean(numbers(reference, "reference"), axis=0)
        self._reference, _ = two_sets(reference, reference)
        self._radius = kth_squared_distance(self._reference, k=k)
        self._blocks = Blocks(blocks, seed=seed)
        self._dealt = np.zeros(blocks, dtype=np.int64)
        self._hits = np.zeros(len(self._reference), dtype=np.int64)
        self._by = np.full(len(self._reference), -1, dtype=np.int64)
        self.n, self.n_reference, self.k = 0, len(self._reference), k

    def add(self, features: ArrayLike, *, groups: Sequence[Any] | pl.Series | None = None) -> Self:
        """Take in a chunk of rows.

        Args:
            features: (m, d).
            groups: (m,) names of what rows belong together, as those of one prompt.

        Returns:
            Itself.

        Raises:
            DataError: NaN or Inf.
            UsageError: rows of other width than the reference.

        Example:
            >>> Coverage([[0.0], [1.0]], k=1).add([[0.5]]).n
            1
        """
        chunk = finite(features, "features", axes=2)
        if chunk.ndim != 2 or chunk.shape[1] != self._reference.shape[1]:
            raise UsageError(
                f"Expected features of shape (n, {self._reference.shape[1]}), got {chunk.shape}."
            )
        block = self._blocks.deal(len(chunk), groups)
        self._dealt += np.bincount(block, minlength=len(self._dealt))
        self.n += len(chunk)
        open_ = np.flatnonzero(self._hits < _TWICE)
        if not len(open_) or not len(chunk):
            return self
        rows = chunk - self._centre
        centres, radii = self._reference[open_], self._radius[open_]
        for part, (within,) in inside(centres, rows, (radii - rim(centres, radii))[:, None]):
            self._count(open_[part], within, block)
        return self

    def estimate(self, *, level: float = 0.95) -> Estimate:
        """Share of the reference that is covered.

        Args:
            level: of the interval, which is that of a share of m points (Wilson) at the number
                of points that explains, beside the draw of the reference, also what changes as
                one block of rows is deleted.

        Returns:
            0 (no reference point has a row near it) to 1 (all have). Grows with the number of
            rows. NaN without a row.

        Example:
            >>> Coverage([[0.0], [1.0]], k=1).add([[5.0]]).estimate().value
            0.0

        Source: `Naeem 2020 <https://arxiv.org/abs/2002.09797>`_.
        """
        m, nan = len(self._hits), float("nan")
        if not self.n:
            return Estimate(value=nan, low=nan, high=nan, n_prompts=1, level=level, note="no rows")
        value = float((self._hits > 0).mean())
        of_rows = self._error_of_rows()
        low, high = _wilson(value, _points_worth(value, m, of_rows), level)
        return Estimate(
            value=value,
            low=low,
            high=high,
            n_prompts=1,
            level=level,
            method="Wilson, with the jackknife over blocks",
            settings={
                "n": self.n,
                "n_reference": m,
                "k": self.k,
                "error_of_rows": of_rows,
                "seed": self._blocks.seed,
            },
        )

    def _count(
        self, points: NDArray[np.intp], within: NDArray[np.bool_], block: NDArray[np.intp]
    ) -> None:
        hit = within.any(axis=1)
        fresh = hit & (self._by[points] < 0)
        self._by[points[fresh]] = block[within[fresh].argmax(axis=1)]
        another = hit & (within & (block != self._by[points][:, None])).any(axis=1)
        self._hits[points] = np.where(another, _TWICE, np.maximum(self._hits[points], hit))

    def _error_of_rows(self) -> float:
        """Standard error from deleting one block at a time: it loses what it alone covers."""
        alone = self._by[self._hits == 1]
        lost = np.bincount(alone, minlength=self._blocks.count) / len(self._hits)
        lost = lost[self._dealt > 0]
        blocks = len(lost)
        return math.sqrt((blocks - 1) / blocks * float(np.sum((lost - lost.mean()) ** 2)))


def _points_worth(share: float, points: int, of_rows: float) -> float:
    """How many independent points have the variance of both draws together."""
    own = share * (1 - share)
    return own / (own / points + of_rows**2) if own else float(points)


def _wilson(share: float, points: float, level: float) -> tuple[float, float]:
    from scipy.special import ndtri

    z = float(ndtri((1 + level) / 2))
    middle = (share + z * z / (2 * points)) / (1 + z * z / points)
    reach = (
        z / (1 + z * z / points) * math.sqrt(share * (1 - share) / points + (z / points / 2) ** 2)
    )
    return max(0.0, middle - reach), min(1.0, middle + reach)
