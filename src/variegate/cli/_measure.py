"""`variegate measure`: the variety of saved outputs, in seconds and without torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from variegate.cli._gate import FailIf, Gate, Tolerance, exit_code
from variegate.cli._output import Json, Quiet, print_json, print_screen, rows_of, say, warn
from variegate.cli._same import Same, by_meaning
from variegate.errors import UsageError

if TYPE_CHECKING:
    from variegate.metrics import Measurement
    from variegate.samples import Samples

__all__ = [
    "Drop",
    "Embedder",
    "K",
    "Metrics",
    "Seed",
    "measure",
    "metrics_in",
    "names_in",
    "read_arms",
]

Metrics = Annotated[
    str | None, Parameter(help="Names with commas between; `variegate metrics` lists them.")
]
Embedder = Annotated[
    str | None, Parameter(help="wordllama (default), or a sentence-transformers name or folder.")
]
Drop = Annotated[
    str | None,
    Parameter(
        help="Outputs that are not to count, with commas between: empty, filter (refused), "
        "length (cut). By default all count."
    ),
]
K = Annotated[int | None, Parameter(help="Outputs per prompt that the metrics at k count.")]
Seed = Annotated[int, Parameter(help="Of the bootstrap and of every subsample.")]


def measure(
    *files: str,
    metrics: Metrics = None,
    embedder: Embedder = None,
    k: K = None,
    drop: Drop = None,
    same: Same = None,
    seed: Seed = 0,
    by_task: Annotated[bool, Parameter(help="Every task, not only their mean.")] = False,
    report: Annotated[Path | None, Parameter(help="Write a page to this file.")] = None,
    fail_if: FailIf = (),
    tolerance: Tolerance = 0.0,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Measure the variety of saved outputs.

    FILES are JSONL, JSON, CSV or Parquet with one output a row, or one prompt
    a row with its completions; the kind is detected and named. Rows that name
    no arm become the arm of their file's name, so two files stand side by
    side. A Parquet file with features and no texts is measured by its features
    alone, as one set, without holding more than a chunk of it.

    Answers that a file names in a column 'answer' are counted as they stand,
    other outputs by their text: --same counts both by meaning.

    --json prints schema_version, command, rows (arm, task, metric, value, low,
    high, n_prompts, n_samples, note), settings, cautions, sources.

        variegate measure base.jsonl dpo.jsonl --metrics vendi,pairwise
    """
    from rich.text import Text

    from variegate.cli._features import hold_features, of_features
    from variegate.metrics import measure as measure_samples
    from variegate.report import measurement_table
    from variegate.samples import clean_text

    gates = [Gate.parse(text) for text in fail_if]
    if hold_features(files):
        if same is not None:
            raise UsageError(
                "A file of features has no answers to tell apart.", hint="Leave --same out."
            )
        result = of_features(files, metrics=metrics_in(metrics), report=report, seed=seed)
        return _show(result, files, gates, json=json, quiet=quiet)
    samples = read_arms(files, quiet=quiet or json)
    samples, how = by_meaning(samples, same, embedder=embedder, seed=seed)
    result = measure_samples(
        samples,
        metrics=metrics_in(metrics),
        embedder=embedder,
        k=k,
        drop=names_in(drop),
        seed=seed,
    )
    if how:
        result = replace(result, settings={**result.settings, "same": how})
        if not (quiet or json):
            say(how)
    rows = rows_of(result.frame)
    if json:
        print_json(
            "measure",
            rows=rows,
            settings=result.settings,
            cautions=result.cautions,
            sources=files,
        )
    else:
        tasks = dict.fromkeys(row["task"] for row in rows) if by_task else ["all"]
        for task in tasks:
            if by_task:
                print_screen(Text(clean_text(f"task: {task}")))
            print_screen(measurement_table(result, task=task))
        if not quiet:
            warn(result.cautions)
    if report is not None:
        _write_page(result, samples, report)
    failed = samples.frame.filter(samples.frame["finish"] == "error").height
    return exit_code(rows, gates=gates, failed=failed, total=len(samples), tolerance=tolerance)


def _show(
    result: Measurement, files: tuple[str, ...], gates: list[Gate], *, json: bool, quiet: bool
) -> int:
    from variegate.report import measurement_table

    rows = rows_of(result.frame)
    if json:
        print_json(
            "measure", rows=rows, settings=result.settings, cautions=result.cautions, sources=files
        )
    else:
        print_screen(measurement_table(result, task="default"))
        if not quiet:
            warn(result.cautions)
    return exit_code(rows, gates=gates, failed=0, total=1, tolerance=0.0)


def _write_page(result: Measurement, samples: Samples, path: Path) -> None:
    from variegate.report import render_measurement
    from variegate.samples import write_atomically

    name = ", ".join(samples.frame["arm"].unique(maintain_order=True))
    write_atomically(path, render_measurement(result, samples, name=name))


def read_arms(files: tuple[str, ...], *, quiet: bool) -> Samples:
    """Read every file, say what it was, and name arms after files where rows name none."""
    import polars as pl

    from variegate.samples import Samples, read

    if not files:
        raise UsageError(
            "Expected at least one file with outputs, got none.",
            hint="variegate measure outputs.jsonl",
        )
    parts = []
    for file in files:
        part = read(file)
        if not quiet:
            say(f"{file}: {part.detected or 'outputs'}, {len(part)} outputs")
        if part.frame["arm"].unique().to_list() == ["default"]:
            arm = Path(file).stem
            part = Samples(
                frame=part.frame.with_columns(pl.lit(arm).alias("arm")),
                source=part.source,
                detected=part.detected,
            )
        parts.append(part)
    if len(parts) == 1:
        return parts[0]
    _refuse_shared_arms(files, parts)
    return Samples.concat(parts)


def _refuse_shared_arms(files: tuple[str, ...], parts: list[Samples]) -> None:
    owner: dict[str, str] = {}
    for file, part in zip(files, parts, strict=True):
        for arm in part.frame["arm"].unique(maintain_order=True).to_list():
            if arm in owner:
                raise UsageError(
                    f"The arm {arm!r} comes from two files, {owner[arm]} and {file}.",
                    hint="Rename one of the files, or write the arm into a column 'arm'.",
                )
            owner[arm] = file


def metrics_in(words: str | None) -> list[str] | None:
    """Split `--metrics`; None where it was not given."""
    names = names_in(words)
    if words is not None and not names:
        raise UsageError(
            "Expected the names of metrics with commas between, got none.",
            hint="`variegate metrics` lists them; leave --metrics out for the usual ones.",
        )
    return names or None


def names_in(words: str | None) -> list[str]:
    """Split names with commas between, as in `--metrics` and `--drop`."""
    return [name.strip() for name in (words or "").split(",") if name.strip()]
