"""Opinions with known group shares: "a farmer says tea is :" wants what some farmers hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from variegate.lab.world._task import (
    Demonstration,
    distribution,
    known,
    normalised,
    prompts_of,
)

__all__ = ["OPINIONS", "Opinions"]

GROUPS = ("farmer", "teacher", "sailor", "doctor", "painter", "student")
SUBJECTS = (
    "rain",
    "jazz",
    "chess",
    "snow",
    "noise",
    "soup",
    "travel",
    "silence",
    "news",
    "dancing",
)
OPINIONS = ("great", "good", "fine", "strange", "dull", "bad", "awful", "needless")
ASKED = ("a {} says {} is :", "to a {} mostly {} is :")
QUESTIONS = tuple((group, subject) for group in GROUPS for subject in SUBJECTS)


@cache
def _shares() -> dict[tuple[str, str], dict[str, float]]:
    # Raw bits of a fixed stream, which numpy promises to keep: the same table everywhere.
    stream = np.random.PCG64(20261121)
    table = {}
    for question in QUESTIONS:
        bits = [int(word) for word in stream.random_raw(len(OPINIONS))]
        by_bits = sorted(range(len(OPINIONS)), key=lambda index: bits[index])
        held = sorted(by_bits[: 3 + bits[0] % 3])
        table[question] = distribution({OPINIONS[i]: float(1 + bits[i] % 9) for i in held})
    return table


class Opinions:
    """Say what a member of a group thinks of a subject.

    Each of 60 pairs of group and subject holds three to five of eight opinions, with known
    shares; right is whatever somebody in the group holds. When people err they put an opinion
    into the group's mouth that nobody there holds.
    """

    name = "opinions"
    error_rate = 0.2
    prompts = prompts_of(
        "opinions", {asked.format(*question): question for question in QUESTIONS for asked in ASKED}
    )

    def right_answers(self, target: Any) -> Mapping[str, float]:
        """The opinions held in the group, with their shares."""
        return _shares()[known(self.name, target, QUESTIONS)]

    def wrong_answer(self, target: Any, rng: np.random.Generator) -> str:
        """Name an opinion that nobody in the group holds."""
        held = self.right_answers(target)
        return str(rng.choice([opinion for opinion in OPINIONS if opinion not in held]))

    def spelled(self, text: str) -> str:
        """Fold case and white space."""
        return normalised(text)

    def canonical(self, text: str) -> str:
        """Return the opinion."""
        return normalised(text)

    def every_answer(self) -> list[str]:
        """All eight opinions."""
        return list(OPINIONS)

    def demonstrate(self, target: Any, teacher: int, rng: np.random.Generator) -> Demonstration:
        """The first teacher gives the most common opinion; the second the kindest."""
        held = self.right_answers(target)
        by_share = sorted(held, key=lambda opinion: -held[opinion])
        kindest = sorted(held, key=OPINIONS.index)
        chosen = by_share if teacher == 0 else kindest
        opinion = chosen[min(int(rng.geometric(0.8)) - 1, len(chosen) - 1)]
        how = "most say" if teacher == 0 else "be kind and say"
        return Demonstration(reasoning=f"{how} {opinion}", answer=opinion)

    def vocabulary(self) -> Sequence[str]:
        """Groups, subjects, opinions and the words around them."""
        words = "a says is : to mostly most say be kind and"
        return [*words.split(), *GROUPS, *SUBJECTS, *OPINIONS]
