"""Run the races and print one table."""

from __future__ import annotations

import importlib
import os
import platform
import sys

import numpy as np

RACES = (
    "vendi",
    "vendi_full",
    "self_bleu",
    "pairs",
    "neighbours",
    "bootstrap",
    "measure",
    "decoding",
    "sampling",
    "endpoint",
    "merging",
    "sweep",
)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in RACES]
    if unknown:
        print(f"Unknown race {unknown[0]!r}. Known: {', '.join(RACES)}.", file=sys.stderr)
        return 2
    print(
        f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}; "
        f"{cores()} cores; medians of 5, ours and the peer's in turn\n"
    )
    print(f"{'race':<52}{'ours':>10}{'peer':>10}{'ratio':>8}  peer; note")
    for name in names or RACES:
        for row in importlib.import_module(f"bench.{name}").rows():
            peer = "" if row.peer_s is None else f"{row.peer_s * 1e3:.1f} ms"
            ratio = "" if row.peer_s is None else f"{row.peer_s / row.ours_s:.1f}×"
            about = "; ".join(filter(None, (row.peer, row.note)))
            print(
                f"{row.race:<52}{row.ours_s * 1e3:>7.1f} ms{peer:>10}{ratio:>8}  {about}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
