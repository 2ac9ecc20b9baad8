"""The page of a trace: one file, read top to bottom."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import polars as pl
from markupsafe import Markup

from variegate.lineage import Trace
from variegate.report import _sentences as words
from variegate.report._along_answer import (
    position_charts,
    reach_of_the_mean,
    task_position_charts,
)
from variegate.report._building import build
from variegate.report._format_steps import format_rows, waterfalls
from variegate.report._in_weights import heat_maps, heat_scale
from variegate.report._lineage_chart import lineage_chart, task_charts
from variegate.report._looks import Look, looks
from variegate.report._outputs import Outputs, embedded, outputs
from variegate.report._parts import (
    caution_groups,
    citation,
    entry,
    long_table,
    metric_rows,
    sources,
)
from variegate.report._plane import Point, plane
from variegate.report._provenance import csv_link, flat, stage_sources, without_stages
from variegate.report._reading import by, completed, ends, ends_of, rows, span_of, tasks
from variegate.report._stage_table import stage_rows
from variegate.report._svg import around
from variegate.report._truth import known_stages, marked_tasks, truth_rows, truth_words
from variegate.report._wrong_answers import kinds_table, parts_charts
from variegate.samples import clean_text

__all__ = ["render"]

_CONTENTS = (
    ("lineage", "Lineage"),
    ("stages", "Stages"),
    ("wrong", "Only wrong answers?"),
    ("formats", "Weights or format?"),
    ("plane", "Quality and variety"),
    ("positions", "In the answer"),
    ("weights", "In the weights"),
    ("read", "Read them"),
    ("careful", "Careful"),
    ("made", "How it was made"),
)
_WORTH_A_MEAN = 0.5  # share of the longest answers that the mean over tasks must cover to lead
_ABOVE_OUTPUTS = ("vendi", "pairwise", "quality", "length")


def render(trace: Trace) -> str:
    """Write the page of a trace: one HTML file that loads nothing and runs without scripts.

    Pictures are SVG in the file, tables are tables; the one script turns the outputs into a
    browser. Model output is shown as text only, under a content-security policy that allows the
    page's own style and script and nothing else. A table without rows leaves one line that says
    what would fill it.

    Args:
        trace: what `variegate.trace` returned.

    Returns:
        The HTML. Eight stages of five tasks, forty prompts and sixteen outputs take about 6 MB.
    """
    trace = completed(trace)
    look = looks(trace.stages)
    last = [stage.name for stage in ends(trace.stages)]
    earlier = [s.name for s in trace.stages if s.parent is not None and s.name not in last]
    names = tasks(trace.levels)
    stages = stage_rows(trace, look)
    shown = _outputs(trace, look)
    quality = next(
        (name for name in ("accuracy", "quality") if rows(trace.levels, metric=name, task="all")),
        None,
    )
    drawn_plane, zoomed = _plane(trace, look, quality) if quality else (None, False)
    true_of = known_stages(trace)
    arms = [stage.name for stage in trace.stages]
    short_mean = len(tasks(trace.positions)) > 1 and reach_of_the_mean(trace) < _WORTH_A_MEAN
    parts: dict[str, Any] = {
        "name": clean_text(trace.name),
        "about": words.about_line(trace),
        "headline": [words.with_intervals(clean_text(sentence)) for sentence in trace.headline],
        "contents": _CONTENTS,
        "root": trace.stages[0].name,
        "columns": [(name, look[name].colour) for name in arms],
        "colours": {name: look[name].colour for name in arms},
        "lead_metric": entry(trace.metrics, trace.metric),
        "how_sure": words.how_sure(trace),
        "in_words": words.in_words(trace),
        "lineage": lineage_chart(trace, look),
        "task_charts": task_charts(trace, look, names) if len(names) > 1 else [],
        "marked": marked_tasks(trace),
        "truth": truth_rows(trace, true_of),
        "true_of": [(name, look[name].colour) for name in true_of],
        "truth_words": truth_words(trace),
        "metrics": metric_rows(trace.levels, trace.metrics, arms, arm="stage", first=trace.metric),
        "stages": stages,
        "stage_tasks": tasks(trace.losses),
        "parts_charts": parts_charts(trace, look, last),
        "more_parts": parts_charts(trace, look, earlier),
        "decomposition_words": words.decomposition_words(trace),
        "kinds": kinds_table(trace, look),
        "waterfalls": waterfalls(trace, look),
        "format_words": words.format_words(trace),
        "format_rows": format_rows(trace, look),
        "plane": drawn_plane,
        "zoomed": zoomed,
        "quality_metric": entry(trace.metrics, quality or "accuracy"),
        "positions": position_charts(trace, look),
        "positions_by_task": task_position_charts(trace, look) if short_mean else [],
        "reasons": trace.samples.frame["reasoning"].null_count() < trace.samples.frame.height,
        "position_tasks": [
            (task, charts)
            for task in tasks(trace.positions)
            if (charts := position_charts(trace, look, task=task))
        ],
        "heat": heat_maps(trace, look),
        "heat_scale": heat_scale(trace),
        "outputs": shown,
        "data": embedded(asdict(shown)),
        "cautions": caution_groups(trace.cautions),
        "settings": flat(without_stages(trace.settings)),
        "made_stages": stage_sources(trace.settings),
        "csv": csv_link(long_table(trace.levels, arm="stage")),
        "citation": citation(),
        "sources": sources(trace.metrics, trace.levels["metric"].unique(maintain_order=True)),
    }
    return build("trace.html", parts)


def _outputs(trace: Trace, look: dict[str, Look]) -> Outputs:
    measured = set(trace.per_prompt.filter(pl.col("value").is_finite())["metric"])
    names = [trace.metric, *(name for name in _ABOVE_OUTPUTS if name != trace.metric)]
    return outputs(
        trace.samples,
        trace.per_prompt,
        arm="stage",
        columns=[(stage.name, look[stage.name].colour) for stage in trace.stages],
        metrics=[(name, entry(trace.metrics, name)["title"]) for name in names if name in measured],
    )


def _plane(trace: Trace, look: dict[str, Look], quality: str) -> tuple[Markup | None, bool]:
    """Draw the plane; second, whether only a part of a range is shown."""
    across = by(rows(trace.levels, metric=quality, task="all"), "stage")
    upwards = by(rows(trace.levels, metric=trace.metric, task="all"), "stage")
    points = [
        Point(
            name=s.name,
            look=look[s.name],
            parent=s.parent,
            quality=across.get(s.name, {}),
            variety=upwards.get(s.name, {}),
        )
        for s in trace.stages
    ]
    whole = span_of(trace, quality, across.values()), span_of(trace, trace.metric, upwards.values())
    shown = [
        around(*span, ends_of(table.values()))
        for span, table in zip(whole, (across, upwards), strict=True)
    ]
    drawn = plane(
        points,
        quality=entry(trace.metrics, quality)["title"],
        variety=entry(trace.metrics, trace.metric)["title"],
        quality_span=shown[0],
        variety_span=shown[1],
    )
    return drawn, tuple(shown) != whole
