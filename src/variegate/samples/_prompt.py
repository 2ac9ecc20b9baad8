"""A prompt: what was asked, of which task, and how its answers are checked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from variegate.errors import DataError

__all__ = ["Prompt", "prompt_hash", "read_prompts"]


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


def read_prompts(path: str | Path) -> tuple[Prompt, ...]:
    """Read prompts from JSONL, a JSON array, CSV, TSV or Parquet.

    One row a prompt, with the fields of `Prompt`; the names that `read` understands for the prompt,
    its id and its task are understood here too. Other fields are left aside.

    Raises:
        DataError: no row, a row without a prompt, one prompt twice, or one id with two texts.

    Example:
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "prompts.jsonl"
        >>> _ = path.write_text('{"prompt": "2 + 2 = ?", "verifier": "exact", "target": "4"}')
        >>> read_prompts(path)[0].target
        '4'
    """
    from variegate.samples._prompt_rows import prompt_rows

    prompts: list[Prompt] = []
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    for place, row in prompt_rows(Path(path)):
        prompt = Prompt(**row)
        key = (prompt.task, prompt.prompt_id)
        if key in seen:
            earlier, text = seen[key]
            other = "the same" if text == prompt.prompt else "another"
            raise DataError(
                f"The prompt id {prompt.prompt_id!r} (task {prompt.task!r}) stands at {earlier} "
                f"and, with {other} text, at {place}.",
                hint="Remove one, or give them two ids.",
            )
        seen[key] = (place, prompt.prompt)
        prompts.append(prompt)
    if not prompts:
        raise DataError(f"{path}: no prompts in it.", hint='One a row: {"prompt": "..."}.')
    return tuple(prompts)
