"""The lab's own lineage: where it lies, and how it is written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from variegate.lab.world import evaluation_prompts

if TYPE_CHECKING:
    from variegate.lab.training import Stage

__all__ = ["lab_lineage", "write_lineage"]

# Enough prompts for an interval worth having, few enough for a demo of under a minute.
PROMPTS_PER_TASK = 20

HEAD = """\
# The eight checkpoints of the lab, from one base. Written by `variegate lab train`.
name = "lab"
metric = "gini_simpson"
distance = "answer"
prompts = "prompts.jsonl"
samples_per_prompt = 16
seed = 0
exact = "variegate.lab:exact_metrics"
formats = true
embedder = "wordllama"

[sampling]
temperature = 1.0
max_tokens = 32
"""
STAGE = """
[[stages]]
name = "{name}"
{parent}model = "checkpoints/{name}"
kind = "{kind}"
branch = "{branch}"
format = "{format}"
"""


def lab_lineage() -> Path:
    """Return the path of the lineage that ships with the package.

    Example:
        >>> lab_lineage().name
        'LINEAGE.toml'
    """
    return Path(__file__).parent / "LINEAGE.toml"


def write_lineage(folder: Path, stages: Iterable[Stage]) -> Path:
    """Write ``LINEAGE.toml`` and ``prompts.jsonl`` for the checkpoints of a folder."""
    tables = "".join(
        STAGE.format(
            name=stage.name,
            parent=f'parent = "{stage.parent}"\n' if stage.parent else "",
            kind=stage.kind,
            branch=stage.branch,
            format="raw" if stage.template is None else "chat",
        )
        for stage in stages
    )
    rows = [
        {
            "prompt": prompt.prompt,
            "task": prompt.task,
            "prompt_id": prompt.prompt_id,
            "verifier": prompt.verifier,
            "target": prompt.target,
        }
        for prompt in evaluation_prompts(per_task=PROMPTS_PER_TASK)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "prompts.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    _replace(folder / "LINEAGE.toml", HEAD + tables)
    return folder / "LINEAGE.toml"


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)
