"""Weights or format: a waterfall a stage, from the base's level to the stage's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from variegate.lineage import Trace
from variegate.report._looks import Look
from variegate.report._numbers import between, known, level, signed
from variegate.report._reading import by, ends_of, rows, span_of
from variegate.report._svg import Linear, el, picture, text, ticks

__all__ = ["STEPS", "format_rows", "waterfalls"]

STEPS = ("base", "tuning", "template", "reasoning", "stage")


def waterfalls(trace: Trace, look: Mapping[str, Look]) -> list[Markup]:
    """Draw one waterfall a stage with a template, all on one scale; a dash for a step without."""
    found = by(rows(trace.formats, metric=trace.metric, task="all"), "stage", "step")
    levels = [row for row in found.values() if row["step"] in ("base", "stage")]
    low, high = span_of(trace, trace.metric, levels)
    high = min(high, low + 1.15 * (max(ends_of(levels), default=high) - low))
    charts = []
    for stage in trace.stages:
        steps = {
            step: found[stage.name, step]
            for step in STEPS
            if (stage.name, step) in found and _taken(step, found[stage.name, step])
        }
        if {"base", "stage"} < steps.keys() - {"tuning"}:
            charts.append(_waterfall(stage.name, steps, look[stage.name], (low, high)))
    return charts


def _waterfall(
    name: str, steps: Mapping[str, Any], look: Look, span: tuple[float, float]
) -> Markup:
    width, height, left, right, top, bottom = 336.0, 224.0, 30.0, 330.0, 40.0, 190.0
    y = Linear(*span, bottom, top)
    body = [text(0, 15, name, class_="panel tinted")]
    for at in ticks(*span, about=3):
        body.append(el("line", x1=left, x2=right, y1=y(at), y2=y(at), class_="grid"))
        body.append(text(left - 6, y(at) + 4, f"{at:g}", class_="tick", anchor="end"))
    pitch = (right - left) / len(STEPS)
    reached = 0.0
    for i, step in enumerate(STEPS):
        middle = left + pitch * (i + 0.5)
        body.append(text(middle, bottom + 18, step, class_="tick", anchor="middle"))
        row = steps.get(step)
        if row is None:
            body.append(text(middle, y(reached) - 6, "–", class_="note", anchor="middle"))
            body.append(_join(middle - 17, middle + pitch - 17, y(reached)))
            continue
        value = float(row["value"])
        start = 0.0 if step in ("base", "stage") else reached
        end = start + value
        edges = sorted((y(max(start, span[0])), y(max(end, span[0]))))
        kind = step if step in ("base", "stage") else "fall" if value < 0 else "rise"
        said = f"{step}: {level(value)} {between(row)}"
        body.append(
            el(
                "g",
                el("title", said),
                el(
                    "rect",
                    x=middle - 17,
                    y=edges[0],
                    width=34,
                    height=max(edges[1] - edges[0], 1),
                    class_=f"step {kind}",
                ),
            )
        )
        if known(row.get("low")) and known(row.get("high")):
            ends = [y(start + float(row[side])) for side in ("low", "high")]
            body.append(el("line", x1=middle, x2=middle, y1=ends[0], y2=ends[1], class_="across"))
            edges.extend(ends)
        if i + 1 < len(STEPS):
            body.append(_join(middle + 17, middle + pitch - 17, y(end)))
        label = level(value) if step in ("base", "stage") else signed(value, digits=2)
        body.append(text(middle, min(edges) - 6, label, class_="value", anchor="middle"))
        reached = end
    title = f"{name}: from the base's level to its own, by weights and format"
    return picture(width, height, el("g", *body, class_=look.colour), title=title, wide=False)


def _join(left: float, right: float, at: float) -> Markup:
    return el("line", x1=left, x2=right, y1=at, y2=at, class_="join")


def _taken(step: str, row: Mapping[str, Any]) -> bool:
    """Whether the stage takes this step: one it does not have is exactly zero, without a width."""
    ends = [row.get(name) for name in ("value", "low", "high")]
    return known(ends[0]) and (step in ("base", "stage") or any(ends))


def format_rows(trace: Trace, look: Mapping[str, Look]) -> list[dict[str, Any]]:
    """Make the waterfalls as a table: stage and task, and every step with its interval."""
    found = by(rows(trace.formats, metric=trace.metric), "stage", "task", "step")
    table = []
    for stage, task in dict.fromkeys((stage, task) for stage, task, _ in found):
        cells = []
        for step in STEPS:
            row = found.get((stage, task, step), {})
            row = row if row and _taken(step, row) else {"value": None}
            write = level if step in ("base", "stage") else lambda v: signed(v, digits=2)
            cells.append({"value": write(row["value"]), "interval": between(row, write)})
        colour = look[stage].colour if stage in look else "c0"
        shown = "mean of tasks" if task == "all" else task
        table.append({"stage": stage, "task": shown, "colour": colour, "cells": cells})
    return table
