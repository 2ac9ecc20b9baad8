"""Look at a lineage before anything is paid for: what would be asked, and what is missing."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from variegate.errors import CheckpointError, DataError, MissingExtra
from variegate.lineage._lineage import Lineage
from variegate.models import checkpoint_files
from variegate.samples import Prompt, read_prompts

__all__ = ["LineageReport", "missing_files", "prompts_of", "refuse_checkpoints", "validate_lineage"]


@dataclass(frozen=True, kw_only=True)
class LineageReport:
    """What a lineage file asks for, found out without running it.

    Args:
        name: of the lineage.
        stages: name → where its outputs come from, root first.
        prompts: task → number of prompts.
        outputs: how many outputs would be drawn at the most, format arms included.
        missing: files that are named and not there.
        refused: checkpoints that are there and cannot be opened: why, and what to do.
        extras: the pip command for every optional dependency that is needed and not installed.
    """

    name: str
    stages: Mapping[str, str]
    prompts: Mapping[str, int]
    outputs: int
    missing: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    extras: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether `trace` could start."""
        return not self.missing and not self.refused and not self.extras


def validate_lineage(path: str | Path) -> LineageReport:
    """Check a lineage file without running it.

    Raises:
        DataError: the file does not describe a lineage, or its prompts cannot be read.

    Example:
        >>> from variegate.lab import lab_lineage
        >>> report = validate_lineage(lab_lineage())
        >>> report.ok, len(report.stages)
        (True, 8)
    """
    lineage = Lineage.read(path)
    missing = missing_files(lineage)
    named_prompts = isinstance(lineage.prompts, Path) and not lineage.prompts.is_file()
    prompts = () if named_prompts else prompts_of(lineage)
    asked = [stage for stage in lineage.order if stage.model is not None]
    arms = sum(_arms_at_most(stage.format, stage.parent, lineage.formats) for stage in asked)
    needs_torch = any(isinstance(stage.model, Path) for stage in asked)
    extras = []
    if needs_torch and not all(_installed(name) for name in ("torch", "transformers")):
        extras.append(MissingExtra("A model folder", "torch").hint or "")
    return LineageReport(
        name=lineage.name,
        stages={
            stage.name: f"{stage.model if stage.model is not None else stage.samples}"
            for stage in lineage.order
        },
        prompts=dict(Counter(prompt.task for prompt in prompts)),
        outputs=arms * len(prompts) * lineage.samples_per_prompt,
        missing=missing,
        refused=tuple((str(error), error.hint or "") for error in _refused(lineage)),
        extras=tuple(extras),
    )


def missing_files(lineage: Lineage) -> tuple[str, ...]:
    """Name every file and folder that the lineage speaks of and that is not there."""
    missing = []
    if isinstance(lineage.prompts, Path) and not lineage.prompts.is_file():
        missing.append(f"prompts: {lineage.prompts}")
    for stage in lineage.order:
        if isinstance(stage.model, Path) and not stage.model.is_dir():
            missing.append(f"model of {stage.name}: {stage.model}")
        if isinstance(stage.samples, Path) and not stage.samples.exists():
            missing.append(f"samples of {stage.name}: {stage.samples}")
    return tuple(missing)


def refuse_checkpoints(lineage: Lineage) -> None:
    """Look at every checkpoint of a lineage before the first one is asked.

    Raises:
        CheckpointError: weights that cannot or must not be loaded.
    """
    for error in _refused(lineage):
        raise error


def _refused(lineage: Lineage) -> Iterator[CheckpointError]:
    for stage in lineage.order:
        if isinstance(stage.model, Path) and stage.model.is_dir():
            try:
                checkpoint_files(stage.model, gguf_file=stage.gguf_file)
            except CheckpointError as error:
                yield error


def prompts_of(lineage: Lineage) -> tuple[Prompt, ...]:
    """Return the prompts of a lineage; none where only saved outputs are traced without a file.

    Raises:
        DataError: the file cannot be read, or holds no prompt.
    """
    if lineage.prompts is None:
        return ()
    prompts: tuple[Prompt, ...] = (
        read_prompts(lineage.prompts) if isinstance(lineage.prompts, Path) else lineage.prompts
    )
    if not prompts:
        raise DataError(f"Expected prompts in {lineage.prompts}, found none.")
    return prompts


def _arms_at_most(format: str | None, parent: str | None, formats: bool) -> int:
    if not formats or parent is None or format == "raw":
        return 1
    return 3 if format in (None, "chat") else 2


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
