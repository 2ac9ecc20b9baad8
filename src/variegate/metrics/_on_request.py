"""The table of metrics that run only when they are named."""

from __future__ import annotations

from variegate.metrics._registry import Metric

__all__ = ["ON_REQUEST"]

_HERE = "variegate.metrics"
_UNBIASED = "none: the expectation is the same for every n"

ON_REQUEST: tuple[Metric, ...] = (
    Metric(
        name="mtld",
        title="Words until words repeat (MTLD)",
        summary=(
            "Mean number of words an output runs before the share of different ones falls to "
            "0.72, over the outputs of 100 words and more: 2 for one word repeated; higher, the "
            "richer the vocabulary."
        ),
        needs=("texts",),
        low=2,
        high=None,
        n_dependence="none: a mean over outputs",
        source="McCarthy 2010",
        url="https://doi.org/10.3758/BRM.42.2.381",
        function=f"{_HERE}._lexical:over_outputs",
        options={"measure": "mtld"},
    ),
    Metric(
        name="hdd",
        title="Different words in 42 (HD-D)",
        summary=(
            "Expected share of different words among 42 drawn from an output, over the outputs "
            "that have 42: 1/42 for one word repeated, 1 when no word stands twice."
        ),
        needs=("texts",),
        low=1 / 42,
        high=1,
        n_dependence="none: a mean over outputs",
        source="McCarthy 2010",
        url="https://doi.org/10.3758/BRM.42.2.381",
        function=f"{_HERE}._lexical:over_outputs",
        options={"measure": "hdd"},
    ),
    Metric(
        name="mattr",
        title="Different words in a window of 50",
        summary=(
            "Mean share of different words in a window of 50 moved along an output, over the "
            "outputs that have 50: 1/50 for one word repeated, 1 when none stands twice in one."
        ),
        needs=("texts",),
        low=1 / 50,
        high=1,
        n_dependence="none: a mean over outputs",
        source="Covington 2010",
        url="https://doi.org/10.1080/09296171003643098",
        function=f"{_HERE}._lexical:over_outputs",
        options={"measure": "mattr"},
    ),
    Metric(
        name="maas",
        title="Vocabulary below length (Maas)",
        summary=(
            "How far the logarithm of the vocabulary of an output stays behind that of its "
            "length: 0 when no word stands twice, 1 / ln N for one word N times."
        ),
        needs=("texts",),
        low=0,
        high=None,
        direction="less",
        n_dependence="none: a mean over outputs",
        source="Maas 1972",
        url="https://doi.org/10.3758/BRM.42.2.381",
        function=f"{_HERE}._lexical:over_outputs",
        options={"measure": "maas"},
    ),
    Metric(
        name="self_repetition",
        title="Four-word sequences of other outputs",
        summary=(
            "Mean of ln(1 + how often an output's four-word sequences stand in other outputs of "
            "the prompt): 0 when no two share one."
        ),
        needs=("texts",),
        low=0,
        high=None,
        direction="less",
        n_dependence="grows with n and with length: compare equal n and length only",
        source="Salkar 2022",
        url="https://arxiv.org/abs/2210.08145",
        function=f"{_HERE}:self_repetition",
        fast=f"{_HERE}._self_repetition:self_repetition_by_set",
        least=2,
    ),
    Metric(
        name="homogenisation",
        title="Overlap of pairs (ROUGE-L)",
        summary=(
            "Mean ROUGE-L of two outputs of a prompt, the share of words they have in common in "
            "order: 0 when no two share a word, 1 when all are the same."
        ),
        needs=("texts",),
        low=0,
        high=1,
        direction="less",
        n_dependence=_UNBIASED,
        source="Padmakumar 2023",
        url="https://arxiv.org/abs/2309.05196",
        function=f"{_HERE}:homogenisation",
        least=2,
    ),
    Metric(
        name="ngram_diversity",
        title="Different n-grams, summed over n",
        summary=(
            "Sum over n = 1 to 4 of the share of different n-grams: near 0 when they keep "
            "repeating, 4 when none stands twice; falls with length."
        ),
        needs=("texts",),
        low=0,
        high=4,
        n_dependence="falls with n and with length: compare equal n and length only",
        source="Shaib 2024",
        url="https://arxiv.org/abs/2403.00553",
        function=f"{_HERE}:ngram_diversity",
        least=2,
    ),
)
