"""`variegate demo`: trace the eight small checkpoints that ship with the package."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from variegate.cli._output import Json, Quiet
from variegate.cli._trace import run_trace

__all__ = ["demo"]


def demo(
    *,
    out: Annotated[Path, Parameter(help="Run directory.")] = Path("runs/demo"),
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Trace the eight small checkpoints of the lab and write the page.

    Needs no network and no GPU, about a minute on two cores. The same command
    again reuses what is there.

    --json prints what `variegate trace --json` prints.

        variegate demo --out runs/demo
    """
    from variegate.lab import lab_lineage

    # Matrices this small gain nothing from a second thread, and lose a factor of ten when
    # another process holds the core that it waits for (measured: 32 s against 400 s).
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    run_trace(Path(lab_lineage()), out, verb="demo", json=json, quiet=quiet)
    return 0
