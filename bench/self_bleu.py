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

    for count, once in ((120, False), (500, True)):
        texts = zipf_texts(count)
        yield race(
            f"self-BLEU, {count} texts × 100 words",
            lambda texts=texts: self_bleu(texts),
            lambda texts=texts: peer(texts),
            peer_name="nltk, each against the rest",
            agree=difference,
            once=once,
        )
    many = zipf_texts(20_000)
    yield race("self-BLEU, 20,000 texts × 100 words", lambda: self_bleu(many))


def zipf_texts(count: int, *, length: int = 100) -> list[list[str]]:
    """Texts of words as frequent as in natural language."""
    rng = np.random.default_rng(0)
    shares = 1.0 / np.arange(1, 5001)
    drawn = rng.choice(5000, size=(count, length), p=shares / shares.sum())
    return [[f"w{number}" for number in text] for text in drawn]
