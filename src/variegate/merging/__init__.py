"""Merging: checkpoints in, a checkpoint out, to buy back in the weights what training took.

The kernels take dicts of tensors by name and compute in float32, whatever the storage type; where
a weight of 1 or 0 asks for one of the inputs, they copy it bit for bit.

- `linear`, `slerp`, `task_arithmetic`: paths between models and sums of what training added.

torch is loaded with the first name that needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from variegate.merging._linear import linear, task_arithmetic
    from variegate.merging._slerp import slerp

_HOMES = {
    "_linear": ("linear", "task_arithmetic"),
    "_slerp": ("slerp",),
}

__all__ = [
    "linear",
    "slerp",
    "task_arithmetic",
]


def __getattr__(name: str) -> Any:
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from variegate.errors import MissingExtra

    try:
        return getattr(importlib.import_module(f"{__name__}.{home}"), name)
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "safetensors", "yaml"):
            raise
        raise MissingExtra("Merging", "torch") from error
