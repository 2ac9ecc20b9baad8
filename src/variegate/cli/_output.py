"""What leaves the command line: tables and JSON on stdout, words and progress on stderr.

Everything printed for people passes `_clean`, the one place where hostile text (escapes of the
terminal, bidirectional marks, rich markup) becomes harmless and keys from the environment go.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter

__all__ = [
    "COLUMNS",
    "JSON_SCHEMA_VERSION",
    "LOG",
    "Json",
    "Progress",
    "Quiet",
    "complain",
    "print_json",
    "print_screen",
    "print_table",
    "rows_of",
    "say",
    "show_traceback",
    "warn",
    "without_secrets",
]

JSON_SCHEMA_VERSION = 1
PIPE_WIDTH = 4000  # a pipe has no width: nothing is wrapped or cut there
COLUMNS = (
    "arm", "task", "metric", "value", "low", "high", "n_prompts", "n_samples", "note",
)  # fmt: skip

Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON object on stdout.")]
Quiet = Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="No progress.")]

_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """Take out logins in URLs, keys by their looks, and the values of secret variables."""
    from variegate.samples import redact

    held = [value for name, value in os.environ.items() if _SECRET_NAME.search(name)]
    # A short value would be found inside ordinary words.
    return str(redact(text, secrets=tuple(value for value in held if len(value) >= 8)))


def _clean(text: object) -> str:
    from variegate.samples import clean_text

    return clean_text(without_secrets(str(text)))


def complain(message: str, hint: str | None) -> None:
    """Say on stderr what went wrong, in one line, and in another what to do."""
    print(f"error: {_one_line(message)}", file=sys.stderr)
    if hint:
        print(f"hint: {_one_line(hint)}", file=sys.stderr)


def say(text: str) -> None:
    """Print one line for people on stderr."""
    print(_one_line(text), file=sys.stderr)


def _one_line(text: str) -> str:
    return " ".join(_clean(" ".join(text.split())).split())


class _Log(logging.Handler):
    """Say what the package logs like everything else: clean, and without a traceback."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f"careful: {record.getMessage()}")
        if record.exc_info and record.exc_info[1] is not None:
            show_traceback(record.exc_info[1])


LOG = _Log(level=logging.WARNING)


def show_traceback(error: BaseException) -> None:
    """Print a traceback, without locals (they may hold keys), where it was asked for."""
    if os.environ.get("VARIEGATE_TRACEBACK"):
        import traceback

        print(without_secrets("".join(traceback.format_exception(error))), file=sys.stderr)


def print_json(verb: str, **keys: Any) -> None:
    """Print the one object of `--json`; NaN and infinities become null.

    ASCII only: what a model wrote cannot steer a terminal through it.
    """
    payload = {"schema_version": JSON_SCHEMA_VERSION, "command": verb, **keys}
    text = json.dumps(_plain(payload), indent=1, allow_nan=False)
    print(without_secrets(text.replace("\x7f", "\\u007f")))


def rows_of(frame: Any) -> list[dict[str, Any]]:
    """Turn a long table into the rows of `--json`; a missing number always has a reason."""
    rows = []
    for row in frame.iter_rows(named=True):
        row = {name: _plain(row.get(name)) for name in COLUMNS}
        row["note"] = row["note"] or ""
        if row["value"] is None and not row["note"]:
            row["note"] = "could not be computed"
        rows.append(row)
    return rows


def _plain(value: Any) -> Any:
    """Reduce to what JSON knows."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):  # a numpy scalar
        return _plain(value.item())
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return str(value)


def warn(cautions: Iterable[Any]) -> None:
    """Say on stderr what must be known before the numbers are read."""
    for caution in cautions:
        say(f"careful: {caution.text}")


def print_table(headers: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print an aligned table on stdout; in a pipe at full width and without colour."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    for header in headers:
        table.add_column(Text(_clean(header), style="bold"), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_clean(cell)) for cell in row))
    if title:
        print_screen(Text(_clean(title)))
    print_screen(table)


def print_screen(screen: Any) -> None:
    """Print a table or text of `variegate.report` on stdout, as wide as the terminal."""
    from rich.console import Console

    if sys.stdout.isatty():
        Console(highlight=False).print(screen)
        return
    console = Console(width=PIPE_WIDTH, highlight=False)
    with console.capture() as captured:
        console.print(screen)
    # Trailing spaces, and the blank frame around a table, say nothing in a pipe.
    lines = [line.rstrip() for line in captured.get().splitlines()]
    print("\n".join(lines).strip("\n"))


class Progress:
    """How far a long verb is: a bar on a terminal, a line per tenth in a pipe, or nothing.

    Call it with what is done and what there is to do; rate and remaining time follow from the
    clock. Use it as a context manager, so that the terminal is left as it was found.

    Example:
        >>> with Progress(quiet=True) as progress:
        ...     progress(1, 2, "sampling")
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}
        self._started: dict[str, tuple[float, int]] = {}
        self._told: dict[str, int] = {}

    def __enter__(self) -> Progress:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __call__(self, done: int, total: int, what: str = "") -> None:
        """Tell that `done` of `total` steps of `what` are finished."""
        if self._quiet or total <= 0:
            return
        now = time.monotonic()
        # What a resumed run brought along says nothing about the speed of this one.
        began, first = self._started.setdefault(what, (now, done))
        rate = (done - first) / (now - began) if now > began else 0.0
        if self._bar is not None:
            if what not in self._tasks:
                self._tasks[what] = self._bar.add_task(_one_line(what), total=total, rate="")
            label = f"{rate:.1f}/s" if rate else ""
            self._bar.update(self._tasks[what], completed=done, total=total, rate=label)
            return
        tenth = 10 * done // total
        if tenth > self._told.get(what, -1):
            self._told[what] = tenth
            left = f", {rate:.1f}/s, {(total - done) / rate:.0f} s left" if rate else ""
            say(f"{what} {done}/{total} ({100 * done // total}%){left}")
