"""Verdict: what a verifier says about one output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Verdict", "Verifier"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a verifier says about one output.

    Args:
        correct: right or wrong; None where it could not be told (then the output is unscored and
            counted, never taken for wrong).
        answer: the canonical answer, the same string for outputs that give the same answer; None
            where none was found.
        quality: how good it is, on the verifier's own scale; None where it has no opinion.
    """

    correct: bool | None = None
    answer: str | None = None
    quality: float | None = None


class Verifier(Protocol):
    """A function that tells right from wrong."""

    def __call__(self, text: str, target: Any, /) -> Verdict:
        """Judge one output against what its prompt asked for."""
        ...
