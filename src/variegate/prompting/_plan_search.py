"""PlanSearch: search over ideas, as combinations of observations, before answering."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from collections.abc import Sequence as Listed
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from variegate.errors import UsageError
from variegate.judging import JudgedPairs
from variegate.models import Tier, Turn
from variegate.prompting import _wordings as words
from variegate.prompting._asking import Asking
from variegate.prompting._calls import Answer, Call, Part, Reply, Talk
from variegate.prompting._reading import read_lines

__all__ = ["PlanSearch", "idea_diversity", "subset_count", "subsets"]

PARSES = 3  # times a list is asked for, each time warmer

_Plan = tuple[tuple[str, ...], str, tuple[Reply, ...]]  # leaf, plan, the calls it took


def subsets(items: Listed[str], *, size: int) -> Iterator[tuple[str, ...]]:
    """Every subset of at most `size` items, the empty one first.

    Example:
        >>> list(subsets(["a", "b"], size=2))
        [(), ('a',), ('b',), ('a', 'b')]
    """
    for k in range(size + 1):
        yield from itertools.combinations(items, k)


def subset_count(n: int, *, size: int = 2) -> int:
    """Number of subsets of at most `size` of n observations: Σ_j C(n, j).

    Example:
        >>> [subset_count(n) for n in (3, 5, 10)]
        [7, 16, 56]
    """
    return sum(math.comb(n, k) for k in range(size + 1))


def idea_diversity(judged: JudgedPairs) -> float:
    """Share of pairs of solutions that take different ideas, among the pairs with a verdict.

    Where "same idea" is transitive this is the Gini-Simpson index of the ideas, without
    replacement: 1 - Σ n_i (n_i - 1) / (n (n - 1)).

    Args:
        judged: verdicts on every pair, from `judging.same_by_judge`.

    Returns:
        From 0 (one idea) to 1 (all different); NaN where no pair has a verdict. Pairs without
        one are left out, never taken for different: read `judged.unscored` beside it.

    Example:
        >>> from variegate.judging import same_by_judge
        >>> first = lambda a, b: "same" if a[0] == b[0] else "different"
        >>> round(idea_diversity(same_by_judge(["sort", "scan", "hash"], first)), 3)
        0.667

    Reference: `Wang 2024 <https://arxiv.org/abs/2409.03733>`_.
    """
    above = np.triu_indices(len(judged.same), k=1)
    scored = judged.scored[above]
    if not scored.any():
        return float("nan")
    return float(1 - judged.same[above][scored].mean())


@dataclass(frozen=True, kw_only=True)
class PlanSearch(Asking):
    """Observations, their combinations, observations on those, plans, answers.

    Layer by layer, as published: brainstorm observations, list them, keep the useful ones; take
    subsets of at most `size`; derive new observations from each subset; every subset of those
    is a leaf. A leaf becomes a plan in words, and, supposing that plan is wrong, a mended one;
    each is put into pseudocode and carried out. With 3, 5 or 10 observations a node has 7, 16 or
    56 subsets, so only as many are grown as n answers need, spread over the nodes; with fewer
    leaves than answers they are taken again, as other draws.

    `stratum` holds the observations of the leaf, `plan` the plan. A list of observations that
    cannot be read ends its branch; without any first observations all rows are errors.

    Args:
        observations: asked for at each node.
        size: of the subsets at most (S); 0 makes chains of plans without observations.
        layers: of observations; 0 asks for plans at once.
        criticise: make two plans of every leaf, the second one mended.
        pseudocode: put the plan into pseudocode before it is carried out.

    Reference: `Wang 2024 <https://arxiv.org/abs/2409.03733>`_.
    """

    name: ClassVar[str] = "plan-search"
    tier: ClassVar[Tier] = "A"
    observations: int = 10
    size: int = 2
    layers: int = 2
    criticise: bool = True
    pseudocode: bool = True

    def __post_init__(self) -> None:
        if self.observations < 1 or min(self.size, self.layers) < 0:
            raise UsageError("Expected observations >= 1, size >= 0 and layers >= 0.")

    def talk(self, prompt: str, *, n: int, rng: np.random.Generator) -> Talk:
        wanted = -(-n // 2) if self.criticise else n
        nodes: list[tuple[str, ...]] = [()]
        for layer in range(self.layers):
            # As many nodes as could each give a leaf; what they share is not asked for twice.
            nodes = nodes[:wanted]
            lists = yield from self._observe(prompt, nodes)
            grown = [
                _shuffled([(*node, *subset) for subset in subsets(new, size=self.size)], rng)
                for node, (new, _) in zip(nodes, lists, strict=True) if new
            ]  # fmt: skip
            if not grown and not layer:
                return [Answer.unread(reply) for _, reply in lists] * n
            nodes = list(dict.fromkeys(_round_robin(grown))) or nodes
        leaves = [nodes[i % len(nodes)] for i in range(wanted)]
        plans = yield from self._plans(prompt, leaves)
        return (yield from self._carried_out(prompt, plans[:n]))

    def _observe(
        self, prompt: str, nodes: Listed[tuple[str, ...]]
    ) -> Part[list[tuple[list[str], Reply]]]:
        """Brainstorm, list and sift at every node: the observations kept, and the last reply."""
        turns = [words.user(words.brainstorm(prompt, self.observations, node)) for node in nodes]
        for then in (words.LIST_OBSERVATIONS, words.FILTER_OBSERVATIONS):
            replies = yield [Call(turns=t) for t in turns]
            turns = [(*t, *words.said(r.text, then)) for t, r in zip(turns, replies, strict=True)]
        found: list[tuple[list[str], Reply]] = [([], reply) for reply in replies]
        for attempt in range(PARSES):
            open_nodes = [i for i, (new, _) in enumerate(found) if not new]
            if not open_nodes:
                break
            replies = yield [Call(turns=turns[i], temperature=0.2 * attempt) for i in open_nodes]
            for i, reply in zip(open_nodes, replies, strict=True):
                found[i] = (list(dict.fromkeys(read_lines(reply.text)))[: self.observations], reply)
        return found

    def _plans(self, prompt: str, leaves: Listed[tuple[str, ...]]) -> Part[list[_Plan]]:
        """(leaf, plan, the calls it took), the plans of one leaf beside each other."""
        turns = [words.user(words.plan(prompt, leaf)) for leaf in leaves]
        first = yield [Call(turns=t) for t in turns]
        plans: list[list[_Plan]] = [
            [(leaf, r.text, (r,))] for leaf, r in zip(leaves, first, strict=True)
        ]
        if self.criticise:
            mended = yield [
                Call(turns=(*t, *words.said(r.text, words.CRITICISE)))
                for t, r in zip(turns, first, strict=True)
            ]
            for own, leaf, r, better in zip(plans, leaves, first, mended, strict=True):
                own.append((leaf, better.text, (r, better)))
        return [plan for own in plans for plan in own]

    def _carried_out(self, prompt: str, plans: Listed[_Plan]) -> Talk:
        turns: list[tuple[Turn, ...]] = [
            words.user(words.carry_out(prompt, plan)) for _, plan, _ in plans
        ]
        coded: list[tuple[Reply, ...]] = [()] * len(plans)
        if self.pseudocode:
            asked = [
                words.user(words.plan(prompt, leaf)) + words.said(plan, words.PSEUDOCODE)
                for leaf, plan, _ in plans
            ]
            replies = yield [Call(turns=t) for t in asked]
            coded = [(reply,) for reply in replies]
            turns = [
                (*t, *words.said(r.text, words.CARRY_OUT))
                for t, r in zip(asked, replies, strict=True)
            ]
        answers = yield [Call(turns=t) for t in turns]
        return [
            Answer.of(reply, *took, *code, stratum="\n".join(leaf) or None, plan=plan)
            if plan.strip()
            else Answer.unread(*took, *code, reply, stratum="\n".join(leaf) or None)
            for reply, code, (leaf, plan, took) in zip(answers, coded, plans, strict=True)
        ]


def _shuffled(nodes: list[tuple[str, ...]], rng: np.random.Generator) -> list[tuple[str, ...]]:
    return [nodes[i] for i in rng.permutation(len(nodes))]


def _round_robin(grown: Listed[list[tuple[str, ...]]]) -> Iterator[tuple[str, ...]]:
    rows = itertools.zip_longest(*grown)
    return (node for row in rows for node in row if node is not None)
