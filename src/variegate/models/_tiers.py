"""Access tiers: what a backend gives, and so which methods can run on it."""

from __future__ import annotations

from typing import Literal, Protocol

from variegate.errors import UsageError

__all__ = ["EVERY_TIER", "TIERS", "Tier", "require"]

Tier = Literal["A", "B", "C", "D", "E", "F"]
"""One letter of `TIERS`."""

TIERS: dict[Tier, str] = {
    "A": "text of completions",
    "B": "log-probabilities of the chosen tokens and of up to 20 others",
    "C": "knobs: temperature, top-p, a seed, a bias on tokens",
    "D": "continuing a text that is already begun (prefill)",
    "E": "the whole distribution of the next token, step by step",
    "F": "two contexts or two models side by side, step by step",
}
"""What each tier gives. A backend has any set of them: one may continue a text without knobs."""

EVERY_TIER: frozenset[Tier] = frozenset(TIERS)


class _Accessible(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def tiers(self) -> frozenset[Tier]: ...


def require(model: _Accessible, tier: Tier, method: str) -> None:
    """Refuse a method that needs more than a model gives, before anything is drawn.

    Args:
        model: anything with `name` and `tiers`.
        tier: what the method needs.
        method: its name, for the message.

    Raises:
        UsageError: the model lacks the tier.

    Example:
        >>> from variegate.models import UniformModel, require
        >>> require(UniformModel(branching=2, length=3), "A", "verbalized sampling")
    """
    if tier in model.tiers:
        return
    has = ", ".join(sorted(model.tiers)) or "none"
    raise UsageError(
        f"{method} needs tier {tier} ({TIERS[tier]}); {model.name!r} gives {has}.",
        hint="Open the checkpoint with transformers_model, or choose a method of another tier.",
    )
