"""What passes between a way of asking and the model: calls, replies, answers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from variegate.models import Completion, Turn
from variegate.samples import Finish

__all__ = ["Answer", "Call", "Part", "Reply", "Talk"]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One thing the model is to say.

    Args:
        turns: the conversation; a last turn of the assistant is continued.
        temperature: of this call, for planning and judging; None for the arm's own. An arm that
            leaves the temperature to its provider keeps doing so.
        max_tokens, stop: of this call; None for the arm's own.
    """

    turns: str | tuple[Turn, ...]
    temperature: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Reply:
    """What came back for one call."""

    completion: Completion

    @property
    def text(self) -> str:
        """The answer, reasoning removed."""
        return self.completion.text

    @property
    def lost(self) -> bool:
        """Whether nothing came back at all, so that asking again later can help."""
        return self.completion.finish == "error"

    @property
    def cost(self) -> float:
        """Tokens read and written."""
        c = self.completion
        return float(c.prompt_tokens + c.completion_tokens) if c.cost is None else c.cost


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """One row to be: a text, where it came from, and what it was asked to be.

    Args:
        text: the answer.
        finish: how it ended.
        replies: the calls it took. A call that several answers name is shared among them, one
            that none names among all answers to the prompt.
        whole: the reply whose text this is, letter by letter; its tokens become the row's.
        reasoning: what the model thought; of an error, what could not be read.
        iid: an independent draw of one distribution.
        columns: further columns: call, stratum, role, plan, said_probability, quality, logprob.
    """

    text: str = ""
    finish: Finish = "error"
    replies: tuple[Reply, ...] = ()
    whole: Reply | None = None
    reasoning: str | None = None
    iid: bool = False
    columns: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, reply: Reply, *more: Reply, iid: bool = False, text: str | None = None, **columns: Any
    ) -> Answer:
        """The answer that a reply is; `more` are other calls it took, `text` what to say for it."""
        c = reply.completion
        return cls(
            text=reply.text if text is None else text,
            finish=c.finish,
            replies=(reply, *more),
            whole=reply if text is None else None,
            reasoning=c.reasoning,
            iid=iid and c.iid,
            columns=columns,
        )

    @classmethod
    def unread(cls, *replies: Reply, **columns: Any) -> Answer:
        """The answer that is not there, because the last of these replies could not be used.

        A refusal stays a refusal and silence stays silence; anything else is an error whose
        `reasoning` keeps what the model wrote.
        """
        if not replies:
            return cls(columns=columns)
        last = replies[-1].completion
        finish: Finish = last.finish if last.finish in ("filter", "empty") else "error"
        return cls(finish=finish, replies=replies, reasoning=last.text or None, columns=columns)


Part = Generator[Sequence[Call], list[Reply], T]
"""A part of a talk, to be used with ``yield from``."""

Talk = Part[Sequence[Answer]]
"""A way of asking at work on one prompt: yields calls, is sent their replies, returns answers."""
