"""Choosing: from many answers to the few worth keeping, or to one.

From N to k: `spread` keeps answers that differ or that cover the rest, above a floor of quality;
`mmr`, `k_medoids` and `mix_kernels` (several ideas of likeness at once) are its parts by hand.
From N to one: `best_of`, `majority`, `least_risk` (the answer most like all others), and
`least_likely` (the right answer the model found least likely). In a loop, with a threshold that
knows how often it is wrong: `best_of_loops`, `calibrate_acceptance`. Through a model: `fuse`,
`fuse_in_windows`. When in doubt not at all: `decide_or_abstain`.

`chooser` makes each a step from samples to samples, which `variegate.fronts` puts beside every
other arm: what was thrown away is paid for.
"""

from variegate.choosing._abstain import Decision, decide_or_abstain
from variegate.choosing._best import accept_probabilities, best_of, selection_probabilities
from variegate.choosing._chooser import CHOOSERS, Chooser, chooser
from variegate.choosing._experts import stability_weights
from variegate.choosing._fuse import Fused, fuse, fuse_in_windows
from variegate.choosing._kernels import mix_kernels
from variegate.choosing._least_likely import least_likely
from variegate.choosing._loops import BestOfLoops, best_of_loops, calibrate_acceptance
from variegate.choosing._preference import choose_by_preference, nearby_preferences
from variegate.choosing._risk import Medoids, k_medoids, least_risk, majority
from variegate.choosing._shifts import Shift, model_shift
from variegate.choosing._spread import spread
from variegate.selection import mmr

__all__ = [
    "chooser",
    "Chooser",
    "CHOOSERS",
    "spread",
    "mmr",
    "k_medoids",
    "Medoids",
    "mix_kernels",
    "best_of",
    "selection_probabilities",
    "majority",
    "least_risk",
    "least_likely",
    "accept_probabilities",
    "best_of_loops",
    "BestOfLoops",
    "calibrate_acceptance",
    "fuse",
    "fuse_in_windows",
    "Fused",
    "nearby_preferences",
    "choose_by_preference",
    "decide_or_abstain",
    "Decision",
    "stability_weights",
    "model_shift",
    "Shift",
]
