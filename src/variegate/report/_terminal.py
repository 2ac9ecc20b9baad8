"""One screen in the terminal: the sentences, the stage table, and where the page lies.

Every string goes through `words`, so that neither terminal escapes nor rich markup can act.
"""

from __future__ import annotations

from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from variegate.lineage import Trace
from variegate.report._looks import looks
from variegate.report._parts import caution_title
from variegate.report._reading import completed
from variegate.report._sentences import about_line, how_sure
from variegate.report._stage_table import stage_rows
from variegate.report._tables import words
from variegate.samples import clean_text

__all__ = ["terminal"]

# The nearest of the terminal's own colours to those of the page, so that its theme decides.
COLOURS = {"c0": "", "c1": "blue", "c2": "yellow", "c3": "green", "c4": "magenta", "c5": "cyan"}


def terminal(trace: Trace, *, page: str | Path | None = None) -> RenderableType:
    """Say a trace on one screen: what was traced, the answer, the stage table, the page's path.

    Args:
        trace: what `variegate.trace` returned.
        page: where the page was written, if it was.

    Returns:
        Something that rich prints.
    """
    trace = completed(trace)
    parts: list[RenderableType] = [
        words(f"{trace.name} · {' · '.join(about_line(trace))}", "dim"),
        Text(),
        *(words(sentence) for sentence in trace.headline),
    ]
    table = _stage_table(trace)
    if table.row_count:
        parts += [
            Text(),
            table,
            words(
                f"Change in % of {trace.stages[0].name}, mean of ratios. {how_sure(trace)}.", "dim"
            ),
        ]
    if trace.cautions:
        kinds = ", ".join(dict.fromkeys(caution_title(c.kind).lower() for c in trace.cautions))
        parts.append(words(f"Careful: {kinds}; the page says where and what it does.", "dim"))
    if page is not None:
        parts += [Text(), Text.assemble("Page: ", (clean_text(str(page)), "bold"))]
    return Padding(Group(*parts), (1, 0))


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
            words(row["stage"], COLOURS[row["colour"]]),
            words(change["value"], "bold" if change["told"] else ""),
            words(change["interval"]),
            words(row["drivers"]),
            words(row["kept"]),
        )
    return table
