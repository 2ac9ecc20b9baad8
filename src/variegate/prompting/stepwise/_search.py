"""Stepwise search: answers grown step by step, the promising ones copied or branched."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from collections.abc import Sequence as Listed
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from variegate.embedding import Embedder, embedder
from variegate.errors import UsageError
from variegate.models import Tier, Turn
from variegate.prompting import _wordings as words
from variegate.prompting._asking import Asking
from variegate.prompting._calls import Answer, Call, Reply, Talk
from variegate.prompting.stepwise._particles import (
    Annealing,
    log_weights,
    particle_temperature,
    systematic_resample,
)
from variegate.prompting.stepwise._tree import ets_select, rebase_widths

__all__ = ["ParticleSearch", "Scorer", "TreeSearch"]

Scorer = Callable[[str, str], float]
"""From a prompt and a begun answer to how promising it is, in [0, 1]."""

NEUTRAL = 0.5  # the score of a step whose log-probabilities the model did not give


@dataclass(frozen=True, eq=False)
class _Path:
    """A begun answer."""

    text: str = ""
    steps: tuple[Reply, ...] = ()
    score: float | None = None
    ended: bool = False
    bad: bool = False  # the scorer answered nonsense, or the step was lost

    @property
    def nodes(self) -> tuple[int, ...]:
        return tuple(id(step) for step in self.steps)


@dataclass(frozen=True, kw_only=True)
class _Stepwise(Asking):
    """What both searches share: growing a path by a step, and scoring it."""

    tier: ClassVar[Tier] = "D"
    separator: str = "\n\n"
    max_steps: int = 16
    step_tokens: int = 256
    scorer: Scorer | None = None

    def __post_init__(self) -> None:
        if self.max_steps < 1 or self.step_tokens < 1 or not self.separator:
            raise UsageError("Expected max_steps >= 1, step_tokens >= 1 and a separator.")

    @abstractmethod
    def _choose(
        self, paths: Listed[_Path], *, width: int, step: int, rng: np.random.Generator
    ) -> list[_Path]:
        """Which paths go on, a path once for every continuation."""
        ...

    def talk(self, prompt: str, *, n: int, rng: np.random.Generator) -> Talk:
        done: list[_Path] = []
        alive = [_Path()] * n
        for step in range(self.max_steps):
            replies = yield [
                Call(
                    turns=(*words.user(prompt), Turn(role="assistant", text=path.text)),
                    max_tokens=self.step_tokens,
                    stop=(self.separator,),
                )
                for path in alive
            ]
            grown = [self._grown(prompt, p, r) for p, r in zip(alive, replies, strict=True)]
            # Finished answers leave with their place: copied on, they would come back as twins.
            done += [path for path in grown if path.ended or path.bad]
            alive = [path for path in grown if not (path.ended or path.bad)]
            if not alive:
                break
            if step + 1 < self.max_steps:
                alive = self._choose(alive, width=len(alive), step=step + 1, rng=rng)
        return [self._answer(path) for path in (*done, *alive)]

    def _grown(self, prompt: str, path: _Path, reply: Reply) -> _Path:
        steps = (*path.steps, reply)
        if reply.lost:
            return _Path(text=path.text, steps=steps, score=path.score, bad=True)
        if not reply.text.strip():  # it had nothing to add
            return _Path(text=path.text, steps=steps, score=path.score, ended=True)
        text = f"{path.text}{reply.text}{self.separator}"
        score = self._score(prompt, text, reply)
        return _Path(text=text, steps=steps, score=score, bad=score is None)

    def _score(self, prompt: str, text: str, reply: Reply) -> float | None:
        """How promising a begun answer is; None where the scorer answered nonsense."""
        if self.scorer is not None:
            said = self.scorer(prompt, text)
            fits = isinstance(said, int | float) and 0 <= said <= 1  # NaN does not
            return float(said) if fits else None
        logprobs = reply.completion.token_logprobs
        return math.exp(sum(logprobs) / len(logprobs)) if logprobs else NEUTRAL

    def _answer(self, path: _Path) -> Answer:
        quality = path.score if self.scorer is not None else None
        text = path.text.strip()
        if path.bad:
            return Answer(replies=path.steps, reasoning=text or None)
        if not text:
            return Answer.unread(*path.steps)
        return Answer(
            text=text,
            finish="stop" if path.ended else "length",
            replies=path.steps,
            columns={"quality": quality},
        )


@dataclass(frozen=True, kw_only=True)
class ParticleSearch(_Stepwise):
    """Entropic particle filtering: n answers grow together, resampled by how promising they are.

    After each step every begun answer is scored; the n places are filled again by systematic
    resampling from weights flattened while it is early and few answers hold the weight
    (`particle_temperature`), so that the search does not settle at once. Answers that have ended
    leave with their place. What has not ended after `max_steps` has finish "length". A begun
    answer whose score is no number in [0, 1] ends there as an error.

    Args:
        annealing: rule of the flattening; ``"none"`` is the plain particle filter.
        threshold, early: when it is flattened, see `particle_temperature`.
        separator: what ends a step.
        max_steps, step_tokens: steps of an answer, tokens of a step.
        scorer: from prompt and begun answer to a number in [0, 1]; None for self-certainty, the
            geometric mean probability of the step's tokens (tier B).

    Reference: `Giannone 2025 <https://arxiv.org/abs/2510.05825>`_.
    """

    name: ClassVar[str] = "particles"
    annealing: Annealing = "ess"
    threshold: float = 0.5
    early: float = 0.5

    def _choose(
        self, paths: Listed[_Path], *, width: int, step: int, rng: np.random.Generator
    ) -> list[_Path]:
        weights = log_weights([path.score or 0.0 for path in paths])
        weights -= weights.max()
        flat = particle_temperature(
            np.exp(weights),
            progress=step / self.max_steps,
            annealing=self.annealing,
            threshold=self.threshold,
            early=self.early,
        )
        chosen = systematic_resample(np.exp(weights / flat), n=width, u=float(rng.random()))
        return [paths[i] for i in chosen]


@dataclass(frozen=True, kw_only=True)
class TreeSearch(_Stepwise):
    """Efficient tree search: at each step the leaves worth their share of the tree go on.

    REBASE shares the width out by score; the leaves it serves are chosen by `ets_select`, which
    weighs their share against the nodes they keep alive and the different last steps they cover
    (average linkage over embeddings, cosine distance); the width is then shared out again among
    the chosen, at least one child each. Answers that have ended leave with their place, as in
    `ParticleSearch`.

    Args:
        node_cost, coverage: of `ets_select`; both 0 is REBASE.
        temperature: of the sharing out.
        distance: last steps closer than this (cosine) count as one.
        features: embedder of the last steps; None for the built-in word vectors.
        separator, max_steps, step_tokens, scorer: as in `ParticleSearch`.

    Reference: `Hooper 2025 <https://arxiv.org/abs/2502.13575>`_.
    """

    name: ClassVar[str] = "tree"
    node_cost: float = 1.0
    coverage: float = 1.45
    temperature: float = 0.2
    distance: float = 0.05
    features: Embedder | str | None = field(default=None)

    def _choose(
        self, paths: Listed[_Path], *, width: int, step: int, rng: np.random.Generator
    ) -> list[_Path]:
        del step, rng
        scores = np.array([path.score for path in paths], dtype=np.float64)
        widths = rebase_widths(scores, width=width, temperature=self.temperature)
        nodes = list(dict.fromkeys(node for path in paths for node in path.nodes[:-1]))
        under = np.array([[node in path.nodes for node in nodes] for path in paths], dtype=bool)
        clusters = self._clusters(paths) if self.coverage else None
        kept = np.flatnonzero(
            ets_select(
                widths, under.reshape(len(paths), len(nodes)), clusters,
                node_cost=self.node_cost, coverage=self.coverage,
            )
        )  # fmt: skip
        again = rebase_widths(scores[kept], width=width, temperature=self.temperature)
        if not again.all():  # kept for what it covers: without a child it would not be kept
            left = width - len(kept)
            again = 1 + rebase_widths(scores[kept], width=left, temperature=self.temperature)
        return [
            paths[i] for i, times in zip(kept.tolist(), again, strict=True) for _ in range(times)
        ]

    def _clusters(self, paths: Listed[_Path]) -> NDArray[np.int64] | None:
        texts = [path.steps[-1].text for path in paths]
        if len(set(texts)) < 2:
            return None
        from scipy.cluster.hierarchy import fcluster, linkage

        found: Any = embedder(self.features).encode(texts).astype(np.float64)
        above = np.triu_indices(len(texts), k=1)
        distances = np.clip(1 - (found @ found.T)[above], 0, None)
        labels: NDArray[np.int64] = fcluster(
            linkage(distances, method="average"), t=self.distance, criterion="distance"
        )
        return labels
