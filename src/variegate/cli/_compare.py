"""`variegate compare`: two sets of saved outputs, paired prompt by prompt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from variegate.cli._gate import FailIf, Gate, Tolerance, exit_code
from variegate.cli._measure import (
    Drop,
    Embedder,
    K,
    Metrics,
    Seed,
    metrics_in,
    names_in,
    read_arms,
)
from variegate.cli._output import Json, Quiet, print_json, print_screen, rows_of, say, warn
from variegate.cli._same import Same, by_meaning
from variegate.errors import NotComparable

if TYPE_CHECKING:
    from variegate.metrics import Comparison
    from variegate.samples import Samples

__all__ = ["compare"]

Match = Annotated[
    str | None,
    Parameter(help="Only outputs with a partner of about its: length, quality (comma-separated)."),
]
Caliper = Annotated[float, Parameter(help="Standard deviations partners may be apart.")]


def compare(
    a: str,
    b: str,
    *,
    metrics: Metrics = None,
    embedder: Embedder = None,
    k: K = None,
    drop: Drop = None,
    same: Same = None,
    match: Match = None,
    caliper: Caliper = 0.2,
    seed: Seed = 0,
    report: Annotated[Path | None, Parameter(help="Write a page to this file.")] = None,
    fail_if: FailIf = (),
    tolerance: Tolerance = 0.0,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Compare two sets of saved outputs, paired prompt by prompt.

    A and B are files as `variegate measure` reads them, one arm each. Both
    are measured on the prompts they share and at equal numbers of outputs;
    where that cannot be, the comparison is refused with the reason. The
    difference is B - A. A second table says how alike outputs are within each
    arm and between the two, and as how many models they count.

    A model that became terse, or good, may look less various for that alone:
    --match length, --match quality or --match length,quality compares only
    outputs that have a partner in the other arm, and says how many are left.
    --same counts answers by meaning, over both arms together.

    --json prints schema_version, command, rows (both arms, and the arm "B - A"
    with the paired differences), between (likeness within and between arms,
    arms "A", "B", "A × B" and "all arms"), sentences, settings, cautions, sources.

        variegate compare base.jsonl dpo.jsonl --fail-if 'vendi<0.9*base'
    """
    from variegate.metrics import compare as compare_samples
    from variegate.report import comparison_table, likeness_table

    gates = [Gate.parse(text) for text in fail_if]
    both = read_arms((a, b), quiet=quiet or json)
    both, how = by_meaning(both, same, embedder=embedder, seed=seed)
    first, second = _sides(both, a, b)
    result = compare_samples(
        first,
        second,
        metrics=metrics_in(metrics),
        embedder=embedder,
        k=k,
        drop=names_in(drop),
        match=names_in(match),  # type: ignore[arg-type]  # its names are checked there
        caliper=caliper,
        seed=seed,
    )
    if how:
        result = replace(result, settings={**result.settings, "same": how})
        if not (quiet or json):
            say(how)
    if json:
        print_json(
            "compare",
            rows=rows_of(result.frame),
            between=rows_of(result.between),
            sentences=result.sentences,
            settings=result.settings,
            cautions=result.cautions,
            sources=(a, b),
        )
    else:
        print_screen(comparison_table(result))
        if result.between.height:
            print_screen(likeness_table(result.between))
        if not quiet:
            warn(result.cautions)
    if report is not None:
        _write_page(result, both, report)
    failed = both.frame.filter(both.frame["finish"] == "error").height
    return exit_code(
        rows_of(result.measurement.frame),
        gates=gates,
        failed=failed,
        total=len(both),
        tolerance=tolerance,
    )


def _write_page(result: Comparison, both: Samples, path: Path) -> None:
    from variegate.report import render_measurement
    from variegate.samples import write_atomically

    name = " and ".join(result.settings["arms"])
    page = render_measurement(result.measurement, both, name=name, comparison=result)
    write_atomically(path, page)


def _sides(both: Samples, a: str, b: str) -> tuple[Samples, Samples]:
    arms = both.frame["arm"].unique(maintain_order=True).to_list()
    if len(arms) != 2:
        raise NotComparable(
            f"Expected one arm in each file, found {', '.join(arms)} in {a} and {b}.",
            hint="Keep the rows of one arm in each file, or use `variegate measure`.",
        )
    first, second = (type(both).from_frame(both.frame.filter(both.frame["arm"] == x)) for x in arms)
    return first, second
