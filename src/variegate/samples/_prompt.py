"""A prompt: what was asked, of which task, and how its answers are checked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

__all__ = ["Prompt", "prompt_hash"]


def prompt_hash(prompt: str) -> str:
    """Name a prompt by its content: the first 16 hex digits of its SHA-256.

    Example:
        >>> prompt_hash("Name a fruit.")
        'ae53951fa695da1b'
    """
    return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One thing to ask.

    Args:
        prompt: the words of the user, before any template.
        task: the task it belongs to; results are averaged within a task first.
        prompt_id: its name; the content hash when left out.
        verifier: the name of the verifier that tells right from wrong, or None for open prompts.
        target: what the verifier needs to know (an answer, a list of answers, a pattern).
    """

    prompt: str
    task: str = "default"
    prompt_id: str = ""
    verifier: str | None = None
    target: Any = None

    def __post_init__(self) -> None:
        if not self.prompt_id:
            object.__setattr__(self, "prompt_id", prompt_hash(self.prompt))
