"""The files of a checkpoint: which hold the weights, and a look at them before anything is read."""

from __future__ import annotations

import json
from pathlib import Path

from variegate.errors import CheckpointError
from variegate.models._safetensors import check_safetensors

__all__ = ["checkpoint_files"]

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
CONVERT = (
    "Convert it once, where you trust it: python -c \"import torch, safetensors.torch as s; "
    "s.save_file(torch.load('pytorch_model.bin', weights_only=True), 'model.safetensors')\""
)  # fmt: skip


def checkpoint_files(folder: str | Path, *, gguf_file: str | None = None) -> list[Path]:
    """Find the weight files of a checkpoint and look at them before anything is loaded.

    That is `model.safetensors`, or the files that `model.safetensors.index.json` names; every
    header is checked.

    Args:
        folder: in Hugging Face format.
        gguf_file: the file in it that holds the weights instead.

    Returns:
        The files, sorted; none of them lies outside of the folder.

    Raises:
        CheckpointError: no folder, no configuration, weights only as pickles, a file that is not
            there or lies outside of the folder, or a broken header.

    Example:
        >>> from variegate.models import checkpoint_files
        >>> checkpoint_files("no/such/folder")
        Traceback (most recent call last):
        ...
        variegate.errors.CheckpointError: Expected a folder with a checkpoint at no/such/folder...
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CheckpointError(
            f"Expected a folder with a checkpoint at {folder}, found none.",
            hint="Models are opened from a local folder; nothing is downloaded.",
        )
    if gguf_file is not None:
        path = _inside(folder, gguf_file)
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise CheckpointError(f"{gguf_file} in {folder} is no GGUF file.")
        return [path]
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"Expected config.json in {folder}, found none.")
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").is_file():
        files = [folder / "model.safetensors"]
    elif index.is_file():
        files = [_inside(folder, name) for name in _shards(index)]
    else:
        pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
        found = f"found {', '.join(pickles)}: pickles can run code" if pickles else "found none"
        raise CheckpointError(
            f"Expected weights as safetensors in {folder}, {found}.",
            hint=CONVERT if pickles else None,
        )
    for path in files:
        check_safetensors(path)
    return files


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if Path(name).name != name:
        raise CheckpointError(f"Expected a file in {folder}, got {name!r}.")
    if not path.is_file():
        raise CheckpointError(
            f"Expected the file {name!r} in {folder}, found none.",
            hint="Copy or download the checkpoint again.",
        )
    return path


def _shards(index: Path) -> list[str]:
    try:
        names = set(json.loads(index.read_bytes())["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{index} is no index of safetensors files.") from error
    if not names or not all(str(name).endswith(".safetensors") for name in names):
        raise CheckpointError(
            f"{index} names files that are no safetensors files.", hint="Pickles are refused."
        )
    return sorted(map(str, names))
