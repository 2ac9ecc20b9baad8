"""Embedding: texts in, unit vectors out.

An `Embedder` has a name, a width, and a revision that changes when its vectors change; its
`encode` embeds every distinct text once and returns rows of length one. The default needs no
torch and no network: static word vectors that ship inside the `wordllama` package.

What cosine means depends on the embedder: for some, two unrelated texts stand at 0.05, for others
at 0.7. `similarity_floor` measures that on the data at hand, and it travels with every result.

`attend` and `redundancy` look at a whole set at once: what of a row the others say already.
"""

from variegate.embedding._cached import Cached
from variegate.embedding._embedder import Embedder, Encoder, embedder
from variegate.embedding._floor import similarity_floor
from variegate.embedding._set_aware import attend, redundancy

__all__ = ["embedder", "Embedder", "Encoder", "Cached", "similarity_floor", "attend", "redundancy"]
