"""Everything that a merge will do, and all that stands against it, before a byte is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import torch

from variegate.errors import CheckpointError
from variegate.merging._checkpoint import DTYPES, Checkpoint, Stored
from variegate.merging._method import PIECE
from variegate.merging._places import module_of
from variegate.merging._sources import Passthrough, Sources

__all__ = ["Output", "Plan", "plan_merge"]

NAMES = {dtype: name for name, dtype in DTYPES.items()}
PROBLEMS_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One tensor of the result.

    Args:
        name: in the result.
        dtype: as safetensors calls it.
        shape: of the tensor.
        bytes: its size in the result.
        parts: its name in every model.
        copied: the model whose bytes it takes over; None where it is computed.
        rows: rows that come from one model alone, and which.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    parts: tuple[str, ...]
    copied: int | None
    rows: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a merge will write.

    Args:
        problems: what stands against it, in words; empty when it can be done.
        notes: what a reader should know: special tokens, tied heads, settings that differ.
        outputs: the tensors of the result, in order.
        bytes: of all of them.
        settings: the folder whose configuration and tokenizer the result gets.
        config: the configuration of the result.
        fingerprint: of the recipe and of the files it reads.
    """

    problems: tuple[str, ...]
    notes: tuple[str, ...]
    outputs: tuple[Output, ...]
    bytes: int
    settings: Path
    config: Mapping[str, Any]
    fingerprint: str

    def check(self) -> None:
        """Refuse a merge that has problems.

        Raises:
            CheckpointError: naming them.
        """
        if self.problems:
            more = len(self.problems) - PROBLEMS_SHOWN
            raise CheckpointError(
                f"Cannot merge, {len(self.problems)} "
                f"{'problem' if len(self.problems) == 1 else 'problems'}: "
                + "; ".join(self.problems[:PROBLEMS_SHOWN])
                + (f"; and {more} more." if more > 0 else "."),
                hint="Nothing was written. A dry run lists them all.",
            )


def plan_merge(sources: Sources) -> Plan:
    """Hold the sources of a merge against each other."""
    problems: list[str] = []
    notes = list(sources.recipe.notes)
    settings = sources.settings
    if isinstance(sources.method, Passthrough):
        outputs = list(_taken(sources, sources.method, problems))
    else:
        rows = dict(_rows(sources, notes))
        outputs = [
            _output(name, parts, sources, rows) for name, parts in _shared(sources, problems)
        ]
        problems += _tokens(sources, notes)
    config = _config(settings, sources, outputs, notes)
    notes += _settings_that_differ(sources, settings)
    return Plan(
        problems=tuple(problems),
        notes=tuple(dict.fromkeys(notes)),
        outputs=tuple(outputs),
        bytes=sum(output.bytes for output in outputs),
        settings=settings.folder,
        config=config,
        fingerprint=_fingerprint(sources, outputs),
    )


