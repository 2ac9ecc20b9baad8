"""How far a score is to be trusted: calibration, and whether one cluster drives a mean."""

from variegate.metrics.reliability._calibration import ece
from variegate.metrics.reliability._harmony import harmony

__all__ = [
    "ece",
    "harmony",
]
