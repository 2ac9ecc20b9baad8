"""DIVERGE: one new point of view after another, each with its own passages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from variegate.errors import UsageError
from variegate.models import Tier
from variegate.prompting import _wordings as words
from variegate.prompting._asking import Asking
from variegate.prompting._calls import Answer, Call, Reply, Talk
from variegate.prompting._reading import read_lines, read_objects
from variegate.prompting._retrieval import Retriever

__all__ = ["ViewByView"]


@dataclass(frozen=True, kw_only=True)
class ViewByView(Asking):
    """DIVERGE: answer, list the views taken, propose a new one, retrieve for it, answer from it.

    The first answer is an ordinary one over retrieved passages. Each further one starts from a
    view that none has taken and its own query, whose passages are chosen to be unlike all passages
    seen before (`variegate.selection.mmr`), and is refined against the views known. `stratum` is
    the view, `plan` the query. A view that cannot be read makes that row an error; the loop goes
    on.

    Args:
        retriever: where passages come from, such as `Documents`.
        passages: of each answer.
        alpha, beta: of the reranking.
        refine: improve each answer after the first once.

    Reference: `Hu 2026 <https://arxiv.org/abs/2602.00238>`_.
    """

    name: ClassVar[str] = "view-by-view"
    tier: ClassVar[Tier] = "A"
    retriever: Retriever
    passages: int = 5
    alpha: float = 0.7
    beta: float = 0.2
    refine: bool = True

    def __post_init__(self) -> None:
        if self.passages < 1 or not 0 <= self.alpha <= 1 or self.beta < 0:
            raise UsageError("Expected passages >= 1, alpha in [0, 1] and beta >= 0.")

    def talk(self, prompt: str, *, n: int, rng: np.random.Generator) -> Talk:
        del rng
        history: list[str] = []
        views: list[str] = []
        answers: list[Answer] = []
        for number in range(n):
            view, query, took = None, prompt, tuple[Reply, ...]()
            if number:
                [proposed] = yield [Call(turns=words.new_view(prompt, views))]
                found = [o for o in read_objects(proposed.text) if o.get("view")]
                if not found:
                    answers.append(Answer.unread(proposed))
                    continue
                view, took = found[0]["view"], (proposed,)
                query = found[0].get("query") or view
            passages = self.retriever.search(
                query, k=self.passages, history=history, alpha=self.alpha, beta=self.beta
            )
            history += passages
            [reply] = yield [Call(turns=words.grounded(prompt, passages, view))]
            if view is not None and self.refine and reply.text:
                [better] = yield [Call(turns=words.refine(prompt, reply.text, views))]
                reply, took = better, (*took, reply)
            answers.append(Answer.of(reply, *took, stratum=view, plan=query))
            if number + 1 < n:
                [listed] = yield [Call(turns=words.views(prompt, reply.text))]
                views += [view] if view else []
                views += [one for one in read_lines(listed.text) if one not in views]
        return answers
