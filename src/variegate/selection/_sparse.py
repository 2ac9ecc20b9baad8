"""Keep what falls where the pool is thin."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError
from variegate.selection._objectives import rows_of

__all__ = ["in_sparse_clusters"]


def in_sparse_clusters(
    features: ArrayLike,
    candidates: ArrayLike | None = None,
    *,
    clusters: int | None = None,
    share: float = 0.5,
    seed: int = 0,
) -> NDArray[np.bool_]:
    """Say which rows lie in the smallest clusters of a pool.

    k-means on unit rows; a row is kept if its nearest centre belongs to the smallest `share` of
    the clusters. Adding only such rows evens out a pool that is thick in a few places.

    Args:
        features: (n, d) the pool, e.g. gradients of examples.
        candidates: (m, d) rows to judge; the pool itself by default.
        clusters: a tenth of the pool by default, at least 2; at most the rows that differ.
        share: of the clusters that count as sparse.
        seed: of the k-means.

    Returns:
        (m,) booleans.

    Raises:
        UsageError: an empty pool, a share outside (0, 1], or fewer than one cluster.
        DataError: NaN or Inf.

    Example:
        >>> pool = [[1.0, 0.0]] * 9 + [[0.0, 1.0]]
        >>> in_sparse_clusters(pool, clusters=2).tolist().index(True)
        9

    Reference:
        Jung 2025, https://arxiv.org/abs/2505.20161
    """
    from sklearn.cluster import KMeans

    x = rows_of(features)
    if not len(x) or not 0 < share <= 1 or (clusters is not None and clusters < 1):
        raise UsageError(
            f"Expected a pool, a share in (0, 1] and clusters >= 1, got {len(x)} rows, {share} "
            f"and {clusters}."
        )
    wanted = max(2, len(x) // 10) if clusters is None else clusters
    k = min(wanted, len(np.unique(x, axis=0)))  # copies cannot be parted
    fitted = KMeans(n_clusters=k, n_init=1, max_iter=20, random_state=seed).fit(x)
    sizes = np.bincount(fitted.labels_, minlength=k)
    sparse = np.zeros(k, dtype=bool)
    sparse[np.argsort(sizes, kind="stable")[: max(1, int(share * k))]] = True
    labels = fitted.labels_ if candidates is None else fitted.predict(rows_of(candidates))
    return np.asarray(sparse[labels])
