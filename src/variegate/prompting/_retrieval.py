"""Local retrieval: documents on this machine, reranked so that passages differ."""

from __future__ import annotations

from collections.abc import Sequence as Listed
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from variegate.embedding import Embedder, embedder
from variegate.errors import UsageError
from variegate.selection import mmr

__all__ = ["Documents", "Retriever"]

Floats = NDArray[np.float64]


class Retriever(Protocol):
    """Something that finds passages."""

    def search(
        self, query: str, *, k: int, history: Listed[str], alpha: float, beta: float
    ) -> list[str]:
        """Return at most k passages for a query, unlike those of `history`."""
        ...


class Documents:
    """A retriever over documents given as texts: cosine of embeddings, nothing leaves the machine.

    Args:
        texts: the documents; equal and empty ones are kept once or not at all.
        features: embedder; None for the built-in word vectors.

    Raises:
        UsageError: no document with words in it.

    Example:
        >>> found = Documents(["Cats purr.", "Taxes are due in May.", "Kittens play."])
        >>> found.search("when do I pay tax", k=1)
        ['Taxes are due in May.']
    """

    def __init__(self, texts: Listed[str], *, features: Embedder | str | None = None) -> None:
        self.texts = [text for text in dict.fromkeys(texts) if text.strip()]
        if not self.texts:
            raise UsageError("Expected at least one document with words in it.")
        self.embedder = embedder(features)
        self.features: Any = self.embedder.encode(self.texts)
        self._place = {text: place for place, text in enumerate(self.texts)}

    def search(
        self,
        query: str,
        *,
        k: int,
        history: Listed[str] = (),
        alpha: float = 0.7,
        beta: float = 0.2,
    ) -> list[str]:
        """Return k documents, by `variegate.selection.mmr` on cosine to the query."""
        [asked] = self.embedder.encode([query])
        seen = [self._place[text] for text in history if text in self._place]
        places = mmr(
            self.features,
            self.features @ asked,
            min(k, len(self.texts)),
            alpha=alpha,
            earlier=self.features[seen],
            beta=beta,
        )
        return [self.texts[i] for i in places]

    def settings(self) -> dict[str, object]:
        """The documents and the embedder, by their content."""
        from variegate.samples import prompt_hash

        return {
            "documents": prompt_hash("\0".join(self.texts)),
            "embedder": f"{self.embedder.name}@{self.embedder.revision}",
        }
