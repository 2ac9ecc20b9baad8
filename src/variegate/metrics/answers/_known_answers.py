"""How much of a known list of right answers is covered, and how evenly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from variegate.divergences import js, kl, total_variation
from variegate.errors import UsageError
from variegate.estimate import inclusion
from variegate.metrics._arrays import finite

__all__ = ["ReferenceGap", "UniformGap", "coverage_recall", "kl_to_uniform", "reference_gap"]


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

    No entry of `measure`: samples hold no list of all right answers. Intervals: a value a prompt,
    then `estimate.bounded`.

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

    No entry of `measure`: samples hold no list of all right answers. Intervals: a value a prompt,
    then `estimate.bootstrap`.

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


@dataclass(frozen=True, kw_only=True)
class ReferenceGap:
    """How far the answers are from the shares they should have.

    Args:
        total_variation: share of the answers that would have to be others, 0 to 1.
        by_chance: what `total_variation` is on average for as many answers drawn from the
            reference itself; 0 for shares instead of counts.
        jensen_shannon: 0 to ln 2 nats; finite whatever is missing.
        entropy: of the answers, nats; what a measure of variety alone would praise.
        reference_entropy: of the reference, nats; more than that is not better.
        invalid: share of answers that are on no list; they count as wrong.
    """

    total_variation: float
    by_chance: float
    jensen_shannon: float
    entropy: float
    reference_entropy: float
    invalid: float


def reference_gap(
    answer_counts: ArrayLike, reference: ArrayLike, *, invalid: float = 0.0
) -> ReferenceGap:
    """Compare answers with the shares they should have, instead of with equal ones.

    TV = ½ Σ |p_i - r_i| and the Jensen-Shannon divergence, what is invalid in a category of its
    own. Asked for variety, a model may name people, places or groups more evenly than the facts
    have them: its entropy rises and so does its distance from the facts.

    Args:
        answer_counts: (m,) outputs that give each known answer, or their shares.
        reference: (m,) how often each should come, in any unit; uniform is one choice.
        invalid: outputs that give none of them, in the unit of `answer_counts`.

    Returns:
        Distances, and both entropies. All distances 0: answers as the reference has them. A gap
        near `by_chance` is none: E|Binomial(n, r)/n - r| summed, in closed form.

    Raises:
        UsageError: other numbers of answers, nothing said, or a reference that is 0 throughout.

    Example:
        >>> gap = reference_gap([50, 50], [0.9, 0.1])
        >>> gap.total_variation, round(gap.by_chance, 3), gap.entropy > gap.reference_entropy
        (0.4, 0.024, True)
        >>> reference_gap([90, 10], [0.9, 0.1]).jensen_shannon
        0.0

    No entry of `measure`: samples hold no reference. Intervals: a value a prompt, then
    `estimate.bootstrap`.

    Reference: DoFaiR, `Wan 2024 <https://arxiv.org/abs/2407.00377>`_; the mean deviation of a
    binomial by `De Moivre, see Diaconis 1991 <https://doi.org/10.1214/ss/1177011699>`_.
    """
    counts, should = _answers(answer_counts, invalid), _answers(reference, 0.0)
    n = float(counts.sum()) + invalid
    if counts.shape != should.shape or not n > 0 or not should.sum() > 0:
        raise UsageError(
            f"Expected answers and a reference of one size, neither 0 throughout, got "
            f"{counts.shape} with {n:g} outputs and {should.shape}."
        )
    p = np.append(counts, invalid) / n
    r = np.append(should / should.sum(), 0.0)
    whole = n == round(n) and bool((counts == np.round(counts)).all()) and n > 1
    return ReferenceGap(
        total_variation=float(total_variation(p, r)),
        by_chance=_mean_deviation(int(n), r) / 2 if whole else 0.0,
        jensen_shannon=float(js(p, r)),
        entropy=_entropy(p),
        reference_entropy=_entropy(r),
        invalid=float(p[-1]),
    )


def _mean_deviation(n: int, r: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Σ E|Binomial(n, r_i) / n - r_i|: 2 k C(n, k) r^k (1 - r)^(n - k + 1) / n at k = ⌊nr⌋ + 1."""
    inside = r[(r > 0) & (r < 1)]
    k = np.floor(n * inside) + 1
    logs = [
        math.lgamma(n + 1) - math.lgamma(one) - math.lgamma(n - one + 1)
        + one * math.log(share) + (n - one + 1) * math.log1p(-share)
        for one, share in zip(k.tolist(), inside.tolist(), strict=True)
    ]  # fmt: skip
    return float(2 * np.exp(logs).sum() / n)


def _entropy(p: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    seen = p[p > 0]
    return float(-(seen * np.log(seen)).sum()) + 0.0


def _answers(values: ArrayLike, invalid: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    answers = finite(values, "answers")
    if answers.ndim != 1 or (answers < 0).any() or not invalid >= 0:
        raise UsageError(
            "Expected one number of at least 0 a known answer, and one for what is invalid, got "
            f"an array of shape {answers.shape} and {invalid}."
        )
    return np.ravel(answers)
