"""What a front was made from, named by content, for the record of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from variegate.fronts._arms import Arms
from variegate.samples import Prompt, Samples

__all__ = ["sources_of"]

_KEY = ("task", "prompt_id")


def sources_of(arms: Arms, prompts: Sequence[Prompt]) -> dict[str, Any]:
    """Everything that makes the outputs what they are, for `run.json`."""
    methods = []
    for name in (method.name for method in arms.methods):
        method = arms.method(name)
        source = method.model if method.samples is None else method.samples
        methods.append(
            {
                "name": name,
                "source": _source(source),
                "format": method.format,
                "samples_per_prompt": method.samples_per_prompt or arms.samples_per_prompt,
                "settings": [
                    setting.model_dump(exclude={"method"}, exclude_defaults=True)
                    for setting in (method.settings(arms.sampling) if not method.samples else ())
                ],
            }
        )
    return {
        "front": arms.name,
        "prompts": [len(prompts), _hash_of(repr(list(prompts)))],
        "seed": arms.seed,
        "cost": arms.cost,
        "methods": methods,
    }


def _source(source: Any) -> str:
    if isinstance(source, Samples):
        return _hash_of(repr(source.frame.select("arm", *_KEY, "sample", "text").rows()))
    if isinstance(source, Path):
        return f"{source.name}@{_hash_of(source.read_bytes())}" if source.is_file() else source.name
    return f"{source.name}@{source.revision}"


def _hash_of(content: str | bytes) -> str:
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    return hashlib.sha256(data).hexdigest()[:16]
