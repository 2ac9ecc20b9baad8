"""A way of drawing in front of a model: what all of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from variegate.errors import UsageError
from variegate.models import Completion, Format, Request, Sampling, Tier, Turn, require
from variegate.models._stepping import Stepping

__all__ = ["OneSet", "Sampler"]


@dataclass(frozen=True, kw_only=True)
class OneSet:
    """The draws of one prompt that are made together, or the ones of them that are wanted."""

    rendered: str
    group: int  # the seed they share
    requests: tuple[Request, ...]
    places: tuple[int, ...]  # of the requests in the set


@dataclass(frozen=True, kw_only=True)
class Sampler(ABC):
    """Draws n outputs of a prompt as one set, over any model that goes token by token.

    Itself a model: an `Arm` takes it, `collect` keeps and resumes its draws, and its settings are
    part of their identity. Draw i of a prompt is place i mod n of set i div n; the sets of one
    prompt are independent. Scores are the model's own.
    """

    model: Stepping
    n: int

    method: ClassVar[str]

    def __post_init__(self) -> None:
        require(self.model, "E", self.method)
        if self.n < 1:
            raise UsageError(f"Expected n >= 1 outputs in a set, got {self.n}.")

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def revision(self) -> str:
        """The model's revision, the method and its settings."""
        told = ", ".join(f"{name}={value!r}" for name, value in self.settings().items())
        return f"{self.model.revision}+{self.method}({told})"

    @property
    def tiers(self) -> frozenset[Tier]:
        """What is left of the model's: sets cannot be taken token by token."""
        return self.model.tiers - {"E", "F"}

    def settings(self) -> dict[str, Any]:
        """Everything but the model."""
        shallow = {name: value for name, value in vars(self).items() if name != "model"}
        return {
            name: asdict(value) if hasattr(value, "__dataclass_fields__") else value
            for name, value in shallow.items()
        }

    def formats(self) -> tuple[Format, ...]:
        """The model's."""
        return self.model.formats()

    def render(self, prompt: str | Sequence[Turn], *, format: Format) -> str:
        """The model's."""
        return self.model.render(prompt, format=format)

    def score(
        self, rendered: str, continuations: Sequence[Any], *, sampling: Sampling
    ) -> npt.NDArray[np.float64]:
        """The model's own log-probabilities."""
        return self.model.score(rendered, continuations, sampling=sampling)

    def sample(
        self, requests: Sequence[Request], *, sampling: Sampling
    ) -> Iterator[list[Completion]]:
        """Yield sets as they finish, prompts of one length together."""
        sampling = self.model.resolved(sampling)
        widths = {text: self.model.width(text) for text in {r.rendered for r in requests}}

        def of(request: Request) -> tuple[int, str, int, int]:
            text = request.rendered
            return widths[text], text, request.group, request.index // self.n

        sets = [
            OneSet(
                rendered=rendered,
                group=(group + number) % 2**63,
                requests=tuple(held := list(members)),
                places=tuple(request.index % self.n for request in held),
            )
            for (_, rendered, group, number), members in groupby(
                sorted(requests, key=lambda r: (*of(r), r.index)), key=of
            )
        ]
        rows = self.model.fitting(max(widths.values(), default=0), sampling=sampling)
        size = max(1, rows // self._rows())
        for start in range(0, len(sets), size):
            yield self._draw(sets[start : start + size], sampling)

    def _rows(self) -> int:
        """Rows that a set takes at the most."""
        return self.n

    @abstractmethod
    def _draw(self, sets: Sequence[OneSet], sampling: Sampling) -> list[Completion]: ...
