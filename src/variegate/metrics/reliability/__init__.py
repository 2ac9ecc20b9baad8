"""How far a score is to be trusted: calibration, a mean of unequal parts, quality in disguise."""

from variegate.metrics.reliability._beyond_quality import BeyondQuality, beyond_quality
from variegate.metrics.reliability._calibration import ece
from variegate.metrics.reliability._harmony import harmony
from variegate.metrics.reliability._with_quality import quality_correlation

__all__ = [
    "ece",
    "harmony",
    "quality_correlation",
    "beyond_quality",
    "BeyondQuality",
]
