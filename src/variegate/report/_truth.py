"""Beside the truth: in a closed world, every estimate with the value that it estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from variegate.lineage import Trace
from variegate.report._numbers import between, known, level, percent
from variegate.report._parts import entry
from variegate.report._reading import by, rows

__all__ = ["known_stages", "marked_tasks", "truth_rows", "truth_words"]


def truth_rows(trace: Trace, stages: Sequence[str]) -> list[dict[str, Any]]:
    """Make a row a metric and task and a cell a stage: the estimate, its interval, the truth."""
    table = []
    found = _pairs(trace)
    for metric, task in dict.fromkeys((metric, task) for metric, task, _ in found):
        cells = []
        for stage in stages:
            estimate, true = found.get((metric, task, stage), ({}, None))
            cells.append(
                {
                    "value": level(estimate.get("value")),
                    "interval": between(estimate),
                    "true": level(true) if known(true) else "",
                }
            )
        title = entry(trace.metrics, metric)["title"]
        table.append({"metric": title, "task": task, "cells": cells})
    return table


def known_stages(trace: Trace) -> list[str]:
    """List the stages of which a true value is known."""
    known_of = {stage for *_, stage in _pairs(trace)}
    return [stage.name for stage in trace.stages if stage.name in known_of]


def truth_words(trace: Trace) -> str:
    """Count the intervals that hold the true value; those without a width are counted apart.

    A bootstrap over prompts that are all alike has no width. At the end of a metric's range that
    says that no other prompt was seen, not that there is none.
    """
    pairs = _pairs(trace).values()
    wide = [(row, true) for row, true in pairs if row["high"] > row["low"]]
    if not pairs:
        return ""
    hold = sum(row["low"] <= true <= row["high"] for row, true in wide)
    flat = len(pairs) - len(wide)
    meant = percent(trace.level)
    said = []
    if wide:
        said.append(f"{hold} of {len(wide)} intervals hold the true value ({meant} are meant to).")
    if flat:
        said.append(
            f"{flat} {'more ' if wide else ''}have no width, since all prompts seen are alike: the "
            "truth may lie beside them."
        )
    return " ".join(said)


def marked_tasks(trace: Trace) -> str:
    """Name the tasks where the true value of the lead metric is known."""
    names = dict.fromkeys(
        row["task"]
        for row in rows(trace.exact, metric=trace.metric)
        if known(row["value"]) and row["task"] != "all"
    )
    return ", ".join(names)


def _pairs(trace: Trace) -> dict[tuple[str, str, str], tuple[Mapping[str, Any], float]]:
    """(metric, task, stage) → the level and the true value, where both are known."""
    levels = by(trace.levels.to_dicts(), "metric", "task", "stage")
    found = {}
    for row in trace.exact.to_dicts():
        key = row["metric"], row["task"], row["stage"]
        estimate = levels.get(key, {})
        sure = all(known(estimate.get(name)) for name in ("value", "low", "high"))
        if sure and known(row["value"]):
            found[key] = estimate, float(row["value"])
    names = list(dict.fromkeys(metric for metric, _, _ in found))
    names.sort(key=lambda name: name != trace.metric)
    return dict(sorted(found.items(), key=lambda item: names.index(item[0][0])))
