"""Log-probabilities as a checked table of rows, the head of each row, and the way back.

Every rule is written once on this table. A torch tensor on the CPU is read and given back as a
numpy view, without a copy; a tensor on a device, or one that carries gradients, stays torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np

from variegate.errors import DataError, UsageError

__all__ = [
    "SLACK",
    "Array",
    "Head",
    "Rows",
    "cut",
    "entropies",
    "greedy",
    "heads",
    "keep",
    "open_all",
    "reach",
]

Array = Any
"""A numpy array or a torch tensor."""

SLACK = 1e-12
"""A token at a threshold, or a mass that reaches its target, counts to within rounding."""

_WIDE = 2048  # tokens above which a call a row costs less than what it saves
_FEW, _BINS = 128, 1024
_LOWEST = -1e300  # below every log-probability that is one, above -inf
_EMPTY = -800.0  # exp of it is 0 in float64, and 0 · -800 is 0 where 0 · -inf is NaN


class Rows:
    """Log-probabilities (..., V) as a float64 table (R, V), checked.

    Raises:
        UsageError: no vocabulary axis.
        DataError: NaN, +inf, a value above 0, or a row without any token.
    """

    __slots__ = ("empty", "given", "lp", "peak", "shape", "xp")

    def __init__(self, given: Array) -> None:
        self.given = given
        array = given
        if array_api_compat.is_torch_array(given):
            if given.device.type == "cpu" and not given.requires_grad:
                array = given.double().numpy()
        elif not array_api_compat.is_numpy_array(given):
            raise UsageError(
                f"Expected a numpy array or a torch tensor, got {type(given).__name__}."
            )
        self.shape = tuple(array.shape)
        if not self.shape or not self.shape[-1]:
            raise UsageError(f"Expected log-probabilities of shape (..., V), got {self.shape}.")
        self.xp = array_api_compat.array_namespace(array)
        array = self.xp.astype(array, self.xp.float64, copy=False)
        self.lp = self.xp.reshape(array, (-1, self.shape[-1])) if 0 not in self.shape else array
        self.empty = 0 in self.shape
        self.peak: Array = None if self.empty else self._peak()

    def _peak(self) -> Array:
        # The largest entry is NaN or inf where any is, and -inf where a row has no token.
        peak = self.xp.max(self.lp, axis=-1, keepdims=True)
        sound = (peak <= 1e-6) & (peak > -self.xp.inf)
        if not bool(self.xp.all(sound)):
            row = int(self.xp.argmax(self.xp.astype(~sound[:, 0], self.xp.int8)))
            self._refuse(row, float(peak[row, 0]))
        return peak

    def _refuse(self, row: int, peak: float) -> None:
        xp = self.xp
        if peak == -xp.inf:
            raise DataError(
                f"Row {row} leaves no token: every log-probability is -inf.",
                hint="A mask before this rule dropped the whole vocabulary.",
            )
        if abs(peak) < xp.inf:
            raise DataError(
                f"Expected log-probabilities, at most 0; row {row} holds {peak:.4g}.",
                hint="Logits become log-probabilities by log_softmax.",
            )
        wrong = xp.isnan(self.lp[row, :]) if peak != peak else self.lp[row, :] == xp.inf
        places = [int(place) for place in xp.nonzero(wrong)[0][:5]]
        raise DataError(
            f"Expected log-probabilities, got {'NaN' if peak != peak else '+inf'} in row {row} "
            f"at tokens {', '.join(map(str, places))}.",
            hint="The model's weights or a rule before this one are broken.",
        )

    @property
    def wide(self) -> bool:
        """Whether these are long rows in numpy, worked on one by one; others all at once."""
        return self.lp.shape[-1] > _WIDE and isinstance(self.lp, np.ndarray)

    def back(self, lp: Array) -> Array:
        """The table in the shape and kind that was given."""
        lp = self.xp.reshape(lp, self.shape)
        if array_api_compat.is_torch_array(self.given) and not array_api_compat.is_torch_array(lp):
            return array_api_compat.array_namespace(self.given).from_numpy(lp)
        return lp

    def column(self, values: Array) -> Array:
        """A number a row, given as a number or as an array (...), as a column (R, 1)."""
        if array_api_compat.is_torch_array(values) and self.xp is not (
            array_api_compat.array_namespace(values)
        ):
            values = values.numpy()
        array = self.xp.asarray(values, dtype=self.xp.float64)
        if tuple(array.shape) != self.shape[:-1]:
            raise UsageError(
                f"Expected one number a row, shape {self.shape[:-1]}, got {tuple(array.shape)}."
            )
        return self.xp.reshape(array, (-1, 1))


def open_all(*given: Array) -> list[Rows]:
    """Several distributions over one vocabulary.

    Raises:
        UsageError: their shapes or kinds differ.
    """
    opened = [Rows(one) for one in given]
    if len({(rows.shape, rows.xp.__name__) for rows in opened}) != 1:
        raise UsageError(
            "Expected distributions of one shape and kind, got "
            + " and ".join(f"{type(r.given).__name__} {r.shape}" for r in opened)
            + ".",
            hint="Both models must share a vocabulary.",
        )
    return opened


def entropies(rows: Rows) -> Array:
    """Shannon entropy of each row in nats, (R, 1)."""
    xp = rows.xp

    def negative(lp: Array) -> Array:
        terms = xp.exp(lp)
        terms *= lp if bool(xp.all(lp > _EMPTY)) else xp.clip(lp, _EMPTY, None)
        return xp.sum(terms, axis=-1, keepdims=True)

    # A wide row at a time: what is computed on the way stays in the cache.
    found = np.stack([negative(lp) for lp in rows.lp]) if rows.wide else negative(rows.lp)
    return xp.clip(-found, 0.0, None)


def greedy(rows: Rows) -> Array:
    """The point mass on the first most likely token of each row."""
    xp = rows.xp
    out = xp.full_like(rows.lp, -xp.inf)
    out[xp.arange(out.shape[0]), xp.argmax(rows.lp, axis=-1)] = 0.0
    return out


def keep(rows: Rows, mask: Array) -> Array:
    """Keep the tokens of a mask (R, V), at least one a row, and renormalise."""
    xp = rows.xp
    kept = _Kept(rows, mask)
    if kept.flat.shape[0] == mask.shape[0] * mask.shape[1]:
        return rows.given
    # Masses are summed one after the other: a row gives the same bits whatever rows stand
    # beside it.
    mass = xp.cumulative_sum(xp.exp(kept.table()), axis=-1)[:, -1]
    return kept.scattered(xp.log(mass))


class _Kept:
    """The tokens of a mask, flat: by row and then by id."""

    def __init__(self, rows: Rows, mask: Array) -> None:
        xp = rows.xp
        vocabulary = mask.shape[-1]
        self.rows = rows
        (self.flat,) = xp.nonzero(xp.reshape(mask, (-1,)))
        self.values = xp.reshape(rows.lp, (-1,))[self.flat]
        device = array_api_compat.device(self.flat)
        edges = vocabulary * xp.arange(mask.shape[0] + 1, dtype=self.flat.dtype, device=device)
        places = xp.searchsorted(self.flat, edges)
        self.first, self.counts = places[:-1], places[1:] - places[:-1]
        self.row = self.flat // vocabulary

    def table(self) -> Array:
        """As a table (R, M), padded with -inf."""
        xp = self.rows.xp
        device = array_api_compat.device(self.values)
        most = int(xp.max(self.counts))
        out = xp.full((len(self.counts) * most,), -xp.inf, dtype=xp.float64, device=device)
        place = xp.arange(self.flat.shape[0], device=device)
        out[place + (xp.arange(len(self.counts), device=device) * most - self.first)[self.row]] = (
            self.values
        )
        return xp.reshape(out, (-1, most))

    def scattered(self, shift: Array) -> Array:
        """Back in the shape given: the values less a shift (R,), -inf elsewhere."""
        xp = self.rows.xp
        out = xp.full(self.rows.lp.shape, -xp.inf, dtype=xp.float64, device=self.rows.lp.device)
        xp.reshape(out, (-1,))[self.flat] = self.values - shift[self.row]
        return self.rows.back(out)


@dataclass(frozen=True, slots=True)
class Head:
    """The most likely tokens of each row: all tokens from a bound upwards.

    Args:
        ordered: their log-probabilities, (R, M), descending, padded with -inf.
        counts: tokens of each row, (R,).
        bound: every token outside has a lower log-probability, (R, 1).
        complete: nothing that has any probability is outside.
    """

    ordered: Array
    counts: Array
    bound: Array
    complete: bool


def heads(rows: Rows, *sizes: int) -> Iterator[Head]:
    """Heads of at least so many tokens, and then whole rows, until the caller has enough.

    A rule that looks at the first tokens only need not sort the vocabulary.
    """
    for size in sizes or (128, 2048):
        if 4 * size <= rows.lp.shape[-1]:
            yield _head(rows, size)
    xp = rows.xp
    yield Head(
        ordered=xp.sort(rows.lp, axis=-1, descending=True),
        counts=xp.count_nonzero(rows.lp > -xp.inf, axis=-1),
        bound=xp.full_like(rows.peak, _LOWEST),
        complete=True,
    )


def _head(rows: Rows, size: int) -> Head:
    xp, lp = rows.xp, rows.lp
    # Each of `size` groups of ids has a token at least as likely as the size-th largest of the
    # groups' maxima, so at least `size` tokens are: a bound without a sort.
    width = lp.shape[-1] // (2 * size)
    groups = lp.shape[-1] // width
    cells = xp.reshape(lp[:, : width * groups], (lp.shape[0], width, groups))
    ordered = xp.sort(xp.max(cells, axis=1), axis=-1)
    bound = xp.clip(ordered[:, groups - size : groups - size + 1], _LOWEST, None)
    kept = _Kept(rows, lp >= bound)
    return Head(
        ordered=xp.sort(kept.table(), axis=-1, descending=True),
        counts=kept.counts,
        bound=bound,
        complete=False,
    )


def cut(rows: Rows, head: Head, count: Array) -> Array:
    """Keep the first `count` (R,) tokens of each row's head; among equals the lowest ids."""
    xp = rows.xp
    count = xp.minimum(xp.clip(count, 1, None), head.counts)
    last = xp.take_along_axis(head.ordered, count[:, None] - 1, axis=-1)
    mask = rows.lp >= last
    if int(xp.count_nonzero(mask)) > int(xp.sum(count)):
        equal = rows.lp == last
        room = count[:, None] - xp.count_nonzero(rows.lp > last, axis=-1)[:, None]
        mask &= ~equal | (xp.cumulative_sum(xp.astype(equal, xp.int64), axis=-1) <= room)
    return keep(rows, mask)


