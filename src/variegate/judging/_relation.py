"""The matrix that says which items are the same, checked once for everybody who takes one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import as_array
from variegate.errors import UsageError

__all__ = ["Bools", "as_relation", "as_similarity"]

Bools = NDArray[np.bool_]


def as_relation(matrix: ArrayLike, *, name: str) -> Bools:
    """Check that a matrix is square, boolean and symmetric; its diagonal is left as it is."""
    relation = _square(matrix, name=name)
    if relation.size and relation.dtype != np.bool_:
        raise UsageError(
            f"Expected `{name}` to hold booleans, got {relation.dtype}.",
            hint="Similarities become booleans through same_by_similarity(..., threshold=...).",
        )
    if not np.array_equal(relation, relation.T):
        i, j = np.argwhere(relation != relation.T)[0]
        raise UsageError(
            f"Expected `{name}` to be symmetric, got {relation[i, j]} at ({i}, {j}) and "
            f"{relation[j, i]} at ({j}, {i}).",
            hint="Decide what counts: same & same.T where both must agree, same | same.T for one.",
        )
    return relation.astype(np.bool_, copy=False)


def as_similarity(matrix: ArrayLike) -> NDArray[np.floating]:
    """Check that similarities are finite and symmetric up to rounding; return them symmetric."""
    similarity = _square(matrix, name="similarity")
    if not np.issubdtype(similarity.dtype, np.floating):
        similarity = similarity.astype(np.float64)
    if not np.isfinite(similarity).all():
        raise UsageError(
            f"Expected finite similarities, got {int((~np.isfinite(similarity)).sum())} of "
            f"{similarity.size} NaN or infinite.",
            hint="Leave out the items without features first.",
        )
    if not np.allclose(similarity, similarity.T, rtol=1e-5, atol=1e-5):
        raise UsageError(
            "Expected symmetric similarities, got "
            f"{float(np.abs(similarity - similarity.T).max()):.3g} between (i, j) and (j, i).",
            hint="Average both directions: (similarity + similarity.T) / 2.",
        )
    # Halves before the sum, so that nothing overflows; equal entries keep their value.
    return np.asarray(similarity / 2 + similarity.T / 2)


def _square(matrix: ArrayLike, *, name: str) -> NDArray[Any]:
    array = as_array(matrix, name)
    if array.size == 0:
        array = array.reshape(0, 0)
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise UsageError(f"Expected `{name}` of shape (n, n), got {array.shape}.")
    return array
