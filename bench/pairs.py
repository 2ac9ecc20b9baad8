"""Texts in pairs. Peers of minutes at 2,000 texts run on fewer: both sides are quadratic."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations

import numpy as np

from bench.clock import Row, difference, package, race
from bench.self_bleu import zipf_texts
from variegate.metrics import edit_diversity, homogenisation


def rows() -> Iterator[Row]:
    few, many = zipf_texts(24), zipf_texts(2000)
    joined = [" ".join(text) for text in few]
    rouge = package("rouge_score.rouge_scorer")

    def by_rouge() -> float:
        scorer = rouge.RougeScorer(["rougeL"])
        return float(
            np.mean([scorer.score(a, b)["rougeL"].fmeasure for a, b in permutations(joined, 2)])
        )

    def by_nltk_bleu() -> float:
        from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

        smooth = SmoothingFunction().method1
        scores = [sentence_bleu([a], b, smoothing_function=smooth) for a, b in permutations(few, 2)]
        return float(np.mean(scores))

    def by_nltk_edit() -> float:
        from nltk.metrics.distance import edit_distance

        return float(np.mean([edit_distance(a, b) / 100 for a, b in combinations(few, 2)]))

    yield race(
        "homogenisation (ROUGE-L), 24 × 100 words",
        lambda: homogenisation(few),
        by_rouge if rouge else None,
        peer_name="rouge-score, pair by pair (as in diversity)",
        agree=difference,
    )
    yield race(
        "homogenisation (BLEU), 24 × 100 words",
        lambda: homogenisation(few, by="bleu"),
        by_nltk_bleu,
        peer_name="nltk, pair by pair",
        agree=difference,
    )
    yield race(
        "edit distance, 24 × 100 words",
        lambda: edit_diversity(few),
        by_nltk_edit,
        peer_name="nltk, pair by pair",
        agree=difference,
    )
    yield race("homogenisation (ROUGE-L), 2,000 × 100 words", lambda: homogenisation(many))
    yield race("homogenisation (BLEU), 2,000 × 100 words", lambda: homogenisation(many, by="bleu"))
    yield race("edit distance, 2,000 × 100 words", lambda: edit_diversity(many))
