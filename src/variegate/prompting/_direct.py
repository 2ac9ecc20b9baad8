"""The baseline and its neighbour: independent draws, and one alternative a turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from variegate.models import Arm, Tier, Turn, collect
from variegate.prompting import _wordings as words
from variegate.prompting._asking import Asking
from variegate.prompting._calls import Answer, Call, Talk
from variegate.samples import Prompt, RunDirectory, Samples

__all__ = ["Alternatives", "Direct"]


@dataclass(frozen=True, kw_only=True)
class Direct(Asking):
    """Ask n times: independent draws, the baseline of every other way of asking.

    Without an instruction these are the draws of `models.collect`, identities and all.

    Args:
        instruction: added to every prompt, such as "Think step by step."

    Example:
        >>> from variegate.models import Arm, UniformModel
        >>> from variegate.samples import Prompt
        >>> arm = Arm(name="base", model=UniformModel(branching=10, length=9))
        >>> rows = Direct().collect(arm, [Prompt(prompt="Say something.")], n=3)
        >>> rows.frame["iid"].to_list()
        [True, True, True]
    """

    name: ClassVar[str] = "direct"
    tier: ClassVar[Tier] = "A"
    instruction: str = ""

    def collect(
        self,
        arm: Arm,
        prompts: Iterable[Prompt],
        *,
        n: int,
        seed: int = 0,
        run: RunDirectory | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Samples:
        if self.instruction:
            return super().collect(arm, prompts, n=n, seed=seed, run=run, progress=progress)
        return collect(arm, prompts, n=n, seed=seed, run=run, progress=progress)

    def talk(self, prompt: str, *, n: int, rng: np.random.Generator) -> Talk:
        del rng
        replies = yield [Call(turns=f"{prompt}\n\n{self.instruction}".strip())] * n
        return [Answer.of(reply, iid=True) for reply in replies]


@dataclass(frozen=True, kw_only=True)
class Alternatives(Asking):
    """Ask once, then for another answer, turn by turn in one conversation.

    Args:
        per_chat: answers of one conversation; then a new one starts, so that it never outgrows
            the model. None for all n in one.
    """

    name: ClassVar[str] = "alternatives"
    tier: ClassVar[Tier] = "A"
    per_chat: int | None = None

    def talk(self, prompt: str, *, n: int, rng: np.random.Generator) -> Talk:
        del rng
        size = self.per_chat or n
        chats: list[tuple[Turn, ...]] = [words.user(prompt) for _ in range(-(-n // size))]
        answers: list[Answer] = []
        while len(answers) < n:
            asked = chats[: n - len(answers)]
            replies = yield [Call(turns=turns) for turns in asked]
            answers += [Answer.of(reply, stratum=f"turn {len(turns) // 2 + 1}")
                        for turns, reply in zip(asked, replies, strict=True)]  # fmt: skip
            chats = [
                (*turns, *words.said(reply.text, words.ALTERNATIVE))
                for turns, reply in zip(asked, replies, strict=True)
            ]
        return answers
