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
score is to be trusted (`ece`, `harmony`).
"""

from variegate.metrics._across import ead_across, pairwise_across, vendi_across
from variegate.metrics._attributes import attribute_entropy, cluster_score, default_share
from variegate.metrics._branching import branching_factor, entropy_by_position, token_entropy
from variegate.metrics._calibration import ece
from variegate.metrics._channels import effective_channels
from variegate.metrics._classes import distinct_at_k, gini_simpson, unique_correct_at_k
from variegate.metrics._compare import compare
from variegate.metrics._compression import compression_ratio
from variegate.metrics._dcscore import dcscore
from variegate.metrics._determinant import (
    log_determinant,
    log_determinant_distance,
    population_volume,
)
from variegate.metrics._distinct import distinct_n, ead, ngram_diversity
from variegate.metrics._diversity_coefficient import diversity_coefficient
from variegate.metrics._entropy import answer_entropy
from variegate.metrics._harmony import harmony
from variegate.metrics._homogenisation import Overlap, homogenisation
from variegate.metrics._knn import knn_entropy, knn_kl
from variegate.metrics._known_answers import UniformGap, coverage_recall, kl_to_uniform
from variegate.metrics._leinster_cobbold import (
    Partition,
    evenness,
    leinster_cobbold,
    partition,
    sample_coverage,
)
from variegate.metrics._length import common_length, mean_length, truncated
from variegate.metrics._lexical import hdd, maas, mattr, mtld
from variegate.metrics._mauve import Mauve, frontier_integral, mauve, mauve_of_features
from variegate.metrics._measure import measure
from variegate.metrics._membership import dc_pdd, min_k, min_k_plus
from variegate.metrics._novel_sum import novel_sum
from variegate.metrics._pairwise import pairwise_diversity
from variegate.metrics._pass_at_k import accuracy, pass_at_k, pass_at_k_interval
from variegate.metrics._prdc import (
    Prdc,
    PrecisionRecall,
    prdc,
    probabilistic_precision_recall,
)
from variegate.metrics._registry import Metric, default_names, metric, metric_names
from variegate.metrics._result import Caution, Comparison, Measurement, rows
from variegate.metrics._self_bleu import self_bleu
from variegate.metrics._self_repetition import self_repetition
from variegate.metrics._side_by_side import SideBySide, holm, side_by_side
from variegate.metrics._utility import utility_at_k
from variegate.metrics._vendi import vendi, vendi_sensitivity
from variegate.metrics._vendi_forms import (
    ConditionalVendi,
    rke,
    rke_within,
    vendi_conditional,
    vendi_truncated,
)
from variegate.metrics._words import words

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
    "novel_sum",
    "diversity_coefficient",
    "ece",
    "harmony",
    "words",
]
