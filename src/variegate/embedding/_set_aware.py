"""Features that know what else is in the set."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import numbers
from variegate.errors import UsageError

__all__ = ["attend", "redundancy"]

Floats = NDArray[np.float64]


def attend(features: ArrayLike, *, temperature: float = 0.1, strength: float = 1.0) -> Floats:
    """Add to every row what the other rows of its set say in its direction.

    x_i + s Σ_{j≠i} a_ij x_j, a_ij = softmax_j(x_i·x_j/τ): attention across the samples of a set
    instead of across the tokens of one.

    Args:
        features: (..., n, d) unit rows, sets along the leading axes.
        temperature: τ; small looks at the nearest others only.
        strength: s.

    Returns:
        (..., n, d). Rows change places with their items; a set of one row comes back as it is.

    Raises:
        UsageError: no such array, numbers that are not finite, or a temperature not above 0.

    Example:
        >>> attend([[1.0, 0.0]]).tolist()
        [[1.0, 0.0]]
        >>> attend([[1.0, 0.0], [1.0, 0.0]]).tolist()
        [[2.0, 0.0], [2.0, 0.0]]

    Reference:
        Hou 2022, https://arxiv.org/abs/2203.01522 (there with trained projections)
    """
    x, weights = _attention(features, temperature)
    return np.asarray(x + strength * weights @ x)


def redundancy(features: ArrayLike, *, temperature: float = 0.1) -> Floats:
    """How much of each row the rest of its set says already: x_i · Σ_{j≠i} a_ij x_j.

    Args:
        features: (..., n, d) unit rows, sets along the leading axes.
        temperature: as in `attend`.

    Returns:
        (..., n) from -1 to 1, for unit rows: 1 where a copy is in the set, 0 in a set of one.

    Raises:
        UsageError: as in `attend`.

    Example:
        >>> redundancy([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], temperature=0.01).round(3).tolist()
        [1.0, 1.0, 0.0]
    """
    x, weights = _attention(features, temperature)
    return np.asarray(np.einsum("...id,...id->...i", x, weights @ x))


def _attention(features: ArrayLike, temperature: float) -> tuple[Floats, Floats]:
    x = numbers(features, "features", largest=1e150)
    if x.ndim < 2 or not np.isfinite(x).all() or not temperature > 0:
        raise UsageError(
            f"Expected finite features (..., n, d) and a temperature above 0, got {x.shape} and "
            f"{temperature}."
        )
    n = x.shape[-2]
    if n < 2:
        return x, np.zeros((*x.shape[:-1], n))
    scores = x @ x.swapaxes(-1, -2) / temperature
    scores[..., np.arange(n), np.arange(n)] = -np.inf
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return x, weights / weights.sum(axis=-1, keepdims=True)
