"""Whole sequences: sets of draws that know of each other, and two contexts side by side.

Each way of drawing is a model in front of a model that goes token by token, so an `Arm` takes it
and `collect` keeps and resumes its draws. `arithmetic` spreads n exact draws evenly;
`stochastic_beam` draws without replacement; `diverse_beam` and `lookahead_tree` search. Their
completions say `iid=False` and carry the weight that makes sums unbiased, where there is one.

`together` makes one model of several contexts over one vocabulary (two models, or one model and
two prompts) by a router (`HandOff`, `Nudge`, `Baco`, `Chance`) or a `blend` of distributions;
what it makes goes token by token too, so all of the above work over it. `TableModel` is the
oracle; `generator` hands the same to ``generate(custom_generate=...)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from variegate.decoding.sequences._arithmetic import (
    ArithmeticSampler,
    Spacing,
    arithmetic,
    arithmetic_codes,
)
from variegate.decoding.sequences._blends import (
    Baco,
    Blend,
    Chance,
    HandOff,
    Nudge,
    Router,
    View,
    blend,
)
from variegate.decoding.sequences._diverse_beam import Dissimilarity, DiverseBeam, diverse_beam
from variegate.decoding.sequences._lookahead import LookaheadTree, lookahead_tree
from variegate.decoding.sequences._registry import SAMPLERS, sampler, way_together
from variegate.decoding.sequences._stochastic_beam import (
    StochasticBeam,
    log_inclusion,
    stochastic_beam,
)
from variegate.decoding.sequences._table import TableModel
from variegate.decoding.sequences._together import Context, Together, together

if TYPE_CHECKING:
    from variegate.decoding.sequences._generate import generator

__all__ = [
    "arithmetic",
    "arithmetic_codes",
    "stochastic_beam",
    "log_inclusion",
    "diverse_beam",
    "lookahead_tree",
    "together",
    "Context",
    "HandOff",
    "Nudge",
    "Baco",
    "Chance",
    "blend",
    "sampler",
    "SAMPLERS",
    "way_together",
    "generator",
    "TableModel",
    "ArithmeticSampler",
    "StochasticBeam",
    "DiverseBeam",
    "LookaheadTree",
    "Together",
    "Blend",
    "Router",
    "View",
    "Spacing",
    "Dissimilarity",
]


def __getattr__(name: str) -> Any:
    # Torch is loaded with the first thing that needs it, not with the room.
    if name != "generator":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from variegate.errors import MissingExtra

    try:
        from variegate.decoding.sequences import _generate
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "transformers"):
            raise
        raise MissingExtra("Sets of draws inside transformers", "torch") from error
    return _generate.generator
