"""Arithmetic sampling: a set of draws as points of a lattice in the model's own code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from variegate.decoding.sequences._sampler import OneSet, Sampler
from variegate.errors import UsageError
from variegate.models import Completion, Sampling
from variegate.models._stepping import Ints, Stepping, grow
from variegate.models._uniform import uniforms

__all__ = ["ArithmeticSampler", "Spacing", "arithmetic", "arithmetic_codes"]

Spacing = Literal["1/n", "1/(n+1)"]
"""How far the codes lie apart: an even lattice, or the published one with a gap."""


def arithmetic_codes(n: int, *, seed: int, spacing: Spacing = "1/n") -> npt.NDArray[np.float64]:
    """Return n codes that are each uniform on [0, 1) and together evenly spread.

    c_i = (i/n + u) mod 1 with one uniform u. The published lattice is c_i = (i/(n+1) + u) mod 1
    for i = 1..n: it leaves a gap of 2/(n+1), and with it part of the stratification.

    Args:
        n: how many.
        seed: fixes u.
        spacing: "1/n" (default) or "1/(n+1)".

    Returns:
        Shape (n,), in [0, 1). Any interval of length P holds floor(nP) or ceil(nP) of them with
        the spacing 1/n. One code is a plain uniform number.

    Raises:
        UsageError: n < 1, or a spacing that is none.

    Example:
        >>> from variegate.decoding.sequences import arithmetic_codes
        >>> codes = arithmetic_codes(8, seed=1)
        >>> sorted((codes * 8).astype(int).tolist())
        [0, 1, 2, 3, 4, 5, 6, 7]

    Reference: Vilnis 2022, https://arxiv.org/abs/2210.15458
    """
    points = _points(n, spacing)
    shift, within = _start(np.array([seed], dtype=np.uint64), points)
    ranks = (np.arange(points - n, points) + shift) % points
    return np.asarray((ranks + within) / points)


def arithmetic(model: Stepping, *, n: int, spacing: Spacing = "1/n") -> ArithmeticSampler:
    """Draw sets of n that cover the model's distribution evenly, each draw exact by itself.

    A prefix of probability P is written by floor(nP) or ceil(nP) of a set, at every length. Each
    draw has exactly the model's distribution, so plain means over a set are unbiased, and they
    vary less than over independent draws wherever the prefix tells something about the value.
    Draws of a set depend on each other: the rows carry `iid=False`.

    No code is carried along, so none wears out: see `ArithmeticSampler`.

    Args:
        model: a model of tier E, or a two-context model made by `together`.
        n: outputs in a set. Ask `collect` for the same n, or a multiple of it.
        spacing: "1/n", or "1/(n+1)" as published.

    Raises:
        UsageError: n < 1, a spacing that is none, or a model without tier E.

    Example:
        >>> from variegate.decoding.sequences import TableModel, arithmetic
        >>> from variegate.models import Arm, Sampling, collect
        >>> from variegate.samples import Prompt
        >>> coin = TableModel(table=lambda prompt, written: [0, 0.5, 0.5])
        >>> arm = Arm(name="lattice", model=arithmetic(coin, n=8), sampling=Sampling(max_tokens=3))
        >>> collect(arm, [Prompt(prompt="Toss.")], n=8).frame["text"].n_unique()
        8

    Reference: Vilnis 2022, https://arxiv.org/abs/2210.15458
    """
    return ArithmeticSampler(model=model, n=n, spacing=spacing)


@dataclass(frozen=True, kw_only=True)
class ArithmeticSampler(Sampler):
    """Sets of draws on a lattice; made by `arithmetic`.

    The draws that share a prefix of probability P lie on a lattice of 1/(nP) in the code that
    is left to them. All that has to be known of it is the number e = nP of draws expected there,
    how many came (floor or ceil of e) and the lattice's offset, which given that number is
    uniform on an interval. So instead of a code, a row carries (e, how many came, which of them
    it is), and the offset is drawn afresh at every prefix from a stream named by the set's seed
    and the prefix. Nothing is ever divided by a product of probabilities, no bits run out, and
    draws that have parted are independent from there on; with carried codes, two that part at a
    uniform token go on with the same code. Every draw can be made alone and comes out the same.
    """

    spacing: Spacing = "1/n"

    method: ClassVar[str] = "arithmetic"

    def __post_init__(self) -> None:
        super().__post_init__()
        _points(self.n, self.spacing)

    def _draw(self, sets: Sequence[OneSet], sampling: Sampling) -> list[Completion]:
        requests = [request for one in sets for request in one.requests]
        which = np.repeat(np.arange(len(sets)), [len(one.requests) for one in sets])
        texts = {text: i for i, text in enumerate(dict.fromkeys(one.rendered for one in sets))}
        prefixes = self.model.start(list(texts))
        prefixes.reorder(np.array([texts[request.rendered] for request in requests]))
        lattice = Lattice(
            np.array([one.group for one in sets], dtype=np.uint64)[which],
            np.array([place for one in sets for place in one.places]),
            n=self.n,
            spacing=self.spacing,
        )
        drawn = grow(
            prefixes,
            lattice,
            rows=len(requests),
            sampling=sampling,
            ends=self.model.ends,
            stops=self.model.stops(sampling.stop),
        )
        return [
            self.model.completed(request, row, sampling=sampling, iid=False)
            for request, row in zip(requests, drawn, strict=True)
        ]


class Lattice:
    """Where each row stands among the draws that share its prefix.

    Args:
        seeds: of the sets, one a row.
        places: of the rows in their sets.
        n, spacing: of the lattice.
    """

    def __init__(
        self, seeds: npt.NDArray[np.uint64], places: Ints, *, n: int, spacing: Spacing = "1/n"
    ) -> None:
        points = _points(n, spacing)
        shift, _ = _start(seeds, points)
        self.prefix = seeds.copy()  # a hash of seed and prefix
        self.expected = np.full(len(seeds), float(points))
        self.came = np.full(len(seeds), points)
        self.rank = (places + points - n + shift) % points
        self.offset = np.zeros(len(seeds))

    def next(self, rows: Ints) -> npt.NDArray[np.float64]:
        """The code of each row within its prefix, in [0, 1)."""
        expected, came = self.expected[rows], self.came[rows]
        # The offsets, in units of the spacing, that let just so many fall into the prefix.
        low = np.clip(expected - came, 0.0, 1.0)
        high = np.clip(expected - (came - 1), 0.0, 1.0)  # came - 1 first: e may be tiny
        v = uniforms(self.prefix[rows], steps=2)[:, 1]
        self.offset[rows] = low + v * (high - low)
        return np.minimum((self.rank[rows] + self.offset[rows]) / expected, 1 - 2**-53)

    def chosen(
        self,
        rows: Ints,
        tokens: Ints,
        low: npt.NDArray[np.float64],
        high: npt.NDArray[np.float64],
    ) -> None:
        """Go to the child: how many are expected there, how many came, which of them is this."""
        expected, offset, rank = self.expected[rows], self.offset[rows], self.rank[rows]
        with np.errstate(invalid="ignore"):  # NaN of broken weights: refused once the row is read
            first = np.ceil(expected * low - offset).astype(np.int64)
            end = np.ceil(expected * high - offset).astype(np.int64)
        first = np.minimum(np.maximum(first, 0), rank)
        end = np.maximum(np.minimum(end, self.came[rows]), rank + 1)
        self.came[rows], self.rank[rows] = end - first, rank - first
        # Never 0, so that a code can be told from it.
        self.expected[rows] = np.maximum(expected * (high - low), 1e-300)
        self.prefix[rows] = child(self.prefix[rows], tokens)


def child(prefix: npt.NDArray[np.uint64], tokens: Ints) -> npt.NDArray[np.uint64]:
    """Hash a token into the hash of what stands before it."""
    mixed = uniforms(prefix, steps=1)[:, 0].view(np.uint64)
    return np.asarray(
        mixed + (tokens.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    )


def _start(seeds: npt.NDArray[np.uint64], points: int) -> tuple[Ints, npt.NDArray[np.float64]]:
    """Of u: which lattice point the first draw takes, and the offset within the spacing."""
    u = uniforms(seeds, steps=2)
    return (u[:, 0] * points).astype(np.int64), u[:, 1]


def _points(n: int, spacing: Spacing) -> int:
    if n < 1:
        raise UsageError(f"Expected n >= 1 outputs in a set, got {n}.")
    if spacing not in ("1/n", "1/(n+1)"):
        raise UsageError(f"Expected the spacing '1/n' or '1/(n+1)', got {spacing!r}.")
    return n if spacing == "1/n" else n + 1
