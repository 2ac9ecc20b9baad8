"""A small closed world: tasks with every right answer known, tiny models of every stage.

Estimates can be checked here against the truth, because the truth can be computed: a model's
probability of every right answer is found by scoring it.

>>> from variegate import lab
>>> prompt = lab.evaluation_prompts()[0]
>>> prompt.task
'arithmetic'
>>> lab.verify_arithmetic("5 + 7", 12)
Verdict(correct=True, answer='7 + 5', quality=None)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from variegate.lab import world
from variegate.lab._exact import exact_metrics, truth
from variegate.lab._lineage import lab_lineage
from variegate.lab.world import (
    evaluation_prompts,
    right_answers,
    training_prompts,
    verify_arithmetic,
    verify_lists,
    verify_opinions,
    verify_routes,
    verify_stories,
)

if TYPE_CHECKING:
    from variegate.lab.training import train

__all__ = [
    "world",
    "lab_lineage",
    "train",
    "exact_metrics",
    "truth",
    "evaluation_prompts",
    "training_prompts",
    "right_answers",
    "verify_arithmetic",
    "verify_routes",
    "verify_lists",
    "verify_stories",
    "verify_opinions",
]


def __getattr__(name: str) -> Any:
    if name == "train":
        from variegate.lab.training import train

        return train
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
