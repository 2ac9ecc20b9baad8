"""The closed world: five tasks in which every right answer is known, with its frequency.

>>> from variegate.lab import world
>>> world.task("lists").right_answers("fruit")["apple"]
0.3414...
>>> world.verify_arithmetic("5 + 7", 12)
Verdict(correct=True, answer='7 + 5', quality=None)
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from variegate.errors import UnknownName
from variegate.judging import Verdict
from variegate.lab.world._arithmetic import Arithmetic
from variegate.lab.world._lists import MEMBERS, Lists
from variegate.lab.world._opinions import OPINIONS, Opinions
from variegate.lab.world._routes import ROADS, Routes, simple_paths
from variegate.lab.world._stories import GRAMMAR, Stories, expansions, grammar_entropy
from variegate.lab.world._task import Demonstration, Task, draw
from variegate.samples import Prompt

__all__ = [
    "Task",
    "Demonstration",
    "TASKS",
    "task",
    "right_answers",
    "verify_arithmetic",
    "verify_routes",
    "verify_lists",
    "verify_stories",
    "verify_opinions",
    "evaluation_prompts",
    "training_prompts",
    "draw",
    "grammar_entropy",
    "expansions",
    "simple_paths",
    "GRAMMAR",
    "MEMBERS",
    "OPINIONS",
    "ROADS",
]

TASKS: tuple[Task, ...] = (Arithmetic(), Routes(), Lists(), Stories(), Opinions())


def task(name: str) -> Task:
    """Return the task of that name.

    Raises:
        UnknownName: there is none.
    """
    for candidate in TASKS:
        if candidate.name == name:
            return candidate
    raise UnknownName("lab task", name, (candidate.name for candidate in TASKS))


def right_answers(prompt: Prompt) -> Mapping[str, float]:
    """Every right answer to a prompt of the world, with the frequency the world gives it.

    Example:
        >>> prompt = evaluation_prompts(per_task=1)[0]
        >>> round(sum(right_answers(prompt).values()), 9)
        1.0
    """
    return task(prompt.task).right_answers(prompt.target)


def _verify(name: str, text: str, target: Any) -> Verdict:
    about = task(name)
    correct = about.spelled(text) in about.right_answers(target)
    return Verdict(correct=correct, answer=about.canonical(text) or None)


def verify_arithmetic(text: str, target: Any) -> Verdict:
    """Right if the text is one expression "a op b" over 1 to 20 whose value is the target.

    The text is parsed, never evaluated.

    Example:
        >>> verify_arithmetic("3 * 5", 12).correct
        False
    """
    return _verify("arithmetic", text, target)


def verify_routes(text: str, target: Any) -> Verdict:
    """Right if the text is a simple path of at most six places from target[0] to target[1].

    Example:
        >>> verify_routes("alba brin dell", ("alba", "dell")).correct
        True
    """
    return _verify("routes", text, target)


def verify_lists(text: str, target: Any) -> Verdict:
    """Right if the text is one member of the kind that the target names.

    Example:
        >>> verify_lists("Quince", "fruit")
        Verdict(correct=True, answer='quince', quality=None)
    """
    return _verify("lists", text, target)


def verify_stories(text: str, target: Any) -> Verdict:
    """Right if the grammar can grow the text about the hero; the answer is the plot.

    Example:
        >>> verify_stories("one day the fox found a key .", "fox")
        Verdict(correct=True, answer='found key', quality=None)
    """
    return _verify("stories", text, target)


def verify_opinions(text: str, target: Any) -> Verdict:
    """Right if the text is an opinion that somebody in the group holds.

    Example:
        >>> verify_opinions("the moon", ("farmer", "rain")).correct
        False
    """
    return _verify("opinions", text, target)


EVALUATED = 24  # prompts a task that no post-training stage sees


@cache
def _split() -> dict[str, tuple[tuple[Prompt, ...], tuple[Prompt, ...]]]:
    halves = {}
    for about in TASKS:
        # Sorted by content hash: a fixed shuffle that needs no random stream.
        shuffled = sorted(about.prompts, key=lambda prompt: prompt.prompt_id)
        halves[about.name] = (tuple(shuffled[:EVALUATED]), tuple(shuffled[EVALUATED:]))
    return halves


def evaluation_prompts(*, per_task: int = EVALUATED) -> tuple[Prompt, ...]:
    """Return the prompts to measure on, the first so many of each task; at most 24 a task.

    Pretraining knows the whole world, these questions too; no later stage ever sees them.

    Example:
        >>> len(evaluation_prompts())
        120
    """
    return tuple(prompt for held_out, _ in _split().values() for prompt in held_out[:per_task])


def training_prompts() -> tuple[Prompt, ...]:
    """Return the prompts of the post-training stages; none of them is measured on.

    Example:
        >>> set(training_prompts()) & set(evaluation_prompts())
        set()
    """
    return tuple(prompt for _, rest in _split().values() for prompt in rest)


def say(prompt: Prompt, rng: np.random.Generator) -> str:
    """Answer as the world does: right by frequency, or wrong at the task's error rate."""
    about = task(prompt.task)
    if rng.random() < about.error_rate:
        return about.wrong_answer(prompt.target, rng)
    return draw(about.right_answers(prompt.target), rng)
