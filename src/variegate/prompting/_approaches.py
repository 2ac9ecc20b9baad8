"""DIV-SE and IDIV-SE: one solution by each of several approaches, and a vote."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import polars as pl

from variegate.errors import UsageError
from variegate.judging import answer_keys
from variegate.models import Tier
from variegate.prompting import _wordings as words
from variegate.prompting._asking import Asking
from variegate.prompting._calls import Answer, Call, Talk
from variegate.prompting._reading import read_answers, read_lines
from variegate.samples import Samples

__all__ = ["ByApproach", "vote"]


@dataclass(frozen=True, kw_only=True)
class ByApproach(Asking):
    """Solve by different approaches: DIV-SE in a call each, IDIV-SE all in one call.

    The model names approaches `polls` times; those it names most often are kept (the paper does so
    once a task, over sample questions: pass what it finds as `approaches`). Row i is solved by
    approach i, then approach 0 again. `plan` names the approach, `role` the persona. `vote`
    reduces the rows to one answer.

    One approach is asking n times with one instruction; equal approaches are self-consistency.

    Args:
        approaches: given ones; None to have the model name them, prompt by prompt.
        personas: who solves it, in turn; none for nobody in particular.
        count: approaches kept (the paper: 3 or 5).
        polls: times the model is asked for approaches.
        together: IDIV-SE: all approaches in one call, where the solutions see each other.

    Reference: `Naik 2023 <https://arxiv.org/abs/2310.07088>`_.
    """

    name: ClassVar[str] = "by-approach"
    tier: ClassVar[Tier] = "A"
    approaches: tuple[str, ...] | None = None
    personas: tuple[str, ...] = ()
    count: int = 3
    polls: int = 3
    together: bool = False

    def __post_init__(self) -> None:
        if self.approaches == () or self.count < 1 or self.polls < 1:
            raise UsageError("Expected at least one approach, count and poll.")

    def talk(self, prompt: str, *, n: int, rng: np.random.Generator) -> Talk:
        del rng
        names = self.approaches
        if names is None:
            polls = yield [Call(turns=words.approaches(prompt, self.count))] * self.polls
            counts = Counter(line for reply in polls for line in _named(reply.text))
            names = tuple(line for line, _ in counts.most_common(self.count))
            if not names:
                return [Answer.unread(polls[-1])] * n
        if self.together:
            return (yield from _together(prompt, names, n=n))
        plans = [names[i % len(names)] for i in range(n)]
        roles = [self.personas[i % len(self.personas)] if self.personas else None for i in range(n)]
        replies = yield [
            Call(turns=words.by_approach(prompt, plan, role))
            for plan, role in zip(plans, roles, strict=True)
        ]
        one = len(set(plans)) == len(set(roles)) == 1 and self.approaches is not None
        return [
            Answer.of(reply, iid=one, plan=plan, role=role)
            for reply, plan, role in zip(replies, plans, roles, strict=True)
        ]


def _together(prompt: str, names: tuple[str, ...], *, n: int) -> Talk:
    calls = -(-n // len(names))
    replies = yield [Call(turns=words.all_approaches(prompt, names))] * calls
    answers: list[Answer] = []
    for reply in replies:
        read = read_answers(reply.text).answers
        for place, plan in enumerate(names):
            columns = {"call": reply.completion.key, "plan": plan}
            if place < len(read):
                answers.append(
                    Answer(text=read[place].text, finish="stop", replies=(reply,), columns=columns)
                )
            else:
                answers.append(Answer.unread(reply, **columns))
    return answers[:n]


def _named(text: str) -> list[str]:
    return list(dict.fromkeys(line.strip(" .").casefold() for line in read_lines(text)))


def vote(samples: Samples) -> Samples:
    """Reduce the rows of every prompt and arm to one: that with the most frequent answer.

    Two rows have one answer where the column `answer` says so, or where their texts are the same
    but for case, space and punctuation. Errors have no vote. A tie goes to the answer that came
    first. The row kept is the first with that answer; its `cost` is that of all rows.

    Args:
        samples: a set a prompt; judge them first, so that `answer` is filled in.

    Returns:
        One row an arm and prompt, not an independent draw; an error where nothing was said.

    Example:
        >>> rows = [{"prompt": "2 + 2?", "text": t} for t in ["5", "4", "4."]]
        >>> vote(Samples.from_rows(rows)).frame["text"].to_list()
        ['4']
    """
    frame = samples.frame
    keys = answer_keys(frame["answer"].to_list(), frame["text"].to_list())
    voting = frame.with_columns(pl.Series("key", keys)).with_row_index("row")
    voting = voting.with_columns((pl.col("finish") == "error").fill_null(False).alias("silent"))
    group = ["arm", "task", "prompt_id"]
    cost = pl.coalesce("cost", (pl.col("prompt_tokens") + pl.col("completion_tokens")).cast(float))
    chosen = (
        voting.with_columns(cost.sum().over(group).alias("total"),
                            cost.is_null().any().over(group).alias("unknown"))
        .with_columns(
            pl.len().over([*group, "key", "silent"]).alias("votes"),
            pl.col("row").min().over([*group, "key", "silent"]).alias("first"),
        )
        .sort("silent", "votes", "first", "row", descending=[False, True, False, False])
        .unique(group, keep="first", maintain_order=True)
        .sort("row")
        .with_columns(
            pl.when("unknown").then(None).otherwise("total").alias("cost"),
            pl.lit(False).alias("iid"),
            pl.lit(0, dtype=pl.Int32).alias("sample"),
        )
    )  # fmt: skip
    return replace(samples, frame=chosen.select(frame.columns))
