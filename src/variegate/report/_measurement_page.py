"""The page of a measurement: plain arms, quality against variety, every metric, every output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import polars as pl
from markupsafe import Markup

from variegate.report._building import build
from variegate.report._looks import Look
from variegate.report._numbers import between, count, known, level, percent
from variegate.report._outputs import embedded, outputs
from variegate.report._parts import (
    caution_groups,
    citation,
    entry,
    long_table,
    metric_rows,
    sources,
)
from variegate.report._plane import Point, plane
from variegate.report._provenance import csv_link, flat
from variegate.report._reading import by, ends_of, find, overall, rows, scale_of, tasks
from variegate.report._svg import around
from variegate.samples import Samples, clean_text

__all__ = ["render_measurement"]

_LEADS = ("gini_simpson", "pairwise", "vendi", "answer_entropy", "ead")
_ABOVE_OUTPUTS = ("gini_simpson", "pairwise", "vendi", "quality", "length")
_SHAPES = ("circle", "square", "triangle", "diamond")


class Compared(Protocol):
    """What a Comparison has beside its measurement."""

    @property
    def sentences(self) -> Sequence[str]: ...
    @property
    def between(self) -> pl.DataFrame: ...


class Measured(Protocol):
    """What a Measurement has: its tables, its settings and its cautions."""

    @property
    def frame(self) -> pl.DataFrame: ...
    @property
    def per_prompt(self) -> pl.DataFrame: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...
    @property
    def cautions(self) -> Iterable[Any]: ...


def render_measurement(
    measurement: Measured,
    samples: Samples,
    *,
    name: str = "Measurement",
    metrics: Mapping[str, Mapping[str, Any]] | None = None,
    comparison: Compared | None = None,
) -> str:
    """Write the page of plain arms: quality against variety, the table, and every output.

    Args:
        measurement: what `variegate.measure` returned.
        samples: what was measured.
        name: the page's heading.
        metrics: what is known of every metric (title, summary, source, ...); from the registry
            where left out.
        comparison: what `variegate.compare` returned, whose `measurement` this is: its sentences,
            and how alike the arms are.

    Returns:
        One HTML file, safe and self-contained as that of `render`.
    """
    frame = overall(measurement.frame)
    names = frame["metric"].unique(maintain_order=True).to_list()
    metrics = metrics if metrics is not None else _registered(names)
    arms = frame["arm"].unique(maintain_order=True).to_list()
    look = {arm: Look(colour=f"c{i % 5 + 1}", shape=_SHAPES[i % 4]) for i, arm in enumerate(arms)}
    columns = [(arm, look[arm].colour) for arm in arms]
    measured = set(measurement.per_prompt["metric"]) if measurement.per_prompt.height else set()
    shown = outputs(
        samples,
        measurement.per_prompt,
        arm="arm",
        columns=columns,
        metrics=[(m, entry(metrics, m)["title"]) for m in _ABOVE_OUTPUTS if m in measured],
    )
    lead = next((m for m in _LEADS if m in names), None)
    quality = next((m for m in ("accuracy", "quality") if rows(frame, metric=m, task="all")), None)
    drawn, zoomed = _plane(frame, metrics, look, lead, quality)
    parts: dict[str, Any] = {
        "name": clean_text(name),
        "about": _about(measurement, samples, arms),
        "columns": [(clean_text(arm), colour) for arm, colour in columns],
        "lead_metric": entry(metrics, lead or ""),
        "quality_metric": entry(metrics, quality or ""),
        "plane": drawn,
        "zoomed": zoomed,
        "how_sure": _how_sure(measurement.settings),
        "sentences": [clean_text(said) for said in comparison.sentences] if comparison else [],
        "likeness": _likeness(comparison.between) if comparison else [],
        "metrics": metric_rows(frame, metrics, arms, arm="arm"),
        "outputs": shown,
        "data": embedded(asdict(shown)),
        "cautions": caution_groups(measurement.cautions),
        "settings": flat(measurement.settings),
        "csv": csv_link(long_table(frame, arm="arm")),
        "citation": citation(),
        "sources": sources(metrics, names),
    }
    return build("measurement.html", parts)


def _plane(
    frame: pl.DataFrame,
    metrics: Mapping[str, Mapping[str, Any]],
    look: Mapping[str, Look],
    lead: str | None,
    quality: str | None,
) -> tuple[Markup | None, bool]:
    if lead is None or quality is None:
        return None, False
    across = by(rows(frame, metric=quality, task="all"), "arm")
    upwards = by(rows(frame, metric=lead, task="all"), "arm")
    points = [
        Point(
            name=clean_text(arm),
            look=look[arm],
            quality=across.get(arm, {}),
            variety=upwards.get(arm, {}),
        )
        for arm in look
    ]
    axes = []
    for metric, table in ((quality, across), (lead, upwards)):
        whole = scale_of(metrics.get(metric, {}), table.values())
        axes.append((whole, around(*whole, ends_of(table.values()) or list(whole))))
    drawn = plane(
        points,
        quality=entry(metrics, quality)["title"],
        variety=entry(metrics, lead)["title"],
        quality_span=axes[0][1],
        variety_span=axes[1][1],
    )
    return drawn, any(whole != part for whole, part in axes)


def _about(measurement: Measured, samples: Samples, arms: list[str]) -> list[str]:
    frame = samples.frame
    pieces = [f"{len(arms)} arm{'s' if len(arms) != 1 else ''}"]
    found = len(tasks(measurement.frame))
    if found:
        pieces.append(f"{found} task{'s' if found != 1 else ''}")
    if frame.height:
        pieces.append(f"{count(frame.select('task', 'prompt_id').n_unique())} prompts")
        pieces.append(f"{count(frame.height)} outputs")
    return pieces


def _likeness(table: pl.DataFrame) -> list[dict[str, str]]:
    from variegate.metrics import BETWEEN

    return [
        {
            "metric": row["metric"],
            "says": BETWEEN.get(row["metric"], ""),
            "arm": clean_text(row["arm"]),
            "value": level(row["value"]),
            "interval": between(row),
        }
        for row in table.iter_rows(named=True)
    ]


def _how_sure(settings: Mapping[str, Any]) -> str:
    resamples, sure = find(settings, "resamples"), find(settings, "level")
    drawn = f", B = {count(resamples)}" if known(resamples) else ""
    return f"{percent(sure if known(sure) else 0.95)} intervals over prompts{drawn}"


def _registered(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    from variegate.errors import UnknownName
    from variegate.metrics import metric

    fields = ("title", "summary", "low", "high", "direction", "role", "source", "url")
    found = {}
    for name in names:
        try:
            about = metric(name)
        except UnknownName:
            continue
        found[name] = {field: getattr(about, field, None) for field in fields}
    return found
