"""A front on one screen: the sentences, the table of methods, and where the page lies."""

from __future__ import annotations

from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from variegate.fronts import Front
from variegate.report._front_page import front_about, front_how_sure, front_looks, method_rows
from variegate.report._parts import caution_title
from variegate.report._tables import words
from variegate.report._terminal import COLOURS

__all__ = ["front_terminal"]


def front_terminal(front: Front, *, page: str | Path | None = None) -> RenderableType:
    """Say a front on one screen: what was compared, the answer, the methods, the page's path.

    Args:
        front: what `variegate.front` returned.
        page: where the page was written, if it was.

    Returns:
        Something that rich prints.

    Example:
        >>> from rich.console import Console
        >>> from variegate.fronts import front
        >>> from variegate.samples import Samples
        >>> said = Samples.from_rows(
        ...     {"arm": arm, "prompt_id": p, "text": text, "correct": True}
        ...     for arm, texts in [("plain", "aab"), ("varied", "abc")]
        ...     for p in "wxyz" for text in texts
        ... )
        >>> found = front(said, variety="gini_simpson", cost="calls")
        >>> console = Console(width=300)
        >>> with console.capture() as captured:
        ...     console.print(front_terminal(found))
        >>> "varied dominates plain" in captured.get()
        True
    """
    parts: list[RenderableType] = [
        words(f"{front.name} · {' · '.join(front_about(front))}", "dim"),
        Text(),
        *(words(sentence) for sentence in front.headline),
        Text(),
        _methods(front),
        words(
            f"{front.quality} across, {front.variety} upwards. Lead: beyond what the settings of "
            f"{front.baseline} and mixes of them reach, in % of the axes. {front_how_sure(front)}.",
            "dim",
        ),
    ]
    if front.refused.height:
        left = [f"{row['arm']}: {row['reason']}" for row in front.refused.to_dicts()]
        parts.append(words("Not compared: " + "; ".join(left) + ".", "dim"))
    if front.cautions:
        kinds = ", ".join(dict.fromkeys(caution_title(c.kind).lower() for c in front.cautions))
        parts.append(words(f"Careful: {kinds}; the page says where and what it does.", "dim"))
    if page is not None:
        parts += [Text(), Text.assemble("Page: ", words(page, "bold"))]
    return Padding(Group(*parts), (1, 0))


def _methods(front: Front) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for name in ("Method", "Setting"):
        table.add_column(name)
    for name in ("Quality", "Variety", "Lead"):
        table.add_column(name, justify="right", no_wrap=True)
        table.add_column("", style="dim", no_wrap=True)
    table.add_column("Reading")
    for row in method_rows(front, front_looks(front)):
        numbers = [
            words(row[name][part], "bold" if name == "lead" and row["told"] else "")
            for name in ("quality", "variety", "lead")
            for part in ("value", "interval")
        ]
        table.add_row(
            words(row["method"], COLOURS[row["colour"]]),
            words(row["label"] or "–"),
            *numbers,
            words(row["reading"]),
        )
    return table
