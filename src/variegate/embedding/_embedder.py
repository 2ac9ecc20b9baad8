"""Embedder: a name, a width, a revision, and a way from texts to unit vectors."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, UsageError

__all__ = ["Embedder", "Encoder", "embedder"]

Floats = NDArray[np.float32]

# Told apart by any embedder worth the name; their vectors are the fingerprint of one.
_PROBES = ["The cat sat on the mat.", "Seven", "Überraschung, ein Gewitter zieht auf!"]


@runtime_checkable
class Encoder(Protocol):
    """Anything that turns n texts into n vectors."""

    def encode(self, texts: list[str], /) -> Any:
        """Return an (n, d) array of numbers."""
        ...


class Embedder:
    """Texts to unit vectors, each distinct text embedded once.

    Args:
        vectors: from a list of n different, non-empty texts to an (n, d) array.
        name: what results call it.
        revision: a hash that changes when the vectors change; made from the vectors of three
            fixed probe texts when left out.

    Example:
        >>> import numpy as np
        >>> lengths = Embedder(lambda texts: np.array([[len(t), 1.0] for t in texts]), name="toy")
        >>> lengths.dim
        2
        >>> lengths.encode(["ab", "", "ab"]).round(2)
        array([[0.89, 0.45], [0.  , 0.  ], [0.89, 0.45]], dtype=float32)
    """

    def __init__(
        self, vectors: Callable[[list[str]], Any], *, name: str, revision: str | None = None
    ) -> None:
        self._vectors = vectors
        self.name = name
        probes = self.encode(_PROBES)
        self.dim: int = probes.shape[1]
        # Rounded, so that the last bits of another machine's arithmetic are not another model.
        self.revision = revision or hashlib.sha256(probes.round(3).tobytes()).hexdigest()[:16]

    def encode(self, texts: Sequence[str]) -> Floats:
        """Embed texts.

        Args:
            texts: n of them, brought to Unicode form NFC; equal ones are embedded once.

        Returns:
            (n, d) float32 rows of length 1. An empty or blank text is a row of zeros: by
            definition orthogonal to everything, other empty texts included.

        Raises:
            DataError: the embedder returned NaN, Inf or another number of rows.
        """
        texts = [unicodedata.normalize("NFC", text) for text in texts]
        distinct = {text: i for i, text in enumerate(dict.fromkeys(t for t in texts if t.strip()))}
        if not distinct:
            return np.zeros((len(texts), getattr(self, "dim", 0)), dtype=np.float32)
        rows = _unit_rows(self._vectors(list(distinct)), expected=len(distinct), name=self.name)
        padded = np.concatenate([rows, np.zeros((1, rows.shape[1]), dtype=np.float32)])
        features: Floats = padded[[distinct.get(text, len(distinct)) for text in texts]]
        return features

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, dim={self.dim}, revision={self.revision!r})"


def embedder(source: str | Encoder | Embedder | None = None) -> Embedder:
    """Find an embedder.

    Args:
        source: None or ``"wordllama"`` for the static word vectors that come with the package;
            a folder, or the name of a model in the local cache, for sentence-transformers
            (nothing is ever downloaded); an `Embedder`; or any object with
            ``encode(list[str]) -> (n, d)``.

    Returns:
        The embedder, ready to encode.

    Raises:
        UsageError: a name that is neither known nor found on this machine.
        MissingExtra: sentence-transformers is asked for and not installed.

    Example:
        >>> words = embedder()
        >>> words.name, words.dim
        ('wordllama', 256)
        >>> cat, kitten, tax = words.encode(["a cat", "a kitten", "income tax"])
        >>> bool(cat @ kitten > cat @ tax)
        True
    """
    if isinstance(source, Embedder):
        return source
    if source is None or source == "wordllama":
        from variegate.embedding._wordllama import wordllama

        return wordllama()
    if isinstance(source, str):
        from variegate.embedding._sentence_transformers import sentence_transformer

        return sentence_transformer(source)
    if isinstance(source, Encoder):
        name = getattr(source, "name", None) or type(source).__name__
        return Embedder(source.encode, name=str(name), revision=getattr(source, "revision", None))
    raise UsageError(
        f"Expected an embedder's name or an object with encode(list[str]), got {source!r}.",
        hint="Leave it out for the built-in word vectors.",
    )


def _unit_rows(vectors: Any, *, expected: int, name: str) -> Floats:
    array = np.asarray(vectors, dtype=np.float32)
    if array.ndim != 2 or len(array) != expected:
        raise DataError(
            f"Expected ({expected}, d) vectors from the embedder {name!r}, got {array.shape}."
        )
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        where = ", ".join(map(str, np.flatnonzero(bad)[:5]))
        raise DataError(
            f"The embedder {name!r} returned NaN or Inf for {int(bad.sum())} of {expected} "
            f"different texts, first at {where}.",
            hint="Look at those texts, or use another embedder.",
        )
    norms = np.linalg.norm(array, axis=1, keepdims=True)
    # A text without a known word has no direction; like an empty one it stays zero.
    rows: Floats = np.divide(array, norms, out=np.zeros_like(array), where=norms > 0)
    return rows
