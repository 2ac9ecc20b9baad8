"""Open lists with known frequencies: "name one fruit :" wants any of ten fruits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from variegate.lab.world._task import (
    Demonstration,
    distribution,
    draw,
    known,
    normalised,
    prompts_of,
)

__all__ = ["MEMBERS", "Lists"]

# In the order of how readily they come to mind.
MEMBERS: dict[str, tuple[str, ...]] = {
    kind: tuple(members.split())
    for kind, members in {
        "fruit": "apple banana pear grape mango plum cherry kiwi fig quince",
        "animal": "dog cat horse cow lion tiger sheep goat zebra otter",
        "color": "blue red green yellow black white purple pink teal ochre",
        "tool": "hammer saw drill wrench pliers chisel file rasp clamp awl",
        "city": "london paris tokyo rome berlin madrid cairo lima oslo quito",
        "sport": "football tennis hockey golf rugby boxing judo rowing fencing curling",
        "drink": "water coffee tea milk juice beer wine cocoa cider mead",
        "bird": "eagle robin crow owl swan gull heron finch wren shrike",
        "tree": "oak pine maple birch elm ash willow cedar larch alder",
        "instrument": "piano guitar violin flute drum harp cello oboe banjo lute",
        "flower": "rose tulip lily daisy orchid poppy iris violet aster phlox",
        "vehicle": "car bus train bike truck boat plane tram sled canoe",
    }.items()
}
KINDS = tuple(MEMBERS)
ASKED = ("name one {} :", "list one {} :", "think of one {} :", "tell me one {} :")


@cache
def _right(kind: str) -> dict[str, float]:
    return distribution({member: 1 / rank for rank, member in enumerate(MEMBERS[kind], start=1)})


class Lists:
    """Name a member of one of twelve kinds; the r-th member is 1/r times as frequent as the first.

    When people err they name a member of another kind.
    """

    name = "lists"
    error_rate = 0.15
    prompts = prompts_of("lists", {asked.format(kind): kind for kind in KINDS for asked in ASKED})

    def right_answers(self, target: Any) -> Mapping[str, float]:
        """The ten members of the kind."""
        return _right(known(self.name, target, KINDS))

    def wrong_answer(self, target: Any, rng: np.random.Generator) -> str:
        """Name a member of another kind."""
        return draw(_right(str(rng.choice([kind for kind in KINDS if kind != target]))), rng)

    def spelled(self, text: str) -> str:
        """Fold case and white space."""
        return normalised(text)

    def canonical(self, text: str) -> str:
        """Return the word."""
        return normalised(text)

    def every_answer(self) -> list[str]:
        """Every member of every kind."""
        return [member for members in MEMBERS.values() for member in members]

    def demonstrate(self, target: Any, teacher: int, rng: np.random.Generator) -> Demonstration:
        """The first teacher names the best known; the second goes by the alphabet."""
        members = MEMBERS[known(self.name, target, KINDS)]
        chosen = members if teacher == 0 else sorted(members)
        member = chosen[min(int(rng.geometric(0.7)) - 1, len(chosen) - 1)]
        how = "the best known" if teacher == 0 else "go by the letter for"
        return Demonstration(reasoning=f"{how} {target}", answer=member)

    def vocabulary(self) -> Sequence[str]:
        """Kinds, members and the words around them."""
        words = "name list think of tell me one : the best known go by letter for"
        return [*words.split(), *KINDS, *self.every_answer()]
