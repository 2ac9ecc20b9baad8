"""Lineage: where along base → SFT → DPO → RL did the variety go.

A `Lineage` is a tree of stages, written in a TOML file: checkpoints, or saved outputs. `trace` asks
them all the same prompts and gives a `Trace`: the level of every stage, what each step took, how
much of that was only wrong answers going away, what the template does, where in the answer and
where in the weights, each with its interval, and the answer in a few sentences. `load_trace` reads
one back from its run directory; `validate_lineage` looks at a file before anything is paid for.

What a trace is made of can be had alone: `stage_losses` and `decompose` on tables of your own,
`positions_of` and `layers_of` for one question each. The room `probes` holds what the literature
offers beside it, on spectra, shifts and training-time alarms.
"""

from variegate.lineage._decompose import Decomposition, decompose
from variegate.lineage._headline import headline
from variegate.lineage._layers import layer_changes, layers_of
from variegate.lineage._lineage import Lineage, Stage
from variegate.lineage._losses import StageLosses, bootstrap_losses, stage_losses
from variegate.lineage._pairs import (
    PairAccount,
    Split,
    exact_account,
    genuine_share,
    pair_account,
    split,
)
from variegate.lineage._positions import positions_of
from variegate.lineage._result import StageInfo, Trace
from variegate.lineage._store import load_trace
from variegate.lineage._trace import trace
from variegate.lineage._validate import LineageReport, validate_lineage
from variegate.lineage.probes import (
    CausalBound,
    PerAndAcross,
    SpectralFit,
    StagePath,
    TopK,
    Turn,
    absorption_times,
    causal_bound,
    depth_exponent,
    effective_rank,
    filter_diversity,
    kernel_divergence_score,
    monge_gap,
    per_and_across_input,
    spectral_exponent,
    stable_rank,
    stage_path,
    topk_indicators,
    truncate,
    turning_point,
)

__all__ = [
    "Lineage",
    "Stage",
    "validate_lineage",
    "LineageReport",
    "trace",
    "Trace",
    "StageInfo",
    "load_trace",
    "headline",
    "positions_of",
    "layers_of",
    "layer_changes",
    "stage_losses",
    "bootstrap_losses",
    "StageLosses",
    "decompose",
    "Decomposition",
    "pair_account",
    "exact_account",
    "split",
    "PairAccount",
    "Split",
    "genuine_share",
    "per_and_across_input",
    "PerAndAcross",
    "topk_indicators",
    "TopK",
    "turning_point",
    "Turn",
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
