"""`variegate metrics`: which metrics there are, what they count, and where they come from."""

from __future__ import annotations

from typing import Any

from variegate.cli._output import Json, print_json, print_table
from variegate.errors import UnknownName

__all__ = ["metrics"]

_FIELDS = (
    "name", "title", "summary", "level", "needs", "low", "high", "direction", "role",
    "n_dependence", "source", "url", "function",
)  # fmt: skip


def metrics(name: str | None = None, *, json: Json = False) -> int:
    """List the metrics, or say everything about one.

    --json prints schema_version, command, metrics (name, title, summary,
    level, needs, low, high, direction, role, n_dependence, source, url,
    function).

        variegate metrics vendi
    """
    from variegate.metrics import metric, metric_names

    known = list(metric_names())
    if name is not None and name not in known:
        raise UnknownName("metric", name, known)
    entries = [_entry(metric(one)) for one in ([name] if name else known)]
    if json:
        print_json("metrics", metrics=entries)
    elif name:
        print_table(["", name], [[key, _words(value)] for key, value in entries[0].items()])
    else:
        print_table(
            ["metric", "what it counts", "range", "more means", "needs", "source"],
            [
                [
                    entry["name"],
                    entry["title"],
                    _range(entry["low"], entry["high"]),
                    _more_means(entry),
                    _words(entry["needs"]),
                    entry["source"],
                ]
                for entry in entries
            ],
        )
    return 0


def _entry(metric: Any) -> dict[str, Any]:
    return {field: getattr(metric, field) for field in _FIELDS}


def _range(low: Any, high: Any) -> str:
    if low is None and high is None:
        return "any"
    if high is None:
        return f"from {_short(low)}"
    return f"{_short(low)} to {_short(high)}"


def _short(bound: Any) -> str:
    return f"{bound:.3g}" if isinstance(bound, int | float) else str(bound)


def _more_means(entry: dict[str, Any]) -> str:
    if entry["role"] == "variety":
        return "neither" if entry["direction"] == "neither" else f"{entry['direction']} varied"
    return "longer" if entry["role"] == "length" else "better"


def _words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    if isinstance(value, int | float):
        return f"{value:g}"
    return "-" if value is None else str(value)
