"""Local retrieval: documents on this machine, reranked so that passages differ."""

from __future__ import annotations

from collections.abc import Sequence as Listed
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.embedding import Embedder, embedder
from variegate.errors import UsageError

__all__ = ["Documents", "Retriever", "diverse_rerank"]

Floats = NDArray[np.float64]


class Retriever(Protocol):
    """Something that finds passages."""

    def search(
        self, query: str, *, k: int, history: Listed[str], alpha: float, beta: float
    ) -> list[str]:
        """Return at most k passages for a query, unlike those of `history`."""
        ...


def diverse_rerank(
    relevance: ArrayLike,
    features: ArrayLike,
    *,
    k: int,
    history: ArrayLike | None = None,
    alpha: float = 0.7,
    beta: float = 0.2,
) -> NDArray[np.int64]:
    """Choose k passages one by one: relevant, unlike those chosen, unlike those seen before.

    Each time the largest α rel(d) - β max_h cos(d, h) - (1 - α) max_s cos(d, s), with h over the
    history and s over those chosen now; a maximum over nothing is 0, and of equals the first is
    taken.

    Args:
        relevance: (N,) of each passage.
        features: (N, d) unit vectors.
        k: passages wanted.
        history: (H, d) unit vectors of passages seen before.
        alpha: 1 with β = 0 is the top k by relevance.
        beta: 0 is maximal marginal relevance.

    Returns:
        min(k, N) indices in the order of choice.

    Example:
        >>> features = [[1, 0], [1, 0], [0, 1]]
        >>> diverse_rerank([0.9, 0.8, 0.5], features, k=2, beta=0, alpha=0.5).tolist()
        [0, 2]
        >>> diverse_rerank([0.9, 0.8, 0.5], features, k=2, beta=0, alpha=1).tolist()
        [0, 1]

    Reference: `Hu 2026 <https://arxiv.org/abs/2602.00238>`_; MMR `Carbonell 1998
    <https://dl.acm.org/doi/10.1145/290941.291025>`_.
    """
    rel = np.asarray(relevance, dtype=np.float64)
    X = np.asarray(features, dtype=np.float64)
    if X.ndim != 2 or len(X) != len(rel) or k < 0 or not 0 <= alpha <= 1 or beta < 0:
        raise UsageError(
            "Expected N relevances, (N, d) features, k >= 0, alpha in [0, 1], beta >= 0."
        )
    base = alpha * rel
    if history is not None and np.size(history):
        base = base - beta * (X @ np.asarray(history, dtype=np.float64).T).max(axis=1)
    nearest = np.full(len(rel), -np.inf)
    free = np.ones(len(rel), dtype=bool)
    chosen: list[int] = []
    for _ in range(min(k, len(rel))):
        near = np.where(np.isfinite(nearest), nearest, 0.0)
        best = int(np.argmax(np.where(free, base - (1 - alpha) * near, -np.inf)))
        chosen.append(best)
        free[best] = False
        nearest = np.maximum(nearest, X @ X[best])
    return np.array(chosen, dtype=np.int64)


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
        """Return k documents, by `diverse_rerank` on cosine to the query."""
        [asked] = self.embedder.encode([query])
        seen = [self._place[text] for text in history if text in self._place]
        places = diverse_rerank(
            self.features @ asked, self.features, k=k, history=self.features[seen],
            alpha=alpha, beta=beta,
        )  # fmt: skip
        return [self.texts[i] for i in places]

    def settings(self) -> dict[str, object]:
        """The documents and the embedder, by their content."""
        from variegate.samples import prompt_hash

        return {
            "documents": prompt_hash("\0".join(self.texts)),
            "embedder": f"{self.embedder.name}@{self.embedder.revision}",
        }
