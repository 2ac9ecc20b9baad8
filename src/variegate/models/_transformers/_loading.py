"""Opening a checkpoint that was looked at, and what it is called by its content."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from variegate.errors import CheckpointError, MissingExtra

__all__ = ["load", "revision_of_files", "revision_of_weights"]

WHOLE = 64 * 2**20  # files up to this are hashed in full
BLOCK, BLOCKS = 2**16, 256  # of larger ones, the start and this many blocks spread evenly


def load(
    folder: Path, *, gguf_file: str | None, dtype: torch.dtype, device: str
) -> tuple[Any, Any]:
    """Load model and tokenizer from a folder that was looked at; offline, no foreign code."""
    safe: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    if gguf_file is not None:
        _need_gguf()
        safe["gguf_file"] = gguf_file
    quiet = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, **safe
        )
    except Exception as error:  # whatever the library raises, the checkpoint is at fault
        raise CheckpointError(
            f"Cannot open the checkpoint in {folder}: {type(error).__name__}: {str(error)[:300]}",
            hint="A checkpoint that brings its own code is never run.",
        ) from error
    finally:
        logging.set_verbosity(quiet[0])
        if quiet[1]:
            logging.enable_progress_bar()
    return model.to(device), tokenizer


def _need_gguf() -> None:
    if not all(importlib.util.find_spec(name) for name in ("gguf", "accelerate")):
        raise MissingExtra("Opening a GGUF file", "gguf")


def revision_of_files(folder: Path, weights: Iterable[Path]) -> str:
    """Name a checkpoint by its content: 16 hex digits of a SHA-256.

    Over the names, sizes and bytes of the weights and of every small text file that the model or
    the tokenizer is made from. Weight files above 64 MiB enter with their size, their first
    block (which holds the header) and 256 blocks spread evenly: cheap, and two checkpoints of one
    training run differ in all of them.
    """
    digest = hashlib.sha256()
    small = [path for path in folder.iterdir() if path.suffix in (".json", ".txt", ".jinja")]
    for path in sorted({*weights, *small}):
        size = path.stat().st_size
        digest.update(f"{path.name}\0{size}\0".encode())
        with path.open("rb") as file:
            if size <= WHOLE:
                digest.update(file.read())
                continue
            for block in range(BLOCKS + 1):
                file.seek(block * (size - BLOCK) // BLOCKS)
                digest.update(file.read(BLOCK))
    return digest.hexdigest()[:16]


def revision_of_weights(model: Any) -> str:
    """Name a model in memory by its weights: 16 hex digits of a SHA-256."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
