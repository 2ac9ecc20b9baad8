"""Cached: an embedder that keeps what it has embedded, by content."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from variegate.embedding._embedder import Embedder
from variegate.samples import write_frame

__all__ = ["Cached"]


class Cached(Embedder):
    """An embedder with a memory on disk.

    Vectors are found by the embedder's revision and the hash of the text, so a new model or a
    new text is never answered with an old vector. Each call that meets new texts adds one
    Parquet file, in full or not at all; a file that cannot be read is as good as absent, and
    its texts are embedded again.

    Args:
        embedder: the one that does the work.
        folder: where the vectors are kept; made when missing.

    Raises:
        RunUnwritable: when embedding; the folder cannot be written.

    Example:
        >>> import tempfile
        >>> from variegate.embedding import embedder
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     first = Cached(embedder(), folder).encode(["plum"])
        ...     again = Cached(embedder(), folder).encode(["plum"])
        >>> bool((first == again).all())
        True
    """

    def __init__(self, embedder: Embedder, folder: str | os.PathLike[str]) -> None:
        self._inner = embedder
        self._vectors = self._look_up
        self.name = embedder.name
        self.dim = embedder.dim
        self.revision = embedder.revision
        self.folder = Path(folder) / embedder.revision
        self._known: dict[str, NDArray[np.float32]] = {}
        for part in sorted(self.folder.glob("*.parquet")):
            self._known.update(_read(part, self.dim))

    def _look_up(self, texts: list[str]) -> NDArray[np.float32]:
        keys = [hashlib.sha256(t.encode("utf-8", "surrogatepass")).hexdigest() for t in texts]
        missing = {k: t for k, t in zip(keys, texts, strict=True) if k not in self._known}
        if missing:
            rows = self._inner.encode(list(missing.values()))
            self._write(list(missing), rows)
            self._known.update(zip(missing, rows, strict=True))
        return np.stack([self._known[key] for key in keys])

    def _write(self, keys: list[str], rows: NDArray[np.float32]) -> None:
        name = hashlib.sha256("".join(sorted(keys)).encode()).hexdigest()[:32]
        frame = pl.DataFrame({"key": keys, "vector": rows})
        write_frame(self.folder / f"{name}.parquet", frame)


def _read(part: Path, dim: int) -> dict[str, Any]:
    try:
        frame = pl.read_parquet(part)
        rows = frame["vector"].to_numpy()
        keys = frame["key"].to_list()
    except (OSError, pl.exceptions.PolarsError):
        return {}
    if rows.shape != (len(keys), dim) or not np.isfinite(rows).all():
        return {}
    return dict(zip(keys, rows, strict=True))
