"""Sharded safetensors, header first, so that nothing but the piece in hand is in memory."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from variegate.errors import RunUnwritable
from variegate.merging._plan import Output

__all__ = ["Shard", "shards_of", "unwritable"]

AHEAD = 2**25  # bytes written after which the disk is set to work while the next are computed


class Shard:
    """One file of the result, under another name until all of it is on disk.

    A context manager: leaving it well syncs the file and gives it its name, leaving it by an
    error removes it. `write` may be called from several threads.
    """

    def __init__(self, path: Path, outputs: Sequence[Output]) -> None:
        self.path, self.outputs = path, tuple(outputs)
        self.starts: dict[str, int] = {}
        header: dict[str, object] = {"__metadata__": {"format": "pt"}}
        place = 0
        for output in outputs:
            header[output.name] = {
                "dtype": output.dtype,
                "shape": output.shape,
                "data_offsets": [place, place + output.bytes],
            }
            self.starts[output.name] = place
            place += output.bytes
        raw = json.dumps(header, separators=(",", ":")).encode()
        raw += b" " * (-len(raw) % 8)
        self._head = len(raw).to_bytes(8, "little") + raw
        self._part = path.with_name(path.name + ".part")
        self._handle = -1
        self._waiting = 0
        self._syncing: threading.Thread | None = None
        self._failed: OSError | None = None
        self._turn = threading.Lock()

    def __enter__(self) -> Self:
        with unwritable(self.path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
            self._handle = os.open(self._part, flags, 0o666)
        try:
            with unwritable(self.path):
                self._put(memoryview(self._head), 0)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def write(self, name: str, start: int, data: memoryview) -> None:
        """Write bytes of a tensor from a place on."""
        with unwritable(self.path):
            self._put(data, len(self._head) + self.starts[name] + start)
        self._sync_ahead(len(data))

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        try:
            with unwritable(self.path):
                if self._syncing is not None:
                    self._syncing.join()
                try:
                    if kind is None:
                        if self._failed is not None:
                            raise self._failed
                        os.fsync(self._handle)
                finally:
                    os.close(self._handle)
                if kind is None:
                    os.replace(self._part, self.path)
                    sync_folder(self.path.parent)
        finally:
            with contextlib.suppress(OSError):
                self._part.unlink(missing_ok=True)

    def _sync_ahead(self, written: int) -> None:
        """Let the disk work beside the cores: what is left for the last sync is little."""
        with self._turn:
            self._waiting += written
            busy = self._syncing is not None and self._syncing.is_alive()
            if self._waiting < AHEAD or busy or not hasattr(os, "fdatasync"):
                return
            self._waiting = 0
            self._syncing = threading.Thread(target=self._sync)
            self._syncing.start()

    def _sync(self) -> None:
        try:
            os.fdatasync(self._handle)
        except OSError as error:  # told once by the system: kept until the file is left
            self._failed = error

    def _put(self, data: memoryview, place: int) -> None:
        done = 0
        while done < len(data):  # a short write is not an error
            done += os.pwrite(self._handle, data[done:], place + done)


def shards_of(outputs: Sequence[Output], limit: int) -> list[tuple[str, list[Output]]]:
    """Divide tensors over files of at most `limit` bytes each, in order."""
    groups: list[list[Output]] = [[]]
    size = 0
    for output in outputs:
        if groups[-1] and size + output.bytes > limit:
            groups.append([])
            size = 0
        groups[-1].append(output)
        size += output.bytes
    if len(groups) == 1:
        return [("model.safetensors", groups[0])]
    return [
        (f"model-{number:05d}-of-{len(groups):05d}.safetensors", group)
        for number, group in enumerate(groups, 1)
    ]


@contextlib.contextmanager
def unwritable(path: Path) -> Iterator[None]:
    """Say which file could not be written, and that nothing is lost."""
    try:
        yield
    except OSError as error:
        raise RunUnwritable(
            f"Cannot write {path}: {error.strerror or error}.",
            hint="Free some space or make the folder writable, then run the same command again: "
            "finished files are kept.",
        ) from error


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
