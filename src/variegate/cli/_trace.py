"""`variegate trace`: where the variety of a lineage went."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from variegate.cli._gate import FailIf, Gate, Tolerance, exit_code
from variegate.cli._output import Json, Progress, Quiet, print_json, print_screen, rows_of

if TYPE_CHECKING:
    from variegate.lineage import Trace

__all__ = ["run_trace", "trace"]


def trace(
    lineage: Path,
    *,
    out: Annotated[
        Path | None, Parameter(help="Run directory; runs/NAME of the lineage when left out.")
    ] = None,
    fail_if: FailIf = (),
    tolerance: Tolerance = 0.0,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Trace where the variety of a lineage of checkpoints went.

    LINEAGE is a TOML file that lists the stages: folders with checkpoints, or
    files with saved outputs. The samples, the scores and report.html land in
    the run directory; the same command again continues an interrupted run.

    --json prints schema_version, command, rows (the levels; the arm is the
    stage), headline, losses, retained, decomposition, formats, exact,
    cautions, settings, report.

        variegate trace LINEAGE.toml --out runs/mine
    """
    from variegate.lineage import Lineage
    from variegate.samples import safe_name

    gates = [Gate.parse(text) for text in fail_if]
    read = Lineage.read(lineage)
    folder = out if out is not None else Path("runs") / safe_name(read.name)
    result = run_trace(lineage, folder, verb="trace", json=json, quiet=quiet)
    failed = result.samples.frame.filter(result.samples.frame["finish"] == "error").height
    return exit_code(
        _rows(result),
        gates=gates,
        failed=failed,
        total=len(result.samples),
        tolerance=tolerance,
    )


def run_trace(lineage: Path, folder: Path, *, verb: str, json: bool, quiet: bool) -> Trace:
    """Trace into a run directory, write the page, print the answer."""
    from variegate.lineage import trace as trace_lineage
    from variegate.report import render, terminal
    from variegate.samples import write_atomically

    with Progress(quiet=quiet) as progress:
        result = trace_lineage(lineage, out=folder, progress=progress)
    page = write_atomically(folder / "report.html", render(result))
    if json:
        print_json(verb, rows=_rows(result), **_tables(result), report=str(page))
    else:
        print_screen(terminal(result, page=page))
    return result


def _rows(result: Trace) -> list[dict[str, Any]]:
    return rows_of(result.levels.rename({"stage": "arm"}))


def _tables(result: Trace) -> dict[str, Any]:
    """Everything of a trace but what the models said."""
    return {
        "headline": result.headline,
        "losses": result.losses.to_dicts(),
        "retained": result.retained.to_dicts(),
        "decomposition": result.decomposition.to_dicts(),
        "formats": result.formats.to_dicts(),
        "exact": result.exact.to_dicts(),
        "cautions": result.cautions,
        "settings": result.settings,
    }
