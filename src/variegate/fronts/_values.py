"""From a measurement to the plane: which axes, and the value of every prompt and arm on them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from variegate.errors import NotComparable, UsageError
from variegate.fronts._arms import Arms, Setting
from variegate.fronts._compared import Axes
from variegate.metrics import Caution, Measurement, metric
from variegate.samples import Samples

__all__ = ["axes_of", "quality_of", "values_of"]

_KEY = ("task", "prompt_id")


def quality_of(samples: Samples) -> str:
    """Choose the metric across: accuracy where there are verdicts, else quality."""
    for name, column in (("accuracy", "correct"), ("quality", "quality")):
        if samples.frame[column].null_count() < samples.frame.height:
            return name
    raise UsageError(
        "Nothing says which outputs are good.",
        hint="Give prompts with a verifier, or outputs with a column 'correct' or 'quality'.",
    )


def values_of(
    measured: Measurement, settings: Sequence[Setting], quality: str, variety: str
) -> tuple[
    NDArray[np.float64], list[str], tuple[Setting, ...], list[tuple[str, str, str]], list[Caution]
]:
    """(P, N, 2) on the prompts where every arm has both values; arms that have few are left out."""
    wide = measured.per_prompt.filter(pl.col("metric").is_in([quality, variety])).pivot(
        on="metric", index=["arm", *_KEY], values="value", aggregate_function="first"
    )
    both = wide.filter(pl.col(quality).is_not_nan() & pl.col(variety).is_not_nan())
    every = wide.select(_KEY).unique().height
    having = dict(both.group_by("arm").len().iter_rows())
    notes = {(r["arm"], r["metric"]): r["note"] for r in measured.frame.iter_rows(named=True)}
    weak = []
    for setting in settings:
        if having.get(setting.arm, 0) * 2 <= every:
            why = "; ".join(
                f"{name}: {note}"
                for name in (quality, variety)
                if (note := notes.get((setting.arm, name)))
            )
            words = f"has both values on {having.get(setting.arm, 0)} of {every} prompts"
            weak.append((setting.method, setting.arm, f"{words} ({why})" if why else words))
    kept = tuple(s for s in settings if s.arm not in {arm for _, arm, _ in weak})
    if not kept:
        raise NotComparable(
            f"No arm has both {quality} and {variety}; {weak[0][1]} {weak[0][2]}.",
            hint="Raise the budget, or choose a metric that fits the outputs.",
        )
    names = [setting.arm for setting in kept]
    common = (
        both.filter(pl.col("arm").is_in(names))
        .group_by(_KEY)
        .len()
        .filter(pl.col("len") == len(names))
        .select(_KEY)
        .sort(_KEY)
    )
    if common.is_empty():
        raise NotComparable("No prompt has a value of every arm on both axes.")
    columns = [
        common.join(both.filter(pl.col("arm") == name), on=_KEY, how="left", maintain_order="left")
        .select(quality, variety)
        .to_numpy()
        for name in names
    ]
    left = every - common.height
    least = min(names, key=lambda name: having[name])
    text = (
        f"Some arm has no value there ({least} has both on {having[least]} only); the plane is "
        "drawn on the other prompts."
    )
    cautions = [Caution(kind="prompts", where="all arms", count=left, total=every, text=text)]
    return np.stack(columns, axis=1), common["task"].to_list(), kept, weak, cautions if left else []


def axes_of(arms: Arms, quality: str, measured: Measurement) -> Axes:
    """Lay out the plane: the fixed reference and the published lengths of both axes."""
    ends = [_ends(name, measured.settings) for name in (quality, arms.variety)]
    spans = [high - low for low, high in ends]
    return Axes(
        quality=quality,
        variety=arms.variety,
        reference=arms.reference or (ends[0][0], ends[1][0]),
        spans=(spans[0], spans[1]),
    )


def _ends(name: str, settings: Mapping[str, Any]) -> tuple[float, float]:
    """The published ends of an axis; an end that is not known makes the axis one unit long."""
    about = metric(name)
    low = float(about.low or 0.0)
    known = {
        "n": settings["n"]["most"],
        "k": settings["k"],
        "ln n": math.log(settings["n"]["most"]),
    }
    high = known.get(about.high, about.high) if isinstance(about.high, str) else about.high
    high = float(high) if isinstance(high, int | float) and high > low else low + 1.0
    return low, high
