"""A set against a reference set: fidelity, coverage, and divergences through neighbours."""

from variegate.metrics.reference._knn import knn_entropy, knn_kl
from variegate.metrics.reference._mauve import Mauve, frontier_integral, mauve, mauve_of_features
from variegate.metrics.reference._prdc import (
    Prdc,
    PrecisionRecall,
    prdc,
    probabilistic_precision_recall,
)

__all__ = [
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
]
