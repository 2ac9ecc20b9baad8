"""Stochastic beam search: a sample without replacement, with weights that make it unbiased."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import array_api_compat
import numpy as np
import numpy.typing as npt

from variegate.decoding._temperature import entropy
from variegate.decoding.sequences._arithmetic import child
from variegate.decoding.sequences._sampler import OneSet, Sampler
from variegate.decoding.sequences._tree import Path, Tree, best
from variegate.models import Completion, Sampling
from variegate.models._stepping import Stepping, host

__all__ = ["StochasticBeam", "log_inclusion", "stochastic_beam"]


def stochastic_beam(model: Stepping, *, n: int) -> StochasticBeam:
    """Draw n different texts: an exact sample without replacement, by Gumbel top-k.

    Every text y has G_y = log p(y) + Gumbel noise; the n largest are a sample without
    replacement, and the tree is searched for them from the top. A plain mean over such a set is
    biased towards unlikely texts. With κ the (n+1)-th largest G and q(y) = 1 − exp(−exp(log p(y)
    − κ)), the weights w = p(y)/q(y) make Σ w f(y) unbiased for E f; Σ w f / Σ w has a little
    bias and less variance.

    Each completion carries its weight. Where a prompt has fewer than n texts at all, each of
    them comes with w = p, and the rest are rows with `finish="error"` and weight 0.

    Args:
        model: a model of tier E, or a two-context model made by `together`.
        n: outputs in a set, n + 1 beams.

    Raises:
        UsageError: n < 1, or a model without tier E.

    Example:
        >>> from variegate.decoding.sequences import TableModel, stochastic_beam
        >>> from variegate.models import Arm, Sampling, collect
        >>> from variegate.samples import Prompt
        >>> die = TableModel(table=lambda prompt, written: [0, 0.5, 0.3, 0.2])
        >>> arm = Arm(name="beam", model=stochastic_beam(die, n=3), sampling=Sampling(max_tokens=1))
        >>> found = collect(arm, [Prompt(prompt="Roll.")], n=3).frame
        >>> found["text"].n_unique(), round(found["weight"].sum(), 9)
        (3, 1.0)

    Reference: Kool 2019, https://arxiv.org/abs/1903.06059
    """
    return StochasticBeam(model=model, n=n)


def log_inclusion(logprob: npt.ArrayLike, *, kappa: float) -> npt.NDArray[np.float64]:
    """Log of the probability that a text's perturbed log-probability exceeds a threshold.

    log q = log(1 − exp(−exp(log p − κ))), stable at both ends: log p − κ where that is very
    negative, 0 where it is large.

    Args:
        logprob: log p of texts, nats, any shape.
        kappa: the threshold; −inf gives 0, every text is in.

    Returns:
        Same shape, at most 0.

    Example:
        >>> from variegate.decoding.sequences import log_inclusion
        >>> log_inclusion([-1.0, -500.0], kappa=0.0).round(3).tolist()
        [-1.178, -500.0]

    Reference: Kool 2019, https://arxiv.org/abs/1903.06059
    """
    x = np.asarray(logprob, dtype=np.float64) - kappa
    with np.errstate(divide="ignore"):
        exact = np.log(-np.expm1(-np.exp(np.clip(x, -30.0, 50.0))))
    return np.where(x < -30, x, exact)


@dataclass(frozen=True, kw_only=True)
class StochasticBeam(Sampler):
    """Sets without replacement; made by `stochastic_beam`. A path's score is its G."""

    method: ClassVar[str] = "stochastic-beam"

    def _rows(self) -> int:
        return self.n + 1

    def _draw(self, sets: Sequence[OneSet], sampling: Sampling) -> list[Completion]:
        tree = Tree(self.model, sets, sampling)
        seeds = np.array([one.group for one in sets], dtype=np.uint64)
        noise = {path.row: seed for path, seed in zip(tree.paths, seeds, strict=True)}
        tree.paths = [
            Path(place=path.place, row=path.row, score=float(_stream(noise[path.row]).gumbel()))
            for path in tree.paths
        ]
        while tree.open:
            lp = tree.prefixes.distribution(sampling)
            entropies = host(entropy(lp))
            open_ = [path for path in tree.paths if path.open]
            hashes = np.array([noise[path.row] for path in open_], dtype=np.uint64)
            gumbel = np.stack([_stream(h, 1).gumbel(size=lp.shape[-1]) for h in hashes])
            tokens, g = best(lp + _like(gumbel, lp), self.n + 1)
            said = np.take_along_axis(host(lp), tokens, axis=-1)
            candidates = [(path.score, path, -1) for path in tree.paths if not path.open]
            for row, path in enumerate(open_):
                scores = _conditioned(g[row] + path.logprob, path.score)
                candidates += [
                    (float(scores[j]), path, j)
                    for j in range(len(scores))
                    if said[row, j] > -np.inf
                ]
            kept: list[tuple[Path, np.uint64]] = []
            for place in range(len(sets)):
                own = sorted((c for c in candidates if c[1].place == place), key=lambda c: -c[0])
                for score, path, j in own[: self.n + 1]:
                    if j < 0:
                        kept.append((path, np.uint64(0)))
                        continue
                    row, token = path.row, int(tokens[path.row, j])
                    grown = tree.child(
                        path, token, float(said[row, j]), float(entropies[row]), score=score
                    )
                    [hashed] = child(hashes[row : row + 1], np.array([token]))
                    kept.append((grown, hashed))
            paths = tree.keep([path for path, _ in kept])
            noise = {p.row: h for p, (_, h) in zip(paths, kept, strict=True) if p.open}
        return [c for place, one in enumerate(sets) for c in self._read(tree, place, one)]

    def _read(self, tree: Tree, place: int, one: OneSet) -> list[Completion]:
        paths = sorted(tree.of(place), key=lambda path: -path.score)
        kappa = paths[self.n].score if len(paths) > self.n else -np.inf
        cost = tree.cost(place, self.n)
        # The largest G comes first; places in the set are in an order that tells nothing.
        order = _stream(np.uint64(one.group), 2).permutation(self.n)
        done: list[Completion] = []
        for request, rank in zip(one.requests, order[list(one.places)], strict=True):
            if rank < min(len(paths), self.n):
                path = paths[rank]
                weight = float(np.exp(path.logprob - log_inclusion(path.logprob, kappa=kappa)))
                row = path.drawn(tree.read[place])
                about: dict[str, Any] = {"iid": False, "weight": weight, "cost": cost}
                done.append(self.model.completed(request, row, sampling=tree.sampling, **about))
            else:
                done.append(nothing(request.key, read=tree.read[place]))
        return done


def nothing(key: str, *, read: int) -> Completion:
    """The place of a set for which there is no text left."""
    return Completion(
        key=key, text="", reasoning=None, finish="error", token_ids=(), token_logprobs=None,
        token_entropies=None, prompt_tokens=read, completion_tokens=0, iid=False, weight=0.0,
        cost=0.0,
    )  # fmt: skip


def _conditioned(g: npt.NDArray[np.float64], top: float) -> npt.NDArray[np.float64]:
    """Shift Gumbels, largest first, so that their maximum is exactly `top`."""
    with np.errstate(divide="ignore"):
        v = top - g + np.log(-np.expm1(np.minimum(g - g[0], 0.0)))
    return np.asarray(top - np.maximum(v, 0.0) - np.log1p(np.exp(-np.abs(v))))


def _stream(seed: np.uint64, kind: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[int(seed), kind]))


def _like(array: npt.NDArray[np.float64], other: Any) -> Any:
    xp: Any = array_api_compat.array_namespace(other)
    return xp.asarray(array, device=array_api_compat.device(other))
