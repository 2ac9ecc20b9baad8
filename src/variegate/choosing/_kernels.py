"""Several ideas of likeness in one kernel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError

__all__ = ["mix_kernels"]

Floats = NDArray[np.float64]


def mix_kernels(
    kernels: Sequence[ArrayLike],
    *,
    weights: Sequence[float] | None = None,
    normalise: bool = False,
    ridge: float = 1e-3,
) -> Floats:
    """Mix similarity kernels in the tangent space of positive matrices: exp(Σ_a w_a ln K_a).

    The eigenvalues of kernels that commute are averaged geometrically, so one kernel that finds
    two answers alike is enough to make them alike. A negative weight turns a kernel round: the
    chosen should then agree in it.

    Args:
        kernels: (n, n) each, symmetric and positive semidefinite.
        weights: w_a; they add to 1 by default, in equal parts.
        normalise: scale each ln K_a to the mean Frobenius norm of all, so that none rules by its
            spread.
        ridge: added to every diagonal; a kernel of lower rank has no logarithm.

    Returns:
        (n, n) positive definite; for a single kernel that kernel plus the ridge.

    Raises:
        UsageError: no kernel, shapes that differ, or one that is not symmetric.

    Example:
        >>> mixed = mix_kernels([np.diag([4.0, 1.0]), np.diag([1.0, 4.0])], ridge=0)
        >>> mixed.round(6).tolist()
        [[2.0, 0.0], [0.0, 2.0]]

    Reference:
        2025, https://arxiv.org/abs/2507.06654
    """
    stack = [np.asarray(kernel, dtype=np.float64) for kernel in kernels]
    if not stack or any(
        k.shape != stack[0].shape or k.ndim != 2 or not np.allclose(k, k.T) for k in stack
    ):
        raise UsageError("Expected symmetric kernels of one shape (n, n), got something else.")
    w = np.full(len(stack), 1 / len(stack)) if weights is None else np.asarray(weights, float)
    if w.shape != (len(stack),) or not np.isfinite(w).all() or ridge < 0:
        raise UsageError(
            f"Expected {len(stack)} finite weights and ridge >= 0, got {w} and {ridge}."
        )
    logs = [_log(kernel + ridge * np.eye(len(kernel))) for kernel in stack]
    if normalise:
        norms = np.array([np.linalg.norm(log) for log in logs])
        logs = [log * norms.mean() / (norm or 1) for log, norm in zip(logs, norms, strict=True)]
    values, vectors = np.linalg.eigh(sum(a * log for a, log in zip(w, logs, strict=True)))
    return np.asarray((vectors * np.exp(values)) @ vectors.T)


def _log(kernel: Floats) -> Floats:
    values, vectors = np.linalg.eigh(kernel)
    if values[0] <= 0:
        raise UsageError(
            f"Expected a positive definite kernel, got an eigenvalue of {values[0]:.3g}.",
            hint="Raise the ridge, or clip the kernel's negative eigenvalues.",
        )
    return np.asarray((vectors * np.log(values)) @ vectors.T)
