"""Prompting: ways of asking a model for a set of answers.

Each way is a frozen dataclass with a `.name`, the `.tier` it needs of a model, its `.settings()`
and `.collect(arm, prompts, n=...)`, which returns n rows a prompt: some ask for several answers in
one call, some plan first, some speak in roles, some grow answers step by step. `asking` makes one
by name. Rows know the call, stratum, role and plan they came from, what the model said of their
probability and what they cost in tokens; they are `iid` only where they are independent draws.

What models write is read, never trusted: `read_answers` reads lists in broken JSON, tags or
plain text and says what it could not read, and what could not be had is a row that is counted.
`said_calibration` compares said probabilities with frequencies. `SimulatedChat` stands in for a
model. Stepwise search has a room of its own, `variegate.prompting.stepwise`.
"""

from variegate.prompting._approaches import ByApproach, vote
from variegate.prompting._asking import Asking
from variegate.prompting._calibration import SaidCalibration, said_calibration, sharpened
from variegate.prompting._calls import Answer, Call, Reply, Talk
from variegate.prompting._direct import Alternatives, Direct
from variegate.prompting._diverge import ViewByView
from variegate.prompting._facts import WithFacts
from variegate.prompting._long_tail import LongTail, rank_by_rarity
from variegate.prompting._personas import LanguageOfThought, Openings, Roles
from variegate.prompting._plan_search import PlanSearch, idea_diversity, subset_count, subsets
from variegate.prompting._probabilities import (
    WORDINGS,
    Wording,
    elicited_weights,
    read_probabilities,
)
from variegate.prompting._reading import (
    ReadAnswer,
    Reading,
    read_answers,
    read_choice,
    read_lines,
    read_objects,
)
from variegate.prompting._registry import asking, asking_tiers
from variegate.prompting._retrieval import Documents, Retriever
from variegate.prompting._simulated import SimulatedChat
from variegate.prompting._stratified import Property, Stratified, stratum_masses
from variegate.prompting._verbalized import AnswerList, VerbalizedSampling
from variegate.prompting.stepwise import (
    ParticleSearch,
    Scorer,
    TreeSearch,
    ets_select,
    log_weights,
    particle_temperature,
    rebase_widths,
    systematic_resample,
)

__all__ = [
    # by name
    "asking",
    "asking_tiers",
    "Asking",
    # draws and lists
    "Direct",
    "AnswerList",
    "Alternatives",
    "VerbalizedSampling",
    # plans and parts
    "Stratified",
    "Property",
    "stratum_masses",
    "ByApproach",
    "vote",
    "PlanSearch",
    "subsets",
    "subset_count",
    "idea_diversity",
    # who speaks, and how it begins
    "Roles",
    "Openings",
    "LanguageOfThought",
    # what is known
    "WithFacts",
    "ViewByView",
    "Retriever",
    "Documents",
    "LongTail",
    "rank_by_rarity",
    # step by step
    "ParticleSearch",
    "TreeSearch",
    "Scorer",
    "log_weights",
    "particle_temperature",
    "systematic_resample",
    "rebase_widths",
    "ets_select",
    # said probabilities
    "said_calibration",
    "SaidCalibration",
    "sharpened",
    "WORDINGS",
    "Wording",
    "read_probabilities",
    "elicited_weights",
    # reading what a model wrote
    "read_answers",
    "Reading",
    "ReadAnswer",
    "read_lines",
    "read_objects",
    "read_choice",
    # a way of asking of your own
    "Call",
    "Reply",
    "Answer",
    "Talk",
    "SimulatedChat",
]
