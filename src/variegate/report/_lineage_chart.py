"""The lineage: level along the tree, with its band; one big picture and a small one a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from variegate.lineage import StageInfo, Trace
from variegate.report._looks import Look
from variegate.report._numbers import between, known, level
from variegate.report._reading import by, columns, ends, metric_entry, references, rows, span_of
from variegate.report._svg import (
    Label,
    Linear,
    el,
    mark,
    picture,
    polyline,
    ribbon,
    spread,
    text,
    ticks,
    whisker,
    width_of,
)

__all__ = ["lineage_chart", "task_charts"]

_KINDS = {"sft": "SFT", "dpo": "DPO", "rl": "RL", "rlhf": "RLHF", "ppo": "PPO", "grpo": "GRPO"}


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """Where the tree is drawn: stages to x, levels to y."""

    x: Mapping[str, float]
    y: Linear
    left: float
    right: float


def lineage_chart(trace: Trace, look: Mapping[str, Look]) -> Markup | None:
    """Draw the lead metric over the tree, averaged over tasks; None where there is no level."""
    levels = by(rows(trace.levels, metric=trace.metric, task="all"), "stage")
    truth = by(rows(trace.exact, metric=trace.metric, task="all"), "stage")
    if not any(known(row["value"]) for row in levels.values()):
        return None
    width, height, left, right, top, bottom = 1040.0, 410.0, 32.0, 838.0, 30.0, 372.0
    low, high = _span(trace)
    column, names = columns(trace.stages)
    across = Linear(0, max(len(names) - 1, 1), left + 40, right - 26)
    y = Linear(low, high, bottom, top)
    frame = _Frame(x=_places(trace.stages, column, across, 9), y=y, left=left, right=right)
    body = [_scale(frame, ticks(low, high))]
    body += [
        text(across(i), bottom + 24, _KINDS.get(name.lower(), name), class_="axis", anchor="middle")
        for i, name in enumerate(names)
    ]
    for value, name in references(trace):
        if low <= value <= high:
            body.append(el("line", x1=left, x2=right, y1=y(value), y2=y(value), class_="limit"))
            body.append(text(right - 4, y(value) - 5, name, class_="note", anchor="end"))
    body += _tree(trace.stages, levels, truth, look, frame, size=5.0)
    body += _end_labels(trace.stages, levels, look, frame, top=top - 10, bottom=bottom + 6)
    title = f"{metric_entry(trace, trace.metric)['title']} at every stage, mean over tasks"
    return picture(width, height, *body, title=title)


def task_charts(trace: Trace, look: Mapping[str, Look], tasks: Sequence[str]) -> list[Markup]:
    """Draw the same tree for every task, all on the scale of the big picture."""
    width, height, left, right, top, bottom = 194.0, 150.0, 22.0, 138.0, 28.0, 138.0
    low, high = _span(trace)
    column, names = columns(trace.stages)
    across = Linear(0, max(len(names) - 1, 1), left + 8, right - 9)
    y = Linear(low, high, bottom, top)
    frame = _Frame(x=_places(trace.stages, column, across, 2.5), y=y, left=left, right=right)
    charts = []
    for task in tasks:
        levels = by(rows(trace.levels, metric=trace.metric, task=task), "stage")
        truth = by(rows(trace.exact, metric=trace.metric, task=task), "stage")
        body = [text(0, 12, task, class_="panel")]
        body.append(_scale(frame, ticks(low, high, about=2)))
        body += _tree(trace.stages, levels, truth, look, frame, size=2.5)
        labels = []
        for stage in [trace.stages[0], *(s for s in ends(trace.stages) if s.parent)]:
            value = levels.get(stage.name, {}).get("value")
            if known(value):
                labels.append(_branch_label(stage, float(y(value)), look, right + 5))
        body += spread(labels, top=top - 8, bottom=bottom + 8)
        title = f"{task}: {metric_entry(trace, trace.metric)['title']} at every stage"
        charts.append(picture(width, height, *body, title=title, wide=False))
    return charts


def _span(trace: Trace) -> tuple[float, float]:
    shown = rows(trace.levels, metric=trace.metric) + rows(trace.exact, metric=trace.metric)
    return span_of(trace, trace.metric, shown)


def _places(
    stages: Sequence[StageInfo], column: Mapping[str, int], across: Linear, step: float
) -> dict[str, float]:
    """Move branches that share a column a little apart, so that their intervals can be told."""
    branches = list(dict.fromkeys(stage.branch for stage in stages[1:]))
    shift = {name: (i - (len(branches) - 1) / 2) * step for i, name in enumerate(branches)}
    return {s.name: across(column[s.name]) + (shift[s.branch] if s.parent else 0) for s in stages}


def _scale(frame: _Frame, at: Sequence[float]) -> Markup:
    lines = []
    for value in at:
        height = frame.y(value)
        lines.append(el("line", x1=frame.left, x2=frame.right, y1=height, y2=height, class_="grid"))
        lines.append(text(frame.left - 7, height + 4, f"{value:g}", class_="tick", anchor="end"))
    return el("g", *lines)


def _tree(
    stages: Sequence[StageInfo],
    levels: Mapping[str, Any],
    truth: Mapping[str, Any],
    look: Mapping[str, Look],
    frame: _Frame,
    *,
    size: float,
) -> list[Markup]:
    x, y = frame.x, frame.y
    bands, lines, points = [], [], []
    root = levels.get(stages[0].name, {})
    if known(root.get("value")):
        height = y(root["value"])
        lines.append(el("line", x1=frame.left, x2=frame.right, y1=height, y2=height, class_="base"))
    for stage in stages:
        here, before = levels.get(stage.name, {}), levels.get(stage.parent or "", {})
        if not known(here.get("value")):
            continue
        colour, name = look[stage.name].colour, stage.name
        if known(before.get("value")):
            xs = [x[stage.parent or ""], x[name]]
            pair = [before, here]
            if all(known(row.get(end)) for row in pair for end in ("low", "high")):
                bands.append(
                    el(
                        "g",
                        ribbon(
                            xs, [y(row["low"]) for row in pair], [y(row["high"]) for row in pair]
                        ),
                        class_=colour,
                    )
                )
            path = [(at, y(row["value"])) for at, row in zip(xs, pair, strict=True)]
            lines.append(el("g", polyline(path, class_="line"), class_=colour))
        said = f"{name}: {level(here['value'])} {between(here)}"
        drawn = [el("title", said)]
        if known(here.get("low")) and known(here.get("high")):
            drawn.append(whisker(x[name], y(here["low"]), y(here["high"])))
        drawn.append(mark(x[name], y(here["value"]), look[name].shape, size=size))
        true = truth.get(name, {}).get("value")
        if known(true):
            drawn.append(
                mark(x[name] + 2.4 * size, y(true), look[name].shape, size=0.8 * size, hollow=True)
            )
        points.append(el("g", *drawn, class_=colour))
    return [*bands, *lines, *points]


def _end_labels(
    stages: Sequence[StageInfo],
    levels: Mapping[str, Any],
    look: Mapping[str, Look],
    frame: _Frame,
    *,
    top: float,
    bottom: float,
) -> list[Markup]:
    labels = []
    for stage in dict.fromkeys([stages[0], *ends(stages)]):
        row = levels.get(stage.name, {})
        if known(row.get("value")):
            labels.append(_end_label(stage, row, look[stage.name], frame))
    return spread(labels, top=top, bottom=bottom)


def _end_label(stage: StageInfo, row: Mapping[str, Any], look: Look, frame: _Frame) -> Label:
    wanted = float(frame.y(row["value"]))
    start = frame.x[stage.name] if stage.parent else frame.right - 18
    at = frame.right + 16

    def draw(height: float) -> Markup:
        parts = [text(at, height + 4.5, stage.name, class_="name")]
        after = at + width_of(stage.name, 13.5) + 6
        parts.append(text(after, height + 4.5, level(row["value"]), class_="value"))
        parts.append(text(after + 34, height + 4.5, between(row), class_="note"))
        if start < frame.right - 40 or abs(height - wanted) > 7:
            path = [(max(start + 16, frame.right - 12), wanted), (at - 5, height)]
            parts.append(polyline(path, class_="leader"))
        return el("g", *parts, class_=look.colour)

    return Label(wanted, draw, 18)


def _branch_label(stage: StageInfo, wanted: float, look: Mapping[str, Look], at: float) -> Label:
    def draw(height: float) -> Markup:
        return el(
            "g", text(at, height + 4, stage.branch, class_="small"), class_=look[stage.name].colour
        )

    return Label(wanted, draw, 12.5)
