"""The table of metrics that run only when they are named."""

from __future__ import annotations

import math

from variegate.metrics._registry import Metric

__all__ = ["ON_REQUEST"]

_HERE = "variegate.metrics"
_WITH_N = "grows with n: compare equal n only"
_UNBIASED = "none: the expectation is the same for every n"

ON_REQUEST: tuple[Metric, ...] = (
    Metric(
        name="vendi_2",
        title="Effective number of different outputs, order 2",
        summary=(
            "As vendi, with more weight on what is said often: 1 when all mean the same, n when "
            "no two have anything in common."
        ),
        needs=("features",),
        low=1,
        high="n",
        n_dependence=_WITH_N,
        at_any_n="rke",
        source="Pasarkar 2023",
        url="https://arxiv.org/abs/2310.12952",
        function=f"{_HERE}:vendi",
        options={"q": 2.0},
        fast="axes",
        least=2,
    ),
    Metric(
        name="vendi_inf",
        title="Effective number of different outputs, order ∞",
        summary=(
            "As vendi, of the dominant kind of output alone: 1 when all mean the same, n when no "
            "two have anything in common."
        ),
        needs=("features",),
        low=1,
        high="n",
        n_dependence=_WITH_N,
        at_any_n="rke",
        source="Pasarkar 2023",
        url="https://arxiv.org/abs/2310.12952",
        function=f"{_HERE}:vendi",
        options={"q": math.inf},
        fast="axes",
        least=2,
    ),
    Metric(
        name="vendi_truncated",
        title="Effective number of different outputs, without the tail",
        summary=(
            "As vendi, of the k largest eigenvalues with the rest spread over them: 1 when all "
            "mean the same, at most k."
        ),
        needs=("features",),
        low=1,
        high="k",
        n_dependence="little for n well above k",
        at_any_n="rke",
        source="Ospanov 2024",
        url="https://arxiv.org/abs/2410.21719",
        function=f"{_HERE}:vendi_truncated",
        options={"t": "$k"},
        fast="axes",
        least=2,
    ),
    Metric(
        name="rke",
        title="Effective number of modes",
        summary=(
            "One over the mean squared cosine of two outputs of a prompt: 1 when all mean the "
            "same; no upper end when they have nothing in common."
        ),
        level="set",
        needs=("features",),
        low=1,
        high=None,
        n_dependence="little: its inverse has the same expectation for every n",
        source="Jalali 2023",
        url="https://github.com/mjalali/renyi-kernel-entropy",
        function=f"{_HERE}:rke_within",
    ),
    Metric(
        name="log_determinant",
        title="Volume of the outputs, logarithm",
        summary=(
            "ln det(I + K) of the cosines K of a prompt's outputs: ln(1 + n) when all mean the "
            "same, n ln 2 when no two have anything in common."
        ),
        needs=("features",),
        low=0,
        high="n ln 2",
        n_dependence=_WITH_N,
        at_any_n="pairwise",
        source="Wang 2024",
        url="https://arxiv.org/abs/2402.02318",
        function=f"{_HERE}:log_determinant",
        fast="axes",
        least=2,
    ),
    Metric(
        name="log_determinant_distance",
        title="Volume short of unrelated outputs",
        summary=(
            "By how much ln det(K + 0.01 I) an output falls short of unrelated ones: 0 when no "
            "two outputs of a prompt have anything in common."
        ),
        needs=("features",),
        low=0,
        high=None,
        direction="less",
        n_dependence=_WITH_N,
        at_any_n="pairwise",
        source="Wang 2024",
        url="https://arxiv.org/abs/2402.02318",
        function=f"{_HERE}:log_determinant_distance",
        options={"ridge": 0.01},  # so that two equal outputs have a finite value
        fast="axes",
        least=2,
    ),
    Metric(
        name="population_volume",
        title="Volume of the outputs (DvD)",
        summary=(
            "Determinant of the Gaussian kernel of a prompt's outputs: 0 when two mean the same, "
            "1 when all are far apart."
        ),
        needs=("features",),
        low=0,
        high=1,
        n_dependence="falls with n: compare equal n only",
        at_any_n="pairwise",
        source="Parker-Holder 2020",
        url="https://arxiv.org/abs/2002.00632",
        function=f"{_HERE}:population_volume",
        fast="axes",
        least=2,
    ),
    Metric(
        name="dcscore",
        title="Outputs told apart (DCScore)",
        summary=(
            "Expected number of outputs recognised among those of their prompt, at temperature "
            "1: 1 when all mean the same, n e / (e + n - 1) when no two have anything in common."
        ),
        needs=("features",),
        low=1,
        high="n",
        n_dependence=_WITH_N,
        at_any_n="pairwise",
        source="Zhu 2025",
        url="https://arxiv.org/abs/2502.08512",
        function=f"{_HERE}:dcscore",
        fast="axes",
        least=2,
    ),
    Metric(
        name="sample_coverage",
        title="Share of the answers seen",
        summary=(
            "Estimated chance that the next output repeats an answer already seen: 0 when no "
            "answer came twice, 1 when each did."
        ),
        needs=("classes",),
        low=0,
        high=1,
        direction="neither",
        n_dependence="grows with n: it says how much of the distribution n outputs show",
        source="Chao 2012",
        url="https://doi.org/10.1890/11-1952.1",
        function=f"{_HERE}:sample_coverage",
        arguments=("class_counts",),
    ),
    Metric(
        name="default_share",
        title="Share of the commonest answer",
        summary=(
            "Share of a prompt's outputs that give its commonest answer: 1/n when no answer "
            "comes twice, 1 when it is always the same."
        ),
        needs=("classes",),
        low=0,
        high=1,
        direction="less",
        n_dependence="falls with n: compare equal n only",
        at_any_n="gini_simpson",
        source="Rassin 2024",
        url="https://arxiv.org/abs/2410.22592",
        function=f"{_HERE}:default_share",
        arguments=("class_counts",),
        fast="axes",
    ),
    Metric(
        name="cluster_score",
        title="Clusters over their size",
        summary=(
            "Number of different answers squared over the number of outputs: 1/n when the answer "
            "is always the same, n when none comes twice."
        ),
        needs=("classes",),
        low=0,
        high="n",
        n_dependence=_WITH_N,
        at_any_n="gini_simpson",
        source="Chen 2024",
        url="https://arxiv.org/abs/2410.15226",
        function=f"{_HERE}:cluster_score",
        arguments=("class_counts",),
        fast="axes",
    ),
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
        function=f"{_HERE}.texts._lexical:over_outputs",
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
        function=f"{_HERE}.texts._lexical:over_outputs",
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
        function=f"{_HERE}.texts._lexical:over_outputs",
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
        function=f"{_HERE}.texts._lexical:over_outputs",
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
        at_any_n="homogenisation",
        source="Salkar 2022",
        url="https://arxiv.org/abs/2210.08145",
        function=f"{_HERE}:self_repetition",
        fast=f"{_HERE}.texts._self_repetition:self_repetition_by_set",
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
        name="edit_diversity",
        title="Edit distance of pairs",
        summary=(
            "Mean share of the longer of two outputs of a prompt that must be rewritten, in words, "
            "to make the other of it: 0 when all are the same, 1 when nothing stays."
        ),
        needs=("texts",),
        low=0,
        high=1,
        n_dependence=_UNBIASED,
        source="Levenshtein 1966",
        url="https://nymity.ch/sybilhunting/pdf/Levenshtein1966a.pdf",
        function=f"{_HERE}:edit_diversity",
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
    Metric(
        name="vendi_conditional",
        title="Different outputs beyond what prompts explain",
        summary=(
            "Effective number of different outputs of all prompts that the prompts do not "
            "explain: 1 when the prompt decides the output, the number over all outputs when "
            "prompts are not heeded."
        ),
        level="set",
        needs=("features",),
        low=1,
        high=None,
        n_dependence=_WITH_N,
        at_any_n="rke",
        source="Jalali 2024",
        url="https://arxiv.org/abs/2411.02817",
        function=f"{_HERE}.similarity._vendi_forms:conditional_within",
        arguments=("features", "prompt_features"),
    ),
    Metric(
        name="leinster_cobbold",
        title="Effective number of kinds (Leinster-Cobbold)",
        summary=(
            "Effective number of kinds of outputs given their cosines, order 1: 1 when all mean "
            "the same, n when no two have anything in common; a floor z under all cosines holds "
            "it below 1/z."
        ),
        needs=("features",),
        low=1,
        high="n",
        n_dependence=_WITH_N,
        at_any_n="pairwise",
        source="Leinster 2012",
        url="https://doi.org/10.1890/10-2402.1",
        function=f"{_HERE}.similarity._leinster_cobbold:of_features",
        fast="axes",
        least=2,
    ),
    Metric(
        name="evenness",
        title="How evenly the answers are given",
        summary=(
            "Effective number of answers less one over the number seen less one: 0 when one "
            "answer takes nearly all, 1 when all that were seen are equally frequent."
        ),
        needs=("classes",),
        low=0,
        high=1,
        direction="neither",
        n_dependence="rises with n while new answers come",
        at_any_n="gini_simpson",
        source="Chao 2019",
        url="https://doi.org/10.1002/ecy.2852",
        function=f"{_HERE}.similarity._leinster_cobbold:of_counts",
        arguments=("class_counts",),
        least=2,
    ),
    Metric(
        name="attribute_entropy",
        title="Entropy of the answers over its largest",
        summary=(
            "Entropy of the answers to a prompt over the logarithm of how many any arm gave: 0 "
            "when always the same, 1 when all are equally frequent."
        ),
        needs=("classes",),
        low=0,
        high=1,
        n_dependence=_WITH_N,
        at_any_n="gini_simpson",
        source="Rassin 2024",
        url="https://arxiv.org/abs/2410.22592",
        function=f"{_HERE}.answers._attributes:over_values",
        arguments=("class_counts", "answers_known"),
        least=2,
    ),
    Metric(
        name="utility_at_k",
        title="Utility of k outputs to a patient reader",
        summary=(
            "Mean quality of k outputs read one by one, where an answer that came before is worth"
            " nothing: their quality when all are new, 0 when none is any good."
        ),
        needs=("quality", "classes"),
        low=None,
        high=None,
        direction="neither",
        role="quality",
        n_dependence="none for n ≥ k: averaged over the order",
        source="Zhang 2025",
        url="https://arxiv.org/abs/2504.05228",
        function=f"{_HERE}:utility_at_k",
        arguments=("quality_labels", "quality"),
        options={"k": "$k"},
    ),
    Metric(
        name="surprise",
        title="Surprise at the tokens said",
        summary=(
            "Mean of minus the logarithm of the probability of the tokens said, in nats: 0 when "
            "each was certain; its expectation is token_entropy."
        ),
        needs=("token_logprobs",),
        low=0,
        high=None,
        n_dependence=_UNBIASED,
        source="Yang 2025",
        url="https://arxiv.org/abs/2506.17871",
        function=f"{_HERE}:surprise",
    ),
    Metric(
        name="branching_factor_surprise",
        title="Tokens that could come next, by surprise",
        summary=(
            "As branching_factor, from the probabilities of the tokens said alone: 1 when each "
            "was certain, the vocabulary size when all are equally likely."
        ),
        needs=("token_logprobs",),
        low=1,
        high=None,
        n_dependence="none in expectation of its logarithm",
        source="Yang 2025",
        url="https://arxiv.org/abs/2506.17871",
        function=f"{_HERE}.tokens._branching:branching_by_surprise",
    ),
    Metric(
        name="min_k",
        title="Surprise at the least expected tokens",
        summary=(
            "Mean surprise at the fifth of an output's tokens that surprise most, in nats: 0 when"
            " each was certain; for texts not drawn from the model, small where it has read them "
            "before."
        ),
        needs=("token_logprobs",),
        low=0,
        high=None,
        direction="neither",
        n_dependence="none: a mean over outputs",
        source="Shi 2023",
        url="https://arxiv.org/abs/2310.16789",
        function=f"{_HERE}.tokens._membership:min_k_of_outputs",
    ),
    Metric(
        name="ece",
        title="Calibration error of the probability of an output",
        summary=(
            "Gap between the probability of an output and the share that is right, over bins, "
            "less what chance adds: 0 when calibrated, at most 1."
        ),
        level="set",
        needs=("correct", "logprob"),
        low=0,
        high=1,
        direction="neither",
        role="quality",
        n_dependence="little: less what chance adds",
        source="Guo 2017",
        url="https://arxiv.org/abs/1706.04599",
        function=f"{_HERE}.reliability._calibration:ece_within",
        arguments=("confidence", "outcome"),
    ),
)
