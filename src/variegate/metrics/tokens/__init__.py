"""How open is the next token: entropies and log-probabilities along the output."""

from variegate.metrics.tokens._branching import (
    branching_factor,
    entropy_by_position,
    surprise,
    token_entropy,
)
from variegate.metrics.tokens._membership import dc_pdd, min_k, min_k_plus

__all__ = [
    "branching_factor",
    "token_entropy",
    "surprise",
    "entropy_by_position",
    "min_k",
    "min_k_plus",
    "dc_pdd",
]
