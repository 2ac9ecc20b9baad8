"""Pairs of outputs by right and wrong: an exact account of the mean pairwise distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError

__all__ = [
    "KINDS",
    "PairAccount",
    "Split",
    "exact_account",
    "genuine_share",
    "pair_account",
    "split",
]

Floats = NDArray[np.float64]

KINDS = ("right_right", "right_wrong", "wrong_wrong")


@dataclass(frozen=True, kw_only=True)
class PairAccount:
    """The mean pairwise distance of every prompt as a sum over three kinds of pairs.

    Args:
        share: (P, 3) share of the pairs that are right–right, right–wrong, wrong–wrong.
        distance: (P, 3) mean distance within each kind; NaN where there is no such pair.
        right: (P,) number of right outputs (or their probability, for an exact account).
    """

    share: Floats
    distance: Floats
    right: Floats

    @property
    def weighted(self) -> Floats:
        """(P, 3) share times distance, 0 where there is no such pair."""
        return np.where(self.share > 0, self.share * self.distance, 0.0)

    @property
    def mean_distance(self) -> Floats:
        """(P,) the mean pairwise distance, which the three kinds make up exactly."""
        total: Floats = self.weighted.sum(axis=1)
        return total


@dataclass(frozen=True, kw_only=True)
class Split:
    """The fall of the mean distance from one account to another, prompt by prompt.

    Args:
        total: (P,) base minus post; positive is a loss. Equals accuracy + narrowing.
        accuracy: (P,) due to another mix of right and wrong.
        narrowing: (P,) due to other distances within the kinds.
    """

    total: Floats
    accuracy: Floats
    narrowing: Floats


def pair_account(
    distances: ArrayLike, correct: ArrayLike, present: ArrayLike | None = None
) -> PairAccount:
    """Account for the mean pairwise distance by right and wrong.

    With R right and W wrong of n outputs, the mean distance is
    [R(R-1) d_rr + 2RW d_rw + W(W-1) d_ww] / (n(n-1)), exactly.

    Args:
        distances: (P, n, n) symmetric distances between the outputs of every prompt; the
            diagonal is not read.
        correct: (P, n) whether each output is right.
        present: (P, n) False for padding, where prompts have fewer than n outputs.

    Returns:
        The account. A prompt with fewer than two outputs has no pairs: shares are NaN.

    Raises:
        UsageError: shapes that do not fit.

    Example:
        >>> import numpy as np
        >>> answers = np.array([["4", "4", "5", "6"]])
        >>> distances = (answers[:, :, None] != answers[:, None, :]).astype(float)
        >>> account = pair_account(distances, answers == "4")
        >>> account.share.round(3).tolist(), account.distance.tolist()
        ([[0.167, 0.667, 0.167]], [[0.0, 1.0, 1.0]])
    """
    table = np.asarray(distances, dtype=np.float64)
    right = np.asarray(correct, dtype=bool)
    here = np.ones(right.shape, dtype=bool) if present is None else np.asarray(present, dtype=bool)
    if (
        right.ndim != 2
        or table.shape != (*right.shape, right.shape[-1])
        or here.shape != right.shape
    ):
        raise UsageError(
            "Expected distances (P, n, n) and correct (P, n), "
            f"got {table.shape} and {right.shape}, present {here.shape}."
        )
    r, w = (right & here).astype(np.float64), (~right & here).astype(np.float64)
    n_r, n_w = r.sum(axis=1), w.sum(axis=1)
    pairs = np.stack([n_r * (n_r - 1), 2 * n_r * n_w, n_w * (n_w - 1)], axis=1)
    table = np.where(here[:, :, None] & here[:, None, :], table, 0.0)
    table[:, np.arange(right.shape[1]), np.arange(right.shape[1])] = 0.0
    r_d, w_d = np.einsum("pi,pij->pj", r, table), np.einsum("pi,pij->pj", w, table)
    sums = np.stack([(r_d * r).sum(1), 2 * (r_d * w).sum(1), (w_d * w).sum(1)], axis=1)
    return _account(pairs, sums, right=n_r)


def exact_account(
    probabilities: ArrayLike, correct: ArrayLike, distances: ArrayLike | None = None
) -> PairAccount:
    """The account in the limit of infinitely many outputs, where the answers can be listed.

    Args:
        probabilities: (P, A) chance of each answer to each prompt; rows sum to 1.
        correct: (P, A) or (A,) whether the answer is right.
        distances: (A, A) between answers; None is 1 for different answers and 0 for the same.

    Returns:
        The account of two independent draws; `right` is the probability of a right answer.

    Example:
        >>> account = exact_account([[0.5, 0.25, 0.25]], [True, True, False])
        >>> account.share.tolist(), account.mean_distance.tolist()
        ([[0.5625, 0.375, 0.0625]], [0.625])
    """
    p = np.asarray(probabilities, dtype=np.float64)
    right = np.broadcast_to(np.asarray(correct, dtype=bool), p.shape)
    apart = 1 - np.eye(p.shape[1]) if distances is None else np.asarray(distances, np.float64)
    r, w = np.where(right, p, 0.0), np.where(right, 0.0, p)
    n_r, n_w = r.sum(axis=1), w.sum(axis=1)
    pairs = np.stack([n_r**2, 2 * n_r * n_w, n_w**2], axis=1)
    sums = np.stack(
        [((r @ apart) * r).sum(1), 2 * ((r @ apart) * w).sum(1), ((w @ apart) * w).sum(1)], axis=1
    )
    return _account(pairs, sums, right=n_r)


def split(base: PairAccount, post: PairAccount) -> Split:
    """Split the fall of the mean distance into a part of accuracy and a part of narrowing.

    With shares s and distances d of the three kinds, averaged over both orders of changing
    them (the Shapley value of two factors, `Oaxaca 1973 <https://doi.org/10.2307/2525981>`_):

    accuracy = Σ (s_base - s_post) (d_base + d_post)/2
    narrowing = Σ (s_base + s_post)/2 (d_base - d_post)

    A kind that one side lacks has no distance there, so it cannot be said to have narrowed: it
    takes the other side's distance, and its whole contribution counts as accuracy.

    Args:
        base: account of the earlier checkpoint.
        post: account of the later one, on the same prompts in the same order.

    Returns:
        The parts; they add up to the total exactly.

    Example:
        >>> before = exact_account([[0.5, 0.5]], [True, False])
        >>> after = exact_account([[1.0, 0.0]], [True, False])
        >>> parts = split(before, after)  # only wrong answers went
        >>> parts.accuracy.tolist(), parts.narrowing.tolist()
        ([0.5], [0.0])
    """
    if base.share.shape != post.share.shape:
        raise UsageError(
            f"Expected accounts of the same prompts, got {len(base.share)} and {len(post.share)}."
        )
    d_base = np.where(np.isnan(base.distance), post.distance, base.distance)
    d_post = np.where(np.isnan(post.distance), base.distance, post.distance)
    nowhere = np.isnan(d_base)
    d_base, d_post = np.where(nowhere, 0.0, d_base), np.where(nowhere, 0.0, d_post)
    accuracy = ((base.share - post.share) * (d_base + d_post) / 2).sum(axis=1)
    narrowing = ((base.share + post.share) / 2 * (d_base - d_post)).sum(axis=1)
    total = base.mean_distance - post.mean_distance
    return Split(total=total, accuracy=accuracy, narrowing=narrowing)


def genuine_share(base_all: float, base_right: float, post_all: float, post_right: float) -> float:
    """Share of the fall in diversity that shows among right outputs too, the plain formula.

    (D_right,base - D_right,post) / (D_all,base - D_all,post). It needs two levels a checkpoint
    and no pairs, and compares other prompts on both sides of the fraction; `decompose` is the
    careful form.

    Args:
        base_all: mean diversity of all outputs of the base.
        base_right: of its right outputs.
        post_all: of all outputs of the later checkpoint.
        post_right: of its right outputs.

    Returns:
        1: all of it is narrowing. 0: only wrong answers went. Outside [0, 1] where the two
        move against each other; NaN where nothing changed.

    Example:
        >>> round(genuine_share(0.172, 0.135, 0.051, 0.050), 2)
        0.7

    Reference: Karouzos 2026, section 4.3, https://arxiv.org/abs/2604.16027
    """
    fall = base_all - post_all
    return (base_right - post_right) / fall if fall else float("nan")


def _account(pairs: Floats, sums: Floats, *, right: Floats) -> PairAccount:
    total = pairs.sum(axis=1, keepdims=True)
    share, distance = np.full(pairs.shape, np.nan), np.full(pairs.shape, np.nan)
    np.divide(pairs, total, out=share, where=total > 0)
    np.divide(sums, pairs, out=distance, where=pairs > 0)
    return PairAccount(share=share, distance=distance, right=right)
