"""Lineage: where along base → SFT → DPO → RL did the variety go."""

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
from variegate.lineage._result import Caution, StageInfo, Trace
from variegate.lineage._store import load_trace
from variegate.lineage._validate import LineageReport, validate_lineage

__all__ = [
    "Lineage",
    "Stage",
    "validate_lineage",
    "LineageReport",
    "Trace",
    "StageInfo",
    "Caution",
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
]
