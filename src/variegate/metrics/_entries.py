"""The table of built-in metrics; `_on_request` has those that run only when named."""

from __future__ import annotations

from dataclasses import replace

from variegate.metrics._registry import Metric

__all__ = ["ENTRIES", "VOCABULARY"]

VOCABULARY = 50257  # V of EAD: the vocabulary Kirk 2023 uses, so that values can be compared

_HERE = "variegate.metrics"
_UNBIASED = "none: the expectation is the same for every n"
_RAREFIED = "none for n ≥ k: rarefied to k outputs"

_VENDI = Metric(
    name="vendi",
    title="Effective number of different outputs",
    summary=(
        "How many wholly different outputs would be as various as these: 1 when all mean the "
        "same, n when no two have anything in common."
    ),
    needs=("features",),
    low=1,
    high="n",
    n_dependence="grows with n: compare equal n only",
    at_any_n="rke",
    source="Friedman 2022",
    url="https://arxiv.org/abs/2210.02410",
    function=f"{_HERE}:vendi",
    fast="axes",
    least=2,
)
_PAIRWISE = Metric(
    name="pairwise",
    title="Mean distance in meaning",
    summary=(
        "One minus the mean cosine between two outputs of a prompt: 0 when all mean the same, "
        "about 1 when they have nothing in common."
    ),
    needs=("features",),
    low=0,
    high="n/(n-1)",
    n_dependence=_UNBIASED,
    source="Kirk 2023",
    url="https://arxiv.org/abs/2310.06452",
    function=f"{_HERE}:pairwise_diversity",
    fast="axes",
    least=2,
)
_EAD = Metric(
    name="ead",
    title="Different n-grams, adjusted for length",
    summary=(
        "Different n-grams (n = 1 to 5) over what as many uniform draws from the vocabulary "
        "would give: near 0 for one word repeated, 1 for uniform draws."
    ),
    needs=("texts",),
    low=0,
    high=None,
    n_dependence="little: adjusted for the number of n-grams, given the vocabulary size",
    source="Liu 2022",
    url="https://arxiv.org/abs/2202.13587",
    function=f"{_HERE}:ead",
    fast=f"{_HERE}.texts._distinct:ead_by_set",
    options={"vocab_size": VOCABULARY},
    least=2,
)


def _length_controlled(entry: Metric, argument: str) -> Metric:
    return replace(
        entry,
        name=f"{entry.name}_length_controlled",
        title=f"{entry.title}, at equal length",
        summary=(
            f"As {entry.name}, after every output of a prompt is cut to one length, the same in "
            "all arms measured together: a difference that stays is not one of length."
        ),
        arguments=(argument,),
    )


def _across(entry: Metric, summary: str, function: str) -> Metric:
    return replace(
        entry,
        name=function,
        title=f"{entry.title}, across prompts",
        summary=summary,
        level="set",
        high="prompts" if entry.high == "n" else entry.high,
        n_dependence="none in n, but grows with the number of prompts"
        if entry.high == "n"
        else entry.n_dependence,
        at_any_n=None,
        function=f"{_HERE}:{function}",
        fast=None,
        least=1,
    )


