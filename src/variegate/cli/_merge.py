"""`variegate merge`: checkpoints in, a checkpoint out; how two differ, and what one is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter, validators

from variegate.cli._heat_map import heat_map
from variegate.cli._merge_restore import restore
from variegate.cli._merge_sweep import sweep
from variegate.cli._output import Json, Progress, Quiet, print_json, print_table, say

__all__ = ["merge"]

merge = App(name="merge", help="Merge checkpoints, search among merges, compare two.")
merge.command(restore)
merge.command(sweep)


@merge.default
def run(
    recipe: Path,
    *,
    out: Annotated[
        Path | None, Parameter(help="Folder of the result; runs/NAME of the recipe when left out.")
    ] = None,
    dry_run: Annotated[bool, Parameter(help="List what stands against it; write nothing.")] = False,
    shard_gigabytes: Annotated[
        float, Parameter(help="Largest file of weights.", validator=validators.Number(gt=0, lt=1e9))
    ] = 5.0,
    threads: Annotated[int, Parameter(help="That merge side by side.")] = 2,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Merge checkpoints as a recipe says.

    RECIPE is a YAML file, ours or mergekit's. Any size: files are read and
    written piece by piece. Nothing stands under the name of the result until
    all of it is on disk; the same command again continues a killed merge. The
    recipe is saved beside the result. --dry-run exits with 2 when something
    stands against the merge.

    --json prints schema_version, command, out, method, tensors, bytes,
    problems, notes.

        variegate merge half.yaml --out runs/half
    """
    from variegate.merging import Recipe
    from variegate.merging import merge as merge_checkpoints
    from variegate.samples import safe_name

    read = Recipe.read(recipe)
    folder = out if out is not None else Path("runs") / safe_name(recipe.stem)
    with Progress(quiet=quiet or dry_run) as progress:
        plan = merge_checkpoints(
            read,
            folder,
            dry_run=dry_run,
            shard_bytes=round(shard_gigabytes * 1e9),
            threads=threads,
            progress=lambda done, total, file: progress(done // 10**6, total // 10**6, file),
        )
    if json:
        print_json(
            "merge", out=str(folder), method=read.method, tensors=len(plan.outputs),
            bytes=plan.bytes, problems=list(plan.problems), notes=list(plan.notes),
        )  # fmt: skip
    else:
        for note in plan.notes:
            say(note)
        for problem in plan.problems:
            say(f"in the way: {problem}")
        if dry_run:
            print(f"{len(plan.outputs)} tensors, {plan.bytes / 1e9:.3f} GB, nothing written")
        else:
            print(folder)
    return 2 if plan.problems else 0


@merge.command
def diff(
    a: Path,
    b: Path,
    *,
    base: Annotated[
        Path | None, Parameter(help="What A was trained from: adds cosine and sign agreement.")
    ] = None,
    out: Annotated[Path | None, Parameter(help="File for the heat map, as SVG.")] = None,
    json: Json = False,
) -> int:
    """Compare two checkpoints layer by layer: how far B moved from A.

    For every module of every layer: norm of B - A relative to A, effective
    rank of B - A; with --base also the cosine of B - A with A - BASE and the
    share of entries that moved the same way in both steps.

    --json prints schema_version, command, layers (layer, module,
    relative_norm, effective_rank, sign_agreement, cosine), cautions.

        variegate merge diff base sft --out change.svg
    """
    # The arithmetic is that of `variegate trace`.
    from variegate.lineage import layer_changes
    from variegate.samples import write_atomically

    changes, left_out = layer_changes(b, a, base)
    rows = changes.to_dicts()
    if out is not None:
        write_atomically(out, heat_map(rows, title=f"{b.name} against {a.name}"))
    if json:
        print_json("merge diff", layers=rows, cautions=[text for _, _, text in left_out])
        return 0
    for _, _, text in left_out:
        say(f"careful: {text}")
    columns = ["relative_norm", "effective_rank", *(["cosine", "sign_agreement"] if base else [])]
    print_table(
        ["layer", "module", *(column.replace("_", " ") for column in columns)],
        [[_layer(row), row["module"], *(_number(row[column]) for column in columns)]
         for row in rows],
    )  # fmt: skip
    return 0


@merge.command
def inspect(checkpoint: Path, *, json: Json = False) -> int:
    """Say what a checkpoint is, from its headers; no weight is read.

    --json prints schema_version, command and every field, with all tensors.

        variegate merge inspect checkpoints/base
    """
    from variegate.merging import inspect_checkpoint

    found = inspect_checkpoint(checkpoint)
    told: dict[str, Any] = {
        name: getattr(found, name) for name in found.__dataclass_fields__
    }  # fmt: skip
    if json:
        print_json("merge inspect", **told)
        return 0
    told["tensors"] = len(found.tensors)
    told["parameters"] = f"{found.parameters:,}"
    told["bytes"] = f"{found.bytes:,}"
    print_table(["what", "value"], [[name.replace("_", " "), _said(v)] for name, v in told.items()])
    return 0


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items()) or "none"
    return "unknown" if value is None else str(value)


def _layer(row: Mapping[str, Any]) -> str:
    return str(row["layer"]) if row["layer"] >= 0 else "-"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
