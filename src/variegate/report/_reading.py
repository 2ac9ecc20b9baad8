"""Looking things up in the trace's long tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from variegate.lineage._result import StageInfo, Trace
from variegate.report._numbers import known

__all__ = ["by", "columns", "ends", "find", "metric_entry", "references", "rows", "span_of", "tasks"]

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
    """Return what is known of a metric; at least its title."""
    return {"title": name.replace("_", " "), **dict(trace.metrics.get(name, {}))}


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


def span_of(trace: Trace, values: Iterable[Any]) -> tuple[float, float]:
    """Choose the scale of the lead metric: from where its range starts to what is shown.

    The largest possible value closes the scale unless it would flatten the picture.
    """
    entry = metric_entry(trace, trace.metric)
    shown = [float(value) for value in values if known(value)] or [1.0]
    low = float(entry["low"]) if known(entry.get("low")) else min(0.0, *shown)
    top = max(shown)
    high = entry.get("high")
    if known(high) and top - low >= 0.35 * (float(high) - low):
        return low, float(high)
    return low, low + 1.12 * ((top - low) or 1.0)
