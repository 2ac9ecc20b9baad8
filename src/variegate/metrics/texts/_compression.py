"""Compression ratio: how much of a set of texts is repetition."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from typing import Literal

from variegate.errors import DataError, UsageError

__all__ = ["compression_ratio"]

_EMPTY = len(zlib.compress(b"", level=9))


def compression_ratio(texts: Sequence[str], *, compat: Literal["diversity"] | None = None) -> float:
    """Bytes of the joined texts over their bytes after zlib at level 9.

    The bytes that an empty stream takes are subtracted, so that short sets are not charged for
    the header.

    Args:
        texts: the set, joined by newlines in the order given.
        compat: ``"diversity"`` joins by spaces, compresses what is compressed once more, headers
            and all: the numbers of the source's package, which rounds them to three digits.

    Returns:
        About 1 (nothing repeats) upwards; higher is LESS various. Grows with the number of
        bytes, and sees repetition only within 32 kB: compare sets of equal bytes. NaN for a set
        without a byte.

    Raises:
        UsageError: another compat.

    Example:
        >>> repeated = compression_ratio(["the same words again and again"] * 10)
        >>> repeated > compression_ratio(["the same words again and again"])
        True

    Source: `Shaib 2024 <https://arxiv.org/abs/2403.00553>`_.
    """
    if wrong := [text for text in texts if not isinstance(text, str)]:
        raise DataError(f"Expected texts, got {wrong[0]!r:.60}.")
    if compat == "diversity":
        return _twice(" ".join(texts).encode("utf-8", "replace"))
    if compat is not None:
        raise UsageError(f"Expected compat of None or 'diversity', got {compat!r}.")
    joined = "\n".join(texts).encode("utf-8", "replace")
    if not joined:
        return float("nan")
    return len(joined) / (len(zlib.compress(joined, level=9)) - _EMPTY)


def _twice(joined: bytes) -> float:
    """Ratio as when a compressed file is written through a compressing one."""
    once = gzip.compress(joined)
    # The outer header also holds the name of the file, `compressed`, and the byte that ends it.
    return len(joined) / (len(gzip.compress(once)) + len(b"compressed\0"))
