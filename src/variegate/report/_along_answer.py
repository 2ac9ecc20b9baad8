"""Where in the answer: how many ways there are to go on, along the position."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from variegate.lineage import StageInfo, Trace
from variegate.report._looks import Look
from variegate.report._numbers import known
from variegate.report._reading import ends, rows, tasks
from variegate.report._svg import Label, Linear, Log, el, picture, polyline, ribbon, spread, text

__all__ = ["position_charts", "reach_of_the_mean", "task_position_charts"]

_Curves = Mapping[str, Sequence[Mapping[str, Any]]]

_TICKS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000, 100_000)


def position_charts(trace: Trace, look: Mapping[str, Look], *, task: str = "all") -> list[Markup]:
    """Draw one panel a branch, the base's line in grey in each; log scale, shared."""
    found = _curves(trace, task)
    if not found:
        return []
    root = trace.stages[0]
    branches: dict[str, list[StageInfo]] = {}
    for stage in trace.stages:
        if stage.branch != root.branch:
            branches.setdefault(stage.branch, []).append(stage)
    scale = _last(found), _highest(found)
    charts = []
    for branch, stages in (branches or {root.branch: [root]}).items():
        lines = [s for s in dict.fromkeys([root, *stages]) if s.name in found]
        head = el("g", _head(branch), class_=look[stages[-1].name].colour)
        charts.append(_panel(branch, head, lines, found, look, scale))
    return charts


def task_position_charts(trace: Trace, look: Mapping[str, Look]) -> list[Markup]:
    """Draw one panel a task, with the base and the end of every branch; log scale, shared."""
    shown = list(dict.fromkeys([trace.stages[0], *ends(trace.stages)]))
    names = {stage.name for stage in shown}
    curves = {
        task: {name: line for name, line in _curves(trace, task).items() if name in names}
        for task in tasks(trace.positions)
    }
    high = max((_highest(found) for found in curves.values()), default=2.0)
    return [
        _panel(
            task,
            text(0, 15, task, class_="panel"),
            [stage for stage in shown if stage.name in found],
            found,
            look,
            (_last(found), high),
        )
        for task, found in curves.items()
    ]


def reach_of_the_mean(trace: Trace) -> float:
    """Say how much of the longest task's answer the mean over tasks covers, as a share."""
    shared, longest = _curves(trace, "all"), [_curves(trace, t) for t in tasks(trace.positions)]
    if not shared or not longest:
        return 1.0
    return (1 + _last(shared)) / (1 + max(_last(found) for found in longest))


def _curves(trace: Trace, task: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows(trace.positions, task=task):
        if known(row["branching"]):
            found.setdefault(row["stage"], []).append(row)
    return found


def _last(found: _Curves) -> int:
    return max((row["position"] for line in found.values() for row in line), default=1)


def _highest(found: _Curves) -> float:
    tops = [
        row[end]
        for line in found.values()
        for row in line
        for end in ("branching", "high")
        if known(row[end])
    ]
    return max(1.05 * max(tops, default=0.0), 2.0)


def _head(words: str) -> Markup:
    return text(0, 15, words, class_="panel tinted")


def _panel(
    name: str,
    head: Markup,
    stages: Sequence[StageInfo],
    found: _Curves,
    look: Mapping[str, Look],
    scale: tuple[int, float],
) -> Markup:
    width, height, left, right, top, bottom = 336.0, 250.0, 30.0, 244.0, 36.0, 206.0
    last, high = scale
    y = Log(1.0, high, bottom, top)
    x = Linear(0, max(last, 1), left + 4, right - 4)
    body = [head]
    shown = [at for at in _TICKS if at <= high]
    if len(shown) > 6:
        shown = [at for at in shown if math.log10(at) % 1 == 0]
    for at in shown:
        body.append(el("line", x1=left, x2=right, y1=y(at), y2=y(at), class_="grid"))
        body.append(text(left - 6, y(at) + 4, f"{at:g}", class_="tick", anchor="end"))
    for at in sorted({0, last // 2, last}):
        # Positions count from 0; people count from the first.
        body.append(text(x(at), bottom + 17, str(at + 1), class_="tick", anchor="middle"))
    body.append(
        text((left + right) / 2, bottom + 34, "token of the answer", class_="tick", anchor="middle")
    )
    labels = []
    for stage in stages:
        line = sorted(found[stage.name], key=lambda row: row["position"])
        xs = [x(row["position"]) for row in line]
        banded = [row for row in line if known(row["low"]) and known(row["high"])]
        drawn = [el("title", stage.name)]
        if banded:
            drawn.append(
                ribbon(
                    [x(row["position"]) for row in banded],
                    [y(row["low"]) for row in banded],
                    [y(row["high"]) for row in banded],
                )
            )
        points = list(zip(xs, [y(row["branching"]) for row in line], strict=True))
        strength = look[stage.name].strength
        drawn.append(
            polyline(
                points,
                class_="line",
                stroke_width=f"{0.9 + 1.3 * strength:.1f}",
                stroke_dasharray=_dash(strength),
            )
        )
        body.append(el("g", *drawn, class_=look[stage.name].colour))
        labels.append(_label(stage, points[-1], look, right + 6))
    body += spread(labels, top=top - 10, bottom=bottom + 10)
    title = f"{name}: branching factor along the answer"
    return picture(width, height, *body, title=title, wide=False)


def _dash(strength: float) -> str | None:
    """Tell a branch's earlier stages apart by more than strength."""
    return None if strength >= 0.99 else "5 3" if strength > 0.7 else "1.5 2.5"


def _label(
    stage: StageInfo, end: tuple[float, float], look: Mapping[str, Look], at: float
) -> Label:
    def draw(height: float) -> Markup:
        return el(
            "g", text(at, height + 4, stage.name, class_="small"), class_=look[stage.name].colour
        )

    return Label(end[1], draw, 13.5)
