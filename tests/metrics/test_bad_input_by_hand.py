"""Bad input to the functions that are called by hand: a number, or a refusal of ours.

What `measure` runs has its own test over the whole table; here every function on arrays or texts
meets what a user may pass by mistake, in each of its places.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from variegate import divergences, embedding, estimate, judging, metrics
from variegate.errors import VariegateError

NAN, INF = math.nan, math.inf
ARRAYS: dict[str, Any] = {
    "nothing": [],
    "a row of nothing": [[]],
    "no rows": np.zeros((0, 3)),
    "no columns": np.zeros((3, 0)),
    "one number": [1.0],
    "one row": [[1.0, 0.0]],
    "zeros": np.zeros((4, 3)),
    "all equal": np.ones((4, 3)),
    "a square of ones": np.ones((4, 4)),
    "all different": np.eye(4),
    "tiny": np.eye(6) * 1e-308,
    "NaN": [[NAN, 1], [1, 0], [0, 1]],
    "all NaN": [NAN, NAN, NAN],
    "Inf": [[INF, 1], [1, 0], [0, 1]],
    "None for some": [[None, 1.0], [1.0, 0.0]],
    "ragged": [[1.0], [1.0, 2.0]],
    "beyond float64": [10**400, 1, 2],
    "table beyond float64": [[10**400, 1], [1, 1]],
    "texts": ["a", "b"],
    "table of texts": [["a"], ["b"]],
    "complex": 1j * np.ones((3, 3)),
    "dates": np.array(["2020-01-01", "2020-01-02"], dtype="M8[D]"),
    "truth values": [True, False, True],
    "negative": [-1.0, 2.0, 3.0],
    "a table of negative": -np.ones((3, 3)),
    "indefinite": [[1, -1, 0], [-1, 1, 0], [0, 0, 1]],
    "shares": [0.5, 0.5],
    "whole numbers": [0, 0, 0],
    "three axes": np.ones((2, 3, 4)),
}
TEXTS: dict[str, Any] = {
    "nothing": [],
    "one": ["a b c"],
    "empty": ["", ""],
    "lone surrogates": ["\ud800 x", "\ud800 x", "a"],
    "control": ["\x00", "\x00\x00"],
    "all equal": ["a b c d e f"] * 3,
    "one endless word": ["x" * 50_000, "x" * 50_000],
    "None": [None, "a"],
    "numbers": [1, 2],
    "bytes": [b"a", b"b"],
}

Call = Callable[[Any], Any]


def each(function: Callable[..., Any], *others: Any, **options: Any) -> list[Call]:
    """The function with the bad thing in its first place, its last, and in every one."""
    if not others:
        return [lambda bad: function(bad, **options)]
    return [
        lambda bad: function(bad, *others, **options),
        lambda bad: function(*others, bad, **options),
        lambda bad: function(*[bad] * (1 + len(others)), **options),
    ]


EYE, ROW = np.eye(4), [0.25, 0.5, 0.25]
ONE = [
    "vendi",
    "vendi_sensitivity",
    "rke",
    "pairwise_diversity",
    "log_determinant",
    "log_determinant_distance",
    "population_volume",
    "dcscore",
    "effective_channels",
    "mean_similarities",
    "homogeneity",
    "distinct_models",
    "leinster_cobbold",
    "sample_coverage",
    "gini_simpson",
    "answer_entropy",
    "default_share",
    "cluster_score",
    "coverage_recall",
    "kl_to_uniform",
    "nli_diversity",
    "branching_factor",
    "token_entropy",
    "surprise",
    "entropy_by_position",
    "accuracy",
    "holm",
    "common_length",
    "novel_sum",
    "diversity_coefficient",
    "smile",
    "mutual_information",
    "partial_information",
    "confusion_norm",
    "transfer_rate",
]
PAIRS = [
    "mauve",
    "frontier_integral",
    "kl",
    "js",
    "jeffreys",
    "fisher_rao",
    "psi",
    "reference_gap",
    "ece",
]
CALLS: dict[str, list[Call]] = {
    **{name: each(getattr(metrics, name)) for name in ONE},
    **{name: each(getattr(metrics, name), ROW) for name in PAIRS},
    **{
        name: each(getattr(divergences, name), ROW)
        for name in ("total_variation", "hellinger", "chi2", "kl_samples")
    },
    **{f"vendi, order {q}": each(metrics.vendi, q=q) for q in (0, 0.5, 2, INF)},
    "vendi of a kernel": [lambda bad: metrics.vendi(kernel=bad)],
    "vendi with weights": [lambda bad: metrics.vendi(EYE, weights=bad)],
    "vendi, order 2, with weights": [lambda bad: metrics.vendi(EYE, weights=bad, q=2)],
    "vendi_truncated": each(metrics.vendi_truncated, t=2),
    "vendi_conditional": each(metrics.vendi_conditional, EYE),
    "distinct_at_k": each(metrics.distinct_at_k, k=2),
    "unique_correct_at_k": each(metrics.unique_correct_at_k, [1, 1, 1], k=2),
    "pass_at_k": each(metrics.pass_at_k, [1, 1, 1], k=1),
    "attribute_entropy": each(metrics.attribute_entropy, values=4),
    "perspective_recall": each(metrics.perspective_recall, k=1),
    "expected_share_error": each(metrics.expected_share_error, n=5, simulations=20),
    "min_k": each(metrics.min_k),
    "min_k_plus": each(metrics.min_k_plus, [0, 1, 2]),
    "dc_pdd": each(metrics.dc_pdd, [0, 1, 2], [5, 1, 2]),
    "harmony": each(metrics.harmony, bandwidth=0.1),
    "quality_correlation": each(metrics.quality_correlation, ROW),
    "beyond_quality": each(metrics.beyond_quality, ROW, set_quality=0.5, set_score=0.5),
    "neural_collapse": [lambda bad: metrics.neural_collapse(bad, [0, 0, 1, 1])],
    "prdc": each(metrics.prdc, EYE, k=1),
    "probabilistic": each(metrics.probabilistic_precision_recall, EYE, k=1),
    "knn_entropy": each(metrics.knn_entropy, k=1),
    "knn_kl": each(metrics.knn_kl, EYE, k=1),
    "kernel_density": each(metrics.kernel_density, EYE, width=1.0),
    "mmd": each(divergences.mmd, EYE, width=1.0),
    "cauchy_schwarz": each(divergences.cauchy_schwarz, EYE, width=1.0),
    "energy_distance": each(divergences.energy_distance, EYE),
    "sinkhorn": each(divergences.sinkhorn, EYE, epsilon=1.0, most_rounds=20),
    "same_by_similarity": each(judging.same_by_similarity, threshold=0.5),
    "calibrate_threshold": each(judging.calibrate_threshold, EYE > 0),
    "partition of a relation": each(judging.partition),
    "fuse_judges": each(judging.fuse_judges),
    "by_group": each(judging.by_group),
    "judge_gap": each(judging.judge_gap, [True, False, True]),
    "attend": each(embedding.attend),
    "redundancy": each(embedding.redundancy),
    "rarefy": each(estimate.rarefy, k=2),
    "inclusion": each(lambda n, c: estimate.inclusion(n, c, 1), [1, 1, 1]),
    "bootstrap": each(estimate.bootstrap, resamples=20),
    "paired": each(estimate.paired, ROW, resamples=20),
    "jackknife": each(estimate.jackknife, value=0.5),
}
OF_TEXTS: dict[str, Call] = {
    **{
        name: getattr(metrics, name)
        for name in [
            "ngram_diversity",
            "self_bleu",
            "self_repetition",
            "homogenisation",
            "edit_diversity",
            "compression_ratio",
            "mean_length",
        ]
    },
    "distinct_n": lambda texts: metrics.distinct_n(texts, n=2),
    "ead": lambda texts: metrics.ead(texts, vocab_size=100),
    "homogenisation by BLEU": lambda texts: metrics.homogenisation(texts, by="bleu"),
    "same_words": judging.same_words,
    "canonical": judging.canonical,
    "classes": judging.classes,
}


@pytest.mark.fault(13)
@pytest.mark.parametrize("name", CALLS)
def test_fault_13_a_bad_array_in_any_place_is_a_number_or_a_refusal_of_ours(name: str) -> None:
    for call in CALLS[name]:
        for bad in ARRAYS.values():
            try:
                call(bad)
            except VariegateError:
                continue


@pytest.mark.fault(18)
@pytest.mark.parametrize("name", OF_TEXTS)
def test_fault_18_bad_texts_are_a_number_or_a_refusal_of_ours(name: str) -> None:
    for bad in TEXTS.values():
        try:
            OF_TEXTS[name](bad)
        except VariegateError:
            continue


@pytest.mark.fault(12)
def test_fault_12_ragged_rows_are_refused_by_name() -> None:
    for call in CALLS["pairwise_diversity"] + CALLS["vendi"] + CALLS["gini_simpson"]:
        with pytest.raises(VariegateError, match="all rows of one length"):
            call(ARRAYS["ragged"])


def test_tokens_of_another_tokenizer_are_refused() -> None:
    with pytest.raises(VariegateError, match="tokens from 0 to 2"):
        metrics.dc_pdd([-1.0, -2.0], [0, 7], [1, 2, 3])
    with pytest.raises(VariegateError, match="tokens from 0 to 1"):
        metrics.min_k_plus(np.log([[0.5, 0.5]]), [2])


def test_points_whose_squares_overflow_are_refused_with_the_largest_that_may_be() -> None:
    with pytest.raises(VariegateError, match=r"at most 1e\+150 .* got 1e\+308"):
        metrics.prdc(EYE * 1e308, EYE, k=1)
