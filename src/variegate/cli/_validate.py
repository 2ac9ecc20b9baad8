"""`variegate validate`: what a file is, and what it would cost, before anything is paid for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from variegate.cli._output import Json, print_json, print_table
from variegate.errors import DataError, UsageError

if TYPE_CHECKING:
    from variegate.samples import Prompt, Samples

__all__ = ["validate"]


def validate(file: Path, *, json: Json = False) -> int:
    """Say what a file is, check it, and estimate what it asks for.

    FILE is a LINEAGE.toml, a file of prompts, or saved outputs; which of them
    is found out. Nothing is sampled and nothing is written. Exit code 2 when
    the file cannot be used as it stands.

    --json prints schema_version, command, kind (lineage, outputs, prompts),
    ok, facts, problems (what, do).

        variegate validate LINEAGE.toml
    """
    if not file.exists():
        raise DataError(f"{file}: there is no such file.", hint="Check the path.")
    kind, facts, problems = _lineage(file) if file.suffix == ".toml" else _rows(file)
    if json:
        print_json(
            "validate",
            kind=kind,
            ok=not problems,
            facts=facts,
            problems=[{"what": what, "do": hint} for what, hint in problems],
        )
    else:
        shown = [[key, value] for key, value in {"kind": kind, **facts}.items()]
        print_table(["", str(file)], shown)
        if problems:
            print()
            print_table(["problem", "what to do"], problems)
    return 2 if problems else 0


_Findings = tuple[str, dict[str, Any], list[tuple[str, str]]]


def _lineage(file: Path) -> _Findings:
    from variegate.lineage import Lineage, validate_lineage
    from variegate.samples import read_prompts

    report = validate_lineage(file)
    lineage = Lineage.read(file)
    facts: dict[str, Any] = {
        "name": report.name,
        "stages": " → ".join(report.stages),
        "prompts": _counts(report.prompts) if report.prompts else "those of the saved outputs",
        "metric": lineage.metric,
    }
    if report.outputs:
        facts["outputs per prompt"] = lineage.samples_per_prompt
        facts["outputs at the most"] = report.outputs
        facts["tokens at the most"] = report.outputs * lineage.sampling.max_tokens
    problems = [(f"missing {thing}", "Check the path.") for thing in report.missing]
    problems += [(why, hint or "Save it again.") for why, hint in report.refused]
    problems += [("a package is not installed", command) for command in report.extras]
    problems += _unknown_metrics({lineage.metric, *(lineage.metrics or ())})
    if isinstance(lineage.prompts, Path) and lineage.prompts.is_file():
        problems += _unknown_verifiers(read_prompts(lineage.prompts))
    return "lineage", facts, problems


def _rows(file: Path) -> _Findings:
    """Read as outputs first; rows without an output may still be prompts."""
    from variegate.samples import read, read_prompts

    try:
        samples = read(file)
    except DataError as error:
        try:
            prompts = read_prompts(file)
        except DataError:
            raise error from None
        counts: dict[str, int] = {}
        for prompt in prompts:
            counts[prompt.task] = counts.get(prompt.task, 0) + 1
        checked = sum(prompt.verifier is not None for prompt in prompts)
        facts = {"prompts": _counts(counts), "with a verifier": f"{checked} of {len(prompts)}"}
        return "prompts", facts, _unknown_verifiers(prompts)
    return "outputs", _facts_of(samples), []


def _facts_of(samples: Samples) -> dict[str, Any]:
    frame = samples.frame
    sizes = frame.group_by("arm", "task", "prompt_id").len()["len"].to_list()
    finish = frame["finish"].value_counts(sort=True).drop_nulls()
    facts: dict[str, Any] = {
        "detected": samples.detected or "outputs",
        "arms": ", ".join(frame["arm"].unique(maintain_order=True).to_list()),
        "tasks": ", ".join(frame["task"].unique(maintain_order=True).to_list()),
        "prompts": frame.select("task", "prompt_id").n_unique(),
        "outputs": len(samples),
        "outputs per prompt": f"{min(sizes)} to {max(sizes)}",
        "empty": (frame["text"].str.strip_chars() == "").sum(),
        "judged right or wrong": frame["correct"].is_not_null().sum(),
        "with token log-probabilities": frame["token_logprobs"].is_not_null().sum(),
    }
    if finish.height:
        facts["finish"] = ", ".join(f"{row['finish']} {row['count']}" for row in finish.to_dicts())
    return facts


def _unknown_verifiers(prompts: Iterable[Prompt]) -> list[tuple[str, str]]:
    from variegate.judging import verifier

    return _refused(verifier, {prompt.verifier for prompt in prompts if prompt.verifier})


def _unknown_metrics(names: set[str]) -> list[tuple[str, str]]:
    from variegate.metrics import metric

    return _refused(metric, names)


def _refused(find: Callable[[str], object], names: set[str]) -> list[tuple[str, str]]:
    problems = []
    for name in sorted(names):
        try:
            find(name)
        except UsageError as error:
            problems.append((str(error), error.hint or ""))
    return problems


def _counts(counts: Any) -> str:
    total = sum(counts.values())
    return f"{total} ({', '.join(f'{task} {n}' for task, n in counts.items())})"
