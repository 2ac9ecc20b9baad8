"""Mean pairwise distance between the outputs of a prompt."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from variegate._numbers import as_array
from variegate.errors import UsageError
from variegate.metrics._arrays import unit_rows

__all__ = ["pairwise_diversity"]


def pairwise_diversity(
    features: ArrayLike, *, compat: Literal["remote-clique"] | None = None
) -> Any:
    """One minus the mean cosine over the pairs of a set.

    1 - (‖Σ x‖² - Σ ‖x‖²) / (n (n - 1)), which is the double loop over pairs in O(n d).

    Args:
        features: (..., n, d); rows are brought to length 1, leading axes are separate sets.
        compat: ``"remote-clique"`` also counts the distance 0 of every item to itself, which
            gives (n - 1) / n of the value: the numbers of the package of `Shaib 2024
            <https://arxiv.org/abs/2403.00553>`_, which rounds them to three digits.

    Returns:
        A float, or an array of the leading axes. 0: all point the same way. 1: unrelated (the
        most is n / (n - 1), for vectors that cancel). Its expectation does not depend on n. A
        row of zeros is orthogonal to everything. NaN for n < 2.

    Raises:
        DataError: NaN or Inf.
        UsageError: another compat.

    Example:
        >>> pairwise_diversity([[1, 0], [1, 0], [0, 1]])
        0.666...

    Source: `Kirk 2023 <https://arxiv.org/abs/2310.06452>`_.
    """
    if compat not in (None, "remote-clique"):
        raise UsageError(f"Expected compat of None or 'remote-clique', got {compat!r}.")
    array = as_array(features, "features")
    if array.ndim < 2:
        raise UsageError(f"Expected features of shape (..., n, d), got {array.shape}.")
    n = array.shape[-2]
    if n < 2:
        values = np.full(array.shape[:-2], np.nan)
    else:
        rows = unit_rows(array)
        total = rows.sum(axis=-2)
        # What a row has with itself is counted, not assumed: rows of zeros have nothing.
        own = rows.any(axis=-1).sum(axis=-1)
        cosine = (np.einsum("...i,...i->...", total, total) - own) / (n * (n - 1))
        values = np.clip(1.0 - cosine, 0.0, None) * ((n - 1) / n if compat else 1.0)
    return float(values) if values.ndim == 0 else values
