"""Routes through a small graph: "route from alba to ford :" wants any simple path."""

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

__all__ = ["ROADS", "Routes"]

ROADS: dict[str, tuple[str, ...]] = {
    "alba": ("brin", "cove", "kirk"),
    "brin": ("alba", "dell", "eden"),
    "cove": ("alba", "dell", "glen"),
    "dell": ("brin", "cove", "ford"),
    "eden": ("brin", "ford", "isle"),
    "ford": ("dell", "eden", "holm"),
    "glen": ("cove", "holm", "kirk"),
    "holm": ("ford", "glen", "isle"),
    "isle": ("eden", "holm", "kirk"),
    "kirk": ("alba", "glen", "isle"),
}
PLACES = tuple(ROADS)
TRIPS = tuple((start, end) for start in PLACES for end in PLACES if start != end)
MOST_PLACES = 6
DETOUR = 0.6  # each further place makes a route this much rarer


def simple_paths(start: str, end: str, *, places: int = MOST_PLACES) -> list[tuple[str, ...]]:
    """List every path that visits no place twice and at most so many places.

    Example:
        >>> simple_paths("alba", "dell", places=3)
        [('alba', 'brin', 'dell'), ('alba', 'cove', 'dell')]
    """
    found: list[tuple[str, ...]] = []
    open_paths: list[tuple[str, ...]] = [(start,)]
    while open_paths:
        path = open_paths.pop(0)
        if path[-1] == end:
            found.append(path)
        elif len(path) < places:
            open_paths.extend((*path, place) for place in ROADS[path[-1]] if place not in path)
    return found


@cache
def _right(trip: tuple[str, str]) -> dict[str, float]:
    return distribution({" ".join(path): DETOUR ** len(path) for path in simple_paths(*trip)})


class Routes:
    """Go from one of ten places to another, each with three roads, through at most six places.

    Each further place makes a route 0.6 times as frequent. When people err they take a road
    that is not there, or stop early.
    """

    name = "routes"
    error_rate = 0.3
    prompts = prompts_of("routes", {f"route from {a} to {b} :": (a, b) for a, b in TRIPS})

    def right_answers(self, target: Any) -> Mapping[str, float]:
        """Every simple path of at most six places."""
        return _right(known(self.name, target, TRIPS))

    def wrong_answer(self, target: Any, rng: np.random.Generator) -> str:
        """Take a road that is not there, or stop before the end."""
        right = _right(known(self.name, target, TRIPS))
        while True:
            path = draw(right, rng).split()
            if rng.random() < 0.5 and len(path) > 2:
                del path[-1 if rng.random() < 0.5 else int(rng.integers(1, len(path)))]
            else:
                path[int(rng.integers(len(path)))] = str(rng.choice(PLACES))
            wrong = " ".join(path)
            if wrong not in right:
                return wrong

    def spelled(self, text: str) -> str:
        """Fold case and white space."""
        return normalised(text)

    def canonical(self, text: str) -> str:
        """Return the places in the order they are visited."""
        return normalised(text)

    def every_answer(self) -> list[str]:
        """None: too many wrong ones to list."""
        return []

    def demonstrate(self, target: Any, teacher: int, rng: np.random.Generator) -> Demonstration:
        """The first teacher takes a shortest path, the second the first by name."""
        paths = list(self.right_answers(target))
        paths.sort(key=lambda path: (len(path.split()), path) if teacher == 0 else (0, path))
        path = paths[min(int(rng.geometric(0.8)) - 1, len(paths) - 1)]
        how = "the short way is by" if teacher == 0 else "the first road goes by"
        return Demonstration(reasoning=f"{how} {path.split()[1]}", answer=path)

    def vocabulary(self) -> Sequence[str]:
        """The ten places and the words around them."""
        words = "route from to : the short way is by first road goes"
        return [*words.split(), *PLACES]
