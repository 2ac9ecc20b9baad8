"""How many different answers, and how many right ones: rarefied counts, corrected entropies."""

from variegate.metrics.answers._attributes import attribute_entropy, cluster_score, default_share
from variegate.metrics.answers._classes import distinct_at_k, gini_simpson, unique_correct_at_k
from variegate.metrics.answers._draws_needed import draws_needed, expected_share_error
from variegate.metrics.answers._entropy import answer_entropy
from variegate.metrics.answers._known_answers import (
    ReferenceGap,
    UniformGap,
    coverage_recall,
    kl_to_uniform,
    reference_gap,
)
from variegate.metrics.answers._nli import nli_diversity
from variegate.metrics.answers._pass_at_k import accuracy, pass_at_k, pass_at_k_interval
from variegate.metrics.answers._perspectives import perspective_recall
from variegate.metrics.answers._side_by_side import SideBySide, holm, side_by_side
from variegate.metrics.answers._utility import utility_at_k

__all__ = [
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
    "reference_gap",
    "ReferenceGap",
    "nli_diversity",
    "perspective_recall",
    "draws_needed",
    "expected_share_error",
    "accuracy",
    "pass_at_k",
    "pass_at_k_interval",
    "utility_at_k",
    "side_by_side",
    "SideBySide",
    "holm",
]
