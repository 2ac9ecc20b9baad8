"""Verbalized sampling: several answers in one call, with the probabilities the model gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from variegate.errors import UnknownName, UsageError
from variegate.models import Tier, Turn
from variegate.prompting import _wordings as words
from variegate.prompting._asking import Asking
from variegate.prompting._calls import Answer, Call, Reply, Talk
from variegate.prompting._probabilities import WORDINGS, Wording
from variegate.prompting._reading import read_answers

__all__ = ["AnswerList", "VerbalizedSampling"]

Variant = Literal["standard", "cot", "multi"]
ROUNDS = 3  # times missing answers are asked for again


@dataclass(frozen=True, kw_only=True)
class VerbalizedSampling(Asking):
    """Ask for several answers with their probabilities in one call.

    A model trained on preferences answers with the mode; asked for a distribution, its mode is a
    distribution. The answers of one call see each other, so no row is an independent draw; rows
    of one call share `call`, and `said_probability` is what the model said (null where it could
    not be read). Answers that a reply lacks are asked for again, three times at most.

    Args:
        per_call: answers asked for in one call (k).
        variant: ``"standard"``; ``"cot"``, which thinks first; ``"multi"``, which asks for
            `per_call` more, turn by turn, in one conversation.
        wording: how the probability is asked for, see `read_probabilities`.
        below: θ: ask for answers that are each less likely than this; None for all answers. What
            comes back more likely is kept: the model's own words are the data.

    Example:
        >>> from variegate.models import Arm
        >>> from variegate.prompting import SimulatedChat
        >>> from variegate.samples import Prompt
        >>> chat = SimulatedChat(lambda heard, rng: '{"responses": [{"text": "kiwi", "probability":'
        ...                      ' "60%"}, {"text": "fig", "probability": 0.3}]}')
        >>> arm = Arm(name="vs", model=chat, format="chat")
        >>> rows = VerbalizedSampling(per_call=2).collect(arm, [Prompt(prompt="A fruit?")], n=2)
        >>> rows.frame.select("text", "said_probability", "iid").rows()
        [('kiwi', 0.6, False), ('fig', 0.3, False)]

    Reference: `Zhang 2025 <https://arxiv.org/abs/2510.01171>`_.
    """

    name: ClassVar[str] = "verbalized"
    tier: ClassVar[Tier] = "A"
    per_call: int = 5
    variant: Variant = "standard"
    wording: Wording = "explicit"
    below: float | None = None

    def __post_init__(self) -> None:
        if self.per_call < 1:
            raise UsageError(f"Expected at least 1 answer a call, got {self.per_call}.")
        if self.variant not in get_args(Variant):
            raise UnknownName("variant", self.variant, get_args(Variant))
        if self.wording not in WORDINGS:
            raise UnknownName("wording", self.wording, WORDINGS)
        if self.below is not None and not 0 < self.below <= 1:
            raise UsageError(f"Expected a threshold in (0, 1], got {self.below}.")

    def talk(self, prompt: str, *, n: int, rng: np.random.Generator) -> Talk:
        del rng

        def system(k: int) -> str:
            return words.verbalized(
                k, wording=self.wording, reasoning=self.variant == "cot", below=self.below
            )

        ask = _turn_by_turn if self.variant == "multi" else _call_by_call
        return ask(prompt, system, n=n, per_call=self.per_call, wording=self.wording, said=True)


@dataclass(frozen=True, kw_only=True)
class AnswerList(Asking):
    """Ask for several answers in one call, without probabilities: a list.

    Args:
        per_call: answers asked for in one call.
    """

    name: ClassVar[str] = "sequence"
    tier: ClassVar[Tier] = "A"
    per_call: int = 5

    def __post_init__(self) -> None:
        if self.per_call < 1:
            raise UsageError(f"Expected at least 1 answer a call, got {self.per_call}.")

    def talk(self, prompt: str, *, n: int, rng: np.random.Generator) -> Talk:
        del rng
        return _call_by_call(
            prompt, words.plain_list, n=n, per_call=self.per_call, wording="explicit", said=False
        )


def _call_by_call(
    prompt: str,
    system: Callable[[int], str],
    *,
    n: int,
    per_call: int,
    wording: Wording,
    said: bool,
) -> Talk:
    answers: list[Answer] = []
    failed: list[Reply] = []
    for _ in range(ROUNDS):
        missing = n - len(answers)
        sizes = [per_call] * (missing // per_call) + [missing % per_call] * (missing % per_call > 0)
        replies = yield [Call(turns=words.system_user(system(k), prompt)) for k in sizes]
        failed = []
        for k, reply in zip(sizes, replies, strict=True):
            read = list(_read(reply, wording=wording, said=said))[:k]
            answers += read
            failed += [reply] * (k - len(read))
        if not failed:
            break
    return [*answers, *(Answer.unread(reply) for reply in failed)]


def _turn_by_turn(
    prompt: str,
    system: Callable[[int], str],
    *,
    n: int,
    per_call: int,
    wording: Wording,
    said: bool,
) -> Talk:
    answers: list[Answer] = []
    turns: tuple[Turn, ...] = words.system_user(system(min(per_call, n)), prompt)
    reply: Reply | None = None
    for _ in range(-(-n // per_call) + ROUNDS - 1):
        [reply] = yield [Call(turns=turns)]
        answers += _read(reply, wording=wording, said=said)
        if len(answers) >= n or not reply.text:
            break
        turns = (*turns, *words.said(reply.text, words.more(min(per_call, n - len(answers)))))
    assert reply is not None
    return [*answers, *(Answer.unread(reply) for _ in range(n - len(answers)))][:n]


def _read(reply: Reply, *, wording: Wording, said: bool) -> Iterator[Answer]:
    cut = reply.completion.finish == "length"
    reading = read_answers(reply.text, wording=wording, cut=cut)
    for answer in reading.answers:
        columns: dict[str, Any] = {"call": reply.completion.key}
        if said:
            columns |= {"said_probability": answer.probability}
        yield Answer(
            text=answer.text,
            finish="length" if answer.cut and cut else "stop",
            replies=(reply,),
            reasoning=reading.reasoning,
            columns=columns,
        )
