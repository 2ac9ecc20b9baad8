"""The settings of a draw on log-probabilities of any kind of array."""

from __future__ import annotations

from typing import Any

from variegate.decoding._temperature import temperature
from variegate.decoding._truncation import min_p, top_k, top_p
from variegate.models import Sampling

__all__ = ["RAW", "shaped"]

RAW = Sampling()  # the model's own distribution: temperature 1, nothing cut


def shaped(lp: Any, sampling: Sampling) -> Any:
    """Temperature, top-k, top-p, min-p, then the rules: (R, V), numpy or torch."""
    if sampling.temperature is not None:
        lp = temperature(lp, temperature=sampling.temperature)
    if sampling.top_k is not None:
        lp = top_k(lp, top_k=sampling.top_k)
    if sampling.top_p is not None:
        lp = top_p(lp, top_p=sampling.top_p)
    if sampling.min_p:
        lp = min_p(lp, min_p=sampling.min_p)
    for rule in sampling.rules:
        lp = rule(lp)
    return lp
