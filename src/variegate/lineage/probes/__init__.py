"""Probes: small looks at one thing, each from its own paper, that a trace does not need.

While training runs, `topk_indicators` and `turning_point` say when a preference run starts to
over-optimise. On features or weights, the spectra: how many directions a change uses, how heavy
its tail is, what is left when the tail is cut. Between two checkpoints, how far outputs moved and
how crookedly. Across prompts, whether the variety lies within them or between them. And on the
shares of answers, the path that a lineage takes over the simplex.
"""

from variegate.lineage.probes._across import PerAndAcross, per_and_across_input
from variegate.lineage.probes._confounding import CausalBound, causal_bound
from variegate.lineage.probes._indicators import TopK, Turn, topk_indicators, turning_point
from variegate.lineage.probes._paths import StagePath, absorption_times, stage_path
from variegate.lineage.probes._shifts import depth_exponent, kernel_divergence_score, monge_gap
from variegate.lineage.probes._spectra import (
    SpectralFit,
    effective_rank,
    filter_diversity,
    spectral_exponent,
    stable_rank,
    truncate,
)

__all__ = [
    "topk_indicators",
    "TopK",
    "turning_point",
    "Turn",
    "per_and_across_input",
    "PerAndAcross",
    "stage_path",
    "StagePath",
    "absorption_times",
    "effective_rank",
    "stable_rank",
    "truncate",
    "spectral_exponent",
    "SpectralFit",
    "filter_diversity",
    "kernel_divergence_score",
    "monge_gap",
    "depth_exponent",
    "causal_bound",
    "CausalBound",
]
