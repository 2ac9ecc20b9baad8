"""Only wrong answers, or real narrowing: the two parts of the loss, task by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from variegate.lineage import Trace
from variegate.report._looks import Look
from variegate.report._numbers import between, known, level, percent
from variegate.report._reading import by, rows, tasks
from variegate.report._svg import Linear, el, picture, text, ticks, whisker

__all__ = ["kinds_table", "parts_charts"]

KINDS = ("right_right", "right_wrong", "wrong_wrong")
_PITCH = 30.0


def parts_charts(
    trace: Trace, look: Mapping[str, Look], stages: Sequence[str]
) -> list[tuple[str, Markup]]:
    """Draw, for each named stage, one stacked bar a task: accuracy, then narrowing.

    Parts of opposite sign stand on opposite sides of zero; the tick is their sum. All stages
    share one scale.
    """
    found = by(rows(trace.decomposition), "stage", "task", "part")
    shown = [
        row for (_, _, part), row in found.items() if part in ("total", "accuracy", "narrowing")
    ]
    ends = [row[end] for row in shown for end in ("value", "low", "high") if known(row[end])]
    if not ends:
        return []
    order = [
        *tasks(trace.decomposition),
        *(["all"] if ("all" in set(trace.decomposition["task"])) else []),
    ]
    low, high = _reach(found)
    charts = []
    for stage in stages:
        if not any((stage, task, "total") in found for task in order):
            continue
        charts.append((stage, _chart(stage, order, found, look[stage], (low, high))))
    return charts


def _reach(found: Mapping[Any, Mapping[str, Any]]) -> tuple[float, float]:
    below, above = 0.0, 0.0
    for (stage, task, part), row in found.items():
        if part != "narrowing" or not known(row["value"]):
            continue
        parts = [row, found.get((stage, task, "accuracy"), {})]
        values = [float(p["value"]) for p in parts if known(p.get("value"))]
        halves = ((float(p["high"]) - float(p["low"])) / 2 for p in parts if known(p.get("high")))
        half = max(halves, default=0.0)
        below = min(below, sum(v for v in values if v < 0) - (half if min(values) < 0 else 0))
        above = max(above, sum(v for v in values if v > 0) + half)
    return below, above or 1.0


def _chart(
    stage: str,
    order: Sequence[str],
    found: Mapping[Any, Mapping[str, Any]],
    look: Look,
    reach: tuple[float, float],
) -> Markup:
    width, left, right, top = 1040.0, 110.0, 690.0, 26.0
    bottom = top + _PITCH * len(order) + 4
    x = Linear(reach[0], reach[1], left + 4, right)
    body = []
    for at in ticks(*reach):
        body.append(el("line", x1=x(at), x2=x(at), y1=top - 4, y2=bottom, class_="grid"))
        body.append(
            text(x(at), bottom + 16, f"{at:g}".replace("-", "−"), class_="tick", anchor="middle")
        )
    body.append(el("line", x1=x(0), x2=x(0), y1=top - 4, y2=bottom, class_="zero"))
    for at, name, anchor in (
        (718.0, "accuracy", "start"),
        (850.0, "narrowing", "start"),
        (1036.0, "matched", "end"),
    ):
        body.append(text(at, 14, name, class_="tick", anchor=anchor))
    for i, task in enumerate(order):
        middle = top + _PITCH * (i + 0.5)
        label = "mean of tasks" if task == "all" else task
        body.append(text(left - 10, middle + 4, label, class_="row", anchor="end"))
        parts = {part: found.get((stage, task, part), {}) for part in ("accuracy", "narrowing")}
        matched = next((row["n_matched"] for row in parts.values() if row), None)
        if matched is not None:
            body.append(text(1036, middle + 4, str(matched), class_="note", anchor="end"))
        if not all(known(row.get("value")) for row in parts.values()):
            body.append(
                text(
                    x(0) + 8,
                    middle + 4,
                    "no prompt where both have two right answers"
                    if not matched
                    else "cannot be told",
                    class_="note",
                )
            )
            continue
        body.append(_bar(parts, x, middle))
        for at, row in zip((718.0, 850.0), parts.values(), strict=True):
            body.append(text(at, middle + 4, level(row["value"]), class_="value"))
            body.append(text(at + 42, middle + 4, between(row), class_="note"))
    title = f"{stage}: what part of the loss is accuracy and what part narrowing, by task"
    return picture(width, bottom + 24, el("g", *body, class_=look.colour), title=title)


def _bar(parts: Mapping[str, Mapping[str, Any]], x: Linear, middle: float) -> Markup:
    bars, intervals, reached = [], [], {True: 0.0, False: 0.0}
    for (part, row), shift in zip(parts.items(), (-4.0, 4.0), strict=True):
        value = float(row["value"])
        start = reached[value >= 0]
        reached[value >= 0] += value
        near, far = sorted((x(start), x(start + value)))
        size = {"width": max(far - near, 0.6), "height": 16}
        bars.append(el("rect", x=near, y=middle - 8, class_=f"part {part}", **size))
        if known(row.get("low")) and known(row.get("high")):
            low, high = x(start + float(row["low"])), x(start + float(row["high"]))
            intervals.append(whisker(middle + shift, low, high, flat=True, class_="across"))
    total = x(sum(reached.values()))
    tick = el("line", x1=total, x2=total, y1=middle - 12, y2=middle + 12, class_="sum")
    return el("g", *bars, *intervals, tick)


def kinds_table(
    trace: Trace, look: Mapping[str, Look], *, task: str = "all"
) -> list[dict[str, Any]]:
    """Make a row a stage: distance and share of each kind of pair, in the base and after."""
    found = by(rows(trace.decomposition, task=task), "stage", "part")
    table = []
    for stage in trace.stages:

        def of(part: str, stage: str = stage.name) -> float | None:
            value = found.get((stage, part), {}).get("value")
            return value if known(value) else None

        if not any(known(of(f"post_{kind}")) for kind in KINDS):
            continue
        table.append(
            {
                "stage": stage.name,
                "colour": look[stage.name].colour,
                "kinds": [
                    {
                        "base": level(of(f"base_{kind}")),
                        "post": level(of(f"post_{kind}")),
                        "base_share": percent(of(f"base_share_{kind}")),
                        "post_share": percent(of(f"post_share_{kind}")),
                    }
                    for kind in KINDS
                ],
                "vendi": (level(of("base_vendi_right")), level(of("post_vendi_right"))),
                "matched": found.get((stage.name, "total"), {}).get("n_matched"),
            }
        )
    return table
