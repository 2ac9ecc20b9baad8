"""A look at the header of a safetensors file before anything believes it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from variegate.errors import CheckpointError

__all__ = ["check_safetensors"]

# The format's own ceiling for a header; a length beyond it is a lie or an attack.
HEADER_LIMIT = 100_000_000
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


def check_safetensors(path: str | Path) -> dict[str, tuple[int, ...]]:
    """Read the header of a safetensors file and hold it against the size of the file.

    Nothing is allocated for the tensors: what a header declares is compared with what the file
    holds. Tensors must fill the data exactly, without holes and without overlaps.

    Args:
        path: the file.

    Returns:
        The shape of every tensor by its name.

    Raises:
        CheckpointError: no such file; a header that is too long, no JSON, or repeats a name; a
            dtype that the format does not know; offsets that overlap, leave holes, lie outside
            of the file, or do not fit the shape.

    Example:
        >>> import pathlib, tempfile
        >>> from variegate.models import check_safetensors
        >>> header = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "model.safetensors")
        ...     _ = file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
        ...     check_safetensors(file)
        {'w': (2,)}
    """
    path = Path(path)
    header, data = _header(path)
    spans: list[tuple[int, int, str]] = []
    shapes: dict[str, tuple[int, ...]] = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end, shape = _entry(path, name, entry)
        spans.append((start, end, name))
        shapes[name] = shape
    position = 0
    for start, end, name in sorted(spans):
        if start != position:
            what = "overlaps the one before" if start < position else "leaves a hole before it"
            raise _broken(path, f"tensor {name!r} at bytes {start} to {end} {what}")
        position = end
    if position != data:
        raise _broken(path, f"its tensors declare {position} bytes, the file holds {data}")
    return shapes


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """Read the header, and how many bytes of data follow it."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(HEADER_LIMIT, size - 8):
                raise _broken(path, f"a header of {length} bytes in a file of {size}")
            raw = file.read(length)
    except OSError as error:
        raise CheckpointError(f"Cannot read {path}: {error.strerror}.") from error
    try:
        header = json.loads(raw, object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError) as error:
        raise _broken(path, f"a header that cannot be read ({str(error)[:80]})") from error
    if not isinstance(header, dict):
        raise _broken(path, "a header that is no JSON object")
    return header, size - 8 - length


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name comes twice")
    return table


def _entry(path: Path, name: str, entry: Any) -> tuple[int, int, tuple[int, ...]]:
    try:
        bits, shape, (start, end) = BITS[entry["dtype"]], entry["shape"], entry["data_offsets"]
        fits = all(type(number) is int and number >= 0 for number in [*shape, start, end])
    except (KeyError, TypeError, ValueError) as error:
        raise _broken(path, f"tensor {name!r} has no readable entry") from error
    if not fits:
        raise _broken(path, f"tensor {name!r} has a shape or offsets that are no whole numbers")
    if (end - start) * 8 != math.prod(shape) * bits:
        raise _broken(
            path, f"tensor {name!r} of shape {shape} does not fit in bytes {start} to {end}"
        )
    return start, end, tuple(shape)


def _broken(path: Path, what: str) -> CheckpointError:
    return CheckpointError(
        f"{path} is no sound safetensors file: {what}.",
        hint="Copy or download the checkpoint again, or convert it again from its source.",
    )
