"""What every stage changed, in percent of the base, with the tasks that drove it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from variegate.lineage import Trace
from variegate.report._looks import Look
from variegate.report._numbers import between, known, percent, signed
from variegate.report._reading import AVERAGES, by, rows, tasks
from variegate.report._svg import Linear, el

__all__ = ["drivers", "stage_rows"]


def stage_rows(trace: Trace, look: Mapping[str, Look]) -> list[dict[str, Any]]:
    """Make the rows of the stage table, in the order of the tree; empty where nothing was lost."""
    changes = by(rows(trace.losses, metric=trace.metric), "stage", "task")
    kept = by(rows(trace.retained, metric=trace.metric), "stage", "task")
    names = tasks(trace.losses)
    ends = [
        float(row[end])
        for row in changes.values()
        if row["task"] in AVERAGES
        for end in ("percent", "low", "high")
        if known(row[end])
    ]
    reach = (min([0.0, *ends]), max([0.0, *ends]))
    table = []
    for stage in trace.stages:
        average = {name: changes.get((stage.name, name)) for name in AVERAGES}
        if not any(average.values()):
            continue
        per_task = {name: changes.get((stage.name, name)) for name in names}
        first = average["mean of ratios"] or average["ratio of means"] or {}
        retained = kept.get((stage.name, "mean of ratios"), {})
        table.append(
            {
                "stage": stage.name,
                "parent": first.get("parent") or stage.parent,
                "colour": look[stage.name].colour,
                "bar": change_bar(first, reach),
                "mean_of_ratios": _said(average["mean of ratios"]),
                "ratio_of_means": _said(average["ratio of means"]),
                "drivers": drivers(per_task),
                "tasks": {name: _said(row) for name, row in per_task.items()},
                "kept": percent(_share(retained.get("percent"))),
                "kept_interval": between(retained, lambda v: f"{v:.0f}"),
                "n": first.get("n_prompts"),
            }
        )
    return table


def drivers(per_task: Mapping[str, Mapping[str, Any] | None]) -> str:
    """Name the tasks that drove a change: those whose interval leaves out zero, largest first.

    Three at most, and none much smaller than the largest.

    Example:
        >>> drivers({"a": {"percent": -30, "low": -40, "high": -20},
        ...          "b": {"percent": -2, "low": -9, "high": 5}})
        'a'
        >>> drivers({"b": {"percent": -2, "low": -9, "high": 5}})
        'no task can be told from none'
    """
    clear = {name: float(row["percent"]) for name, row in per_task.items() if row and _clear(row)}
    if not clear:
        return "no task can be told from none"
    largest = max(abs(value) for value in clear.values())
    order = sorted(clear, key=lambda name: -abs(clear[name]))
    named = [name for name in order if abs(clear[name]) >= largest / 2][:3]
    if len(clear) == len(per_task) and len(named) == len(clear) > 2:
        return "every task"
    if min(clear[name] for name in named) < 0 < max(clear[name] for name in named):
        return ", ".join(f"{name} {signed(clear[name], digits=0)}" for name in named)
    return ", ".join(named)


def change_bar(row: Mapping[str, Any], reach: tuple[float, float]) -> Markup:
    """Draw a change as a bar from zero, with its interval across its end."""
    if not known(row.get("percent")):
        return Markup()
    x = Linear(*reach, 3, 197)
    start, end = sorted((x(0), x(row["percent"])))
    body = [
        el("rect", x=start, y=4, width=max(end - start, 0.5), height=10, class_="bar"),
        el("line", x1=x(0), x2=x(0), y1=0, y2=18, class_="zero"),
    ]
    if known(row.get("low")) and known(row.get("high")):
        body.append(el("line", x1=x(row["low"]), x2=x(row["high"]), y1=9, y2=9, class_="across"))
    return el("svg", *body, viewBox="0 0 200 18", width=200, height=18, aria_hidden="true")


def _said(row: Mapping[str, Any] | None) -> dict[str, Any]:
    if not row:
        return {"value": signed(None), "interval": "", "told": False}
    return {
        "value": signed(row["percent"]),
        "interval": between(row, signed),
        "told": _clear(row),
    }


def _clear(row: Mapping[str, Any]) -> bool:
    ends = (row.get("low"), row.get("high"))
    return all(known(end) for end in ends) and (row["low"] > 0 or row["high"] < 0)


def _share(value: Any) -> float | None:
    return float(value) / 100 if known(value) else None
