"""Variety across prompts: is the model's one answer to each prompt the same kind of answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.estimate import Estimate, jackknife
from variegate.metrics._arrays import unit_rows
from variegate.metrics.similarity._vendi import vendi, vendi_sensitivity
from variegate.metrics.texts._words import NGrams, Text, words

__all__ = ["ead_across", "pairwise_across", "vendi_across"]

Floats = NDArray[np.float64]

_DRAWS = 8  # sets of one output a prompt that are averaged; more change the third digit


def pairwise_across(features: Sequence[ArrayLike], *, level: float = 0.95) -> Estimate:
    """Mean distance between outputs of different prompts.

    Take one output a prompt and measure `pairwise_diversity` of that set; this is the mean over
    all ways to take them, 1 - Σ_{p≠p'} m_p·m_p' / (P (P - 1)) with m_p the mean of a prompt's
    rows. The interval deletes one prompt at a time.

    Args:
        features: P arrays (n_p, d), one a prompt.
        level: of the interval.

    Returns:
        0: every prompt is answered alike. 1: nothing in common. Equal to the value within
        prompts for a model that does not heed its prompt. NaN for P < 2.

    Example:
        >>> pairwise_across([[[1, 0], [1, 0]], [[0, 1], [0, 1]], [[0, 1]]]).value
        0.666...

    Source: `Kirk 2023 <https://arxiv.org/abs/2310.06452>`_.
    """
    means = np.array([unit_rows(rows).mean(axis=0) for rows in features if np.size(rows)])
    P = len(means)
    if P < 2:
        return _none(P, level)
    total, own = means.sum(axis=0), np.sum(means**2, axis=1)
    value = 1.0 - (total @ total - own.sum()) / (P * (P - 1))
    if P < 3:
        return _none(P, level, value=value)
    left = total - means
    without = 1.0 - (np.sum(left**2, axis=1) - (own.sum() - own)) / ((P - 1) * (P - 2))
    return jackknife(without, value=value, level=level)


def vendi_across(features: Sequence[ArrayLike], *, level: float = 0.95) -> Estimate:
    """Effective number of different outputs among one output a prompt.

    `vendi` of the first outputs of all prompts, of the second, ..., averaged over up to 8 such
    sets. The interval is that of the infinitesimal jackknife: what the score does as one prompt
    gains weight (`vendi_sensitivity`), which takes the place of P eigendecompositions.

    Args:
        features: P arrays (n_p, d), one a prompt.
        level: of the interval.

    Returns:
        1: every prompt is answered alike. P: nothing in common. Grows with P: compare the same
        prompts only. NaN for P < 2.

    Example:
        >>> vendi_across([[[1, 0]], [[1, 0]], [[0, 1]], [[0, 1]]]).value
        2.0

    Source: `Friedman 2022 <https://arxiv.org/abs/2210.02410>`_; two levels as in `Kirk 2023
    <https://arxiv.org/abs/2310.06452>`_.
    """
    sets = [unit_rows(rows) for rows in features if np.size(rows)]
    P = len(sets)
    if P < 2:
        return _none(P, level)
    draws = [np.stack([rows[j] for rows in sets]) for j in range(min(_DRAWS, *map(len, sets)))]
    value = float(np.mean([vendi(draw) for draw in draws]))
    slope = np.mean([vendi_sensitivity(draw) for draw in draws], axis=0)
    without = value - (slope - slope.mean()) / (P - 1)
    return jackknife(without, value=value, level=level)


def ead_across(
    texts: Sequence[Sequence[Text]], *, vocab_size: int, max_n: int = 5, level: float = 0.95
) -> Estimate:
    """Expectation-adjusted distinct n-grams of one output a prompt.

    `ead` of the first outputs of all prompts, of the second, ..., averaged over up to 8 such
    sets. The interval deletes one prompt at a time, in closed form: what is lost are the
    n-grams that only its output holds.

    Args:
        texts: P sequences of outputs, one a prompt.
        vocab_size: as in `ead`.
        max_n: as in `ead`.
        level: of the interval.

    Returns:
        About 0 to 1, as `ead`. NaN for P < 2.

    Example:
        >>> ead_across([["a b"], ["c d"]], vocab_size=50257).value > 0.99
        True

    Source: `Liu 2022 <https://arxiv.org/abs/2202.13587>`_; two levels as in `Kirk 2023
    <https://arxiv.org/abs/2310.06452>`_.
    """
    sets = [[words(text) for text in outputs] for outputs in texts if len(outputs)]
    P = len(sets)
    if P < 2:
        return _none(P, level)
    draws = range(min(_DRAWS, *map(len, sets)))
    values, without = zip(
        *(_ead_without([outputs[j] for outputs in sets], vocab_size, max_n) for j in draws),
        strict=True,
    )
    return jackknife(np.mean(without, axis=0), value=float(np.mean(values)), level=level)


def _ead_without(texts: list[list[str]], vocab_size: int, max_n: int) -> tuple[float, Floats]:
    """EAD of the set, and of the set without each text."""
    grams = NGrams(texts, [len(texts)])
    value, orders = 0.0, 0
    without, orders_without = np.zeros(len(texts)), np.zeros(len(texts))
    for n in range(1, max_n + 1):
        total = int(grams.total(n)[0])
        if not total:
            break
        text, gram, _ = grams.counts(n)
        holders = np.bincount(gram)
        alone = np.bincount(text[holders[gram] == 1], minlength=len(texts))
        different = int((holders > 0).sum())
        left = total - np.maximum(grams.lengths - n + 1, 0)
        value += different / float(_expected(np.array(total), vocab_size))
        orders += 1
        there = left > 0
        expected = np.where(there, _expected(left, vocab_size), 1.0)
        without += np.where(there, (different - alone) / expected, 0.0)
        orders_without += there
    return float(value / max(orders, 1)), without / np.maximum(orders_without, 1)


def _expected(total: NDArray[np.int64], vocab_size: int) -> Floats:
    return np.asarray(-vocab_size * np.expm1(total * np.log1p(-1.0 / vocab_size)))


def _none(prompts: int, level: float, *, value: float = float("nan")) -> Estimate:
    note = "needs at least 2 prompts" if prompts < 2 else "two prompts give no interval"
    return Estimate(
        value=value,
        low=float("nan"),
        high=float("nan"),
        n_prompts=prompts,
        level=level,
        method="jackknife, delete one",
        note=note,
    )
