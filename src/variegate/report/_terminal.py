"""One screen in the terminal: the sentences, the stage table, and where the page lies.

Every string goes through `clean_text` into a `rich.text.Text`, so that neither terminal escapes
nor rich markup in names and notes can act.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from variegate.lineage import Trace
from variegate.report._looks import looks
from variegate.report._numbers import between, count, known, level, signed
from variegate.report._sentences import about_line, how_sure
from variegate.report._stage_table import stage_rows
from variegate.samples import clean_text

__all__ = ["comparison_table", "measurement_table", "terminal"]

# The nearest of the terminal's own colours to those of the page, so that its theme decides.
_COLOURS = {"c0": "", "c1": "blue", "c2": "yellow", "c3": "green", "c4": "magenta", "c5": "cyan"}


class HasFrame(Protocol):
    """What has a long table: a Measurement, a Comparison."""

    @property
    def frame(self) -> pl.DataFrame: ...


def terminal(trace: Trace, *, page: str | Path | None = None) -> RenderableType:
    """Say a trace on one screen: what was traced, the answer, the stage table, the page's path.

    Args:
        trace: what `variegate.trace` returned.
        page: where the page was written, if it was.

    Returns:
        Something that rich prints.
    """
    parts: list[RenderableType] = [
        _text(f"{trace.name} · {' · '.join(about_line(trace))}", "dim"),
        Text(),
        *(_text(sentence) for sentence in trace.headline),
    ]
    table = _stage_table(trace)
    if table.row_count:
        parts += [
            Text(),
            table,
            _text(
                f"Change in % of {trace.stages[0].name}, mean of ratios. {how_sure(trace)}.", "dim"
            ),
        ]
    if trace.cautions:
        kinds = ", ".join(dict.fromkeys(caution.kind for caution in trace.cautions))
        parts.append(_text(f"Careful: {kinds}; the page says where and what it does.", "dim"))
    if page is not None:
        parts += [Text(), Text.assemble("Page: ", (clean_text(str(page)), "bold"))]
    return Padding(Group(*parts), (1, 0))


def measurement_table(measurement: HasFrame, *, task: str | None = "all") -> Table:
    """Make the long table of a measurement for the screen.

    Args:
        measurement: what `variegate.measure` returned.
        task: the task to show; ``"all"`` is the mean over tasks, None shows every row.
    """
    return _long(measurement.frame, task=task, write=level)


def comparison_table(comparison: HasFrame, *, task: str | None = "all") -> Table:
    """Make the long table of a comparison for the screen; what can be told from zero is bold.

    Args:
        comparison: what `variegate.compare` returned; its values are differences.
        task: the task to show; ``"all"`` is the mean over tasks, None shows every row.
    """
    return _long(comparison.frame, task=task, write=_difference, bold_when_told=True)


def _stage_table(trace: Trace) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="dim")
    table.add_column("Stage", no_wrap=True)
    table.add_column("Change", justify="right", no_wrap=True)
    table.add_column("Interval", style="dim", no_wrap=True)
    table.add_column("Driven by", ratio=1)
    table.add_column("Kept", justify="right", no_wrap=True)
    for row in stage_rows(trace, looks(trace.stages)):
        change = row["mean_of_ratios"]
        table.add_row(
            _text(row["stage"], _COLOURS[row["colour"]]),
            _text(change["value"], "bold" if change["told"] else ""),
            _text(change["interval"]),
            _text(row["drivers"]),
            _text(row["kept"]),
        )
    return table


def _long(
    frame: pl.DataFrame, *, task: str | None, write: Any, bold_when_told: bool = False
) -> Table:
    if task is not None and "task" in frame.columns:
        frame = frame.filter(pl.col("task") == task)
    frame = _by_metric(frame)
    notes = "note" in frame.columns and any(frame["note"].fill_null(""))
    names = [name for name in ("metric", "task", "arm") if name in frame.columns]
    if task is not None or frame["task"].n_unique() < 2:
        names = [name for name in names if name != "task"]
    if "arm" in names and frame["arm"].n_unique() < 2:
        names.remove("arm")
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name.capitalize(), no_wrap=True)
    table.add_column("Value", justify="right", no_wrap=True)
    table.add_column("Interval", style="dim", no_wrap=True)
    table.add_column("Prompts", justify="right", style="dim", no_wrap=True)
    table.add_column("Outputs", justify="right", style="dim", no_wrap=True)
    if notes:
        table.add_column("Note", style="dim", ratio=1)
    before: list[str] = []
    for row in frame.iter_rows(named=True):
        key = [str(row[name] if row[name] is not None else "") for name in names]
        told = bold_when_told and _told(row)
        cells = [
            *_unrepeated(key, before),
            _text(write(row["value"]), "bold" if told else ""),
            _text(between(row, write)),
            *(
                _text(count(row[name]) if known(row.get(name)) else "")
                for name in ("n_prompts", "n_samples")
            ),
        ]
        table.add_row(*cells, *([_text(row["note"] or "")] if notes else []))
        before = key
    return table


def _by_metric(frame: pl.DataFrame) -> pl.DataFrame:
    """Put the rows of a metric together; metrics, and rows within one, keep their order."""
    names = frame["metric"].unique(maintain_order=True)
    return pl.concat([frame.filter(pl.col("metric") == name) for name in names] or [frame])


def _unrepeated(key: list[str], before: Iterable[str]) -> list[Text]:
    """Leave out a metric or task that the row above already names."""
    old, shown, fresh = list(before), [], False
    for i, name in enumerate(key):
        fresh = fresh or i >= len(old) or old[i] != name or i == len(key) - 1
        shown.append(_text(name if fresh else ""))
    return shown


def _told(row: Mapping[str, Any]) -> bool:
    low, high = row.get("low"), row.get("high")
    return low is not None and high is not None and (low > 0 or high < 0)


def _difference(value: float) -> str:
    return signed(value, digits=2 if known(value) and abs(value) < 10 else 1)


def _text(content: Any, style: str = "") -> Text:
    return Text(clean_text(str(content)), style=style)
