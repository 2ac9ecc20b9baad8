"""What an endpoint is sent for the draws of one call, and what is made of its answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from variegate.models._dispatch import Ask
from variegate.models._entropy_bounds import entropy_bounds
from variegate.models._protocol import Completion, Request, Sampling
from variegate.models._wire import PATHS, Choice, body_of, read_choices

if TYPE_CHECKING:
    from variegate.models._endpoint import EndpointModel

__all__ = ["Speaking"]


@dataclass(kw_only=True)
class Speaking:
    """The protocol for the draws of one call; what `Dispatch` asks for as `Spoken`."""

    model: EndpointModel
    sampling: Sampling

    @property
    def path(self) -> str:
        return PATHS[self.model.api]

    @property
    def takes_n(self) -> bool:
        return self.model.takes_n

    @takes_n.setter
    def takes_n(self, value: bool) -> None:
        self.model.takes_n = value

    def body(self, ask: Ask) -> dict[str, Any]:
        model, first = self.model, ask.draws[0]
        return body_of(
            api=model.api,
            model=model.name,
            rendered=first.rendered,
            sampling=self.sampling,
            n=len(ask.draws),
            # 31 bits are what every server takes.
            seed=first.seed % 2**31 if model.seeds else None,
            top=model.top_logprobs,
            prefill=model.prefill,
            limit=model.limit,
            extra=model.extra,
        )

    def choices(self, body: Mapping[str, Any]) -> list[Choice]:
        model = self.model
        return read_choices(body, api=model.api, top=model.top_logprobs, reasoning=model.reasoning)

    def completions(
        self, ask: Ask, choices: Sequence[Choice], usage: tuple[int, int] | None
    ) -> list[Completion]:
        read, written = usage or (0, 0)
        shares = _shares(written, choices)
        return [
            self._completion(draw, choice, read=read, written=share, among=len(choices))
            for draw, choice, share in zip(ask.draws, choices, shares, strict=False)
        ]

    def gives_way(self, body: Mapping[str, Any], said: str) -> bool:
        model = self.model
        if "max_tokens" in body and "max_completion_tokens" in said:
            model.limit = "max_completion_tokens"
        elif "seed" in body and re.search(r"\bseed\b", said):
            model.seeds = False
        elif "n" in body and re.search(r"[`'\"(]n[`'\")]", said):
            model.takes_n = False
        else:
            return False
        return True

    def safe(self, words: str) -> str:
        return self.model.safe(words)

    def _completion(
        self, draw: Request, choice: Choice, *, read: int, written: int, among: int
    ) -> Completion:
        tokens = choice.tokens
        # Of an answer whose reasoning is hidden the server gives only the visible part.
        if tokens is not None and written > len(tokens.chosen) + 1:
            tokens = None
        return Completion(
            key=draw.key,
            text=choice.text,
            reasoning=choice.reasoning,
            finish=choice.finish,
            token_ids=choice.token_ids,
            token_logprobs=None if tokens is None else tokens.chosen,
            token_entropies=None if tokens is None else self._entropies(tokens.top),
            prompt_tokens=read,
            completion_tokens=written,
            cost=None if among == 1 else read / among + written,
        )

    def _entropies(self, top: tuple[tuple[float, ...], ...]) -> tuple[float, ...] | None:
        if not top:
            return None
        width = max(map(len, top))
        lp = np.full((len(top), width), -np.inf)
        for row, values in zip(lp, top, strict=True):
            row[: len(values)] = values
        if (np.exp(lp).sum(-1) > 1 + 1e-3).any():
            return None  # no probabilities, whatever they are
        bounds = entropy_bounds(lp, self.model.vocabulary)
        tally = self.model.tally
        tally.bounded += len(top)
        tally.low += float(bounds.low.sum())
        tally.high += float(bounds.high.sum())
        chosen = {"low": bounds.low, "high": bounds.high, None: None}[self.model.entropies]
        return None if chosen is None else tuple(chosen.tolist())


def _shares(written: int, choices: Sequence[Choice]) -> list[int]:
    """Divide the tokens of one reply among its answers: as counted where log-probabilities came,
    else by the length of the texts; the sum is kept.
    """  # noqa: D205
    if len(choices) == 1:
        return [written]
    if all(choice.tokens is not None for choice in choices):
        counted = [len(choice.tokens.chosen) for choice in choices if choice.tokens is not None]
        if sum(counted) <= written:
            return counted
    sizes = np.array([1 + len(c.text) + len(c.reasoning or "") for c in choices], dtype=float)
    ends = np.round(np.cumsum(sizes) / sizes.sum() * written).astype(int)
    return [int(share) for share in np.diff(ends, prepend=0)]
