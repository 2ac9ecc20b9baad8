"""Parts that the page of a trace and the page of a measurement share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Protocol

import polars as pl

from variegate.report._numbers import between, count, level
from variegate.report._reading import by
from variegate.samples import clean_text

__all__ = [
    "Warned",
    "caution_groups",
    "caution_title",
    "citation",
    "entry",
    "long_table",
    "metric_rows",
    "sources",
]

_KINDS = {
    "truncation": "Cut answers",
    "refusal": "Refusals",
    "empty": "Empty answers",
    "unequal-n": "Unequal numbers of outputs",
    "matched": "Outputs with a partner",
    "small-n": "Few prompts",
    "prompts": "Prompts left out",
    "unscored": "Answers that could not be judged",
    "weights": "Weights left out",
    "short": "Short answers",
    "wordings": "Wordings instead of answers",
    "low-match": "Few matched prompts",
    "floor": "Near the similarity floor",
    "judge": "Answers that could not be judged",
    "failed": "Draws that never came back",
    "unspent": "Budget not used up",
    "unpaid": "Outputs dearer than the budget",
    "tuning": "Fewer settings than tried elsewhere",
    "reference": "Below the reference",
}
_ROLES = {"variety": 0, "quality": 1, "length": 2}


class Warned(Protocol):
    """What a caution has: its kind, its place, its counts and its sentence."""

    @property
    def kind(self) -> str: ...
    @property
    def where(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def text(self) -> str: ...


def entry(metrics: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, str]:
    """Say a metric: title, one sentence, source, and a link only where it is a web address."""
    about = metrics.get(name, {})
    source, url = str(about.get("source") or ""), str(about.get("url") or "")
    if not url and source.startswith(("https://", "http://")):
        url = source
    web = url if url.startswith(("https://", "http://")) else ""
    return {
        "name": name,
        "title": str(about.get("title") or name.replace("_", " ")),
        "summary": str(about.get("summary") or ""),
        "source": source or web,
        "link": web,
    }


def metric_rows(
    levels: pl.DataFrame,
    metrics: Mapping[str, Mapping[str, Any]],
    arms: Sequence[str],
    *,
    arm: str,
    first: str | None = None,
) -> list[dict[str, Any]]:
    """Make a row a metric and a cell an arm, for the mean over tasks: variety, quality, length."""
    found = by(levels.filter(pl.col("task") == "all").to_dicts(), "metric", arm)
    names = list(dict.fromkeys(name for name, _ in found))
    role = {name: _ROLES.get(str(metrics.get(name, {}).get("role")), 3) for name in names}
    names.sort(key=lambda name: (name != first, role[name]))
    table = []
    for name in names:
        cells = []
        for one in arms:
            row = found.get((name, one), {})
            cells.append({"value": level(row.get("value")), "interval": between(row)})
        if any(cell["value"] != level(None) for cell in cells):
            table.append({**entry(metrics, name), "cells": cells})
    return table


def caution_title(kind: str) -> str:
    """Say a kind of caution in words.

    Example:
        >>> caution_title("low-match"), caution_title("of-another-kind")
        ('Few matched prompts', 'Of another kind')
    """
    return _KINDS.get(kind, kind.replace("-", " ").capitalize() or "Note")


def caution_groups(cautions: Iterable[Warned | str]) -> list[dict[str, Any]]:
    """Gather cautions of one kind and sentence; each keeps its places and counts."""
    groups: dict[tuple[str, str], list[str]] = {}
    for caution in cautions:
        if isinstance(caution, str):
            groups.setdefault(("", caution), [])
            continue
        place = clean_text(caution.where)
        if caution.total:
            place += f": {count(caution.count)} of {count(caution.total)}"
        elif caution.count:
            place += f": {count(caution.count)}"
        groups.setdefault((caution.kind, caution.text), []).append(place)
    return [
        {
            "title": caution_title(kind),
            "text": clean_text(text),
            "places": places,
        }
        for (kind, text), places in groups.items()
    ]


def long_table(levels: pl.DataFrame, *, arm: str) -> pl.DataFrame:
    """Give a table of levels the columns of every long table."""
    columns = ["arm", "task", "metric", "value", "low", "high", "n_prompts", "n_samples", "note"]
    levels = levels.rename({arm: "arm"}) if arm != "arm" else levels
    return levels.select([name for name in columns if name in levels.columns])


def citation() -> str:
    """Say how to cite the software."""
    return (
        f"variegate {version('variegate')}. The variety of what a model says, measured, traced, "
        "repaired and proved."
    )


def sources(metrics: Mapping[str, Mapping[str, Any]], names: Iterable[str]) -> list[dict[str, str]]:
    """List the sources of the metrics shown, each once."""
    found: dict[str, dict[str, str]] = {}
    for name in names:
        about = entry(metrics, name)
        if about["link"]:
            found.setdefault(about["source"], about)
    return list(found.values())
