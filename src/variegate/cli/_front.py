"""`variegate front`: which ways of sampling are worth it, at equal cost and equal tuning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from variegate.cli._gate import FailIf, Gate, Tolerance, exit_code
from variegate.cli._output import Json, Progress, Quiet, print_json, print_screen, rows_of

if TYPE_CHECKING:
    from variegate.fronts import Front

__all__ = ["front"]


def front(
    arms: Path,
    *,
    out: Annotated[
        Path | None, Parameter(help="Run directory; runs/NAME of the arms when left out.")
    ] = None,
    cost: Annotated[
        Literal["tokens", "calls", "seconds"] | None, Parameter(help="What is held equal.")
    ] = None,
    budget: Annotated[
        float | None,
        Parameter(help="Of that, for every prompt; what the cheapest arm took when left out."),
    ] = None,
    baseline: Annotated[
        str | None, Parameter(help="The method the others are held against; the first.")
    ] = None,
    tries: Annotated[
        int | None, Parameter(help="Settings every method may be tried with; the smallest grid.")
    ] = None,
    fail_if: FailIf = (),
    tolerance: Tolerance = 0.0,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Put methods on the plane of quality and variety, at equal cost and equal tuning.

    ARMS is a TOML file that lists the methods, each a model with settings to
    be tried (lists are swept) or a file with saved outputs; or one file with
    saved outputs, whose arms are then the methods. Each method chooses its setting on one half
    of the prompts and is told on the other. The samples, the scores and
    front.html land in the run directory; the same command again continues.

    --json prints schema_version, command, rows (arm, task, metric, value, low,
    high, n_prompts, n_samples, note), headline, methods, points, knee,
    refused, cautions, settings, report.

        variegate front ARMS.toml --out runs/mine
    """
    from variegate.fronts import Arms
    from variegate.fronts import front as compare_at_equal_cost
    from variegate.report import front_terminal, render_front
    from variegate.samples import read, safe_name, write_atomically

    gates = [Gate.parse(text) for text in fail_if]
    source = Arms.read(arms) if arms.suffix.lower() == ".toml" else read(arms)
    name = source.name if isinstance(source, Arms) else arms.stem
    folder = out if out is not None else Path("runs") / safe_name(name)
    with Progress(quiet=quiet) as progress:
        result = compare_at_equal_cost(
            source,
            cost=cost,
            budget=budget,
            baseline=baseline,
            tries=tries,
            out=folder,
            progress=progress,
        )
    page = write_atomically(folder / "front.html", render_front(result))
    rows = rows_of(result.frame)
    if json:
        print_json("front", rows=rows, **_tables(result), report=str(page))
    else:
        print_screen(front_terminal(result, page=page))
    made = result.settings["outputs"]
    return exit_code(
        rows, gates=gates, failed=made["failed"], total=made["asked"], tolerance=tolerance
    )


def _tables(result: Front) -> dict[str, Any]:
    """Everything of a front but what the models said."""
    return {
        "headline": result.headline,
        "methods": result.methods.to_dicts(),
        "points": result.points.to_dicts(),
        "knee": result.knee,
        "refused": result.refused.to_dicts(),
        "cautions": result.cautions,
        "settings": result.settings,
    }
