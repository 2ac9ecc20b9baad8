"""Files that are there in full or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path

from variegate.errors import RunUnwritable

__all__ = ["remove_leftovers", "write_atomically"]

_LEFTOVER = re.compile(r"\.vgtmp-[0-9a-f]{12}")


def write_atomically(path: str | Path, data: bytes | str) -> Path:
    """Write a file so that a reader, or a kill at any moment, finds the old one or the new one.

    The bytes go to a temporary file beside it, are synced to disk, and take the name in one step.

    Raises:
        RunUnwritable: the disk is full or read-only; the old file is intact, nothing is left over.

    Example:
        >>> import tempfile
        >>> write_atomically(f"{tempfile.mkdtemp()}/note.txt", "kept").read_text()
        'kept'
    """
    path = Path(path)
    data = data.encode("utf-8") if isinstance(data, str) else data
    temporary = path.parent / f".vgtmp-{secrets.token_hex(6)}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_synced(temporary, data)
        os.replace(temporary, path)
    except OSError as error:
        raise RunUnwritable(
            f"Cannot write {path}: {error.strerror or error}.",
            hint="Free some space or make the folder writable, then run the same command again.",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return path


def remove_leftovers(folder: Path) -> int:
    """Remove temporary files that killed writers left in a folder and below; return how many."""
    count = 0
    for found in sorted(folder.rglob(".vgtmp-*")):
        if _LEFTOVER.fullmatch(found.name) and not found.is_symlink():
            with contextlib.suppress(OSError):
                found.unlink()
                count += 1
    return count


def _write_synced(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]  # a short write is not an error
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    # The file already has its name; where a folder cannot be synced (some file systems, Windows)
    # only a power cut could still lose it, and the write must not be reported as failed.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
