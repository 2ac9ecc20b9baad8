"""Samples logs of lm-evaluation-harness: `samples_<task>_<time>.jsonl`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from variegate.samples._tables import Table

__all__ = ["gather", "is_sample"]


def is_sample(value: Any) -> bool:
    return False


def gather(values: Iterator[tuple[str, Any]], file: str) -> Table:
    raise NotImplementedError
