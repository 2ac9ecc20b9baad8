"""How much of a known list of right answers is covered, and how evenly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from variegate.divergences import kl
from variegate.errors import UsageError
from variegate.estimate import inclusion
from variegate.metrics._arrays import finite

__all__ = ["UniformGap", "coverage_recall", "kl_to_uniform"]


def coverage_recall(answer_counts: ArrayLike, *, invalid: int = 0, k: int | None = None) -> float:
    """Expected share of the known answers that k outputs name.

    (1/m) Σ_i 1 - C(n - n_i, k) / C(n, k), unbiased for the mean of 1 - (1 - p_i)^k.

    Args:
        answer_counts: (m,) outputs that name each of the m known answers, in any of its forms;
            zero for those that none names.
        invalid: outputs that name none of them; they count for n.
        k: how many outputs are looked at; all n by default.

    Returns:
        0 (none is named) to 1 (all are), at most k / m. NaN for an empty list.

    Raises:
        UsageError: k larger than n, or counts that are not whole.

    Example:
        >>> coverage_recall([3, 1, 0, 0])
        0.5
        >>> round(coverage_recall([2, 2], invalid=4, k=1), 9)
        0.25

    Source: CoverageQA, `Wong 2024 <https://arxiv.org/abs/2410.09038>`_, rarefied.
    """
    counts = _answers(answer_counts, invalid)
    if not len(counts):
        return float("nan")
    n = int(counts.sum()) + invalid
    return float(inclusion(n, counts, n if k is None else k).mean())


@dataclass(frozen=True, kw_only=True)
class UniformGap:
    """How far the answers are from naming all known ones equally often, in nats.

    Args:
        from_uniform: KL(u‖p) of the uniform distribution u from the answers p, where p keeps
            what is invalid in a category of its own: the source's direction. 0 when all known
            answers are equally likely and nothing else is said; infinite when one never is.
        to_uniform: KL(p‖u) of the valid answers alone: 0 when they are equally likely, ln m
            when always the same one is given. NaN when none is valid.
        invalid: share of answers that are on no list.
    """

    from_uniform: float
    to_uniform: float
    invalid: float


def kl_to_uniform(
    answer_shares: ArrayLike, *, invalid: float = 0.0, pseudo_count: float = 0.0
) -> UniformGap:
    """Compare answers with the uniform distribution over the known ones, both ways.

    KL(u‖p) = -ln m - (1/m) Σ ln p_i; KL(p‖u) = ln m - H(p | valid). From n counted outputs the
    second is too large by about (m - 1) / 2n, and the first is infinite for an answer that was
    not seen: give probabilities, or a pseudo-count.

    Args:
        answer_shares: (m,) probability or number of outputs of each known answer.
        invalid: the same for everything else, in the same unit.
        pseudo_count: added to each known answer, in the same unit; part of the result, report
            it.

    Returns:
        Both divergences and the share of invalid answers.

    Raises:
        UsageError: nothing to compare, or negative numbers.

    Example:
        >>> gap = kl_to_uniform([0.4, 0.4], invalid=0.2)
        >>> round(gap.from_uniform, 4), gap.to_uniform, round(gap.invalid, 4)
        (0.2231, 0.0, 0.2)

    Source: CoverageQA, `Wong 2024 <https://arxiv.org/abs/2410.09038>`_. Its words name the
    other direction, which would be infinite for any invalid answer; its figures are finite.
    """
    if pseudo_count < 0:
        raise UsageError(f"Expected a pseudo_count of at least 0, got {pseudo_count}.")
    shares = _answers(answer_shares, invalid) + pseudo_count
    m, valid = len(shares), float(shares.sum())
    if not m or not valid + invalid > 0:
        raise UsageError("Expected at least one known answer and something that was said.")
    p = np.append(shares, invalid) / (valid + invalid)
    uniform = np.append(np.full(m, 1.0 / m), 0.0)
    within = float(kl(shares / valid, uniform[:m])) if valid > 0 else float("nan")
    return UniformGap(
        from_uniform=float(kl(uniform, p)),
        to_uniform=within,
        invalid=float(p[-1]),
    )


def _answers(values: ArrayLike, invalid: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    answers = finite(values, "answers")
    if answers.ndim != 1 or (answers < 0).any() or not invalid >= 0:
        raise UsageError(
            "Expected one number of at least 0 a known answer, and one for what is invalid, got "
            f"an array of shape {answers.shape} and {invalid}."
        )
    return np.ravel(answers)
