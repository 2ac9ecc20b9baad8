"""Nearest neighbours: blocks of matrix products against trees and whole tables of distances."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Iterator

import numpy as np

from bench.clock import Row, difference, package, race
from variegate.metrics import knn_entropy, knn_kl, prdc, probabilistic_precision_recall


def rows() -> Iterator[Row]:
    from scipy.spatial import KDTree
    from scipy.special import digamma, gammaln

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 2000, 384))
    n, d, k = 2000, 384, 4
    peer = package("prdc")

    def by_prdc() -> list[float]:
        with contextlib.redirect_stdout(io.StringIO()):
            found = peer.compute_prdc(x, y, nearest_k=5)
        return [found[name] for name in ("precision", "recall", "density", "coverage")]

    def entropy_by_tree() -> float:
        radii = KDTree(x).query(x, k + 1)[0][:, k]
        volume = d / 2 * math.log(math.pi) - gammaln(d / 2 + 1)
        return float(digamma(n) - digamma(k) + volume + d * np.log(radii).mean())

    def kl_by_tree() -> float:
        own = KDTree(x).query(x, k + 1)[0][:, k]
        other = KDTree(y).query(x, k)[0][:, k - 1]
        return float(d * np.log(other / own).mean() + math.log(n / (n - 1)))

    def soft_by_row() -> list[float]:
        def radius(points: np.ndarray) -> float:
            each = [np.partition(np.linalg.norm(points - p, axis=1), k)[k] for p in points]
            return 1.2 * float(np.mean(each))

        def inside(points: np.ndarray, among: np.ndarray, reach: float) -> float:
            gaps = [np.linalg.norm(among - p, axis=1) / reach for p in points]
            return float(np.mean([1 - np.prod(np.minimum(gap, 1)) for gap in gaps]))

        return [inside(y, x, radius(x)), inside(x, y, radius(y))]

    def soft() -> list[float]:
        fit = probabilistic_precision_recall(x, y, k=k)
        return [fit.precision, fit.recall]

    def hard() -> list[float]:
        fit = prdc(x, y)
        return [fit.precision, fit.recall, fit.density, fit.coverage]

    yield race(
        "precision, recall, density, coverage, 2,000 × 384",
        hard,
        by_prdc if peer else None,
        peer_name="prdc: matrix products too, through scikit-learn",
        agree=difference,
    )
    yield race(
        "soft precision and recall, 2,000 × 384",
        soft,
        soft_by_row,
        peer_name="plain loop over rows",
        agree=difference,
        once=True,
    )
    yield race(
        "entropy by neighbours, 2,000 × 384",
        lambda: knn_entropy(x, k=k),
        entropy_by_tree,
        peer_name="scipy KDTree, as estimators usually do",
        agree=difference,
        once=True,
    )
    yield race(
        "KL by neighbours, 2,000 × 384",
        lambda: knn_kl(x, y, k=k),
        kl_by_tree,
        peer_name="scipy KDTree, as estimators usually do",
        agree=difference,
        once=True,
    )
