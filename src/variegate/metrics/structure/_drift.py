"""Drift away from a reference, without mistaking a long tail for another world."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UsageError
from variegate.metrics._arrays import finite

__all__ = ["student_distance"]


def student_distance(
    features: ArrayLike, reference: ArrayLike, *, dof: float = 4.0, ridge: float = 1e-3
) -> NDArray[np.float64]:
    """How unlikely each output is under a Student distribution fitted to reference outputs.

    ((ν + d)/2) ln(1 + m²/ν), with m² the squared Mahalanobis distance from the mean of the
    reference: the log-density below that at the centre. As ν grows this is m²/2, the Gaussian
    score. Small ν grows by the logarithm of the distance only, so outputs of a rare but known
    mode stay closer to the body than outputs from elsewhere stay to them.

    Args:
        features: (n, d) outputs to score.
        reference: (m, d) outputs of the reference.
        dof: ν, degrees of freedom; inf for the Gaussian score.
        ridge: share of the mean variance added to every direction, so that directions without
            any variance do not count infinitely.

    Returns:
        (n,) from 0 (at the mean) upwards, in nats.

    Raises:
        DataError: NaN or Inf.
        UsageError: fewer than two reference rows, other widths, dof or ridge not positive.

    Example:
        >>> import numpy as np
        >>> body = np.random.default_rng(0).standard_normal((500, 2))
        >>> near, far = student_distance([[0, 0], [9, 9]], body)
        >>> bool(near < 0.1 < 5 < far)
        True
    """
    x, base = finite(features, "features", axes=2), finite(reference, "reference", axes=2)
    if x.ndim != 2 or base.ndim != 2 or x.shape[1] != base.shape[1] or len(base) < 2:
        raise UsageError(
            f"Expected (n, d) features and (m, d) reference rows with m >= 2, "
            f"got {x.shape} and {base.shape}."
        )
    if not (dof > 0 and ridge > 0 and np.isfinite(ridge)):
        raise UsageError(f"Expected dof > 0 and ridge > 0, got {dof} and {ridge}.")
    d = x.shape[1]
    covariance = np.cov(base, rowvar=False).reshape(d, d)
    level = np.trace(covariance) / d
    if level == 0:
        raise UsageError("Expected reference rows that differ, got equal ones.")
    covariance.flat[:: d + 1] += ridge * level
    white = np.linalg.solve(np.linalg.cholesky(covariance), (x - base.mean(axis=0)).T)
    m2 = np.einsum("ij,ij->j", white, white)
    return np.asarray(m2 / 2 if np.isinf(dof) else (dof + d) / 2 * np.log1p(m2 / dof))
