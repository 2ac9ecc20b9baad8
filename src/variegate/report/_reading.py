"""Looking things up in the trace's long tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from variegate.lineage import StageInfo, Trace
from variegate.report._numbers import known

__all__ = [
    "by",
    "columns",
    "ends",
    "ends_of",
    "find",
    "metric_entry",
    "references",
    "rows",
    "scale_of",
    "span_of",
    "tasks",
]

AVERAGES = ("mean of ratios", "ratio of means")
POOLED = ("all", *AVERAGES)


def rows(frame: pl.DataFrame, **equal: str) -> list[dict[str, Any]]:
    """Return the rows where every named column has the given value."""
    for name, value in equal.items():
        frame = frame.filter(pl.col(name) == value)
    return frame.to_dicts()


def by(records: Iterable[Mapping[str, Any]], *names: str) -> dict[Any, dict[str, Any]]:
    """Key records by one column, or by a tuple of several."""
    if len(names) == 1:
        return {record[names[0]]: dict(record) for record in records}
    return {tuple(record[name] for name in names): dict(record) for record in records}


def overall(frame: pl.DataFrame) -> pl.DataFrame:
    """Add the mean over tasks where there is one task, which is its own mean."""
    if frame.is_empty() or "all" in set(frame["task"]) or frame["task"].n_unique() > 1:
        return frame
    return pl.concat([frame, frame.with_columns(pl.lit("all").alias("task"))])


def completed(trace: Trace) -> Trace:
    """Return the trace with a mean over tasks in every table that has tasks."""
    return replace(
        trace,
        levels=overall(trace.levels),
        decomposition=overall(trace.decomposition),
        formats=overall(trace.formats),
        positions=overall(trace.positions),
        exact=overall(trace.exact),
    )


def tasks(frame: pl.DataFrame) -> list[str]:
    """List the tasks of a table in their order, without the averages."""
    if frame.is_empty():
        return []
    names = frame["task"].unique(maintain_order=True).to_list()
    return [name for name in names if name not in POOLED]


def ends(stages: Sequence[StageInfo]) -> list[StageInfo]:
    """List the stages that nothing was trained from; the root too if it stands alone."""
    parents = {stage.parent for stage in stages}
    return [stage for stage in stages if stage.name not in parents]


def columns(stages: Sequence[StageInfo]) -> tuple[dict[str, int], list[str]]:
    """Place stages left to right: in columns by kind where the tree allows it, else by depth.

    Kinds share columns when every child's kind comes later than its parent's, so that a branch
    that skips a kind (base → rl) still ends in the column of its kind.

    Returns:
        The column of every stage, and the columns' names.
    """
    kind = {stage.name: stage.kind for stage in stages}
    later: dict[str, set[str]] = {name: set() for name in dict.fromkeys(kind.values())}
    for stage in stages:
        if stage.parent is not None and stage.parent in kind:
            later[stage.kind].add(kind[stage.parent])
    order: list[str] = []
    while len(order) < len(later):
        free = [k for k, before in later.items() if k not in order and before <= set(order)]
        if not free:
            return _by_depth(stages)
        order.append(free[0])
    return {name: order.index(k) for name, k in kind.items()}, order


def _by_depth(stages: Sequence[StageInfo]) -> tuple[dict[str, int], list[str]]:
    depth: dict[str, int] = {}
    for stage in stages:
        depth[stage.name] = depth[stage.parent] + 1 if stage.parent in depth else 0
    steps = range(1, max(depth.values()) + 1)
    return depth, [stages[0].name, *(f"step {step}" for step in steps)]


def metric_entry(trace: Trace, name: str) -> dict[str, Any]:
    """Return what is known of a metric: at least its title, and its bounds as numbers."""
    about = {"title": name.replace("_", " "), **dict(trace.metrics.get(name, {}))}
    n = find(trace.settings, "samples_per_prompt", "n")
    bounds = {"n": n, "k": find(trace.settings, "k")}
    if known(n) and n > 1:
        bounds["n/(n-1)"] = n / (n - 1)
    if isinstance(about.get("high"), str):
        about["high"] = bounds.get(about["high"])
    return about


def find(settings: Any, *names: str) -> Any:
    """Find the first value under one of the names, however deep.

    Example:
        >>> find({"embedder": {"floor": 0.2}}, "similarity_floor", "floor")
        0.2
    """
    if isinstance(settings, Mapping):
        for name in names:
            if settings.get(name) is not None:
                return settings[name]
        for value in settings.values():
            found = find(value, *names)
            if found is not None:
                return found
    return None


def references(trace: Trace) -> list[tuple[float, str]]:
    """List the levels worth marking: the largest possible, and that of unrelated outputs.

    The similarity floor is the mean cosine between outputs of different prompts, so one minus it
    is how far apart two outputs are that have nothing to do with one another.
    """
    entry = metric_entry(trace, trace.metric)
    found = []
    if known(entry.get("high")):
        found.append((float(entry["high"]), "largest possible"))
    floor = find(trace.settings, "similarity_floor", "floor")
    if trace.metric.startswith("pairwise") and known(floor):
        found.append((1 - float(floor), "outputs of different prompts"))
    return found


def ends_of(records: Iterable[Mapping[str, Any]]) -> list[float]:
    """List every known value and end of an interval."""
    keys = ("value", "low", "high")
    return [float(row[key]) for row in records for key in keys if known(row.get(key))]


def span_of(trace: Trace, metric: str, records: Iterable[Mapping[str, Any]]) -> tuple[float, float]:
    """Choose the scale of a metric of the trace."""
    return scale_of(metric_entry(trace, metric), records)


def scale_of(about: Mapping[str, Any], records: Iterable[Mapping[str, Any]]) -> tuple[float, float]:
    """Choose a scale: from where the metric's range starts to what is shown.

    The largest possible value closes the scale unless it would flatten the picture.
    """
    shown = ends_of(records) or [1.0]
    low, top, high = about.get("low"), max(shown), about.get("high")
    start = float(low) if low is not None and known(low) else min(0.0, *shown)
    if high is not None and known(high) and top - start >= 0.35 * (float(high) - start):
        return start, float(high)
    return start, start + 1.12 * ((top - start) or 1.0)
