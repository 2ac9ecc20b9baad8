"""variegate: the variety of what a model says, measured, traced, repaired and proved.

>>> import variegate as vg
>>> samples = vg.Samples.from_rows(
...     {"prompt": "Name a fruit.", "text": text} for text in ["apple", "apple", "kiwi", "plum"]
... )
>>> len(samples)
4

Nothing heavy is loaded by the import: every name below is fetched on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from variegate.fronts import Front, front
    from variegate.lineage import Trace, trace
    from variegate.metrics import Comparison, Measurement, compare, measure
    from variegate.samples import Prompt, Samples, read

__version__ = "0.1.0"

__all__ = [
    "read",
    "Samples",
    "Prompt",
    "measure",
    "Measurement",
    "compare",
    "Comparison",
    "trace",
    "Trace",
    "front",
    "Front",
]

_HOMES = {
    "read": "samples",
    "Samples": "samples",
    "Prompt": "samples",
    "measure": "metrics",
    "Measurement": "metrics",
    "compare": "metrics",
    "Comparison": "metrics",
    "trace": "lineage",
    "Trace": "lineage",
    "front": "fronts",
    "Front": "fronts",
}
_ROOMS = frozenset(
    {
        "errors", "samples", "estimate", "divergences", "embedding", "judging", "metrics",
        "selection", "models", "decoding", "prompting", "choosing", "merging", "objectives",
        "lineage", "fronts", "lab", "report", "cli",
    }
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
