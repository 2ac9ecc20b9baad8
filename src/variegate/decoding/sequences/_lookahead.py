"""LATR: rollouts from a tree that branches where the model is unsure and prunes what converges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import ClassVar

import numpy as np
from rapidfuzz.distance import Levenshtein

from variegate.decoding._temperature import entropy
from variegate.decoding.sequences._sampler import OneSet, Sampler
from variegate.decoding.sequences._shaped import RAW
from variegate.decoding.sequences._tree import Path, Tree, best
from variegate.errors import UsageError
from variegate.models import Completion, Request, Sampling
from variegate.models._stepping import Drawn, OwnNumbers, Stepping, grow, host, independent

__all__ = ["LookaheadTree", "lookahead_tree"]


def lookahead_tree(
    model: Stepping,
    *,
    n: int,
    share: float = 0.75,
    branch_above: float = 0.25,
    branch_within: float = 0.15,
    edits_below: float = 0.4,
    look: Sequence[int] = (20, 30, 50),
    candidates: int = 2,
) -> LookaheadTree:
    """Draw sets whose members part at uncertain tokens (LATR), with weights for the bias.

    Of the n places, `share` go to a tree. It starts from the prompt; each text takes its
    likeliest next token, and another token j among the `candidates` likeliest opens a branch
    where p_j > branch_above and p_1 − p_j < branch_within (p untempered), while places are left.
    A branch that is exactly r tokens old, r in `look`, is dropped where its last r tokens are
    within edits_below · r edits of its parent's. When the places are taken and the youngest
    branch is older than all of `look`, every text goes on as an ordinary draw. The other places,
    and those that found no branch, are independent draws from the prompt; nothing is copied.

    **Weights.** The forced part s of a text is the same whatever the seed, and what follows it is
    a true draw. So Σ P(s) f(y) over the tree is unbiased for the part of E f on texts that begin
    with one of the s; an independent draw has weight 1/m (m of them) if it begins with none of
    them, else 0. With at least one independent draw Σ w f is unbiased for E f. With none, what
    the tree cannot reach is not estimated and no weight can correct it: Σ w stays below 1 by
    exactly its probability. Ratios p/q of single tokens (as used for policy gradients) do not
    exist for forced tokens.

    Args:
        model: a model of tier E, or a two-context model made by `together`.
        n: outputs in a set.
        share: of the places, for the tree, in [0, 1]; 0 is independent sampling. 1 as published.
        branch_above: τ_abs; 0.5 and more never branch with two candidates.
        branch_within: τ_rel, ≥ 0.
        edits_below: τ_ed, ≥ 0; 0 never prunes.
        look: ages of a branch, in tokens, at which it is compared.
        candidates: tokens looked at, ≥ 2.

    Raises:
        UsageError: a setting outside its range, or a model without tier E.

    Example:
        >>> from variegate.decoding.sequences import TableModel, lookahead_tree
        >>> from variegate.models import Arm, Sampling, collect
        >>> from variegate.samples import Prompt
        >>> coin = TableModel(table=lambda prompt, written: [0, 0.5, 0.5])
        >>> model = lookahead_tree(coin, n=4, share=1.0)
        >>> arm = Arm(name="tree", model=model, sampling=Sampling(max_tokens=3))
        >>> sorted(collect(arm, [Prompt(prompt="Toss.")], n=4).frame["text"])
        ['w1 w1 w1', 'w1 w2 w1', 'w2 w1 w1', 'w2 w2 w1']

    Reference: Xing 2025, https://arxiv.org/abs/2510.24302
    """
    return LookaheadTree(
        model=model,
        n=n,
        share=share,
        branch_above=branch_above,
        branch_within=branch_within,
        edits_below=edits_below,
        look=tuple(look),
        candidates=candidates,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Branch(Path):
    """A path that knows where it was born; `group` is its number."""

    parent: int = -1
    born: int = 0  # tokens before the one it was born with


@dataclass(frozen=True, kw_only=True)
class LookaheadTree(Sampler):
    """Sets from a tree of uncertain tokens; made by `lookahead_tree`."""

    share: float
    branch_above: float
    branch_within: float
    edits_below: float
    look: tuple[int, ...]
    candidates: int

    method: ClassVar[str] = "lookahead-tree"

    def __post_init__(self) -> None:
        super().__post_init__()
        ranges = {
            "share": (self.share, 0 <= self.share <= 1, "in [0, 1]"),
            "branch_above": (self.branch_above, self.branch_above >= 0, ">= 0"),
            "branch_within": (self.branch_within, self.branch_within >= 0, ">= 0"),
            "edits_below": (self.edits_below, self.edits_below >= 0, ">= 0"),
            "look": (self.look, all(age >= 1 for age in self.look), "of ages >= 1"),
            "candidates": (self.candidates, self.candidates >= 2, ">= 2"),
        }
        for name, (value, fits, expected) in ranges.items():
            if not fits:
                raise UsageError(f"Expected {name} {expected}, got {value!r}.")

    @property
    def places(self) -> int:
        """Places of the tree, of n."""
        return round(self.share * self.n)

    def _draw(self, sets: Sequence[OneSet], sampling: Sampling) -> list[Completion]:
        done: list[Completion] = []
        fillers: dict[str, tuple[Request, list[_Branch]]] = {}
        for _, members in groupby(sets, key=lambda one: one.rendered):
            group = list(members)
            tree, branches = self._forced(group[0], sampling)
            wanted = [
                (request, branches[place])
                for one in group
                for request, place in zip(one.requests, one.places, strict=True)
                if place < len(branches)
            ]
            done += self._rolled(tree, wanted, cost=tree.written[0] / self.n)
            kept = {request.key for request, _ in wanted}
            for one in group:
                fillers |= {r.key: (r, branches) for r in one.requests if r.key not in kept}
        requests = [request for request, _ in fillers.values()]
        for batch in independent(self.model, requests, sampling=sampling):
            done += [self._filler(one, fillers[one.key][1]) for one in batch]
        return done

    def _forced(self, one: OneSet, sampling: Sampling) -> tuple[Tree, list[_Branch]]:
        """Grow the tree of a prompt: the same whatever the seed."""
        tree = Tree(self.model, [one], sampling)
        branches = [_Branch(place=0, row=0)][: self.places]
        born = 1
        while any(branch.open for branch in branches):
            youngest = min(len(branch.ids) - branch.born for branch in branches)
            if len(branches) >= self.places and youngest > max(self.look, default=0):
                break
            branches, born = self._stepped(tree, branches, born)
            branches = self._pruned(tree.keep(branches))
        return tree, branches

    def _stepped(
        self, tree: Tree, branches: Sequence[_Branch], born: int
    ) -> tuple[list[_Branch], int]:
        """Every branch goes on with its likeliest token; the unsure ones branch, best first."""
        own, lp = tree.prefixes.distribution(RAW), tree.prefixes.distribution(tree.sampling)
        tokens, raw = best(own, self.candidates)
        [defaults] = best(lp, 1)[0].T
        said, entropies = host(lp), host(entropy(lp))
        p = np.exp(raw)
        grown: list[_Branch] = []
        births: list[tuple[int, float, _Branch]] = []
        for branch in branches:
            if not branch.open:
                grown.append(branch)
                continue
            row, own_token = branch.row, int(defaults[branch.row])
            unsure = (p[row] > self.branch_above) & (p[row, 0] - p[row] < self.branch_within)
            entropy_here = float(entropies[row])
            grown.append(tree.child(branch, own_token, float(said[row, own_token]), entropy_here))
            for rank in np.flatnonzero(unsure).tolist():
                token = int(tokens[row, rank])
                if token != own_token and said[row, token] > -np.inf:
                    child = tree.child(branch, token, float(said[row, token]), entropy_here)
                    birth = replace(child, parent=branch.group, born=len(branch.ids))
                    births.append((rank, -float(p[row, rank]), birth))
        births.sort(key=lambda one: one[:2])
        for _, _, birth in births[: max(0, self.places - len(grown))]:
            grown.append(replace(birth, group=born))
            born += 1
        return grown, born

    def _pruned(self, branches: Sequence[_Branch]) -> list[_Branch]:
        """Leave out what has come back to what its parent says."""
        by_number = {branch.group: branch for branch in branches}
        kept = []
        for branch in branches:
            parent, age = by_number.get(branch.parent), len(branch.ids) - branch.born
            if parent and age in self.look and branch.open and parent.open:
                edits = Levenshtein.distance(branch.ids[-age:], parent.ids[-age:])
                if edits < self.edits_below * age:
                    continue
            kept.append(branch)
        return kept

    def _rolled(
        self, tree: Tree, wanted: Sequence[tuple[Request, _Branch]], *, cost: float
    ) -> list[Completion]:
        """Draw on from the forced parts, each request with its own numbers."""
        rolling = [(request, branch) for request, branch in wanted if branch.open]
        drawn = {request.key: Drawn(ids=[], logprobs=[], entropies=[], stopped=branch.stopped,
                                    read=0) for request, branch in wanted}  # fmt: skip
        if rolling:
            limit, length = tree.sampling.max_tokens, len(rolling[0][1].ids)
            numbers = OwnNumbers([request.seed for request, _ in rolling], steps=limit)
            numbers.step += length
            tree.prefixes.reorder(np.array([branch.row for _, branch in rolling]))
            rows = grow(
                tree.prefixes,
                numbers,
                rows=len(rolling),
                sampling=replace(tree.sampling, max_tokens=limit - length),
                ends=self.model.ends,
                stops=tree.stops,
            )
            drawn |= {request.key: row for (request, _), row in zip(rolling, rows, strict=True)}
        done = []
        for request, branch in wanted:
            rest = drawn[request.key]
            whole = Drawn(
                ids=[*branch.ids, *rest.ids],
                logprobs=[*branch.logprobs, *rest.logprobs],
                entropies=[*branch.entropies, *rest.entropies],
                stopped=rest.stopped,
                read=tree.read[0],
            )
            about = {
                "iid": False,
                "weight": math.exp(branch.logprob),
                "cost": tree.read[0] + cost + len(rest.ids),
            }
            done.append(self.model.completed(request, whole, sampling=tree.sampling, **about))
        return done

    def _filler(self, completion: Completion, branches: Sequence[_Branch]) -> Completion:
        """An independent draw: it speaks for what the tree cannot reach, and only for that."""
        reached = any(completion.token_ids[: len(b.ids)] == b.ids for b in branches)
        weight = 0.0 if reached else 1 / (self.n - len(branches))
        return replace(completion, iid=False, weight=weight)
