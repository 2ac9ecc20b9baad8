"""How alike are the outputs, by meaning: effective numbers and distances on features or kernels."""

from variegate.metrics.similarity._across import ead_across, pairwise_across, vendi_across
from variegate.metrics.similarity._between import (
    distinct_models,
    homogeneity,
    mean_similarities,
)
from variegate.metrics.similarity._channels import effective_channels
from variegate.metrics.similarity._dcscore import dcscore
from variegate.metrics.similarity._determinant import (
    log_determinant,
    log_determinant_distance,
    population_volume,
)
from variegate.metrics.similarity._leinster_cobbold import (
    Partition,
    evenness,
    leinster_cobbold,
    partition,
    sample_coverage,
)
from variegate.metrics.similarity._moments import Moments
from variegate.metrics.similarity._pairwise import pairwise_diversity
from variegate.metrics.similarity._vendi import vendi, vendi_sensitivity
from variegate.metrics.similarity._vendi_forms import (
    ConditionalVendi,
    rke,
    rke_within,
    vendi_conditional,
    vendi_truncated,
)

__all__ = [
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
    "mean_similarities",
    "homogeneity",
    "distinct_models",
    "leinster_cobbold",
    "partition",
    "Partition",
    "evenness",
    "sample_coverage",
    "pairwise_across",
    "vendi_across",
    "ead_across",
]
