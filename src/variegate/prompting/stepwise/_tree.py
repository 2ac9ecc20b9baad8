"""Tree search over begun answers: how wide each grows, and which are kept."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError

__all__ = ["ets_select", "rebase_widths"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def rebase_widths(scores: ArrayLike, *, width: int, temperature: float = 0.2) -> Ints:
    """Children of each begun answer: a width shared out in proportion to exp(score / T).

    From the best score down, each takes ⌈width left · its share of the weight left⌉, so the
    widths add up to `width` and rounding favours the best.

    Args:
        scores: (N,) step scores.
        width: children to share out.
        temperature: T; small for the best alone.

    Returns:
        (N,) whole numbers, in the order of the scores; 0 where nothing was left.

    Raises:
        UsageError: scores that are not finite, width < 0, or T <= 0.

    Example:
        >>> rebase_widths([0.9, 0.5, 0.1], width=8).tolist()
        [7, 1, 0]
    """
    r = np.asarray(scores, dtype=np.float64)
    if r.ndim != 1 or not np.isfinite(r).all() or width < 0 or temperature <= 0:
        raise UsageError("Expected finite scores, width >= 0 and temperature > 0.")
    weights = np.exp((r - r.max(initial=-np.inf)) / temperature) if len(r) else r
    widths = np.zeros(len(r), dtype=np.int64)
    left = width
    order = np.argsort(-r, kind="stable")
    # What is left is summed from its own terms: subtracting would leave rounding to share out.
    rest = np.cumsum(weights[order][::-1])[::-1]
    for place, i in enumerate(order):
        if left <= 0:
            break
        share = float(weights[i] / rest[place]) if rest[place] > 0 else 1.0
        widths[i] = min(left, math.ceil(left * share - 1e-12))
        left -= int(widths[i])
    return widths


def ets_select(
    widths: ArrayLike,
    ancestors: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    node_cost: float = 1.0,
    coverage: float = 1.45,
) -> NDArray[np.bool_]:
    """Leaves worth keeping: reward mass against size of the tree and coverage of ideas.

    Over sets of leaves x, never empty, the exact maximum of

        Σ o_i x_i - b / (M + N) · (ancestors kept + leaves kept) + s / K · (clusters kept)

    with o the widths over their sum, M ancestors, N leaves, K clusters: an integer program, solved
    by scipy (HiGHS). An ancestor is kept when a leaf under it is.

    Args:
        widths: (N,) what each leaf would get, from `rebase_widths`.
        ancestors: (N, M) booleans: which nodes a leaf lies under.
        clusters: (N,) labels of leaves that say the same; None for no coverage.
        node_cost: b. 0 with s = 0 keeps all leaves of any width: REBASE. Very large: one leaf.
        coverage: s. Very large: a leaf of every cluster.

    Returns:
        (N,) which leaves are kept, at least one.

    Raises:
        UsageError: other shapes, or negative widths, cost or coverage.

    Example:
        >>> under = [[1, 0], [1, 0], [0, 1]]
        >>> ets_select([6, 1, 1], under, [0, 0, 1], node_cost=0.5, coverage=0).tolist()
        [True, True, False]
        >>> ets_select([6, 1, 1], under, [0, 0, 1], node_cost=100, coverage=0).tolist()
        [True, False, False]

    Reference: `Hooper 2025 <https://arxiv.org/abs/2502.13575>`_.
    """
    w = np.asarray(widths, dtype=np.float64)
    under = np.asarray(ancestors, dtype=bool).reshape(len(w), -1)
    labels = np.zeros(len(w), dtype=np.int64) if clusters is None else np.asarray(clusters)
    if not len(w) or labels.shape != w.shape or (w < 0).any() or min(node_cost, coverage) < 0:
        raise UsageError("Expected N >= 1 widths >= 0, N rows of ancestors and N clusters.")
    if not w.any():
        raise UsageError("Expected a leaf of positive width.")
    if clusters is None:
        coverage = 0.0
    if node_cost == 0:
        return w > 0 if coverage == 0 else _with_coverage(w, labels)
    return _solved(w / w.sum(), under, labels, node_cost=node_cost, coverage=coverage)


def _with_coverage(w: Floats, labels: Ints) -> NDArray[np.bool_]:
    """Nothing costs anything: all that gains, and one of every cluster that gains nothing else."""
    kept = w > 0
    for label in np.unique(labels):
        inside = np.flatnonzero(labels == label)
        if not kept[inside].any():
            kept[inside[0]] = True
    return kept


def _solved(
    o: Floats, under: NDArray[np.bool_], labels: Ints, *, node_cost: float, coverage: float
) -> NDArray[np.bool_]:
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import lil_matrix

    n, m = under.shape
    names, cluster = np.unique(labels, return_inverse=True)
    k = len(names)
    price = node_cost / (m + n)
    gain = np.concatenate([o - price, np.full(m, -price), np.full(k, coverage / k)])
    pairs = np.argwhere(under)
    rows = lil_matrix((len(pairs) + k + 1, n + m + k))
    for row, (leaf, node) in enumerate(pairs):  # y_j >= x_i
        rows[row, n + node], rows[row, leaf] = 1, -1
    for c in range(k):  # some leaf of the cluster, where the cluster is counted
        rows[len(pairs) + c, np.flatnonzero(cluster == c)] = 1
        rows[len(pairs) + c, n + m + c] = -1
    rows[len(pairs) + k, :n] = 1
    least = np.concatenate([np.zeros(len(pairs) + k), [1.0]])
    found = milp(
        -gain,
        constraints=LinearConstraint(rows.tocsr(), lb=least),
        integrality=np.ones(len(gain)),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0.0},
    )
    kept: NDArray[np.bool_] = found.x[:n] > 0.5
    return kept
