"""The weight files of a checkpoint folder: which they are, looked at before anything is read."""

from __future__ import annotations

import json
from pathlib import Path

from variegate.errors import CheckpointError
from variegate.models._safetensors import check_safetensors

__all__ = ["file_inside", "weight_files"]

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
CONVERT = (
    "Convert it once, where you trust it: python -c \"import torch, safetensors.torch as s; "
    "s.save_file(torch.load('pytorch_model.bin', weights_only=True), 'model.safetensors')\""
)  # fmt: skip


def weight_files(folder: str | Path) -> list[Path]:
    """Find the safetensors files of a checkpoint and check every header.

    That is `model.safetensors`, or the files that `model.safetensors.index.json` names.

    Args:
        folder: in Hugging Face format.

    Returns:
        The files, sorted; none of them lies outside of the folder.

    Raises:
        CheckpointError: no weights, weights only as pickles, an index that names a file that is
            not there or lies elsewhere, or a broken header.

    Example:
        >>> from variegate.models import weight_files
        >>> weight_files("no/such/folder")
        Traceback (most recent call last):
        ...
        variegate.errors.CheckpointError: Expected weights as safetensors in no/such/folder...
    """
    folder = Path(folder)
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").is_file():
        files = [folder / "model.safetensors"]
    elif index.is_file():
        files = [file_inside(folder, name) for name in _shards(index)]
    else:
        pickles = sorted(path.name for path in folder.glob("*") if path.suffix in PICKLES)
        found = f"found {', '.join(pickles)}: pickles can run code" if pickles else "found none"
        raise CheckpointError(
            f"Expected weights as safetensors in {folder}, {found}.",
            hint=CONVERT if pickles else None,
        )
    for path in files:
        check_safetensors(path)
    return files


def file_inside(folder: Path, name: str) -> Path:
    """Give the path of a file of the folder.

    Raises:
        CheckpointError: it is not there, or the name leads elsewhere.
    """
    path = folder / name
    if Path(name).name != name or not path.is_file():
        raise CheckpointError(f"Expected a file in {folder}, got {name!r}.")
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
