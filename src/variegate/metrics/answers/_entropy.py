"""Entropy of the answers of a prompt, corrected for what was not yet seen."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import counted
from variegate.errors import UsageError

__all__ = ["Correction", "answer_entropy"]

Floats = NDArray[np.float64]
Correction = Literal["miller-madow", "chao-shen"]


def answer_entropy(class_counts: ArrayLike, *, correction: Correction | None = None) -> Any:
    """Entropy of the distribution over answers, in nats.

    Plug-in: -Σ p ln p with p = n_c / n, too small by about (C - 1) / 2n. Miller-Madow adds that
    term for the classes seen. Chao-Shen scales p by the estimated coverage 1 - f₁/n (f₁ answers
    seen once) and divides each term by the chance 1 - (1 - p)^n that it was seen.

    Args:
        class_counts: (..., C) outputs of each class of equal answers; pad with zeros.
        correction: None, ``"miller-madow"`` or ``"chao-shen"``.

    Returns:
        A float, or an array of the leading axes. 0: always the same answer. ln m: m answers,
        equally often. NaN for n = 0.

    Example:
        >>> round(answer_entropy([3, 3]), 6)  # ln 2
        0.693147
        >>> answer_entropy([3, 1], correction="chao-shen") > answer_entropy([3, 1])
        True

    Source: `Miller 1955; Chao 2003 <https://doi.org/10.1023/A:1026096204727>`_.
    """
    if correction not in (None, *get_args(Correction)):
        known = ", ".join(get_args(Correction))
        raise UsageError(f"Expected a correction of None, {known}, got {correction!r}.")
    counts = counted(class_counts, "class counts")
    n = counts.sum(axis=-1, keepdims=True)
    p = counts / np.where(n > 0, n, np.nan)
    if correction is None:
        values = _sum(_terms(p))
    elif correction == "miller-madow":
        values = _sum(_terms(p)) + ((counts > 0).sum(axis=-1) - 1) / (2 * n[..., 0])
    else:
        once = (counts == 1).sum(axis=-1, keepdims=True)
        # All seen once would mean nothing of the distribution was seen: one is taken back.
        once = np.where((once == n) & (n > 1), n - 1, np.where(n == 1, 0, once))
        covered = p * (1 - once / np.where(n > 0, n, np.nan))
        seen = -np.expm1(n * np.log1p(-np.minimum(covered, 1 - 1e-16)))
        values = _sum(_terms(covered) / np.where(seen > 0, seen, 1.0))
    return float(values) if values.ndim == 0 else values


def _terms(p: Floats) -> Floats:
    logs = np.log(p, out=np.zeros_like(p), where=p > 0)
    return -p * np.where(np.isnan(p), np.nan, logs)


def _sum(terms: Floats) -> Floats:
    # -0.0 of a certain answer becomes 0.0.
    return np.asarray(terms.sum(axis=-1) + 0.0)
