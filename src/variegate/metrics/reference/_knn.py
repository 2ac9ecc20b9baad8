"""Entropy and divergence of continuous features, from nearest-neighbour distances."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from variegate.divergences import two_sets
from variegate.errors import DataError
from variegate.metrics.reference._neighbours import kth_squared_distance

__all__ = ["knn_entropy", "knn_kl"]


def knn_entropy(x: ArrayLike, *, k: int = 4) -> float:
    """Differential entropy of the distribution a set was drawn from (Kozachenko–Leonenko).

    H = ψ(n) - ψ(k) + ln c_d + (d/n) Σ ln r_k, with r_k the distance to the k-th neighbour, c_d
    the volume of the unit ball and ψ the digamma function.

    Args:
        x: (n, d) or (n,) points.
        k: neighbour; more is smoother and more biased.

    Returns:
        Nats, from -inf to inf; ln(2πe)/2 = 1.419 a dimension for a standard normal. It moves by
        d ln s when the points are scaled by s. -inf where a point has k copies, and falling
        with n for points on a surface (rows of length 1): they have no density.

    Raises:
        DataError: NaN or Inf.
        UsageError: fewer than k + 1 points.

    Example:
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).standard_normal((2000, 2))
        >>> round(knn_entropy(rows), 1)  # ln(2 pi e) = 2.84
        2.8

    No entry of `measure`: it needs many more outputs than features have dimensions. Intervals:
    `estimate.subsampled`.

    Source: `Kozachenko 1987 <https://www.mathnet.ru/eng/ppi797>`_.
    """
    from scipy.special import digamma, gammaln

    points, _ = two_sets(x, x)
    n, d = points.shape
    volume = d / 2 * math.log(math.pi) - float(gammaln(d / 2 + 1))
    with np.errstate(divide="ignore"):
        logs = np.log(kth_squared_distance(points, k=k)) / 2
    return float(digamma(n) - digamma(k) + volume + d * logs.mean())


def knn_kl(x: ArrayLike, y: ArrayLike, *, k: int = 4) -> float:
    """KL divergence of the distributions two sets were drawn from, without densities.

    KL(P ‖ Q) = (d/n) Σ ln(ν_k/ρ_k) + ln(m/(n - 1)), with ρ_k the distance of a point of x to
    its k-th neighbour in x, ν_k to that in y.

    Args:
        x: (n, d) or (n,) points drawn from P.
        y: (m, d) or (m,) points drawn from Q.
        k: neighbour; more is smoother and more biased.

    Returns:
        Nats, about 0 for the same distribution, where it may be negative; up to inf. Not
        changed by scaling both.

    Raises:
        DataError: NaN or Inf, or a point with k copies, where there is no density.
        UsageError: sets of other dimension, or k beyond the neighbours there are.

    Example:
        >>> import numpy as np
        >>> generator = np.random.default_rng(0)
        >>> x, y = generator.standard_normal(3000), generator.standard_normal(3000) + 1
        >>> round(knn_kl(x, y), 1)  # half the squared shift
        0.5

    No entry of `measure`: samples hold no reference set. Intervals: `estimate.subsampled`.

    Source: `Pérez-Cruz 2008 <https://doi.org/10.1109/ISIT.2008.4595271>`_.
    """
    left, right = two_sets(x, y)
    own = kth_squared_distance(left, k=k)
    other = kth_squared_distance(left, right, k=k)
    copies = int(((own == 0) | (other == 0)).sum())
    if copies:
        raise DataError(
            f"Expected points that differ, got {copies} with {k} copies at the same place.",
            hint="Leave the copies out, or take a larger k.",
        )
    n, d = left.shape
    return float(d * np.log(other / own).mean() / 2 + math.log(len(right) / (n - 1)))
