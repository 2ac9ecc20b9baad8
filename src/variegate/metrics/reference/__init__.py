"""A set against a reference set: fidelity, coverage, and divergences through neighbours."""

from variegate.metrics.reference._coverage import Coverage
from variegate.metrics.reference._density import Density, kernel_density
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
    "Coverage",
    "probabilistic_precision_recall",
    "PrecisionRecall",
    "mauve",
    "mauve_of_features",
    "Mauve",
    "frontier_integral",
    "kernel_density",
    "Density",
    "knn_entropy",
    "knn_kl",
]
