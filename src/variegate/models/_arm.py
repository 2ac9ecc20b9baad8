"""Arm: a way of producing samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from variegate.errors import UsageError
from variegate.models._protocol import Format, Model, Sampling

__all__ = ["Arm"]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A way of producing samples: a model, asked in a format, with settings for the draw.

    Args:
        name: what the arm is called in every table.
        model: what speaks.
        format: how it is asked; one of the model's own `formats()`.
        sampling: the settings of a draw.

    Raises:
        UsageError: the model cannot be asked in this format.

    Example:
        >>> from variegate.models import Arm, UniformModel
        >>> arm = Arm(name="base", model=UniformModel(branching=4, length=3))
        >>> arm.settings()["sampling"]["temperature"]
        1.0
    """

    name: str
    model: Model
    format: Format = "raw"
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        known = self.model.formats()
        if self.format not in known:
            raise UsageError(
                f"Model {self.model.name!r} cannot be asked in the format {self.format!r}; "
                f"it knows {', '.join(known)}.",
                hint="A base model has no chat template: ask it raw.",
            )

    def settings(self) -> dict[str, Any]:
        """Everything that makes a draw of this arm what it is, for `run.json`."""
        return {
            "arm": self.name,
            "model": self.model.name,
            "revision": self.model.revision,
            "format": self.format,
            "sampling": self.sampling.settings(),
        }
