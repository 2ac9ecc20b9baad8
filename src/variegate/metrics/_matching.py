"""Matching: outputs of two arms paired, prompt by prompt, by length or quality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from variegate.errors import NotComparable, UsageError
from variegate.metrics._result import Caution
from variegate.metrics.texts._words import words

__all__ = ["Matched", "matched_outputs"]

Floats = NDArray[np.float64]
Matched = Literal["length", "quality"]
"""What outputs can be matched by: ln(1 + words), or the column quality."""

_KEY = ("task", "prompt_id")


def matched_outputs(
    frames: list[pl.DataFrame],
    names: tuple[str, str],
    counts: pl.Expr,
    *,
    by: Sequence[Matched],
    caliper: float,
) -> tuple[list[pl.DataFrame], list[Caution]]:
    """Of both arms, the outputs that have a partner in the other: as many pairs as there can be.

    Within a prompt and without replacement; partners are at most `caliper` standard deviations
    (over all outputs of both arms) apart in everything matched by, and the pairs are chosen to be
    many first and close second.
    """
    known = get_args(Matched)
    if unknown := [name for name in by if name not in known]:
        raise UsageError(f"Expected to match by some of {', '.join(known)}, got {unknown[0]!r}.")
    if not caliper > 0:
        raise UsageError(f"Expected a caliper above 0, got {caliper}.")
    kept = [frame.filter(counts).sort(*_KEY, "sample") for frame in frames]
    covariates = [np.column_stack([_covariate(frame, name) for name in by]) for frame in kept]
    spread = np.nanstd(np.concatenate(covariates), axis=0) if sum(map(len, kept)) else np.ones(1)
    scale = np.where(spread > 0, spread, 1.0) * caliper
    rows = [_rows(frame) for frame in kept]
    chosen: list[list[NDArray[np.intp]]] = [[], []]
    for key in rows[0].keys() & rows[1].keys():
        places = [side[key] for side in rows]
        left, right = (values[at] / scale for values, at in zip(covariates, places, strict=True))
        first, second = _pairs(left, right)
        chosen[0].append(places[0][first])
        chosen[1].append(places[1][second])
    picked = [np.sort(np.concatenate([np.zeros(0, dtype=np.intp), *side])) for side in chosen]
    about = " and ".join(by)
    if not len(picked[0]):
        raise NotComparable(
            f"No output of {names[0]} has a partner of {names[1]} with about its {about}.",
            hint="A wider caliper pairs more outputs, which are then less alike.",
        )
    notes = [
        Caution(
            kind="matched", where=name, count=len(at), total=frame.height,
            text=f"{len(at)} of {frame.height} outputs of {name} are compared: each has a partner "
            f"of the other arm with about its {about} ({caliper:g} standard deviations).",
        )
        for name, frame, at in zip(names, kept, picked, strict=True)
    ]  # fmt: skip
    return [frame[at] for frame, at in zip(kept, picked, strict=True)], notes


def _covariate(frame: pl.DataFrame, name: str) -> Floats:
    if name == "quality":
        return frame["quality"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.log1p([len(words(text or "")) for text in frame["text"].to_list()])


def _rows(frame: pl.DataFrame) -> dict[tuple[str, str], NDArray[np.intp]]:
    places: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(frame.select(_KEY).iter_rows()):
        places.setdefault((key[0], key[1]), []).append(row)
    return {key: np.array(rows, dtype=np.intp) for key, rows in sorted(places.items())}


def _pairs(left: Floats, right: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Partners at most 1 apart in every column; many first, close second."""
    from scipy.optimize import linear_sum_assignment

    apart = np.abs(left[:, None, :] - right[None, :, :])
    near = np.asarray((apart <= 1).all(axis=-1))  # NaN is near nothing
    # No sum of distances of near pairs reaches what one more far pair costs.
    far = 1.0 + min(near.shape) * left.shape[1]
    cost = np.where(near, np.where(near[..., None], apart, 0.0).sum(axis=-1), far)
    first, second = linear_sum_assignment(cost)
    both = near[first, second]
    return first[both], second[both]