def _shared(sources: Sources, problems: list[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Names that all models have, with their name in each; a tied head is the embedding."""
    models = sources.models
    order = sorted(
        sources.settings.tensors.items(), key=lambda item: (item[1].file.name, item[1].start)
    )
    names = list(
        dict.fromkeys([name for name, _ in order] + [n for m in models for n in m.tensors])
    )
    for name in names:
        parts: list[str] = []
        for model in models:
            tied = module_of(name) == "head" and model.tied and model.embedding
            found = name if name in model.tensors else tied or None
            if found is None:
                problems.append(f"{name} is missing in {model.folder}")
            else:
                parts.append(found)
        for fisher in sources.beside:
            if name in fisher.tensors:
                parts.append(name)
            else:
                problems.append(f"{name} is missing in {fisher.files[0]}")
        if len(parts) < len(sources.all):
            continue
        stored = [one.tensors[part] for one, part in zip(sources.all, parts, strict=True)]
        if problem := _disagree(name, parts, stored, sources):
            problems.append(problem)
        else:
            yield name, tuple(parts)


def _taken_over(name: str, parts: Sequence[str], sources: Sources) -> int | None:
    """The model whose bytes a tensor takes over as they are; None where they are computed."""
    copied = sources.method.only(name)
    if copied is None:
        return None
    model, part = sources.models[copied], parts[copied]
    dtype = DTYPES.get(model.tensors[part].dtype)
    wanted = getattr(torch, sources.recipe.dtype) if sources.recipe.dtype else dtype
    as_it_is = wanted is dtype and not model.touched(part)
    return copied if dtype is None or as_it_is else None


def _disagree(
    name: str, parts: Sequence[str], stored: list[Stored], sources: Sources
) -> str | None:
    first, copied = stored[0], _taken_over(name, parts, sources)
    shapes = list(dict.fromkeys(one.shape for one in stored))
    if copied is not None and sources.models[copied].folder == sources.settings.folder:
        # A vocabulary that grew is no matter where it comes with its own settings.
        shapes = shapes[:1] if module_of(name) in ("embedding", "head") else shapes
    if len(shapes) > 1:
        what = "vocabulary" if module_of(name) in ("embedding", "head") else "shape"
        return f"{name} has another {what}: {' and '.join(map(str, shapes))}"
    models = stored[: len(sources.models)]
    floats = [one.dtype in DTYPES for one in models]
    if not all(floats) and (copied is None or floats[copied]):
        if any(floats):
            return f"{name} has other types: {' and '.join(sorted({s.dtype for s in models}))}"
        if first.dtype.startswith("F"):
            return f"{name} is stored as {first.dtype}, which is not merged: convert it first"
        if not _same_bytes(name, models, sources):
            return f"{name} holds {first.dtype} that differ"
    return None


def _same_bytes(name: str, stored: list[Stored], sources: Sources) -> bool:
    found = set()
    for model, one in zip(sources.models, stored, strict=True):
        buffer = bytearray(one.bytes)
        model.read(name, 0, memoryview(buffer))
        found.add((one.dtype, bytes(buffer)))
    return len(found) == 1


def _output(name: str, parts: tuple[str, ...], sources: Sources, rows: Mapping[str, Any]) -> Output:
    stored = [model.tensors[part] for model, part in zip(sources.models, parts, strict=False)]
    copied = _taken_over(name, parts, sources)
    if copied is not None or stored[0].dtype not in DTYPES:
        return _copy(name, parts, stored[copied or 0], copied or 0)
    dtype = reduce(torch.promote_types, [DTYPES[one.dtype] for one in stored])
    alone = sources.method.only(name)
    if alone is not None:
        dtype = DTYPES[stored[alone].dtype]
    dtype = getattr(torch, sources.recipe.dtype) if sources.recipe.dtype else dtype
    return Output(
        name=name,
        dtype=NAMES[dtype],
        shape=stored[0].shape,
        bytes=stored[0].count * dtype.itemsize,
        parts=parts,
        copied=None,
        rows=rows.get(name, ()) if copied is None else (),
    )


def _copy(name: str, parts: tuple[str, ...], stored: Stored, model: int) -> Output:
    return Output(
        name=name, dtype=stored.dtype, shape=stored.shape, bytes=stored.bytes,
        parts=parts, copied=model,
    )  # fmt: skip


def _taken(sources: Sources, method: Passthrough, problems: list[str]) -> Iterator[Output]:
    hidden = {tuple(m.tensors[m.embedding].shape[1:]) for m in sources.models if m.embedding}
    if len(hidden) > 1:
        problems.append(f"the models have other widths: {' and '.join(map(str, sorted(hidden)))}")
    for name, model, part in method.outputs():
        yield _copy(name, (part,) * len(sources.models), sources.models[model].tensors[part], model)


def _rows(sources: Sources, notes: list[str]) -> Iterator[tuple[str, tuple[tuple[int, int], ...]]]:
    """Rows of special tokens that only some models were trained on."""
    models = sources.models
    if sources.recipe.special_tokens != "post" or len(models) < 2:
        return
    trained = [model.markers for model in models]
    rows: dict[str, tuple[int, int]] = {}
    for place, marks in reversed(list(enumerate(trained))):
        for token, row in marks.items():
            if not all(
                token in other or not model.vocabulary
                for model, other in zip(models, trained, strict=True)
            ):
                rows.setdefault(token, (row, place))
    if not rows:
        return
    shown = ", ".join(sorted(rows)[:6]) + (" …" if len(rows) > 6 else "")
    notes.append(
        f"Rows of {len(rows)} special tokens come unmerged from the model that was trained on "
        f"them ({shown}); special_tokens: merge merges them too."
    )
    for name in {name for model in models for name in (model.embedding, model.head) if name}:
        # Not every model stores a head of its own.
        height = min(m.tensors[name].shape[0] for m in models if name in m.tensors)
        yield name, tuple(sorted(pair for pair in rows.values() if pair[0] < height))


def _tokens(sources: Sources, notes: list[str]) -> Iterator[str]:
    """Tokens that mean another row in another model, and rows that mean another token."""
    first, *others = sources.models
    names = {row: token for token, row in first.vocabulary.items()}
    for other in others:
        mine, theirs = first.folder / "tokenizer.json", other.folder / "tokenizer.json"
        if mine.is_file() != theirs.is_file():
            notes.append(f"Only one of {mine} and {theirs} is there: the tokens are not compared.")
            continue
        if not mine.is_file() or mine.read_bytes() == theirs.read_bytes():
            continue
        moved = [
            token
            for token, row in first.vocabulary.items()
            if other.vocabulary.get(token, row) != row
        ]
        if moved:
            yield (
                f"{len(moved)} tokens have another row in the vocabulary of {other.folder} "
                f"(first: {moved[0]!r})"
            )
        renamed = [
            (names[row], token)
            for token, row in other.vocabulary.items()
            if token not in first.vocabulary
            and names.get(row, token) not in other.vocabulary
            and row in names
        ]
        # A row held ready for a special token may get a name: the words of a language may not.
        words = [pair for pair in renamed if not first.added & set(pair) | other.added & set(pair)]
        if words:
            yield (
                f"{len(words)} rows are other words in the vocabulary of {other.folder} "
                f"(first: {words[0][0]!r} and {words[0][1]!r})"
            )
        elif renamed:
            notes.append(
                f"{len(renamed)} special tokens have other names in {other.folder} "
                f"(first: {renamed[0][0]!r} and {renamed[0][1]!r})."
            )


def _config(
    settings: Checkpoint, sources: Sources, outputs: list[Output], notes: list[str]
) -> dict[str, Any]:
    config = dict(settings.config)
    if settings.tied and any(module_of(output.name) == "head" for output in outputs):
        config["tie_word_embeddings"] = False
        notes.append(
            "The head comes from another model than the embedding: the result does not tie them."
            if isinstance(sources.method, Passthrough)
            else "Some models tie the head to the embedding, others do not: the result does not."
        )
    if isinstance(sources.method, Passthrough):
        before = config.get("num_hidden_layers")
        config["num_hidden_layers"] = len(sources.method.layers)
        kinds = config.get("layer_types")
        if isinstance(kinds, list) and len(kinds) == before:
            config["layer_types"] = [
                sources.models[model].config.get("layer_types", kinds)[layer]
                for model, layer in sources.method.layers
            ]
    types = {output.dtype for output in outputs if output.dtype in DTYPES}
    for key in ("dtype", "torch_dtype"):
        if key in config and len(types) == 1:
            config[key] = str(DTYPES[types.pop()]).removeprefix("torch.")
            break
    return config


def _settings_that_differ(sources: Sources, settings: Checkpoint) -> Iterator[str]:
    dtypes = sorted({s.dtype for m in sources.models for s in m.tensors.values()} & DTYPES.keys())
    if len(dtypes) > 1:
        yield f"The models are stored in several types ({', '.join(dtypes)}); sums are in float32."
    for model in sources.models:
        if model.folder == settings.folder:
            continue
        for file in ("config.json", "generation_config.json"):
            mine, theirs = settings.settings(file), model.settings(file)
            keys = sorted(
                key
                for key in mine.keys() | theirs.keys()
                if mine.get(key) != theirs.get(key) and key not in ("transformers_version", "dtype")
            )
            if keys:
                yield (
                    f"{file} of {model.folder} differs in {', '.join(keys[:6])}: the result has "
                    f"that of {settings.folder}."
                )
        if bool(model.template) != bool(settings.template):
            yield f"{model.folder} has no chat template, the result has that of {settings.folder}."


def _fingerprint(sources: Sources, outputs: list[Output]) -> str:
    files = [
        [str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns]
        for file in sources.files
    ]
    # The outputs too: rows of special tokens hang on tokenizers and templates.
    made = [astuple(output) for output in outputs]
    told = json.dumps([1, PIECE, sources.recipe.to_table(), files, made], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()
