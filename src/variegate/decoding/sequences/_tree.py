"""Sets that are grown as a tree: paths that branch, compete, end, and are forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import array_api_compat
import numpy as np
import numpy.typing as npt

from variegate.decoding.sequences._sampler import OneSet
from variegate.models import Sampling
from variegate.models._stepping import Drawn, Stepping, host

__all__ = ["Path", "Tree", "best"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Path:
    """One text of a set so far, and what it is worth to the method that grows it."""

    place: int  # of its set
    group: int = 0  # within the set, for methods that have groups
    row: int = -1  # of the prefixes; -1 once it has ended
    ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    entropies: tuple[float, ...] = ()
    score: float = 0.0
    stopped: bool = False

    @property
    def logprob(self) -> float:
        """Of everything written, nats."""
        return float(sum(self.logprobs))

    @property
    def open(self) -> bool:
        """Whether it can be continued."""
        return self.row >= 0

    def drawn(self, read: int) -> Drawn:
        """As a finished row."""
        return Drawn(
            ids=list(self.ids),
            logprobs=list(self.logprobs),
            entropies=list(self.entropies),
            stopped=self.stopped,
            read=read,
        )


P = TypeVar("P", bound=Path)


class Tree:
    """The paths of several sets, over one batch of rows.

    Each step: read the next token's probabilities of every open path, let the method choose
    children, and `keep` those; what is not kept is forgotten, its cache too.
    """

    def __init__(self, model: Stepping, sets: Sequence[OneSet], sampling: Sampling) -> None:
        self.model, self.sets, self.sampling = model, sets, sampling
        self.stops = model.stops(sampling.stop)
        texts = {text: i for i, text in enumerate(dict.fromkeys(one.rendered for one in sets))}
        self.prefixes = model.start(list(texts))
        self.prefixes.reorder(np.array([texts[one.rendered] for one in sets]))
        self.read = list(self.prefixes.read)
        self.paths = [Path(place=place, row=place) for place in range(len(sets))]
        self.written = [0] * len(sets)  # tokens that went through the model, a set

    def of(self, place: int) -> list[Path]:
        """The paths of a set, open or ended, in the order they were kept."""
        return [path for path in self.paths if path.place == place]

    @property
    def open(self) -> bool:
        """Whether any path can be continued."""
        return any(path.open for path in self.paths)

    def child(self, path: P, token: int, lp: float, entropy: float, *, score: float = 0.0) -> P:
        """A path with one more token; ended where that ends it."""
        ids = (*path.ids, token)
        stopped = token in self.model.ends or bool(self.stops and self.stops(list(ids)))
        ended = stopped or len(ids) == self.sampling.max_tokens
        return replace(
            path,
            row=-1 if ended else path.row,
            ids=ids,
            logprobs=(*path.logprobs, lp),
            entropies=(*path.entropies, entropy),
            score=score,
            stopped=stopped,
        )

    def keep(self, paths: Sequence[P]) -> list[P]:
        """Go on with these paths alone, made by `child` or ended; returns them, rows renewed."""
        rows = np.array([path.row for path in paths if path.open], dtype=np.int64)
        tokens = np.array([path.ids[-1] for path in paths if path.open], dtype=np.int64)
        places = iter(range(len(rows)))
        kept = [replace(path, row=next(places)) if path.open else path for path in paths]
        self.paths = list[Path](kept)
        if len(rows):
            self.prefixes.reorder(rows)
            self.prefixes.advance(tokens)
        for path in self.paths:
            self.written[path.place] += path.open
        return kept

    def cost(self, place: int, shares: int) -> float:
        """Tokens read and written for a set, a share of them each: forgotten ones count too."""
        # The last token of a path that ended is written and never read.
        ended = sum(not path.open for path in self.of(place))
        return self.read[place] + (self.written[place] + ended) / shares


def best(values: Any, k: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Tokens of the k largest values of each row and the values, (R, k), largest first."""
    k = min(k, values.shape[-1])
    if array_api_compat.is_torch_array(values):
        found = values.topk(k, dim=-1)
        return host(found.indices), host(found.values)
    tokens = np.argsort(-values, axis=-1, kind="stable")[:, :k]
    return tokens, np.take_along_axis(values, tokens, axis=-1)
