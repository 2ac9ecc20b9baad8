"""Metrics: pure functions from texts or arrays to a number, and the table that names them.

`measure` runs them over a table of samples and puts intervals on the results; `compare` does so
for two arms on the same prompts. `metric` and `metric_names` open the table: what each metric
counts, its bounds, what it needs, how it depends on n, and where it comes from.

How alike the outputs of a prompt are, by meaning, by answer, by words:

>>> from variegate.metrics import distinct_at_k, pairwise_diversity, vendi
>>> vendi([[1, 0], [0, 1], [0, 1], [1, 0]])
2.0
>>> round(pairwise_diversity([[1, 0], [0, 1], [0, 1], [1, 0]]), 4)
0.6667
>>> round(distinct_at_k([2, 2], k=2), 4)
1.6667

Some need more than a table of samples, so they are called by hand: a set against a reference
(`prdc`, `mauve`, `knn_kl`), training data (`novel_sum`, `diversity_coefficient`), and how far a
score is to be trusted (`ece`, `harmony`). `kl`, `js`, `jeffreys`, `fisher_rao` and `psi` are handed
on from `variegate.divergences`.
"""

from variegate.divergences import fisher_rao, jeffreys, js, kl, psi
from variegate.metrics._compare import compare
from variegate.metrics._measure import measure
from variegate.metrics._registry import Metric, default_names, metric, metric_names
from variegate.metrics._result import Caution, Comparison, Measurement, rows
from variegate.metrics.answers import (
    SideBySide,
    UniformGap,
    accuracy,
    answer_entropy,
    attribute_entropy,
    cluster_score,
    coverage_recall,
    default_share,
    distinct_at_k,
    gini_simpson,
    holm,
    kl_to_uniform,
    pass_at_k,
    pass_at_k_interval,
    side_by_side,
    unique_correct_at_k,
    utility_at_k,
)
from variegate.metrics.reference import (
    Mauve,
    Prdc,
    PrecisionRecall,
    frontier_integral,
    knn_entropy,
    knn_kl,
    mauve,
    mauve_of_features,
    prdc,
    probabilistic_precision_recall,
)
from variegate.metrics.reliability import (
    ece,
    harmony,
)
from variegate.metrics.similarity import (
    ConditionalVendi,
    Moments,
    Partition,
    dcscore,
    ead_across,
    effective_channels,
    evenness,
    leinster_cobbold,
    log_determinant,
    log_determinant_distance,
    pairwise_across,
    pairwise_diversity,
    partition,
    population_volume,
    rke,
    rke_within,
    sample_coverage,
    vendi,
    vendi_across,
    vendi_conditional,
    vendi_sensitivity,
    vendi_truncated,
)
from variegate.metrics.texts import (
    Overlap,
    common_length,
    compression_ratio,
    distinct_n,
    ead,
    hdd,
    homogenisation,
    maas,
    mattr,
    mean_length,
    mtld,
    ngram_diversity,
    self_bleu,
    self_repetition,
    truncated,
    words,
)
from variegate.metrics.tokens import (
    branching_factor,
    dc_pdd,
    entropy_by_position,
    min_k,
    min_k_plus,
    token_entropy,
)
from variegate.metrics.training_data import (
    diversity_coefficient,
    novel_sum,
)

__all__ = [
    "measure",
    "Measurement",
    "compare",
    "Comparison",
    "Caution",
    "rows",
    "metric",
    "metric_names",
    "default_names",
    "Metric",
    "vendi",
    "vendi_sensitivity",
    "vendi_truncated",
    "vendi_conditional",
    "ConditionalVendi",
    "rke",
    "rke_within",
    "pairwise_diversity",
    "Moments",
    "log_determinant",
    "log_determinant_distance",
    "population_volume",
    "dcscore",
    "effective_channels",
    "leinster_cobbold",
    "partition",
    "Partition",
    "evenness",
    "sample_coverage",
    "gini_simpson",
    "distinct_at_k",
    "unique_correct_at_k",
    "answer_entropy",
    "attribute_entropy",
    "default_share",
    "cluster_score",
    "coverage_recall",
    "kl_to_uniform",
    "UniformGap",
    "ead",
    "distinct_n",
    "ngram_diversity",
    "self_bleu",
    "self_repetition",
    "homogenisation",
    "Overlap",
    "compression_ratio",
    "mtld",
    "hdd",
    "mattr",
    "maas",
    "branching_factor",
    "token_entropy",
    "entropy_by_position",
    "min_k",
    "min_k_plus",
    "dc_pdd",
    "pairwise_across",
    "vendi_across",
    "ead_across",
    "accuracy",
    "pass_at_k",
    "pass_at_k_interval",
    "utility_at_k",
    "side_by_side",
    "SideBySide",
    "holm",
    "mean_length",
    "common_length",
    "truncated",
    "prdc",
    "Prdc",
    "probabilistic_precision_recall",
    "PrecisionRecall",
    "mauve",
    "mauve_of_features",
    "Mauve",
    "frontier_integral",
    "knn_entropy",
    "knn_kl",
    "kl",
    "js",
    "jeffreys",
    "fisher_rao",
    "psi",
    "novel_sum",
    "diversity_coefficient",
    "ece",
    "harmony",
    "words",
]
