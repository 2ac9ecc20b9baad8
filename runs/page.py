"""What the pages of results share: tables, what made them, and what a person wrote under them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from variegate.samples import versions, write_atomically


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    marks = "| --- " * len(header) + "|"
    return [f"| {' | '.join(header)} |", marks, *(f"| {' | '.join(row)} |" for row in rows), ""]


def made_with() -> str:
    return ", ".join(f"{name} {version}" for name, version in versions().items())


def write(lines: Sequence[str], out: Path | None) -> None:
    """Print a page, and keep it where a file is named."""
    print("\n".join(lines))
    if out is not None:
        keep(lines, out)


def keep(lines: Sequence[str], out: Path) -> None:
    """Write a page; the reading under the old one stays, for whoever ran this to read again."""
    text = "\n".join(lines).rstrip()
    before = out.read_text(encoding="utf-8") if out.exists() else ""
    _, mark, reading = before.partition("## Reading")
    if mark:
        text += f"\n\n{mark}{reading.rstrip()}"
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, text + "\n")
