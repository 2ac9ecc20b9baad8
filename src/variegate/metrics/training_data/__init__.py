"""How varied is a set to train on."""

from variegate.metrics.training_data._diversity_coefficient import diversity_coefficient
from variegate.metrics.training_data._novel_sum import novel_sum

__all__ = [
    "novel_sum",
    "diversity_coefficient",
]