ENTRIES: tuple[Metric, ...] = (
    _VENDI,
    _PAIRWISE,
    Metric(
        name="gini_simpson",
        title="Chance that two answers differ",
        summary=(
            "Chance that two outputs of a prompt give different canonical answers: 0 when the "
            "answer is always the same, 1 when no answer comes twice."
        ),
        needs=("classes",),
        low=0,
        high=1,
        n_dependence=_UNBIASED,
        source="Simpson 1949",
        url="https://doi.org/10.1038/163688a0",
        function=f"{_HERE}:gini_simpson",
        arguments=("class_counts",),
        fast="axes",
        least=2,
    ),
    Metric(
        name="distinct_at_k",
        title="Different answers among k",
        summary=(
            "Expected number of different answers among k outputs of a prompt: 1 when the answer "
            "is always the same, k when it never repeats."
        ),
        needs=("classes",),
        low=1,
        high="k",
        n_dependence=_RAREFIED,
        source="Zhang 2025",
        url="https://arxiv.org/abs/2504.05228",
        function=f"{_HERE}:distinct_at_k",
        arguments=("class_counts",),
        options={"k": "$k"},
        fast="axes",
    ),
    Metric(
        name="unique_correct_at_k",
        title="Different right answers among k",
        summary=(
            "Expected number of different right answers among k outputs of a prompt: 0 when none "
            "is right, k when all are right and no two the same."
        ),
        needs=("correct", "classes"),
        low=0,
        high="k",
        n_dependence=_RAREFIED,
        source="Zhang 2025",
        url="https://arxiv.org/abs/2504.05228",
        function=f"{_HERE}:unique_correct_at_k",
        arguments=("scored_class_counts", "class_correct"),
        options={"k": "$k"},
        fast="axes",
    ),
    Metric(
        name="pass_at_k",
        title="At least one of k right",
        summary=(
            "Chance that at least one of k outputs is right: 0 when none ever is, 1 when fewer "
            "than k are wrong."
        ),
        needs=("correct",),
        low=0,
        high=1,
        direction="neither",
        role="quality",
        n_dependence=_RAREFIED,
        source="Chen 2021",
        url="https://arxiv.org/abs/2107.03374",
        function=f"{_HERE}:pass_at_k",
        arguments=("n", "c"),
        options={"k": "$k"},
        fast="axes",
    ),
    Metric(
        name="answer_entropy",
        title="Entropy of the answers",
        summary=(
            "Entropy in nats of the distribution over answers, corrected for answers not yet "
            "seen (Chao and Shen): 0 when certain, ln m for m equally frequent answers."
        ),
        needs=("classes",),
        low=0,
        high=None,
        n_dependence="little: corrected, but noisy below about 10 outputs",
        source="Chao 2003",
        url="https://doi.org/10.1023/A:1026096204727",
        function=f"{_HERE}:answer_entropy",
        arguments=("class_counts",),
        options={"correction": "chao-shen"},
        fast="axes",
        least=2,
    ),
    Metric(
        name="answer_entropy_plugin",
        title="Entropy of the answers, plug-in",
        summary=(
            "Entropy in nats of the observed shares of the answers, without correction: 0 when "
            "certain, ln n when no answer comes twice."
        ),
        needs=("classes",),
        low=0,
        high="ln n",
        n_dependence="grows with n: compare equal n only",
        at_any_n="gini_simpson",
        source="Miller 1955",
        url="https://doi.org/10.1023/A:1026096204727",
        function=f"{_HERE}:answer_entropy",
        arguments=("class_counts",),
        fast="axes",
        least=2,
    ),
    _EAD,
    Metric(
        name="distinct_2",
        title="Different pairs of words",
        summary=(
            "Different two-word sequences over all of them: near 0 when they keep repeating, 1 "
            "when none stands twice; falls with length."
        ),
        needs=("texts",),
        low=0,
        high=1,
        n_dependence="falls with n and with length: compare equal n and length only",
        at_any_n="homogenisation",
        source="Li 2016",
        url="https://arxiv.org/abs/1510.03055",
        function=f"{_HERE}:distinct_n",
        options={"n": 2},
        fast=f"{_HERE}.texts._distinct:distinct_by_set",
        least=2,
    ),
    Metric(
        name="self_bleu",
        title="Overlap with each other (self-BLEU)",
        summary=(
            "Mean BLEU-4 of each output against the others: 0 when no two share a word, 1 when "
            "each can be pieced together from the rest."
        ),
        needs=("texts",),
        low=0,
        high=1,
        direction="less",
        n_dependence="grows with n: compare equal n only",
        at_any_n="homogenisation",
        source="Zhu 2018",
        url="https://arxiv.org/abs/1802.01886",
        function=f"{_HERE}:self_bleu",
        fast=f"{_HERE}.texts._self_bleu:self_bleu_by_set",
        least=2,
    ),
    Metric(
        name="compression_ratio",
        title="Compression ratio",
        summary=(
            "Bytes of the outputs over their bytes after zlib: about 1 when nothing repeats, "
            "higher the more does."
        ),
        needs=("texts",),
        low=0,
        high=None,
        direction="less",
        n_dependence="grows with the number of bytes: compare equal n and length only",
        at_any_n="homogenisation",
        source="Shaib 2024",
        url="https://arxiv.org/abs/2403.00553",
        function=f"{_HERE}:compression_ratio",
        least=2,
    ),
    Metric(
        name="branching_factor",
        title="Tokens that could come next",
        summary=(
            "Effective number of next tokens at a step of the answer: 1 when each is certain, "
            "the vocabulary size when all are equally likely."
        ),
        needs=("token_entropies",),
        low=1,
        high="V",
        n_dependence="none in expectation of its logarithm",
        source="Yang 2025",
        url="https://arxiv.org/abs/2506.17871",
        function=f"{_HERE}:branching_factor",
    ),
    Metric(
        name="token_entropy",
        title="Entropy of the next token",
        summary=(
            "Mean entropy in nats of the next-token distributions along the answers: 0 when "
            "each is certain, ln V when all tokens are equally likely."
        ),
        needs=("token_entropies",),
        low=0,
        high="ln V",
        n_dependence=_UNBIASED,
        source="Yang 2025",
        url="https://arxiv.org/abs/2506.17871",
        function=f"{_HERE}:token_entropy",
    ),
    Metric(
        name="accuracy",
        title="Right answers",
        summary="Share of right outputs: 0 when none is right, 1 when all are.",
        needs=("correct",),
        low=0,
        high=1,
        direction="neither",
        role="quality",
        n_dependence=_UNBIASED,
        source="Chen 2021",
        url="https://arxiv.org/abs/2107.03374",
        function=f"{_HERE}:accuracy",
        fast="axes",
    ),
    Metric(
        name="quality",
        title="Quality",
        summary="Mean quality of the outputs, on the scale of whoever judged them.",
        needs=("quality",),
        low=None,
        high=None,
        direction="neither",
        role="quality",
        n_dependence=_UNBIASED,
        source="the judge",
        url="",
        function="numpy:mean",
    ),
    Metric(
        name="length",
        title="Words per output",
        summary="Mean number of words of an output: 0 when all are empty.",
        needs=("texts",),
        low=0,
        high=None,
        direction="neither",
        role="length",
        n_dependence=_UNBIASED,
        source="Guo 2025",
        url="https://arxiv.org/abs/2505.16245",
        function=f"{_HERE}:mean_length",
        fast=f"{_HERE}.texts._length:length_by_set",
    ),
    _length_controlled(_VENDI, "cut_features"),
    _length_controlled(_PAIRWISE, "cut_features"),
    _length_controlled(_EAD, "cut_texts"),
    _across(
        _PAIRWISE,
        "Mean distance in meaning between outputs of different prompts: 0 when every prompt is "
        "answered alike, the value within prompts when the prompt is not heeded.",
        "pairwise_across",
    ),
    _across(
        _VENDI,
        "Effective number of different outputs among one output a prompt: 1 when every prompt "
        "is answered alike, the number of prompts when no two answers have anything in common.",
        "vendi_across",
    ),
    _across(
        _EAD,
        "Different n-grams of one output a prompt over what uniform draws would give: near 0 "
        "when every prompt gets the same words, 1 for uniform draws.",
        "ead_across",
    ),
)
