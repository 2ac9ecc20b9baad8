"""Moments: all that Vendi scores and mean distances need to know of a set, however large."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from variegate.errors import DataError, UsageError
from variegate.estimate import Estimate
from variegate.metrics._arrays import unit_and_blank
from variegate.metrics.similarity._vendi import effective_number, without_dust

__all__ = ["Blocks", "Moments"]

Floats = NDArray[np.float64]

_MEMORY = 2**29  # bytes that second moments may take, before there are fewer blocks than asked for
_LEAST = 8  # blocks that there are whatever they take


class Blocks:
    """Deals rows out at random to blocks of one size, or whole groups of rows, for intervals.

    Args:
        count: blocks.
        seed: of the deal.
    """

    def __init__(self, count: int, *, seed: int = 0) -> None:
        if count < 2:
            raise UsageError(f"Expected at least 2 blocks, got {count}.")
        self.count, self.seed, self.dealt = count, seed, 0
        self._random = np.random.default_rng(seed)

    def deal(self, rows: int, groups: Sequence[Any] | pl.Series | None = None) -> NDArray[np.intp]:
        """(rows,) the block of each of the next rows."""
        if groups is not None:
            names = pl.Series(groups, strict=False)
            if len(names) != rows:
                raise UsageError(f"Expected a group for each of {rows} rows, got {len(names)}.")
            return (names.hash(self.seed) % self.count).to_numpy().astype(np.intp)
        # Sizes differ by at most one, and the order of a sorted file plays no part.
        block = (self.dealt + np.arange(rows)) % self.count
        self._random.shuffle(block)
        self.dealt += rows
        return block


class Moments:
    """The number, the sum and the second moment of a set that is seen a chunk at a time.

    Vendi scores of every order and the mean distance of pairs need no more of n rows of d
    features than a d × d matrix. `add` the chunks in any order, then ask. The rows are dealt at
    random to blocks, and intervals delete one block at a time: a bootstrap would draw rows
    twice, and doubles are what these scores count.

    Args:
        blocks: parts of the set for the intervals; fewer, at least 8, where d is so large that
            they would take more than 0.5 GB.
        nan: what to do with rows that hold NaN or Inf: refuse them, or leave them out and count
            them in `skipped`.
        seed: of the deal.

    Example:
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).standard_normal((4000, 8))
        >>> moments = Moments()
        >>> for chunk in np.split(rows, 4):
        ...     moments = moments.add(chunk)
        >>> moments.n, round(moments.vendi().value, 2), round(moments.pairwise().value, 2)
        (4000, 7.99, 1.0)
    """

    def __init__(
        self, *, blocks: int = 32, nan: Literal["error", "skip"] = "error", seed: int = 0
    ) -> None:
        if nan not in ("error", "skip"):
            raise UsageError(f"Expected nan to be 'error' or 'skip', got {nan!r}.")
        self._blocks = Blocks(blocks, seed=seed)
        self._nan = nan
        self._rows = np.zeros(0, dtype=np.int64)
        self._blank = np.zeros(0, dtype=np.int64)
        self._sum: Floats = np.zeros((0, 0))
        self._second: Floats = np.zeros((0, 0, 0))
        self.skipped = 0

    @property
    def n(self) -> int:
        """Rows that count."""
        return int(self._rows.sum())

    @property
    def blank(self) -> int:
        """Rows of zeros among them."""
        return int(self._blank.sum())

    def add(self, features: ArrayLike, *, groups: Sequence[Any] | pl.Series | None = None) -> Self:
        """Take in a chunk of rows.

        Args:
            features: (m, d); rows are brought to length 1, and a row of zeros is an item unlike
                all others.
            groups: (m,) names of what rows belong together, as those of one prompt; they share
                a block, so that the intervals are over groups.

        Returns:
            Itself.

        Raises:
            DataError: NaN or Inf, with the first rows that hold them, counted over all chunks.
            UsageError: chunks of other width.

        Example:
            >>> Moments().add([[1, 0], [0, 1]]).add([[0, 1]]).n
            3
        """
        chunk = np.asarray(features)
        if chunk.ndim != 2:
            raise UsageError(f"Expected features of shape (n, d), got {chunk.shape}.")
        self._open(chunk.shape[1])
        block = self._blocks.deal(len(chunk), groups)
        sound = self._sound(chunk)
        for b in np.unique(block[sound]):
            rows, blank = unit_and_blank(chunk[sound & (block == b)])
            self._rows[b] += len(rows)
            self._blank[b] += int(blank.sum())
            self._sum[b] += rows.sum(axis=0)
            self._second[b] += rows.T @ rows
        return self

    def vendi(self, q: float = 1.0, *, level: float = 0.95) -> Estimate:
        """Effective number of different items: `variegate.metrics.vendi` of all rows.

        Args:
            q: order in [0, ∞].
            level: of the interval.

        Returns:
            1 (all the same) to n (no two have anything in common), at most d where no row is
            zeros. NaN without a row, no interval with fewer than two blocks. The interval is
            for sets of this n; the score grows with n until n is many times d.

        Raises:
            UsageError: a negative q.

        Example:
            >>> Moments().add([[1, 0], [1, 0], [0, 1], [0, 1]]).vendi(2).value
            2.0

        Source: `Friedman 2022 <https://arxiv.org/abs/2210.02410>`_.
        """
        if math.isnan(q) or q < 0:
            raise UsageError(f"Expected an order q of at least 0, got {q}.")

        def score(n: int, blank: int, _: Floats, second: Floats) -> float:
            lam = np.linalg.eigvalsh(second / n)
            shares = np.concatenate([lam, np.full(blank, 1.0 / n)])
            return float(effective_number(without_dust(shares, n), q))

        return self._estimate(score, low=1.0, level=level)

    def pairwise(self, *, level: float = 0.95) -> Estimate:
        """One minus the mean cosine of pairs: `variegate.metrics.pairwise_diversity` of all rows.

        Args:
            level: of the interval.

        Returns:
            0 (all point the same way) to n / (n - 1); 1: unrelated. NaN for n < 2, no interval
            with fewer than two blocks.

        Example:
            >>> Moments().add([[1, 0], [1, 0], [0, 1]]).pairwise().value
            0.666...

        Source: `Kirk 2023 <https://arxiv.org/abs/2310.06452>`_.
        """

        def score(n: int, blank: int, total: Floats, _: Floats) -> float:
            if n < 2:
                return float("nan")
            return max(1.0 - (float(total @ total) - (n - blank)) / (n * (n - 1)), 0.0)

        return self._estimate(score, low=0.0, level=level)

    def _open(self, width: int) -> None:
        if self._sum.shape[1] == width:
            return
        if self._rows.any() or self.skipped:
            raise UsageError(f"Expected rows of {self._sum.shape[1]} features, got {width}.")
        if width == 0:
            raise UsageError("Expected at least one feature a row, got none.")
        most = max(_LEAST, _MEMORY // (8 * width * width))
        if most < self._blocks.count:
            self._blocks = Blocks(most, seed=self._blocks.seed)
        count = self._blocks.count
        self._rows, self._blank = np.zeros((2, count), dtype=np.int64)
        self._sum, self._second = np.zeros((count, width)), np.zeros((count, width, width))

    def _sound(self, chunk: NDArray[Any]) -> NDArray[np.bool_]:
        sound: NDArray[np.bool_] = np.isfinite(chunk).all(axis=1)
        bad = np.flatnonzero(~sound)
        if len(bad) and self._nan == "error":
            first = ", ".join(str(self.n + row) for row in bad[:5])
            raise DataError(
                f"Expected finite features, got NaN or Inf in {len(bad)} rows of a chunk, "
                f"first at {first}.",
                hint="Find out why they have no numbers, or leave them out with nan='skip'.",
            )
        self.skipped += len(bad)
        return sound

    def _estimate(
        self, score: Callable[[int, int, Floats, Floats], float], *, low: float, level: float
    ) -> Estimate:
        there = np.flatnonzero(self._rows)
        n, blank = self.n, self.blank
        if not n:
            return _without_interval(float("nan"), 0, level, "no rows")
        total, second = self._sum.sum(axis=0), self._second.sum(axis=0)
        value = score(n, blank, total, second)
        if math.isnan(value):
            return _without_interval(value, n, level, "needs at least 2 rows")
        if len(there) < 2 or n < 3:
            return _without_interval(value, n, level, "fewer than two blocks give no interval")
        without = np.array(
            [
                score(
                    n - int(self._rows[b]),
                    blank - int(self._blank[b]),
                    total - self._sum[b],
                    second - self._second[b],
                )
                for b in there
            ]
        )
        if not np.isfinite(without).all():
            return _without_interval(value, n, level, "one block holds all rows but one")
        error = _block_error(value, without, self._rows[there])
        from scipy.special import stdtrit

        reach = float(stdtrit(len(there) - 1, (1 + level) / 2)) * error
        return Estimate(
            value=value,
            low=max(low, value - reach),
            high=value + reach,
            n_prompts=1,
            level=level,
            method=f"jackknife, delete one of {len(there)} blocks",
            note=f"{self.skipped} rows with NaN or Inf left out" if self.skipped else "",
            settings={"n": n, "blank": blank, "standard_error": error, "seed": self._blocks.seed},
        )


def _block_error(value: float, without: Floats, sizes: NDArray[np.int64]) -> float:
    """Standard error of the jackknife that deletes blocks of these sizes."""
    times = sizes.sum() / sizes
    pseudo = times * value - (times - 1) * without
    centre = len(sizes) * value - float(np.sum((1 - 1 / times) * without))
    return math.sqrt(float(np.mean((pseudo - centre) ** 2 / (times - 1))))


def _without_interval(value: float, n: int, level: float, note: str) -> Estimate:
    nan = float("nan")
    return Estimate(
        value=value, low=nan, high=nan, n_prompts=1, level=level, note=note, settings={"n": n}
    )
