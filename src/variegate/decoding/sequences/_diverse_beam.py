"""Diverse beam search: groups of beams, each told what the groups before it chose."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from variegate.decoding._temperature import entropy
from variegate.decoding.sequences._sampler import OneSet, Sampler
from variegate.decoding.sequences._stochastic_beam import nothing
from variegate.decoding.sequences._tree import Path, Tree, best
from variegate.errors import UsageError
from variegate.models import Completion, Sampling
from variegate.models._stepping import Ints, Stepping, host

__all__ = ["Dissimilarity", "DiverseBeam", "diverse_beam"]

Dissimilarity = Literal["hamming", "cumulative", "ngram"]
"""What counts as agreeing: the same token now, the same tokens so far, the same n-gram anywhere."""


def diverse_beam(
    model: Stepping,
    *,
    n: int,
    groups: int | None = None,
    strength: float = 0.5,
    dissimilarity: Dissimilarity = "hamming",
    cumulative: bool = True,
    gamma: float = 1.0,
    ngram: int = 2,
) -> DiverseBeam:
    """Search for n likely texts that differ: beams in groups, group by group at every step.

    A group adds token v to a beam y at the value score(y) + log p(v|y) − λ · Δ, where Δ sums over
    the beams Y of the groups before it, at the same step:

    - "hamming": 1 where Y chose v too;
    - "cumulative": exp(−m/γ), m the number of positions, this one included, where they differ;
    - "ngram": how often Y holds the n-gram that v completes.

    With `cumulative` the penalties stay in the running score (the authors' code); without, they
    act at one step only. Log-probabilities are always the model's. An ended beam keeps its value
    and competes with open ones; there is no length normalisation, so texts that end early have
    an edge. Deterministic: the seed does not matter.

    Args:
        model: a model of tier E, or a two-context model made by `together`.
        n: beams in all.
        groups: divides n; n by default. 1 is beam search.
        strength: λ ≥ 0; 0 gives every group the same beams (`n / groups` different texts).
        dissimilarity: what counts as agreeing.
        cumulative: whether penalties stay.
        gamma: γ > 0 of "cumulative".
        ngram: length ≥ 1 for "ngram".

    Raises:
        UsageError: a setting outside its range, or a model without tier E.

    Example:
        >>> from variegate.decoding.sequences import TableModel, diverse_beam
        >>> from variegate.models import Arm, Sampling, collect
        >>> from variegate.samples import Prompt
        >>> die = TableModel(table=lambda prompt, written: [0, 0.6, 0.3, 0.1])
        >>> model = diverse_beam(die, n=3, strength=9.0)
        >>> arm = Arm(name="diverse", model=model, sampling=Sampling(max_tokens=1))
        >>> collect(arm, [Prompt(prompt="Roll.")], n=3).frame["text"].to_list()
        ['w1', 'w2', 'w3']

    Reference: Vijayakumar 2016, https://arxiv.org/abs/1610.02424
    """
    return DiverseBeam(
        model=model,
        n=n,
        groups=n if groups is None else groups,
        strength=strength,
        dissimilarity=dissimilarity,
        cumulative=cumulative,
        gamma=gamma,
        ngram=ngram,
    )


@dataclass(frozen=True, kw_only=True)
class DiverseBeam(Sampler):
    """Groups of beams; made by `diverse_beam`. Places run through the groups in order."""

    groups: int
    strength: float
    dissimilarity: Dissimilarity
    cumulative: bool
    gamma: float
    ngram: int

    method: ClassVar[str] = "diverse-beam"

    def __post_init__(self) -> None:
        super().__post_init__()
        ranges = {
            "groups": (self.groups, self.groups >= 1 and self.n % self.groups == 0, "dividing n"),
            "strength": (self.strength, 0 <= self.strength < math.inf, ">= 0"),
            "gamma": (self.gamma, 0 < self.gamma < math.inf, "> 0"),
            "ngram": (self.ngram, self.ngram >= 1, ">= 1"),
            "dissimilarity": (
                self.dissimilarity, self.dissimilarity in ("hamming", "cumulative", "ngram"),
                "'hamming', 'cumulative' or 'ngram'",
            ),
        }  # fmt: skip
        for name, (value, fits, expected) in ranges.items():
            if not fits:
                raise UsageError(f"Expected {name} {expected}, got {value!r}.")

    def _draw(self, sets: Sequence[OneSet], sampling: Sampling) -> list[Completion]:
        # A set is the same whatever its seed: one tree a prompt.
        texts = {one.rendered: one for one in sets}
        tree = Tree(self.model, list(texts.values()), sampling)
        tree.paths = [replace(root, group=g) for root in tree.paths for g in range(self.groups)]
        while tree.open:
            lp = tree.prefixes.distribution(sampling)
            entropies = host(entropy(lp))
            # So many that the best are among them whatever the groups before have chosen.
            tokens, said = best(lp, self.n + self.n // self.groups)
            kept: list[Path] = []
            for place in range(len(texts)):
                before: list[Path] = []
                for group in range(self.groups):
                    own = [path for path in tree.of(place) if path.group == group]
                    before += self._extended(tree, own, before, tokens, said, entropies)
                kept += before
            tree.keep(kept)
        places = {rendered: place for place, rendered in enumerate(texts)}
        return [c for one in sets for c in self._read(tree, places[one.rendered], one)]

    def _extended(
        self,
        tree: Tree,
        own: Sequence[Path],
        before: Sequence[Path],
        tokens: Ints,
        said: npt.NDArray[np.float64],
        entropies: npt.NDArray[np.float64],
    ) -> list[Path]:
        """The beams of a group after this step, given those of the groups before it."""
        found: list[tuple[float, Path]] = []
        for path in own:
            if not path.open:
                found.append((path.score, path))
                continue
            common, agreeing = self._penalties(path, before)
            row = path.row
            for token, lp in zip(tokens[row].tolist(), said[row].tolist(), strict=True):
                if lp > -math.inf:
                    score = path.score + lp
                    value = score - self.strength * (common + agreeing[token])
                    score = value if self.cumulative else score
                    grown = tree.child(path, token, lp, float(entropies[row]), score=score)
                    found.append((value, grown))
        found.sort(key=lambda one: -one[0])
        return [path for _, path in found[: self.n // self.groups]]

    def _penalties(self, path: Path, before: Sequence[Path]) -> tuple[float, dict[int, float]]:
        """Of every next token alike, and of those that agree with a beam before."""
        common, agreeing = 0.0, defaultdict[int, float](float)
        at = len(path.ids)
        for other in before:
            if self.dissimilarity == "ngram":
                context = path.ids[max(0, at - self.ngram + 1) :]
                if len(context) == self.ngram - 1:
                    for start in range(len(other.ids) - self.ngram + 1):
                        *head, last = other.ids[start : start + self.ngram]
                        agreeing[last] += tuple(head) == context
            elif self.dissimilarity == "hamming":
                if len(other.ids) > at:
                    agreeing[other.ids[at]] += 1.0
            else:
                theirs = (*other.ids, *[-1] * at)  # what has ended differs from here on
                apart = sum(a != b for a, b in zip(path.ids, theirs, strict=False))
                differs = math.exp(-(apart + 1) / self.gamma)
                common += differs
                if len(other.ids) > at:
                    agreeing[other.ids[at]] += math.exp(-apart / self.gamma) - differs
        return common, agreeing

    def _read(self, tree: Tree, place: int, one: OneSet) -> list[Completion]:
        paths, read = tree.of(place), tree.read[place]
        cost = tree.cost(place, self.n)
        return [
            self.model.completed(
                request, paths[at].drawn(read), sampling=tree.sampling, iid=False, cost=cost
            )
            if at < len(paths)
            else nothing(request.key, read=read)
            for request, at in zip(one.requests, one.places, strict=True)
        ]
