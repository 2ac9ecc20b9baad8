"""How it was made: settings without secrets, and the long table as a file to take along."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from variegate.samples import clean_text

__all__ = ["csv_link", "flat", "stage_sources", "without_stages"]

_SECRET = re.compile(
    r"(^|[_\-.])(api[_-]?key|key|secret|password|passwd|authorization|credentials?|bearer"
    r"|(access|auth|hf|api|session)[_-]?token|token)$",
    re.IGNORECASE,
)
_LOOKS_SECRET = re.compile(
    r"\b(sk|pk|rk)-[A-Za-z0-9_\-]{12,}|\bhf_[A-Za-z0-9]{12,}|\bgh[pousr]_[A-Za-z0-9]{20,}"
    r"|\bBearer\s+\S+|\bAKIA[A-Z0-9]{12,}",
)
_USERINFO = re.compile(r"(?<=://)[^/\s@]+@")
_HIDDEN = "(not shown)"
_LINK_LIMIT = 1_400_000  # Chromium refuses addresses beyond 2 MiB


def flat(settings: Mapping[str, Any], *, under: str = "") -> list[tuple[str, str]]:
    """Flatten settings to names and words; whatever could be a key is not shown.

    Settings are not meant to carry secrets; this is the second lock.

    Example:
        >>> flat({"seed": 0, "server": {"url": "https://me:pw@host/v1", "api_key": "sk-1"}})
        [('seed', '0'), ('server.url', 'https://host/v1'), ('server.api_key', '(not shown)')]
    """
    lines: list[tuple[str, str]] = []
    for name, value in settings.items():
        path = f"{under}.{name}" if under else str(name)
        if isinstance(value, Mapping):
            lines += flat(value, under=path)
        elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
            lines += flat({_called(item, i): item for i, item in enumerate(value)}, under=path)
        elif _SECRET.search(str(name)):
            lines.append((path, _HIDDEN))
        else:
            lines.append((clean_text(path), _plain(value)))
    return lines


def stage_sources(settings: Mapping[str, Any]) -> list[dict[str, str]]:
    """Make a row a stage: where it comes from and how it was asked."""
    models = settings.get("models") or {}
    table = []
    for stage in _stages(settings):
        model = models.get(stage["name"]) or {}
        own = _plain(stage.get("format"))
        also = [name for name in model.get("formats") or () if name != own]
        table.append(
            {
                "name": _plain(stage["name"]),
                "parent": _plain(stage["parent"]) if stage.get("parent") else "–",
                "format": own,
                "also": _plain(also) if also else "–",
                "source": _plain(stage.get("source")) if stage.get("source") else "–",
                "revision": _plain(model["revision"]) if model.get("revision") else "–",
            }
        )
    return table


def without_stages(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what `stage_sources` shows."""
    shown = ("stages", "models") if _stages(settings) else ()
    return {name: value for name, value in settings.items() if name not in shown}


def _stages(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    stages = settings.get("stages")
    listed = stages if isinstance(stages, list | tuple) else []
    return [stage for stage in listed if isinstance(stage, Mapping) and "name" in stage]


def _called(item: Any, position: int) -> str:
    return str(item.get("name", position)) if isinstance(item, Mapping) else str(position)


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_plain(item) for item in value) or "none"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return clean_text(_USERINFO.sub("", _LOOKS_SECRET.sub(_HIDDEN, text)))


def csv_link(frame: pl.DataFrame) -> str | None:
    """Write a table as a CSV `data:` address; None where it is too large for one.

    Text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(frame.columns)
    for row in frame.iter_rows():
        writer.writerow([_guarded(value) for value in row])
    body = base64.b64encode(buffer.getvalue().encode("utf-8", "replace")).decode("ascii")
    return f"data:text/csv;charset=utf-8;base64,{body}" if len(body) <= _LINK_LIMIT else None


def _guarded(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value
