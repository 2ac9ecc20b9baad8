"""SimpleStrat: split the space of answers by properties, draw a part, answer inside it."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence as Listed
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from variegate.errors import UsageError
from variegate.models import Tier
from variegate.prompting import _wordings as words
from variegate.prompting._asking import Asking
from variegate.prompting._calls import Answer, Call, Part, Reply, Talk
from variegate.prompting._probabilities import read_probabilities
from variegate.prompting._reading import read_objects

__all__ = ["Property", "Stratified", "stratum_masses"]

# Share of answers that must be valid after so many rounds, or asking goes no further.
ENOUGH = {1: 0.10, 4: 0.50, 7: 0.75, 10: 0.90}
_CHANCE = re.compile(r"P\s*\(\s*A\s*\)\s*(?:is|=|:|≈)*\s*([^\n]{1,30})", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Property:
    """A property that splits the answers in two.

    Args:
        name: a few words.
        yes, no: what is true of the answers that have it, and of the others.
        probability: of `yes`, in [0, 1]; None to have the model estimate it.
    """

    name: str
    yes: str
    no: str
    probability: float | None = None

    def __post_init__(self) -> None:
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise UsageError(f"Expected a probability in [0, 1], got {self.probability}.")

    def settings(self) -> dict[str, object]:
        """The fields, for `run.json`."""
        return dict(vars(self))


def stratum_masses(probabilities: Listed[float]) -> dict[str, float]:
    """Mass of every stratum: the product over properties, which are drawn independently.

    Args:
        probabilities: of each property being true.

    Returns:
        A mass by pattern of "+" and "-", one sign a property; they add up to 1. Without
        properties one stratum, named "", of mass 1.

    Example:
        >>> {k: round(v, 2) for k, v in stratum_masses([0.8, 0.5]).items()}
        {'++': 0.4, '+-': 0.4, '-+': 0.1, '--': 0.1}
    """
    if any(not 0 <= p <= 1 for p in probabilities):
        raise UsageError("Expected probabilities in [0, 1], got one outside.")
    return {
        "".join(signs): math.prod(
            p if sign == "+" else 1 - p for sign, p in zip(signs, probabilities, strict=True)
        )
        for signs in itertools.product("+-", repeat=len(probabilities))
    }


@dataclass(frozen=True, kw_only=True)
class Stratified(Asking):
    """SimpleStrat: draw a stratum by said probabilities, then ask for an answer inside it.

    The model proposes yes-or-no properties of the valid answers and estimates how often each is
    true. Every answer draws each property by its probability, independently (which they are not:
    some combinations are impossible), and is asked for with the statements drawn. A reply INVALID
    draws a new stratum; where too few are valid after 1, 4, 7 and 10 rounds asking stops. `stratum`
    names the signs drawn, `plan` at which attempt the answer was valid: rejections shift strata
    away from their masses, and this says by how much.

    A plan that cannot be read in `tries` tries makes rows with `finish="error"`; a property whose
    probability cannot be read is left out, never taken for one half.

    Args:
        properties: given properties; None to have the model propose them. No properties is
            asking directly, draw for draw.
        least: properties a proposal must have.
        tries: proposals asked for at most.
        rounds: attempts at a valid answer.

    Reference: `Wong 2024 <https://arxiv.org/abs/2410.09038>`_.
    """

    name: ClassVar[str] = "stratified"
    tier: ClassVar[Tier] = "A"
    properties: tuple[Property, ...] | None = None
    least: int = 4
    tries: int = 5
    rounds: int = 15

    def talk(self, prompt: str, *, n: int, rng: np.random.Generator) -> Talk:
        found = self.properties
        if found is None:
            found, tries = yield from self._propose(prompt)
            if not found:
                return [Answer.unread(*tries)] * n
        known, failed = yield from self._estimated(prompt, found)
        if found and not known:
            return [Answer.unread(*failed)] * n
        answers: dict[int, Answer] = {}
        tried: dict[int, list[Reply]] = {row: [] for row in range(n)}
        for number in range(1, self.rounds + 1):
            open_rows = [row for row in range(n) if row not in answers]
            drawn = {row: [rng.random() < p for _, p in known] for row in open_rows}
            replies = yield [
                Call(turns=words.inside_stratum(prompt, _statements(known, drawn[row])))
                for row in open_rows
            ]
            for row, reply in zip(open_rows, replies, strict=True):
                columns = {
                    "stratum": _stratum(known, drawn[row]),
                    "plan": f"attempt {number}" if known else None,
                }
                if known and _invalid(reply.text):
                    tried[row].append(reply)
                    continue
                answers[row] = Answer.of(reply, *tried[row], iid=not known, **columns)
            if len(answers) == n or len(answers) < ENOUGH.get(number, 0) * n:
                break
        return [answers.get(row) or Answer.unread(*tried[row]) for row in range(n)]

    def _propose(self, prompt: str) -> Part[tuple[tuple[Property, ...], tuple[Reply, ...]]]:
        replies: tuple[Reply, ...] = ()
        for _ in range(self.tries):
            call = Call(turns=words.properties(prompt, self.least), temperature=0.5)
            [reply] = yield [call]
            replies = (*replies, reply)
            objects = read_objects(reply.text)
            found = tuple(
                Property(name=o.get("property") or o.get("name") or o["yes"], yes=o["yes"],
                         no=o["no"])
                for o in objects if o.get("yes") and o.get("no")
            )  # fmt: skip
            if len(found) >= self.least:
                return found, replies
        return (), replies

    def _estimated(
        self, prompt: str, found: Listed[Property]
    ) -> Part[tuple[list[tuple[Property, float]], list[Reply]]]:
        asked = [p for p in found if p.probability is None]
        replies: list[Reply] = []
        if asked:
            replies = yield [
                Call(turns=words.forecast(prompt, p.yes, p.no), temperature=0.2) for p in asked
            ]
        said = {id(p): _said(r.text) for p, r in zip(asked, replies, strict=True)}
        known = [(p, said.get(id(p), p.probability)) for p in found]
        return [(p, q) for p, q in known if q is not None], replies


def _said(text: str) -> float | None:
    places = _CHANCE.findall(text)
    return read_probabilities([places[-1]])[0] if places else None


def _statements(known: Listed[tuple[Property, float]], drawn: Listed[bool]) -> list[str]:
    return [p.yes if true else p.no for (p, _), true in zip(known, drawn, strict=True)]


def _stratum(known: Listed[tuple[Property, float]], drawn: Listed[bool]) -> str | None:
    signs = (f"{'+' if true else '-'}{p.name}" for (p, _), true in zip(known, drawn, strict=True))
    return " ".join(signs) or None


def _invalid(text: str) -> bool:
    return text.strip().strip("*_.\"'`").casefold() == "invalid"
