"""What a chosen set is good for: gains of single rows, updated as rows are chosen."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import numbers
from variegate.errors import DataError, UsageError

__all__ = ["Dispersion", "FacilityLocation", "KCenter", "LogDeterminant", "Objective", "rows_of"]

Floats = NDArray[np.float64]

BLOCK = 2**24  # entries of a block of similarities held at a time


class Objective(Protocol):
    """A set function seen from inside: what each row would add now."""

    bounded: bool  # monotone and submodular, so that gains only fall and a certificate is known

    def gains(self) -> Floats:
        """(n,) what each row would add to the set chosen so far; -inf where it cannot be added."""
        ...

    def add(self, row: int) -> None:
        """Put one row into the set."""
        ...


def rows_of(features: ArrayLike) -> Floats:
    """Check features (n, d) and scale them to rows of length 1; rows of zeros stay zeros."""
    x = numbers(features, "features")
    if x.ndim != 2:
        raise UsageError(f"Expected features of shape (n, d), got {x.shape}.")
    if not np.isfinite(x).all():
        bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
        raise DataError(
            f"Expected finite features, got NaN or Inf in {len(bad)} rows, first {bad[0]}.",
            hint="Leave those rows out.",
        )
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(lengths > 0, lengths, 1))


class FacilityLocation:
    """Every row should have a likeness among the chosen: Σ_v max_{a in S} max(0, cos(v, a)).

    Similarities below 0 count as 0, so that an empty set is worth 0. No n × n matrix is held:
    gains are read in blocks, n d operations a row.

    Args:
        features: (n, d) rows; they are scaled to length 1.

    Raises:
        DataError: NaN or Inf.

    Example:
        >>> FacilityLocation([[1, 0], [0, 1], [1, 0]]).gains().tolist()
        [2.0, 1.0, 2.0]
    """

    bounded = True

    def __init__(self, features: ArrayLike) -> None:
        self.x = rows_of(features)
        self.best = np.zeros(len(self.x))

    def gains(self) -> Floats:
        """(n,) what each row would add."""
        return self.gains_of(np.arange(len(self.x)))

    def gains_of(self, rows: NDArray[np.int64]) -> Floats:
        """What some rows would add: for lazy greedy, which asks for few."""
        found = np.empty(len(rows))
        size = max(1, BLOCK // max(1, len(self.x)))
        for start in range(0, len(rows), size):
            block = self.x[rows[start : start + size]] @ self.x.T
            found[start : start + size] = np.maximum(block - self.best, 0).sum(axis=1)
        return found

    def add(self, row: int) -> None:
        """Put one row into the set."""
        np.maximum(self.best, self.x @ self.x[row], out=self.best)


class LogDeterminant:
    """The chosen should differ: log det(I + K_S/λ), or log det K_S without a ridge.

    From features, K the Gram matrix of q_i x_i, by rank-one updates of a d × d inverse, n d
    operations a row (Sherman–Morrison); from a kernel by one row of its Cholesky factor (Chen).
    Without a ridge rows within rounding of the span of the chosen cannot be added, so at most
    rank(K) can.

    Args:
        features: (n, d) rows, scaled to length 1; or None.
        kernel: (n, n) similarities instead, positive semidefinite.
        quality: (n,) q_i, positive; K_ij is multiplied by q_i q_j.
        ridge: λ; 0 for the plain determinant.

    Raises:
        UsageError: neither or both of features and kernel, quality not positive, λ < 0.

    Example:
        >>> set_ = LogDeterminant(kernel=[[1, 0.9, 0], [0.9, 1, 0], [0, 0, 0.5]])
        >>> set_.add(0)
        >>> np.exp(set_.gains()).round(2).tolist()  # det of {0, 1} and {0, 2}
        [0.0, 0.19, 0.5]

    Reference:
        Chen 2018, https://arxiv.org/abs/1709.05135
    """

    def __init__(
        self,
        features: ArrayLike | None = None,
        *,
        kernel: ArrayLike | None = None,
        quality: ArrayLike | None = None,
        ridge: float = 0.0,
    ) -> None:
        if (features is None) == (kernel is None):
            raise UsageError("Expected features or a kernel, got both or neither.")
        if ridge < 0:
            raise UsageError(f"Expected ridge >= 0, got {ridge}.")
        self.bounded = ridge > 0
        self.ridge = ridge
        self.kernel: Floats | None = None
        if kernel is None:
            self.x = rows_of(features if features is not None else [])
            n = len(self.x)
        else:
            self.kernel = numbers(kernel, "kernel")
            n = len(self.kernel)
            if self.kernel.shape != (n, n) or not np.allclose(self.kernel, self.kernel.T):
                raise UsageError(f"Expected a symmetric kernel, got shape {self.kernel.shape}.")
            if not np.isfinite(self.kernel).all():
                raise DataError("Expected a finite kernel, got NaN or Inf in it.")
        q = np.ones(n) if quality is None else numbers(quality, "quality")
        if q.shape != (n,) or not (q > 0).all() or not np.isfinite(q).all():
            raise UsageError(f"Expected {n} positive qualities, got {q.shape}.")
        if self.kernel is None:
            self.x = self.x * q[:, None]
            self.residual = np.einsum("ij,ij->i", self.x, self.x)
        else:
            self.kernel = self.kernel * q[:, None] * q
            self.residual = self.kernel.diagonal().copy()
        self.start = self.residual.copy()
        self.chosen = np.zeros(n, dtype=bool)
        self.steps: list[Floats] = []  # one row of the Cholesky factor a step

    def gains(self) -> Floats:
        """(n,) log of what each row would multiply the determinant by."""
        if self.ridge:
            return np.where(
                self.chosen, -np.inf, np.log1p(np.maximum(self.residual, 0) / self.ridge)
            )
        # What is left of a row's square is rounding below this: it lies in the span.
        spanned = self.residual <= self.start * len(self.start) * 8 * np.finfo(float).eps
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(spanned | self.chosen, -np.inf, np.log(self.residual))

    def add(self, row: int) -> None:
        """Put one row into the set."""
        column = self.x @ self.x[row] if self.kernel is None else self.kernel[row]
        for step in self.steps:
            column = column - step[row] * step
        step = column / np.sqrt(self.residual[row] + self.ridge)
        self.steps.append(step)
        self.residual = self.residual - step**2
        self.chosen[row] = True


class KCenter:
    """Nobody should be far from the chosen: minus the largest distance to the nearest of them.

    Greedy takes the farthest row each time, which is within a factor 2 of the best radius. It
    seeks outliers by design. The first row is the one nearest to the mean.

    Args:
        features: (n, d) rows as they are (not scaled).

    Example:
        >>> from variegate.selection import greedy
        >>> greedy(KCenter([[0.0], [1.0], [10.0], [5.0]]), 3).indices.tolist()
        [3, 0, 2]

    Reference:
        Gonzalez 1985, https://doi.org/10.1016/0304-3975(85)90224-5
    """

    bounded = False

    def __init__(self, features: ArrayLike) -> None:
        rows_of(features)  # the checks
        self.x = numbers(features, "features")
        self.nearest: Floats | None = None

    def gains(self) -> Floats:
        """(n,) the distance of each row from the chosen."""
        if self.nearest is None:
            return np.asarray(-np.linalg.norm(self.x - self.x.mean(axis=0), axis=1))
        return np.where(self.nearest > 0, self.nearest, -np.inf)

    def add(self, row: int) -> None:
        """Put one row into the set."""
        away = np.linalg.norm(self.x - self.x[row], axis=1)
        self.nearest = away if self.nearest is None else np.minimum(self.nearest, away)


class Dispersion:
    """The chosen should be far from one another: Σ_{i<j in S} (1 - cos(i, j)).

    Greedy is within a factor 2 of the best sum. It leaves the middle empty. The first row is the
    one farthest from the mean direction.

    Args:
        features: (n, d) rows; they are scaled to length 1.

    Example:
        >>> from variegate.selection import greedy
        >>> greedy(Dispersion([[1, 0], [1, 1], [0, 1]]), 2).indices.tolist()
        [0, 2]
    """

    bounded = False

    def __init__(self, features: ArrayLike) -> None:
        self.x = rows_of(features)
        self.away = np.zeros(len(self.x))
        self.chosen = np.zeros(len(self.x), dtype=bool)

    def gains(self) -> Floats:
        """(n,) summed distance of each row from the chosen."""
        if not self.chosen.any():
            return np.asarray(-(self.x @ self.x.sum(axis=0)) / max(1, len(self.x)))
        return np.where(self.chosen, -np.inf, self.away)

    def add(self, row: int) -> None:
        """Put one row into the set."""
        self.away = self.away + 1 - self.x @ self.x[row]
        self.chosen[row] = True
