"""What the five tasks of the closed world have in common."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from variegate.errors import UsageError
from variegate.samples import Prompt

__all__ = ["Demonstration", "Task", "distribution", "draw", "known", "normalised", "prompts_of"]

LONGEST_ANSWER = 400  # characters; no right answer of the world comes near it


class Task(Protocol):
    """One task: what is asked, every right answer with its frequency, and how people err."""

    name: str
    error_rate: float  # share of wrong answers in the world's own documents
    prompts: tuple[Prompt, ...]

    def right_answers(self, target: Any) -> Mapping[str, float]:
        """Every right answer as a string, with the frequency the world gives it; sums to 1."""
        ...

    def every_answer(self) -> Sequence[str]:
        """Every well-formed answer to any question of the task; empty if there are too many."""
        ...

    def wrong_answer(self, target: Any, rng: np.random.Generator) -> str:
        """Draw a wrong answer of the kind that people give."""
        ...

    def spelled(self, text: str) -> str:
        """Return the text in the world's spelling, so that it can be looked up."""
        ...

    def canonical(self, text: str) -> str:
        """Return the class of an answer: texts that say the same thing give the same class."""
        ...

    def demonstrate(self, target: Any, teacher: int, rng: np.random.Generator) -> Demonstration:
        """Let one of two teachers think aloud and answer in its favourite way."""
        ...

    def vocabulary(self) -> Sequence[str]:
        """Every word the task can use."""
        ...


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """What a teacher shows: a short line of reasoning, and the answer."""

    reasoning: str
    answer: str


def normalised(text: str) -> str:
    r"""Fold case and white space; a text too long to be an answer is cut and marked as cut.

    Example:
        >>> normalised("  Apple\n")
        'apple'
    """
    if len(text) > LONGEST_ANSWER:
        # The mark keeps a right answer with a long tail from being taken for a right answer.
        return " ".join(text[:LONGEST_ANSWER].casefold().split()) + " …"
    return " ".join(text.casefold().split())


def distribution(weights: Mapping[str, float]) -> dict[str, float]:
    """Divide weights by their sum.

    Example:
        >>> distribution({"tea": 3, "milk": 1})
        {'tea': 0.75, 'milk': 0.25}
    """
    total = sum(weights.values())
    return {answer: weight / total for answer, weight in weights.items()}


def draw(answers: Mapping[str, float], rng: np.random.Generator) -> str:
    """Draw one answer by its frequency."""
    cumulative = np.cumsum(list(answers.values()))
    index = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
    return list(answers)[index]


def prompts_of(task: str, questions: Mapping[str, Any]) -> tuple[Prompt, ...]:
    """Make the prompts of a task from its questions and their targets."""
    return tuple(
        Prompt(prompt=question, task=task, verifier=f"lab.{task}", target=target)
        for question, target in questions.items()
    )


def known(task: str, target: Any, targets: Sequence[Any]) -> Any:
    """Return the target if the world has it; JSON turns tuples into lists, so lists are taken.

    Raises:
        UsageError: the world has no such target.
    """
    wanted = tuple(target) if isinstance(target, list) else target
    try:
        if wanted in targets:
            return wanted
    except TypeError:
        pass
    raise UsageError(
        f"The {task} task of the lab has no target {json.dumps(target, default=str)[:80]}.",
        hint=f"Targets look like {json.dumps(targets[0])}; variegate.lab.evaluation_prompts() "
        "lists the prompts with theirs.",
    )
