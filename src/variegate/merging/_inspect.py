"""What a checkpoint is, from its headers and settings; no weight is read."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from variegate.merging._checkpoint import Checkpoint
from variegate.merging._places import layer_of, module_of

__all__ = ["Inspection", "inspect_checkpoint"]

SETTINGS = ("bos_token_id", "eos_token_id", "pad_token_id", "temperature", "top_p", "top_k")


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a checkpoint is.

    Args:
        parameters: numbers in all tensors, a tied head once.
        bytes: of the tensors.
        layers: how many.
        vocabulary: rows of the embedding; None where no tensor looks like one.
        tied: whether the head is the embedding.
        dtypes: bytes by storage type.
        modules: parameters by kind of module.
        files: files of weights and their bytes.
        tensors: name, type, shape, layer, module and file of every tensor.
        special_tokens: tokens that the settings tell it was trained on, and their rows.
        template: whether it has a chat template.
        architecture: what config.json calls it.
        generation: what its generation settings say.
    """

    parameters: int
    bytes: int
    layers: int
    vocabulary: int | None
    tied: bool
    dtypes: dict[str, int]
    modules: dict[str, int]
    files: dict[str, int]
    tensors: tuple[dict[str, Any], ...]
    special_tokens: dict[str, int]
    template: bool
    architecture: str
    generation: dict[str, Any]


def inspect_checkpoint(folder: str | Path) -> Inspection:
    """Look at a checkpoint without reading its weights.

    Args:
        folder: in Hugging Face format, with safetensors.

    Returns:
        What it is.

    Raises:
        CheckpointError: no sound safetensors in the folder, see `models.checkpoint_files`.

    Example:
        >>> from variegate.lab import lab_lineage
        >>> found = inspect_checkpoint(lab_lineage().parent / "checkpoints" / "base")
        >>> found.layers, found.tied, list(found.dtypes)
        (4, True, ['F16'])
    """
    checkpoint = Checkpoint(folder)
    sizes: Counter[str] = Counter()
    dtypes: Counter[str] = Counter()
    tensors = []
    for name, stored in checkpoint.tensors.items():
        module = module_of(name)
        sizes[module] += math.prod(stored.shape)
        dtypes[stored.dtype] += stored.bytes
        tensors.append(
            {
                "name": name,
                "dtype": stored.dtype,
                "shape": list(stored.shape),
                "layer": layer_of(name),
                "module": module,
                "file": stored.file.name,
            }
        )
    embedding = checkpoint.tensors.get(checkpoint.embedding or "")
    architectures = checkpoint.config.get("architectures") or "unknown"
    if isinstance(architectures, list):
        architectures = ", ".join(map(str, architectures))
    generation = checkpoint.config | checkpoint.settings("generation_config.json")
    return Inspection(
        parameters=sum(sizes.values()),
        bytes=sum(dtypes.values()),
        layers=checkpoint.layers,
        vocabulary=embedding.shape[0] if embedding else None,
        tied=checkpoint.tied and checkpoint.head is None,
        dtypes=dict(dtypes.most_common()),
        modules=dict(sizes.most_common()),
        files={file.name: file.stat().st_size for file in checkpoint.files},
        tensors=tuple(tensors),
        special_tokens=dict(checkpoint.markers),
        template=bool(checkpoint.template),
        architecture=str(architectures),
        generation={key: generation[key] for key in SETTINGS if generation.get(key) is not None},
    )
