"""Self-BLEU: linear against quadratic."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.clock import Row, difference, race
from variegate.metrics import self_bleu


def rows() -> Iterator[Row]:
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    smooth = SmoothingFunction().method1

    def peer(texts: list[list[str]]) -> float:
        scores = [
            sentence_bleu(texts[:i] + texts[i + 1 :], own, smoothing_function=smooth)
            for i, own in enumerate(texts)
        ]
        return float(np.mean(scores))

    few = _texts(120)
    yield race(
        "self-BLEU, 120 texts × 100 words",
        lambda: self_bleu(few),
        lambda: peer(few),
        peer_name="nltk, each against the rest",
        agree=difference,
    )
    many = _texts(500)
    # The peer is quadratic and takes a minute here: one turn, not five, says enough.
    yield race(
        "self-BLEU, 500 texts × 100 words",
        lambda: self_bleu(many),
        peer_name="- (a minute; see 120)",
    )


def _texts(count: int) -> list[list[str]]:
    rng = np.random.default_rng(0)
    shares = 1.0 / np.arange(1, 5001)
    drawn = rng.choice(5000, size=(count, 100), p=shares / shares.sum())
    return [[f"w{number}" for number in text] for text in drawn]
