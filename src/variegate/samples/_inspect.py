"""Logs of inspect: one JSON document (.json) or a zip archive of them (.eval)."""

from __future__ import annotations

from typing import Any

from variegate.samples._tables import Table

__all__ = ["gather", "is_log", "may_be_log", "read_eval"]


def is_log(value: Any) -> bool:
    return False


def may_be_log(start: bytes) -> bool:
    return False


def gather(log: Any, name: str) -> Table:
    raise NotImplementedError


def read_eval(data: bytes, name: str) -> Table:
    raise NotImplementedError
