"""What must be known before a front is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from variegate.fronts._compared import Axes
from variegate.metrics import Caution
from variegate.samples import Samples

__all__ = [
    "about_chosen",
    "about_failed",
    "about_halves",
    "about_reference",
    "about_tuning",
    "failed_rows",
]


def about_halves(settings: Mapping[str, Any]) -> list[Caution]:
    """Say that settings were chosen on the prompts they are reported on."""
    if settings["halved"]:
        return []
    n = settings["told_on"]
    text = "Too few prompts to halve: settings were chosen on the prompts they are reported on."
    return [Caution(kind="small-n", where="all arms", count=n, total=n, text=text)]


def failed_rows(samples: Samples) -> pl.DataFrame:
    """Return the draws that never came back."""
    return samples.frame.filter(pl.col("finish").fill_null("stop") == "error")


def about_failed(samples: Samples) -> list[Caution]:
    """Count the draws that never came back, arm by arm."""
    text = "Draws that never came back; the prompt has fewer outputs."
    totals = dict(samples.frame.group_by("arm").len().iter_rows())
    return [
        Caution(kind="failed", where=arm, count=n, total=totals[arm], text=text)
        for arm, n in failed_rows(samples).group_by("arm", maintain_order=True).len().iter_rows()
    ]


def about_chosen(cautions: Sequence[Caution], methods: pl.DataFrame) -> list[Caution]:
    """Keep what is about a chosen setting, or about all; unequal n is what equal cost gives."""
    arms = methods["arm"].to_list()
    return [
        caution
        for caution in cautions
        if caution.kind != "unequal-n"
        and (not caution.where or any(caution.where.startswith(arm) for arm in arms))
    ]


def about_reference(points: pl.DataFrame, axes: Axes) -> list[Caution]:
    """Say which arms cover nothing because they lie below the reference."""
    quality, variety = axes.reference
    low = points.filter((pl.col("quality") < quality) | (pl.col("variety") < variety))
    if low.is_empty():
        return []
    text = f"Arms below the reference ({quality:g}, {variety:g}) cover nothing of the plane."
    return [
        Caution(kind="reference", where=", ".join(low["arm"][:5]), count=low.height,
                total=points.height, text=text)
    ]  # fmt: skip


def about_tuning(methods: pl.DataFrame, settings: Mapping[str, Any]) -> list[Caution]:
    """Say which methods were tried with fewer settings than the others."""
    text = "The method has fewer settings than the others were tried with."
    return [
        Caution(kind="tuning", where=name, count=tried, total=settings["tries"], text=text)
        for name, tried in methods.select("method", "tried").iter_rows()
        if tried < settings["tries"]
    ]
