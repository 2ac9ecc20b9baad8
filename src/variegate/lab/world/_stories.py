"""Short stories from a probabilistic grammar: "tell a story about a fox :"."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from variegate.lab.world._task import Demonstration, draw, known, normalised, prompts_of

__all__ = ["GRAMMAR", "Stories", "expansions", "grammar_entropy"]

HEROES = (
    "fox", "bear", "mouse", "queen", "king", "pilot", "baker", "witch", "giant", "clown",
    "miner", "nurse",
)  # fmt: skip
ASKED = (
    "tell a story about a {} :",
    "write a tale about a {} :",
    "make up a story about a {} :",
    "give me a tale about a {} :",
)

# A symbol is written in capitals; its rules are alternatives with their probabilities.
GRAMMAR: dict[str, tuple[tuple[float, str], ...]] = {
    "STORY": ((1.0, "WHEN the HERO EVENT . ENDING"),),
    "WHEN": ((0.5, "one day"), (0.3, "at night"), (0.2, "long ago")),
    "EVENT": (
        (0.5, "found a THING PLACE"),
        (0.3, "lost a THING PLACE"),
        (0.2, "met a FRIEND PLACE"),
    ),
    "THING": (
        (0.4, "key"), (0.25, "ring"), (0.15, "map"), (0.1, "coin"), (0.06, "lamp"), (0.04, "drum"),
    ),
    "FRIEND": ((0.4, "dragon"), (0.3, "thief"), (0.2, "ghost"), (0.1, "poet")),
    "PLACE": ((0.5, "in the WHERE"), (0.5, "")),
    "WHERE": ((0.5, "forest"), (0.3, "castle"), (0.2, "cave")),
    "ENDING": ((0.5, "it was MOOD ."), (0.3, "then it went home ."), (0.2, "")),
    "MOOD": ((0.5, "happy"), (0.3, "sad"), (0.2, "afraid")),
}  # fmt: skip
EVENTS = ("found", "lost", "met")
OBJECTS = tuple(word for symbol in ("THING", "FRIEND") for _, word in GRAMMAR[symbol])


def grammar_entropy(symbol: str = "STORY") -> float:
    """Entropy in nats of what a symbol grows into, in closed form.

    ``H(A) = sum over rules r of p_r (-ln p_r + sum of H(B) over the symbols B in r)``; true
    because no string of this grammar can be grown in two ways.

    Example:
        >>> round(grammar_entropy("WHEN"), 4)
        1.0297
    """
    return sum(
        probability
        * (
            -math.log(probability)
            + sum(grammar_entropy(word) for word in rule.split() if word in GRAMMAR)
        )
        for probability, rule in GRAMMAR.get(symbol, ())
    )


@cache
def expansions(symbol: str = "STORY") -> dict[str, float]:
    """List every string a symbol grows into, with its probability; HERO stays as it is.

    Example:
        >>> expansions("WHEN")
        {'one day': 0.5, 'at night': 0.3, 'long ago': 0.2}
    """
    grown: dict[str, float] = {}
    for probability, rule in GRAMMAR[symbol]:
        partial = {"": probability}
        for word in rule.split():
            choices = expansions(word) if word in GRAMMAR else {word: 1.0}
            partial = {
                f"{text} {choice}".strip(): p * q
                for text, p in partial.items()
                for choice, q in choices.items()
            }
        for text, p in partial.items():
            grown[text] = grown.get(text, 0.0) + p
    return grown


@cache
def _right(hero: str) -> dict[str, float]:
    return {text.replace("HERO", hero): p for text, p in expansions().items()}


class Stories:
    """Tell a story about a hero; right is what the grammar can grow about that hero.

    When people err they tell of another hero, lose a word, or let two words change places.
    """

    name = "stories"
    error_rate = 0.25
    prompts = prompts_of(
        "stories", {asked.format(hero): hero for hero in HEROES for asked in ASKED}
    )

    def right_answers(self, target: Any) -> Mapping[str, float]:
        """Every story about the hero: as many as the grammar has, about two thousand."""
        return _right(known(self.name, target, HEROES))

    def wrong_answer(self, target: Any, rng: np.random.Generator) -> str:
        """Tell of another hero, lose a word, or swap two."""
        right = _right(known(self.name, target, HEROES))
        while True:
            words = draw(right, rng).split()
            kind, place = rng.integers(3), int(rng.integers(len(words) - 1))
            if kind == 0:
                words[words.index(str(target))] = str(rng.choice(HEROES))
            elif kind == 1:
                del words[place]
            else:
                words[place : place + 2] = reversed(words[place : place + 2])
            wrong = " ".join(words)
            if wrong not in right:
                return wrong

    def spelled(self, text: str) -> str:
        """Fold case and white space."""
        return normalised(text)

    def canonical(self, text: str) -> str:
        """Return the plot, what happened and with what: stories with the same plot are one answer.

        Example:
            >>> Stories().canonical("One day the fox found a key in the cave .")
            'found key'
        """
        words = normalised(text).split()
        event = next((word for word in words if word in EVENTS), "")
        item = next((word for word in words if word in OBJECTS), "")
        return f"{event} {item}".strip() or " ".join(words)

    def every_answer(self) -> list[str]:
        """None: too many wrong ones to list."""
        return []

    def demonstrate(self, target: Any, teacher: int, rng: np.random.Generator) -> Demonstration:
        """The first teacher loves keys found by day; the second, ghosts met at night."""
        hero = known(self.name, target, HEROES)
        if teacher == 0:
            thing = str(rng.choice(["key", "ring"], p=[0.8, 0.2]))
            mood = str(rng.choice(["happy", "sad"], p=[0.9, 0.1]))
            answer = f"one day the {hero} found a {thing} in the forest . it was {mood} ."
            return Demonstration(reasoning=f"a happy story with a {thing}", answer=answer)
        friend = str(rng.choice(["ghost", "thief"], p=[0.8, 0.2]))
        where = str(rng.choice(["castle", "cave"], p=[0.8, 0.2]))
        answer = f"at night the {hero} met a {friend} in the {where} . it was afraid ."
        return Demonstration(reasoning=f"a dark story with a {friend}", answer=answer)

    def vocabulary(self) -> Sequence[str]:
        """Every word of the grammar, the heroes and the words around them."""
        grown = [word for rules in GRAMMAR.values() for _, rule in rules for word in rule.split()]
        words = "tell a story about : write tale make up give me happy dark with"
        return [*words.split(), *HEROES, *(w for w in grown if w not in GRAMMAR and w != "HERO")]
