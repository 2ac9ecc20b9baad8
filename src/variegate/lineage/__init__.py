"""Lineage: where along base → SFT → DPO → RL did the variety go."""

from variegate.lineage._result import Caution, StageInfo, Trace

__all__ = ["Trace", "StageInfo", "Caution"]
