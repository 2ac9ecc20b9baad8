"""Fact-augmented prompting: variety asked for within what is true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from variegate.models import Tier
from variegate.prompting import _wordings as words
from variegate.prompting._asking import Asking
from variegate.prompting._calls import Answer, Call, Talk

__all__ = ["WithFacts"]


@dataclass(frozen=True, kw_only=True)
class WithFacts(Asking):
    """State the facts first, then ask, so that asking for variety does not pay with truth.

    Prompts that ask for variety push towards uniform, also where the truth is not. The model
    states what is known once a prompt, or a function looks it up; every answer is then asked for
    with those facts. Score it against a reference distribution, not against uniform.

    Args:
        lookup: from a prompt to its facts, one text; None to have the model state them. With
            facts looked up the answers are independent draws.
        instruction: added to the prompt, such as "Show people of different backgrounds."

    Reference: `Wan 2024 <https://arxiv.org/abs/2407.00377>`_.
    """

    name: ClassVar[str] = "with-facts"
    tier: ClassVar[Tier] = "A"
    lookup: Callable[[str], str] | None = None
    instruction: str = ""

    def talk(self, prompt: str, *, n: int, rng: np.random.Generator) -> Talk:
        del rng
        if self.lookup is not None:
            known = self.lookup(prompt)
        else:
            [stated] = yield [Call(turns=words.facts(prompt))]
            known = stated.text
            if not known.strip():
                return [Answer.unread(stated)] * n
        replies = yield [Call(turns=words.with_facts(prompt, known, self.instruction))] * n
        return [Answer.of(reply, iid=self.lookup is not None) for reply in replies]
