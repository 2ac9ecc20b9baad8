"""Models that go token by token: texts that grow side by side, and the loop that grows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import array_api_compat
import numpy as np
import numpy.typing as npt

from variegate.models._protocol import Completion, Model, Request, Sampling
from variegate.models._uniform import uniforms

__all__ = [
    "Drawn",
    "Ints",
    "OwnNumbers",
    "Points",
    "Prefixes",
    "Stepping",
    "Stops",
    "grow",
    "host",
    "invert",
]

Ints = npt.NDArray[np.int64]
Stops = Callable[[list[int]], bool]

# Finished rows are dropped once they are this share of all: dropping copies the rows that stay,
# keeping computes the rows that go.
DROP_AT = 0.15

# Log-probabilities that are inverted at once on a CPU.
BLOCK = 2**16


class Prefixes(Protocol):
    """Texts that grow side by side, one a row, whatever remembers them."""

    @property
    def read(self) -> Sequence[int]:
        """Tokens of the prompt of each row."""
        ...

    def distribution(self, sampling: Sampling) -> Any:
        """Log-probabilities of the next token as they are sampled from, (R, V) in float64."""
        ...

    def advance(self, tokens: Ints) -> None:
        """Add one token to every row, (R,)."""
        ...

    def reorder(self, rows: Ints) -> None:
        """Let row i become what row rows[i] is; rows may repeat, and may be left out."""
        ...


@runtime_checkable
class Stepping(Model, Protocol):
    """A model of tier E: it can be taken from token to token, many texts at a time."""

    @property
    def ends(self) -> Sequence[int]:
        """Token ids that end a text."""
        ...

    def vocabulary(self) -> Mapping[str, int]:
        """Its tokens with their ids: two models can be combined where these are equal."""
        ...

    def resolved(self, sampling: Sampling) -> Sampling:
        """The settings with the model's own default where the temperature was left open."""
        ...

    def start(self, rendered: Sequence[str]) -> Prefixes:
        """Read prompts, once each: one row a prompt, in order."""
        ...

    def width(self, rendered: str) -> int:
        """Tokens of a prompt."""
        ...

    def fitting(self, width: int, *, sampling: Sampling) -> int:
        """How many rows fit in memory side by side, of prompts of this width; at least 1."""
        ...

    def stops(self, words: tuple[str, ...]) -> Stops | None:
        """Whether tokens hold one of these words; None for no words."""
        ...

    def encode(self, text: str) -> list[int]:
        """Token ids of a continuation."""
        ...

    def completed(
        self, request: Request, drawn: Drawn, *, sampling: Sampling, **about: Any
    ) -> Completion:
        """What a row wrote as the answer to a request; `about` goes into the completion."""
        ...


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What one row wrote, token by token."""

    ids: list[int]
    logprobs: list[float]  # nats, of the distribution sampled from
    entropies: list[float]
    stopped: bool  # by an end-of-sequence token or a stop string, not by max_tokens
    read: int  # tokens of the prompt


def independent(
    model: Stepping, requests: Sequence[Request], *, sampling: Sampling
) -> Iterator[list[Completion]]:
    """Draw independently, every request from its own seed; draws of a prompt share its reading.

    Prompts of one length go together, in batches cut in one fixed order.
    """
    sampling = model.resolved(sampling)
    widths = {text: model.width(text) for text in {request.rendered for request in requests}}
    ordered = sorted(requests, key=lambda r: (widths[r.rendered], r.rendered, r.index))
    size = model.fitting(max(widths.values(), default=0), sampling=sampling)
    for first in range(0, len(ordered), size):
        batch = ordered[first : first + size]
        places = {t: i for i, t in enumerate(dict.fromkeys(r.rendered for r in batch))}
        prefixes = model.start(list(places))
        prefixes.reorder(np.array([places[request.rendered] for request in batch]))
        drawn = grow(
            prefixes,
            OwnNumbers([request.seed for request in batch], steps=sampling.max_tokens),
            rows=len(batch),
            sampling=sampling,
            ends=model.ends,
            stops=model.stops(sampling.stop),
        )
        yield [
            model.completed(request, row, sampling=sampling)
            for request, row in zip(batch, drawn, strict=True)
        ]


class Points(Protocol):
    """Where to invert the distribution function, row by row and step by step."""

    def next(self, rows: Ints) -> npt.NDArray[np.float64]:
        """Numbers in [0, 1) for these rows, (R,)."""
        ...

    def chosen(
        self,
        rows: Ints,
        tokens: Ints,
        low: npt.NDArray[np.float64],
        high: npt.NDArray[np.float64],
    ) -> None:
        """Learn which tokens they gave, and the interval [low, high) of each, (R,) each."""
        ...


class OwnNumbers:
    """Independent draws: every row reads its own stream of uniform numbers."""

    def __init__(self, seeds: Sequence[int], *, steps: int) -> None:
        self.u: npt.NDArray[np.float64] = uniforms(seeds, steps=steps)
        self.step = -1

    def next(self, rows: Ints) -> npt.NDArray[np.float64]:
        self.step += 1
        return np.asarray(self.u[rows, self.step])

    def chosen(self, *_: Any) -> None:
        pass


def grow(
    prefixes: Prefixes,
    points: Points,
    *,
    rows: int,
    sampling: Sampling,
    ends: Sequence[int],
    stops: Stops | None = None,
) -> list[Drawn]:
    """Write every row to its end, one token a step for all, each by inversion at its point.

    Args:
        prefixes: the rows, after the prompt.
        points: where each row inverts its distribution function.
        rows: how many rows there are.
        sampling: the settings of the draws.
        ends: token ids that end a row.
        stops: whether tokens hold a stop string.
    """
    steps = sampling.max_tokens
    read = list(prefixes.read)
    ids = np.zeros((rows, steps), dtype=np.int64)
    logprobs, entropies = np.zeros((rows, steps)), np.zeros((rows, steps))
    lengths = np.full(rows, steps)
    stopped = np.zeros(rows, dtype=bool)
    live = np.arange(rows)  # row of the prefixes -> row of the result
    for step in range(steps):
        token, low, high, lp, entropy = invert(prefixes.distribution(sampling), points.next(live))
        points.chosen(live, token, low, high)
        ids[live, step], logprobs[live, step], entropies[live, step] = token, lp, entropy
        done = np.isin(token, ends) & ~stopped[live]
        if stops is not None:
            written = ids[live, : step + 1].tolist()
            done |= np.array([stops(row) for row in written]) & ~stopped[live]
        lengths[live[done]] = step + 1
        stopped[live[done]] = True
        going = ~stopped[live]
        count = int(going.sum())
        if count == 0 or step + 1 == steps:
            break
        if count <= (1 - DROP_AT) * len(live):
            keep = np.flatnonzero(going)
            live, token = live[keep], token[keep]
            prefixes.reorder(keep)
        prefixes.advance(token)
    return [
        Drawn(
            ids=ids[row, :length].tolist(),
            logprobs=logprobs[row, :length].tolist(),
            entropies=entropies[row, :length].tolist(),
            stopped=bool(stopped[row]),
            read=read[row],
        )
        for row, length in enumerate(lengths.tolist())
    ]


def invert(lp: Any, u: npt.NDArray[np.float64]) -> tuple[Any, ...]:
    """Tokens at u, the interval of the distribution function of each, log-probability, entropy."""
    # On a CPU a few rows at a time: small arrays are reused, large ones are fresh pages each time.
    on_cpu = str(array_api_compat.device(lp)) == "cpu"
    rows = max(1, BLOCK // lp.shape[-1] if on_cpu else len(lp))
    parts = [_invert(lp[i : i + rows], u[i : i + rows]) for i in range(0, len(lp), rows)]
    token, *rest = np.concatenate(parts).T
    return token.astype(np.int64), *rest


def _invert(lp: Any, u: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    xp: Any = array_api_compat.array_namespace(lp)
    p = _exp(xp, lp)
    cumulated = xp.cumulative_sum(p, axis=-1)
    total = cumulated[:, -1:]
    at = xp.asarray(u, device=array_api_compat.device(lp))[:, None] * total
    place = _above(xp, cumulated, at)
    # A total that is not above the number by a rounding: the last token that can be drawn.
    last = xp.sum(xp.astype(cumulated < total, xp.int64), axis=-1, keepdims=True)
    place = xp.minimum(place, last)
    high = xp.take_along_axis(cumulated, place, axis=-1) / total
    chosen = xp.take_along_axis(lp, place, axis=-1)
    before = xp.take_along_axis(cumulated, xp.clip(place - 1, 0, None), axis=-1) / total
    low = xp.where(place > 0, before, xp.zeros_like(before))
    # Below -800 the probability is 0 in float64, so the floor only turns 0 · inf into 0.
    entropy = -xp.sum(p * xp.clip(lp, -800.0, None), axis=-1, keepdims=True)
    found = [xp.astype(place, xp.float64), low, high, chosen, entropy]
    return host(xp.concat(found, axis=-1))


def _exp(xp: Any, lp: Any) -> Any:
    """Probabilities; numpy takes several times as long for -inf, so after a cut it is left out."""
    if array_api_compat.is_torch_namespace(xp) or not (nothing := lp < -800.0).any():
        return xp.exp(lp)
    there = np.flatnonzero(~nothing)
    p = np.zeros(lp.shape)
    p.reshape(-1)[there] = np.exp(lp.reshape(-1)[there])
    return p


def _above(xp: Any, cumulated: Any, at: Any) -> Any:
    """The first place of each row whose value exceeds the number, (R, 1)."""
    if array_api_compat.is_torch_namespace(xp):
        return xp.searchsorted(cumulated, at, right=True)
    rows = zip(cumulated, at, strict=True)
    return np.array([row.searchsorted(number, side="right") for row, number in rows])


def host(array: Any) -> npt.NDArray[Any]:
    """An array of numpy or torch as one of numpy."""
    return np.asarray(array.cpu() if array_api_compat.is_torch_array(array) else array)
