"""sentence-transformers as embedder: a local folder or the local cache, never a hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from variegate.embedding._embedder import Embedder
from variegate.errors import MissingExtra, UnknownName, UsageError

__all__ = ["sentence_transformer"]


def sentence_transformer(source: str) -> Embedder:
    """Load a sentence-transformers model that is already on this machine."""
    # A bare word is more often a slip of the pen than a cached model: no need to load torch.
    if not Path(source).exists() and "/" not in source:
        raise UnknownName("embedder", source, ["wordllama", "a folder", "owner/name"])
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise MissingExtra(f"The embedder {source!r}", "embed") from error
    try:
        model = SentenceTransformer(
            source,
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError) as error:
        raise UsageError(
            f"The embedder {source!r} is neither a readable folder nor in the local cache.",
            hint="Nothing is downloaded: fetch the model first, then pass its folder.",
        ) from error

    def vectors(texts: list[str]) -> Any:
        return model.encode(texts, convert_to_numpy=True, show_progress_bar=False)

    return Embedder(vectors, name=Path(source).name if Path(source).exists() else source)