def reach(lp: Array, key: Array, target: float, high: float) -> tuple[float, int]:
    """Where the mass of the tokens with the smallest keys reaches a target, in one wide row.

    A histogram of the keys finds the bin that crosses, and only its tokens are sorted.

    Args:
        lp: the row, (V,), numpy.
        key: what the tokens are ordered by, (V,).
        target: the mass.
        high: a key up to which the mass is reached.

    Returns:
        The key of the token that crosses, and how many tokens of that key it takes.
    """
    near = np.flatnonzero(key <= high)
    p = np.exp(lp[near])
    if p.sum() < target:  # the row's own mass is not 1: every token counts
        near = np.flatnonzero(key < np.inf)
        p = np.exp(lp[near])
    return _crossing(key[near], p, target - SLACK)


def _crossing(keys: Array, p: Array, target: float) -> tuple[float, int]:
    below = 0.0
    while len(keys) > _FEW and (width := keys.max() - (low := keys.min())) > 0:
        # In [0, _BINS], and both ends are taken: every turn leaves fewer tokens.
        bins = ((keys - low) / width * _BINS).astype(np.intp)
        mass = below + np.cumsum(np.bincount(bins, weights=p))
        place = min(int(mass.searchsorted(target)), len(mass) - 1)
        below = mass[place - 1] if place else below
        inside = np.flatnonzero(bins == place)
        keys, p = keys[inside], p[inside]
    order = np.argsort(keys, kind="stable")
    mass = below + np.cumsum(p[order])
    place = min(int(mass.searchsorted(target)), len(mass) - 1)
    keys = keys[order]
    return keys[place], place + 1 - int(keys.searchsorted(keys[place]))
