"""`variegate lab`: the small closed world, its checkpoints, and the training that made them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from variegate.cli._output import Json, Progress, Quiet, print_json, print_table, say

__all__ = ["lab"]

lab = App(name="lab", help="The small closed world: its checkpoints and their training.")


@lab.command(name="list")
def list_checkpoints(*, json: Json = False) -> int:
    """List the checkpoints that ship with the package.

    --json prints schema_version, command, lineage (path), checkpoints (name,
    parent, path, megabytes).

        variegate lab list
    """
    from variegate.lab import lab_lineage
    from variegate.lineage import Lineage

    path = Path(lab_lineage())
    checkpoints = []
    for stage in Lineage.read(path).order:
        weights = Path(stage.model) / "model.safetensors"
        checkpoints.append(
            {
                "name": stage.name,
                "parent": stage.parent,
                "path": str(stage.model),
                "megabytes": round(weights.stat().st_size / 1e6, 2),
            }
        )
    if json:
        print_json("lab list", lineage=str(path), checkpoints=checkpoints)
    else:
        print_table(
            ["checkpoint", "trained from", "MB", "folder"],
            [[c["name"], c["parent"] or "-", c["megabytes"], c["path"]] for c in checkpoints],
        )
    return 0


@lab.command
def train(
    *,
    out: Annotated[Path, Parameter(help="Folder for the checkpoints.")],
    seed: Annotated[int, Parameter(help="Everything random in the training.")] = 0,
    toy: Annotated[bool, Parameter(help="A few steps of tiny models: checks the loop.")] = False,
    quiet: Quiet = False,
) -> int:
    """Train all eight checkpoints again, from a seed.

    Real pretraining, SFT, DPO and GRPO; at most 20 minutes on two cores.

        variegate lab train --out checkpoints --seed 1
    """
    from variegate.lab import train as train_lab

    with Progress(quiet=quiet) as progress:
        lineage = train_lab(
            out,
            seed=seed,
            scale="toy" if toy else "full",
            progress=lambda stage, step, steps, _curve: progress(step, steps, stage),
        )
    if not quiet:
        say(f"variegate trace {lineage} traces them")
    print(lineage)
    return 0
