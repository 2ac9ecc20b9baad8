"""Stepwise search: answers grown step by step.

`ParticleSearch` (entropic particle filtering) copies promising begun answers, `TreeSearch`
(efficient tree search) branches them; both work on any model that continues a begun answer, with
scores from its own certainty or from a function. Their arithmetic stands alone:
`particle_temperature` and `systematic_resample`, `rebase_widths` and `ets_select`.
"""

from variegate.prompting.stepwise._particles import (
    Annealing,
    log_weights,
    particle_temperature,
    systematic_resample,
)
from variegate.prompting.stepwise._search import ParticleSearch, Scorer, TreeSearch
from variegate.prompting.stepwise._tree import ets_select, rebase_widths

__all__ = [
    "ParticleSearch",
    "TreeSearch",
    "Scorer",
    "Annealing",
    "log_weights",
    "particle_temperature",
    "systematic_resample",
    "rebase_widths",
    "ets_select",
]
