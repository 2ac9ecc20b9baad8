"""One checkpoint folder, read stretch by stretch; nothing is held."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch

from variegate.errors import CheckpointError
from variegate.merging._adapter import Adapter
from variegate.merging._places import layer_of, module_of
from variegate.models import checkpoint_files

__all__ = ["DTYPES", "Checkpoint", "Stored", "TensorFiles"]

DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
}  # fmt: skip
MARKER = re.compile(r"<[^\s<>]+>|\[[A-Z_/]+\]")


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a tensor lies."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    start: int  # bytes from the beginning of the file
    bytes: int

    @property
    def count(self) -> int:
        """Number of entries of a float tensor."""
        return self.bytes // DTYPES[self.dtype].itemsize


class TensorFiles:
    """Tensors in safetensors files whose headers were checked; a context manager."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files
        self.tensors: dict[str, Stored] = {}
        for file in files:
            for name, stored in _stored(file):
                if name in self.tensors:
                    raise CheckpointError(f"{name!r} lies in two files of {file.parent}.")
                self.tensors[name] = stored
        self._handles: dict[Path, int] = {}

    def __enter__(self) -> Self:
        for file in self.files:
            self._handles[file] = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles.values():
            os.close(handle)
        self._handles.clear()

    def read(self, name: str, start: int, into: memoryview) -> None:
        """Read the bytes of a tensor from a place on, as many as fit."""
        stored = self.tensors[name]
        done, place = 0, stored.start + start
        while done < len(into):
            part = os.preadv(self._handles[stored.file], [into[done:]], place + done)
            if part == 0:
                raise CheckpointError(
                    f"{stored.file} ends in the middle of {name!r}: it became shorter while it "
                    "was read."
                )
            done += part

    def add_adapter(self, name: str, start: int, values: torch.Tensor) -> None:
        """Add what an adapter, if there is one, adds to a stretch of a tensor."""

    def touched(self, _: str) -> bool:
        """Whether an adapter changes this tensor."""
        return False


class Checkpoint(TensorFiles):
    """The tensors, settings and tokens of a checkpoint folder.

    Raises:
        CheckpointError: no sound safetensors in the folder, see `checkpoint_files`.
    """

    def __init__(self, folder: str | Path, adapter: str | Path | None = None) -> None:
        self.folder = Path(folder)
        super().__init__(checkpoint_files(self.folder))
        self._holds_what_its_index_names()
        self.adapter = Adapter(adapter, self.tensors) if adapter else None

    def add_adapter(self, name: str, start: int, values: torch.Tensor) -> None:
        """Add what the adapter, if there is one, adds to a stretch of a tensor."""
        if self.adapter is not None:
            self.adapter.add(name, start, values)

    def touched(self, name: str) -> bool:
        """Whether an adapter changes this tensor."""
        return self.adapter is not None and name in self.adapter

    @cached_property
    def config(self) -> dict[str, Any]:
        """What config.json says."""
        return self.settings("config.json")

    def settings(self, file: str) -> dict[str, Any]:
        """A file of settings; empty where there is none."""
        path = self.folder / file
        if not path.is_file():
            return {}
        try:
            found = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise CheckpointError(f"{path} is no JSON.") from error
        if not isinstance(found, dict):
            raise CheckpointError(f"Expected an object in {path}.")
        return found

    @property
    def tied(self) -> bool:
        """Whether the head is the embedding."""
        return bool(self.config.get("tie_word_embeddings", False))

    @cached_property
    def embedding(self) -> str | None:
        """Name of the token embedding."""
        found = [n for n in self.tensors if re.search(r"(embed_tokens|wte|embed_in)\.weight$", n)]
        return found[0] if len(found) == 1 else None

    @cached_property
    def head(self) -> str | None:
        """Name of the head, where it is stored."""
        return next((n for n in self.tensors if module_of(n) == "head"), None)

    @cached_property
    def layers(self) -> int:
        """Number of layers."""
        return 1 + max((layer_of(name) or 0 for name in self.tensors), default=0)

    @cached_property
    def template(self) -> str:
        """The chat template; empty where there is none."""
        path = self.folder / "chat_template.jinja"
        if path.is_file():
            return path.read_text(encoding="utf-8", errors="replace")
        return str(self.settings("tokenizer_config.json").get("chat_template") or "")

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        """Tokens and their rows; empty where there is no tokenizer.json."""
        tokenizer = self.settings("tokenizer.json")
        model = tokenizer.get("model")
        words = model.get("vocab") if isinstance(model, Mapping) else None
        try:
            known = dict(words) if isinstance(words, Mapping) else {}
            if isinstance(words, list):  # unigram: pairs of a token and its score
                known = {pair[0]: place for place, pair in enumerate(words)}
            known |= {token: row for token, row in self._added(tokenizer)}
            sound = all(type(row) is int and row >= 0 for row in known.values())
        except (TypeError, KeyError, IndexError):
            sound = False
        if not sound:
            raise CheckpointError(
                f"{self.folder / 'tokenizer.json'} has no readable vocabulary.",
                hint="Copy or download the checkpoint again.",
            )
        return known

    @cached_property
    def added(self) -> frozenset[str]:
        """Tokens beside the words of the vocabulary, special ones among them."""
        return frozenset(token for token, _ in self._added(self.settings("tokenizer.json")))

    def _added(self, tokenizer: Mapping[str, Any]) -> list[tuple[str, int]]:
        return [(token["content"], token["id"]) for token in tokenizer.get("added_tokens") or []]

    @cached_property
    def markers(self) -> dict[str, int]:
        """Special tokens that this model was trained on, as far as its settings tell."""
        named = set(MARKER.findall(self.template))
        for token in ("bos_token", "eos_token"):
            value = self.settings("tokenizer_config.json").get(token)
            value = value.get("content") if isinstance(value, Mapping) else value
            named |= {value} if isinstance(value, str) else set()
        return {token: row for token, row in self.vocabulary.items() if token in named}

    def _holds_what_its_index_names(self) -> None:
        index = self.folder / "model.safetensors.index.json"
        if (self.files and self.files[0].name == "model.safetensors") or not index.is_file():
            return
        promised = self.settings(index.name).get("weight_map", {})
        for name, file in promised.items():
            if name not in self.tensors or self.tensors[name].file.name != file:
                raise CheckpointError(
                    f"{index} says that {name!r} lies in {file}, but it does not.",
                    hint="Copy or download the checkpoint again.",
                )


def _stored(file: Path) -> list[tuple[str, Stored]]:
    """The header once more: `checkpoint_files` has held it against the file."""
    with file.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        header = json.loads(handle.read(length))
    found = []
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            shape = tuple(entry["shape"])
            found.append(
                (name, Stored(file, entry["dtype"], shape, 8 + length + start, end - start))
            )
    return found
