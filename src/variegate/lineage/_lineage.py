"""Lineage: a tree of checkpoints, and how they are to be asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from variegate.models import Format, Sampling
from variegate.samples import did_you_mean, read_described

__all__ = ["Lineage", "Stage"]

_STRICT = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Stage(BaseModel):
    """One checkpoint of the tree, or what was saved of its outputs.

    Args:
        name: how it is called everywhere; one per stage.
        parent: the stage it was trained from; none for the root.
        model: a folder in Hugging Face format, or anything that keeps the `Model` protocol.
        samples: saved outputs instead of a model: a file that `read` understands, or Samples.
            Of a file with several arms, the arm of the stage's name is taken.
        gguf_file: the file inside the folder, where the weights are GGUF.
        kind: ``base``, ``sft``, ``dpo``, ``rl`` or free text.
        branch: the line it is drawn on; by default the parent's line, or its own where the tree
            forks.
        format: how it is asked; by default ``chat`` where the model has a template and is not the
            root, else ``raw``.
    """

    model_config = _STRICT

    name: str = Field(min_length=1)
    parent: str | None = None
    model: Any = None
    samples: Any = None
    gguf_file: str | None = None
    kind: str = ""
    branch: str = ""
    format: Format | None = None

    @field_validator("model", "samples")
    @classmethod
    def _resolve(cls, value: Any, info: ValidationInfo) -> Any:
        return _resolved(value, info)

    @model_validator(mode="after")
    def _one_source(self) -> Stage:
        if (self.model is None) == (self.samples is None):
            found = "neither" if self.model is None else "both"
            raise PydanticCustomError(
                "described", "expected either 'model' or 'samples', found {found}", {"found": found}
            )
        return self


class Lineage(BaseModel):
    """A tree of stages with one root, and how they are to be asked.

    Read it from a TOML file with `Lineage.read`; paths in the file are relative to the file. It
    can also be written in Python, where `model` and `samples` of a stage may be objects; there a
    mistake is a ``pydantic.ValidationError``.

    Args:
        name: of the lineage.
        stages: in any order, as long as every parent is among them.
        prompts: a file of prompts, or a tuple of `Prompt`; may be left out when every stage
            brings saved outputs.
        metric: what the headline, the losses and the page lead with.
        metrics: what is measured besides; the default set when left out.
        distance: of two answers in the decomposition: ``embedding`` (1 − cosine) or ``answer``
            (0 where the canonical answers are equal, else 1).
        samples_per_prompt: draws per prompt and stage.
        seed: of the sampling, the subsampling and the resampling.
        exact: ``"module:attribute"`` of a function that knows the true values in a closed world.
        formats: also ask every tuned stage raw and with an empty reasoning block.
        embedder: name of the embedder.
        sampling: the settings of every draw, the same for all stages.

    Example:
        >>> from variegate.lineage import Lineage
        >>> from variegate.samples import Samples
        >>> said = Samples.from_rows([{"prompt": "Name a fruit.", "text": "kiwi"}])
        >>> lineage = Lineage(name="small", stages=[
        ...     {"name": "base", "samples": said},
        ...     {"name": "sft", "parent": "base", "samples": said},
        ...     {"name": "dpo", "parent": "sft", "samples": said},
        ... ])
        >>> lineage.path_to("dpo")
        ('base', 'sft', 'dpo')
    """

    model_config = _STRICT

    name: str = "lineage"
    stages: tuple[Stage, ...] = Field(min_length=1)
    prompts: Any = None
    metric: str = "pairwise"
    metrics: tuple[str, ...] | None = None
    distance: Literal["embedding", "answer"] = "embedding"
    samples_per_prompt: int = Field(default=16, ge=2)
    seed: int = Field(default=0, ge=0)
    exact: str | None = Field(default=None, pattern=r"^[\w.]+:\w+$")
    formats: bool = True
    embedder: str | None = None
    sampling: Sampling = Sampling()

    @field_validator("prompts")
    @classmethod
    def _resolve(cls, value: Any, info: ValidationInfo) -> Any:
        return tuple(value) if isinstance(value, list) else _resolved(value, info)

    @model_validator(mode="after")
    def _is_a_tree(self) -> Lineage:
        parents: dict[str, str | None] = {}
        for index, stage in enumerate(self.stages):
            if stage.name in parents:
                raise _at(index, "name", f"two stages are named {stage.name!r}")
            parents[stage.name] = stage.parent
        roots = [(i, s.name) for i, s in enumerate(self.stages) if s.parent is None]
        for index, stage in enumerate(self.stages):
            if stage.parent is not None and stage.parent not in parents:
                raise _at(
                    index,
                    "parent",
                    f"no stage is named {stage.parent!r}" + did_you_mean(stage.parent, parents),
                )
        if len(roots) > 1:
            names = " and ".join(repr(name) for _, name in roots)
            raise _at(
                roots[1][0], "name", f"expected one root (a stage without parent), found {names}"
            )
        for index, stage in enumerate(self.stages):
            seen, at = [stage.name], stage.parent
            while at is not None:
                if at in seen:
                    circle = " → ".join([*seen[seen.index(at) :], at])
                    raise _at(index, "parent", f"the parents go in a circle: {circle}")
                seen.append(at)
                at = parents[at]
        if self.prompts is None and any(stage.model is not None for stage in self.stages):
            raise PydanticCustomError(
                "described", "expected 'prompts', since a stage has a model to ask"
            )
        return self

    @property
    def root(self) -> Stage:
        """The stage that everything else was trained from."""
        return next(stage for stage in self.stages if stage.parent is None)

    @property
    def order(self) -> tuple[Stage, ...]:
        """The stages from the root outwards, line by line, each after its parent."""

        def below(stage: Stage) -> Iterator[Stage]:
            yield stage
            for child in self.children(stage.name):
                yield from below(child)

        return tuple(below(self.root))

    @property
    def branches(self) -> dict[str, tuple[str, ...]]:
        """The names of the stages on every line, in the order they are drawn."""
        lines: dict[str, list[str]] = {}
        for stage in self.order:
            lines.setdefault(self.branch_of(stage), []).append(stage.name)
        return {branch: tuple(names) for branch, names in lines.items()}

    def stage(self, name: str) -> Stage:
        """Return the stage of this name."""
        return next(stage for stage in self.stages if stage.name == name)

    def children(self, name: str) -> tuple[Stage, ...]:
        """Return the stages trained from this one, in the order of the file."""
        return tuple(stage for stage in self.stages if stage.parent == name)

    def branch_of(self, stage: Stage) -> str:
        """Return the line a stage is drawn on."""
        if stage.branch:
            return stage.branch
        if stage.parent is None:
            return "base"
        parent = self.stage(stage.parent)
        if parent.parent is None or len(self.children(parent.name)) > 1:
            return stage.name
        return self.branch_of(parent)

    def path_to(self, name: str) -> tuple[str, ...]:
        """Return the names from the root to this stage, both included."""
        stage = self.stage(name)
        return (*(self.path_to(stage.parent) if stage.parent else ()), name)

    @classmethod
    def read(cls, path: str | Path) -> Lineage:
        """Read a lineage from a TOML file.

        Raises:
            DataError: the file is not there, is not TOML, or does not describe a tree of stages;
                the message names the line and the key.
        """
        return read_described(path, cls, example="LINEAGE.toml")


def _resolved(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, str | Path):
        return value
    folder = (info.context or {}).get("folder", Path())
    return Path(folder) / Path(value).expanduser()


def _at(index: int, key: str, words: str) -> PydanticCustomError:
    return PydanticCustomError(
        "described", "{words}", {"words": words, "keys": ("stages", index, key)}
    )
