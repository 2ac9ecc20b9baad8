"""Who speaks, how the answer begins, and in which language it is thought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from variegate.errors import UnknownName, UsageError
from variegate.models import Tier, Turn
from variegate.prompting import _wordings as words
from variegate.prompting._asking import Asking
from variegate.prompting._calls import Answer, Call, Talk
from variegate.prompting._reading import read_lines

__all__ = ["LanguageOfThought", "Openings", "Roles"]


@dataclass(frozen=True, kw_only=True)
class Roles(Asking):
    """Ask different people: answer i is asked of role i, then of role 0 again.

    Args:
        roles: words that follow "You are"; None to have the model propose `count` of them.
        count: roles proposed.
    """

    name: ClassVar[str] = "roles"
    tier: ClassVar[Tier] = "A"
    roles: tuple[str, ...] | None = None
    count: int = 8

    def __post_init__(self) -> None:
        if self.roles == () or self.count < 1:
            raise UsageError("Expected at least one role.")

    def talk(self, prompt: str, *, n: int, rng: np.random.Generator) -> Talk:
        del rng
        roles = self.roles
        if roles is None:
            [proposed] = yield [Call(turns=words.propose_roles(prompt, min(n, self.count)))]
            roles = tuple(dict.fromkeys(read_lines(proposed.text)))[: self.count]
            if not roles:
                return [Answer.unread(proposed)] * n
        asked = [roles[i % len(roles)] for i in range(n)]
        replies = yield [
            Call(turns=words.system_user(words.as_role(role), prompt)) for role in asked
        ]
        return [Answer.of(reply, role=role) for reply, role in zip(replies, asked, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Openings(Asking):
    """Begin the answer in different ways: answer i continues opening i, then opening 0 again.

    The text of a row starts with its opening, which `stratum` names; its probabilities are those
    of what follows. An empty opening is asking directly.

    Args:
        openings: how answers begin.
    """

    name: ClassVar[str] = "openings"
    tier: ClassVar[Tier] = "D"
    openings: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.openings:
            raise UsageError("Expected at least one opening.")

    def talk(self, prompt: str, *, n: int, rng: np.random.Generator) -> Talk:
        del rng
        asked = [self.openings[i % len(self.openings)] for i in range(n)]
        replies = yield [
            Call(turns=(*words.user(prompt), Turn(role="assistant", text=opening)))
            for opening in asked
        ]
        return [
            Answer.of(reply, stratum=opening, text=_joined(opening, reply.text))
            for reply, opening in zip(replies, asked, strict=True)
        ]


@dataclass(frozen=True, kw_only=True)
class LanguageOfThought(Asking):
    """Think in one language after another, answer in one.

    A system turn asks to think in the language and the reasoning is begun in it; answer i takes
    language i, then language 0 again. When the reasoning is closed, the same reasoning is put
    before a line that announces the answer in `answer_in`, and the model continues. Replies
    without exactly one closing mark are errors, counted by language in `stratum`.

    Args:
        languages: codes of `openers`; one code is asking in a single language.
        answer_in: language of the answers.
        openers: for every code, how the reasoning begins; fifteen languages by default.
        announce: the line before the answer; None for one that names `answer_in`.
        open: the mark that opens reasoning.
        close: the mark that closes it.

    Raises:
        UnknownName: a code without an opener.

    Reference: `Xu 2026 <https://arxiv.org/abs/2601.11227>`_.
    """

    name: ClassVar[str] = "language-of-thought"
    tier: ClassVar[Tier] = "D"
    languages: tuple[str, ...] = tuple(words.LANGUAGES)
    answer_in: str = "en"
    openers: Mapping[str, str] = field(
        default_factory=lambda: {code: opener for code, (_, opener) in words.LANGUAGES.items()}
    )
    announce: str | None = None
    open: str = "<think>"
    close: str = "</think>"

    def __post_init__(self) -> None:
        if not self.languages:
            raise UsageError("Expected at least one language.")
        for code in self.languages:
            if code not in self.openers:
                raise UnknownName("language", code, self.openers)

    def talk(self, prompt: str, *, n: int, rng: np.random.Generator) -> Talk:
        del rng
        codes = [self.languages[i % len(self.languages)] for i in range(n)]
        begun = [
            (
                words.system_user(words.think_in(code), prompt),
                f"{self.open}\n{self.openers[code]}",
            )
            for code in codes
        ]
        thought = yield [
            Call(turns=(*turns, Turn(role="assistant", text=opener))) for turns, opener in begun
        ]
        # The answer that followed is only looked at for a second closing mark.
        closed = [
            i for i, reply in enumerate(thought)
            if reply.completion.reasoning is not None and reply.completion.finish != "error"
            and self.close not in reply.text and (reply.text or reply.completion.finish != "length")
        ]  # fmt: skip
        announced = words.answer_in(self.answer_in) if self.announce is None else self.announce
        answered = yield [
            Call(
                turns=(
                    *begun[i][0],
                    Turn(
                        role="assistant",
                        text=f"{begun[i][1]} {thought[i].completion.reasoning}\n{self.close}\n\n"
                        f"{announced}",
                    ),
                )
            )
            for i in closed
        ]
        by_row = dict(zip(closed, answered, strict=True))
        return [
            replace(
                Answer.of(by_row[i], reply, stratum=code, text=by_row[i].text),
                reasoning=reply.completion.reasoning,
            )
            if i in by_row and self.close not in by_row[i].text
            else Answer.unread(reply, *([by_row[i]] if i in by_row else []), stratum=code)
            for i, (reply, code) in enumerate(zip(thought, codes, strict=True))
        ]


def _joined(opening: str, text: str) -> str:
    space = "" if not opening or opening[-1:].isspace() or text[:1] in ",.;:!?" else " "
    return f"{opening}{space}{text}".strip()
