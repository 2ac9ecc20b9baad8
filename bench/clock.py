"""Timing: two ways of doing one thing, in turn, medians of at least five."""

from __future__ import annotations

import importlib
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

TURNS = 5


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    race: str
    peer: str
    ours_s: float
    peer_s: float | None
    note: str = ""


def race(
    name: str,
    ours: Callable[[], Any],
    peer: Callable[[], Any] | None = None,
    *,
    peer_name: str = "-",
    agree: Callable[[Any, Any], str] | None = None,
    turns: int = TURNS,
    once: bool = False,
) -> Row:
    """Run both in turn, so that a busy moment of the machine hits both.

    With `once`, for a peer that takes a minute: it runs a single time, and is compared with then.
    """
    mine, theirs = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        note = ""
        first = ours()  # warms caches
        if peer:
            start = time.perf_counter()
            other = peer()
            took = time.perf_counter() - start
            note = agree(first, other) if agree else ""
            if once:
                theirs, note = [took], "; ".join(filter(None, ("peer ran once", note)))
        for _ in range(turns):
            mine.append(seconds(ours))
            if peer and not once:
                theirs.append(seconds(peer))
    return Row(
        race=name,
        peer=peer_name,
        ours_s=statistics.median(mine),
        peer_s=statistics.median(theirs) if theirs else None,
        note=note,
    )


def package(name: str) -> Any:
    """A peer's module, or None where it is not installed: its races then run without it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError:
        return None


def seconds(work: Callable[[], Any]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def difference(ours: Any, theirs: Any) -> str:
    """How far two results are apart."""
    import numpy as np

    gap = float(np.max(np.abs(np.asarray(ours) - np.asarray(theirs))))
    return f"largest difference {gap:.1e}"
