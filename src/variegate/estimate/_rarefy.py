"""Rarefaction: what k of n draws would have shown, without drawing."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import numbers
from variegate.errors import UsageError

__all__ = ["inclusion", "rarefy"]

Floats = NDArray[np.float64]


def inclusion(n: ArrayLike, c: ArrayLike, k: int) -> Floats:
    """Chance that k of n items, drawn without replacement, hold at least one of c marked ones.

    1 - C(n - c, k) / C(n, k), as a sum of logarithms: no binomial is formed, so nothing
    overflows and small chances keep their digits. It is the unbiased estimate of
    1 - (1 - p)^k from n draws with c hits (`Chen 2021 <https://arxiv.org/abs/2107.03374>`_).

    Args:
        n: (...) items drawn from; whole numbers.
        c: (...) marked items among them, 0 ≤ c ≤ n; broadcasts against `n`.
        k: how many are drawn, 0 ≤ k ≤ n everywhere.

    Returns:
        (...) chances in [0, 1]: 0 where c = 0 or k = 0, 1 where n - c < k.

    Raises:
        UsageError: k larger than some n (both are named), or counts that cannot be.

    Example:
        >>> float(inclusion(10, 3, 5))
        0.91666...
        >>> inclusion([4, 4], [0, 4], 4).tolist()
        [0.0, 1.0]
    """
    whole = _whole(n, "n"), _whole(c, "c")
    try:
        total, marked = np.broadcast_arrays(*whole)
    except ValueError:
        raise UsageError(
            f"Expected n and c of shapes that fit, got {whole[0].shape} and {whole[1].shape}."
        ) from None
    _check_k(total, k)
    if (marked > total).any():
        i = np.unravel_index(int(np.argmax(marked > total)), total.shape)
        raise UsageError(f"Expected c ≤ n, got c = {int(marked[i])} with n = {int(total[i])}.")
    # C(n-c, k)/C(n, k) = C(n-k, c)/C(n, c): the shorter of the two products is taken.
    few = int(marked.max(initial=0))
    out, steps = (marked, k) if k <= few else (np.full_like(total, k), few)
    certain = total - marked < k
    log_missed = np.zeros(total.shape)
    for j in range(steps):
        active = ~certain & ((j < k) if out is marked else (j < marked))
        share = np.divide(out, total - j, out=np.zeros(total.shape), where=active)
        log_missed += np.log1p(-share)
    return np.where(certain & (k > 0), 1.0, 0.0 - np.expm1(log_missed))  # 0 -: no minus zero


def rarefy(class_counts: ArrayLike, *, k: int) -> Floats:
    """Expected number of distinct classes among k of the n outputs counted.

    Σ_c 1 - C(n - n_c, k) / C(n, k), the unbiased estimate of Σ_c 1 - (1 - p_c)^k: the same
    expectation whatever n ≥ k was drawn, so arms with other n can be compared.

    Args:
        class_counts: (..., C) outputs of every class; pad with zeros.
        k: how many outputs are looked at, 0 ≤ k ≤ n everywhere.

    Returns:
        (...) values from 1 (one class) to min(k, C).

    Raises:
        UsageError: k larger than the n of some set, both named.

    Example:
        >>> float(rarefy([2, 2], k=2))  # 1 + chance that two differ
        1.6666...
        >>> float(rarefy([4, 0], k=3))
        1.0
    """
    counts = _whole(class_counts, "class_counts")
    if counts.ndim == 0:
        raise UsageError("Expected class_counts of shape (..., classes), got a single number.")
    expected: Floats = inclusion(counts.sum(axis=-1, keepdims=True), counts, k).sum(axis=-1)
    return expected


def _whole(values: ArrayLike, name: str) -> Floats:
    array = numbers(values, name, largest=2.0**53)
    if not (np.isfinite(array).all() and (array >= 0).all() and (array == np.floor(array)).all()):
        raise UsageError(f"Expected whole numbers of at least 0 for {name}, got {array.ravel()}.")
    return array


def _check_k(total: Floats, k: int) -> None:
    if k != int(k) or k < 0:
        raise UsageError(f"Expected a whole number k of at least 0, got {k}.")
    if total.size and k > total.min():
        raise UsageError(
            f"Expected k ≤ n, got k = {k} with n = {int(total.min())}.",
            hint=f"Ask for k ≤ {int(total.min())}, or draw more samples for every prompt.",
        )
