"""Lineage: where along base → SFT → DPO → RL did the variety go."""

from variegate.lineage._losses import StageLosses, bootstrap_losses, stage_losses
from variegate.lineage._result import Caution, StageInfo, Trace

__all__ = [
    "Trace",
    "StageInfo",
    "Caution",
    "stage_losses",
    "bootstrap_losses",
    "StageLosses",
]
