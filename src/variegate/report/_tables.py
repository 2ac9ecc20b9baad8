"""The tables of `measure` and `compare` on the screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from variegate.report._numbers import between as between_ends
from variegate.report._numbers import count, known, level, signed
from variegate.report._reading import overall
from variegate.samples import clean_text

__all__ = ["comparison_table", "likeness_table", "measurement_table", "words"]


class Measured(Protocol):
    """What has a long table: a Measurement."""

    @property
    def frame(self) -> pl.DataFrame: ...


class Compared(Measured, Protocol):
    """What has a long table with differences: a Comparison."""

    @property
    def differences(self) -> pl.DataFrame: ...


def words(content: object, style: str = "") -> Text:
    """Turn anything into text that rich prints as it is: no terminal escapes, no markup."""
    return Text(clean_text(str(content)), style=style)


def measurement_table(measurement: Measured, *, task: str = "all") -> Table:
    """Make the table of a measurement for the screen, metric by metric.

    Args:
        measurement: what `variegate.measure` returned.
        task: the task to show; ``"all"`` is the mean over tasks.
    """
    frame = _of_task(measurement.frame, task)
    noted, several = bool(_notes(frame)), frame["arm"].n_unique() > 1
    heads = ["Metric", *(["Arm"] if several else [])]
    table = _table(heads, ["Value", "Interval", "Prompts", "Outputs"], noted=noted)
    for _, rows in _by_metric(frame):
        before: Mapping[str, Any] = {}
        for row in rows:
            cells = [words("" if before else row["metric"])]
            cells += [words(row["arm"])] if several else []
            cells += [words(level(row["value"])), words(between_ends(row), "dim")]
            cells += [words(_counted(row, name), "dim") for name in ("n_prompts", "n_samples")]
            repeated = bool(before) and before["note"] == row["note"]
            cells += [words("" if repeated else row["note"] or "", "dim")] if noted else []
            table.add_row(*cells)
            before = row
    return table


def comparison_table(comparison: Compared, *, task: str = "all") -> Table:
    """Make the table of a comparison for the screen: a row a metric, both levels, the difference.

    A difference whose interval leaves out zero is bold.

    Args:
        comparison: what `variegate.compare` returned.
        task: the task to show; ``"all"`` is the mean over tasks.
    """
    frame, differences = (
        _of_task(table, task) for table in (comparison.frame, comparison.differences)
    )
    levels = frame.join(differences.select("arm").unique(), on="arm", how="anti")
    arms = levels["arm"].unique(maintain_order=True).to_list()
    found = {(row["arm"], row["metric"]): row for row in levels.iter_rows(named=True)}
    noted = bool(_notes(differences))
    table = _table(["Metric"], [*arms, "Difference", "Interval", "Prompts"], noted=noted)
    for row in differences.iter_rows(named=True):
        told = known(row["low"]) and known(row["high"]) and (row["low"] > 0 or row["high"] < 0)
        table.add_row(
            words(row["metric"]),
            *(words(level(found.get((arm, row["metric"]), {}).get("value"))) for arm in arms),
            words(_difference(row["value"]), "bold" if told else ""),
            words(between_ends(row, _difference), "dim"),
            words(_counted(row, "n_prompts"), "dim"),
            *([words(row["note"] or "", "dim")] if noted else []),
        )
    return table


def likeness_table(between: pl.DataFrame) -> Table:
    """Make the table of likeness within and between arms for the screen.

    Args:
        between: the long table that `variegate.compare` gives as `between`.

    Example:
        >>> row = {"arm": "a × b", "task": "t", "metric": "homogeneity", "value": 0.5,
        ...        "low": 0.4, "high": 0.6, "n_prompts": 9, "n_samples": 90, "note": ""}
        >>> likeness_table(pl.DataFrame([row])).row_count
        1
    """
    noted = bool(_notes(between))
    table = _table(["Likeness", "Arm"], ["Value", "Interval", "Prompts"], noted=noted)
    for name, rows in _by_metric(between):
        for i, row in enumerate(rows):
            table.add_row(
                words("" if i else name),
                words(row["arm"]),
                words(level(row["value"])),
                words(between_ends(row), "dim"),
                words(_counted(row, "n_prompts"), "dim"),
                *([words(row["note"] or "", "dim")] if noted else []),
            )
    return table


def _of_task(frame: pl.DataFrame, task: str) -> pl.DataFrame:
    return overall(frame).filter(pl.col("task") == task)


def _notes(frame: pl.DataFrame) -> list[str]:
    return [note for note in frame["note"].to_list() if note]


def _table(heads: list[str], numbers: list[str], *, noted: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for head in heads:
        table.add_column(words(head), no_wrap=True)
    for head in numbers:
        table.add_column(words(head), justify="right", no_wrap=True)
    if noted:
        table.add_column("Note", ratio=1)
    return table


def _by_metric(frame: pl.DataFrame) -> list[tuple[str, list[dict[str, Any]]]]:
    names = frame["metric"].unique(maintain_order=True).to_list()
    return [(name, frame.filter(pl.col("metric") == name).to_dicts()) for name in names]


def _counted(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return count(value) if known(value) else ""


def _difference(value: float) -> str:
    return signed(value, digits=2 if known(value) and abs(value) < 10 else 1)
