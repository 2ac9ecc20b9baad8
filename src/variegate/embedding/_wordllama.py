"""The default embedder: static word vectors that ship inside the wordllama package.

The two packaged files are read directly. Importing the package configures the root logger, and
its own loader looks for the tokenizer in a folder that is not there and then goes to the network.
"""

from __future__ import annotations

import hashlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.embedding._embedder import Embedder
from variegate.errors import DataError

__all__ = ["wordllama"]

_WEIGHTS = Path("weights", "l2_supercat_256.safetensors")
_TOKENIZER = Path("tokenizers", "l2_supercat_tokenizer_config.json")
_BATCH = 4096  # texts; bounds what the tokenizer holds at a time


@cache
def wordllama() -> Embedder:
    """Direction of the mean word vector of a text's tokens; loaded once a process."""
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    folder = _folder()
    tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    table = load_file(folder / _WEIGHTS)["embedding.weight"].astype(np.float32)

    def vectors(texts: list[str]) -> NDArray[np.float32]:
        return np.concatenate(
            [
                _means(tokenizer, table, texts[start : start + _BATCH])
                for start in range(0, len(texts), _BATCH)
            ]
        )

    digest = hashlib.sha256((folder / _WEIGHTS).read_bytes())
    digest.update((folder / _TOKENIZER).read_bytes())
    return Embedder(vectors, name="wordllama", revision=digest.hexdigest()[:16])


def _means(tokenizer: Any, table: NDArray[np.float32], texts: list[str]) -> NDArray[np.float32]:
    means = np.zeros((len(texts), table.shape[1]), dtype=np.float32)
    # Text by text: what one text gathers stays in the processor's cache, which is ten times
    # faster than gathering a batch.
    for encoding, row in zip(
        tokenizer.encode_batch_fast(texts, add_special_tokens=False), means, strict=True
    ):
        if encoding.ids:
            ids = np.minimum(encoding.ids, len(table) - 1)
            table.take(ids, axis=0).sum(axis=0, out=row)
    # The division by the number of tokens is left out: rows are brought to length 1 anyway.
    return means


def _folder() -> Path:
    spec = importlib.util.find_spec("wordllama")
    for location in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(location)
        if (folder / _WEIGHTS).exists() and (folder / _TOKENIZER).exists():
            return folder
    raise DataError(
        f"Expected the files {_WEIGHTS} and {_TOKENIZER} inside the wordllama package.",
        hint="pip install --force-reinstall wordllama, or pass another embedder.",
    )
