"""Models whose every number is known: the oracles that estimators are tested against."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from variegate.errors import ModelError, UsageError
from variegate.models._protocol import Completion, Format, Request, Sampling, Turn
from variegate.models._tiers import EVERY_TIER, Tier

__all__ = ["FakeModel", "UniformModel"]


@dataclass(kw_only=True)
class _Scripted(ABC):
    """The part that both fakes share: batches, and faults at chosen draws.

    `faults` maps the number of a draw, counted over the life of the object, to the error that
    is raised instead of the batch that holds it, or to None for a draw that never comes back.
    """

    name: str = "fake"
    revision: str = "0"
    batch_size: int = 16
    faults: Mapping[int, ModelError | None] = field(default_factory=dict)
    draws: int = field(default=0, init=False)  # made so far, the lost ones too
    tiers: ClassVar[frozenset[Tier]] = EVERY_TIER - {"E", "F"}

    def formats(self) -> tuple[Format, ...]:
        return ("raw",)

    def render(self, prompt: str | Sequence[Turn], *, format: Format) -> str:
        if format != "raw":
            raise UsageError(f"Expected the format 'raw', got {format!r}.")
        return prompt if isinstance(prompt, str) else "\n\n".join(turn.text for turn in prompt)

    def sample(
        self, requests: Sequence[Request], *, sampling: Sampling
    ) -> Iterator[list[Completion]]:
        for start in range(0, len(requests), self.batch_size):
            done = []
            for request in requests[start : start + self.batch_size]:
                number, self.draws = self.draws, self.draws + 1
                if number not in self.faults:
                    done.append(self._draw(request, sampling))
                elif (fault := self.faults[number]) is not None:
                    raise fault
            yield done

    @abstractmethod
    def _draw(self, request: Request, sampling: Sampling) -> Completion: ...


@dataclass(kw_only=True)
class FakeModel(_Scripted):
    """A model that answers from a given distribution, the whole answer in one token.

    Every metric of such a model has a closed form: with p_a the probability of the answer a and
    k independent draws, the methods below are exact.

    Args:
        answers: for every prompt, its answers with their probabilities (summing to 1).
        right: for every prompt, which answers are right; none where left out.
        name, revision: its identity.
        batch_size: draws a batch.
        faults: draw number -> error raised there, or None for a draw that is lost.

    Raises:
        UsageError: probabilities that are negative or do not sum to 1 within 1e-9.

    Example:
        >>> from variegate.models import FakeModel
        >>> model = FakeModel(answers={"Coin?": {"heads": 0.5, "tails": 0.5}},
        ...                   right={"Coin?": {"heads"}})
        >>> model.pass_at_k("Coin?", k=2), model.distinct_at_k("Coin?", k=2)
        (0.75, 1.5)
    """

    answers: Mapping[str, Mapping[str, float]]
    right: Mapping[str, Set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for prompt, table in self.answers.items():
            total = math.fsum(table.values())
            if min(table.values(), default=-1) < 0 or abs(total - 1) > 1e-9:
                raise UsageError(
                    f"Expected probabilities >= 0 with sum 1 for {prompt!r}, got sum {total!r}."
                )

    def _draw(self, request: Request, sampling: Sampling) -> Completion:
        words, lp = self._log_probabilities(request.rendered, sampling)
        p = np.exp(lp)
        place = int(np.random.default_rng(request.seed).choice(len(p), p=p / p.sum()))
        return Completion(
            key=request.key,
            text=words[place],
            reasoning=None,
            finish="stop" if words[place] else "empty",
            token_ids=(place,),
            token_logprobs=(float(lp[place]),),
            token_entropies=(_entropy(p),),
            prompt_tokens=len(request.rendered.split()),
            completion_tokens=1,
        )

    def score(
        self, rendered: str, continuations: Sequence[str], *, sampling: Sampling
    ) -> npt.NDArray[np.float64]:
        """Return the log-probability of each answer; -inf for one the model never gives."""
        words, lp = self._log_probabilities(rendered, sampling)
        table = dict(zip(words, lp, strict=True))
        return np.array([table.get(text, -np.inf) for text in continuations], dtype=np.float64)

    def _log_probabilities(
        self, prompt: str, sampling: Sampling
    ) -> tuple[list[str], npt.NDArray[np.float64]]:
        table = self.answers[prompt]
        with np.errstate(divide="ignore"):
            lp = np.log(np.array(list(table.values()), dtype=np.float64))
        temperature = 1.0 if sampling.temperature is None else sampling.temperature
        lp = np.where(lp == lp.max(), 0.0, -np.inf) if temperature == 0 else lp / temperature
        return list(table), lp - np.logaddexp.reduce(lp)

    def accuracy(self, prompt: str) -> float:
        """Chance that a draw is right: the sum of p over the right answers."""
        return math.fsum(self._right(prompt))

    def pass_at_k(self, prompt: str, *, k: int) -> float:
        """Chance that one of k draws is right: 1 - (1 - accuracy)^k."""
        return 1 - (1 - self.accuracy(prompt)) ** k

    def distinct_at_k(self, prompt: str, *, k: int) -> float:
        """Expected number of different answers among k draws: sum of 1 - (1 - p)^k."""
        return math.fsum(1 - (1 - p) ** k for p in self.answers[prompt].values())

    def unique_correct_at_k(self, prompt: str, *, k: int) -> float:
        """Expected number of different right answers among k draws."""
        return math.fsum(1 - (1 - p) ** k for p in self._right(prompt))

    def gini_simpson(self, prompt: str) -> float:
        """Chance that two draws differ: 1 - sum of p²."""
        return 1 - math.fsum(p * p for p in self.answers[prompt].values())

    def entropy(self, prompt: str) -> float:
        """Entropy of the answer in nats."""
        return _entropy(np.array(list(self.answers[prompt].values())))

    def _right(self, prompt: str) -> list[float]:
        right = self.right.get(prompt, frozenset())
        return [p for answer, p in self.answers[prompt].items() if answer in right]


@dataclass(kw_only=True)
class UniformModel(_Scripted):
    """A model that writes `length` tokens, each uniform over `branching` tokens.

    Its branching factor is exactly `branching`, every token has the entropy log(branching), and
    every answer the log-probability -length · log(branching).

    Args:
        branching: tokens to choose from at every step.
        length: tokens of an answer; cut to `max_tokens` of the draw.
        name, revision: its identity.
        batch_size: draws a batch.
        faults: draw number -> error raised there, or None for a draw that is lost.

    Example:
        >>> from variegate.models import Sampling, UniformModel
        >>> model = UniformModel(branching=2, length=3)
        >>> model.score("Go.", ["w0 w1 w1"], sampling=Sampling()).round(4).tolist()
        [-2.0794]
    """

    branching: int
    length: int

    def _draw(self, request: Request, sampling: Sampling) -> Completion:
        length = min(self.length, sampling.max_tokens)
        ids = np.random.default_rng(request.seed).integers(self.branching, size=length)
        bits = math.log(self.branching)
        return Completion(
            key=request.key,
            text=" ".join(f"w{token}" for token in ids),
            reasoning=None,
            finish="stop" if length == self.length else "length",
            token_ids=tuple(int(token) for token in ids),
            token_logprobs=(-bits,) * length,
            token_entropies=(bits,) * length,
            prompt_tokens=len(request.rendered.split()),
            completion_tokens=length,
        )

    def score(
        self,
        rendered: str,
        continuations: Sequence[str],
        *,
        sampling: Sampling,
    ) -> npt.NDArray[np.float64]:
        """Return -length · log(branching) for what the model can say, -inf for the rest."""
        del rendered, sampling
        words = {f"w{token}" for token in range(self.branching)}
        fits = [
            len(text.split()) == self.length and words.issuperset(text.split())
            for text in continuations
        ]
        return np.where(fits, -self.length * math.log(self.branching), -np.inf)


def _entropy(p: npt.NDArray[np.float64]) -> float:
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())
