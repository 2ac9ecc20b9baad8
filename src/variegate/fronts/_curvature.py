"""Is the relation of two scores a straight line? A slope is read off only where it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from variegate.errors import UsageError

__all__ = ["Curvature", "nonlinearity"]

_TERMS = 2  # square and cube of the first score


@dataclass(frozen=True, kw_only=True)
class Curvature:
    """What a curve explains that a line does not.

    Args:
        p_value: chance of so much curvature where the relation is a line with normal scatter.
        gain: share of the line's residual variance that the curve explains, in [0, 1].
        slope: of the line, per unit of the first score.
        fit: R² of the line.
        n: points used.
    """

    p_value: float
    gain: float
    slope: float
    fit: float
    n: int


def nonlinearity(x: ArrayLike, y: ArrayLike) -> Curvature:
    """Test whether one score is a straight line of another over checkpoints or arms.

    Line against cubic, F = ((RSS₁ - RSS₃)/2) / (RSS₃/(n - 4)) with 2 and n - 4 degrees of
    freedom. Two scores can rise together for most checkpoints and bend apart for the rest: then
    one slope misleads.

    Args:
        x: (n,) the one score.
        y: (n,) the other; a pair with NaN is left out.

    Returns:
        A `Curvature`: a small p-value says the line is not enough, a large one that nothing
        against it was seen. NaN p-value where x takes fewer than four values or fewer than five
        pairs are complete. An exact line gives 1, an exact curve 0.

    Raises:
        UsageError: two lengths, or infinite scores.

    Reference:
        `Liang 2023 <https://arxiv.org/abs/2305.02995>`_, for what is found with it.

    Example:
        >>> import numpy as np
        >>> x = np.linspace(0, 1, 30)
        >>> nonlinearity(x, x**2).p_value < 1e-6, nonlinearity(x, 2 * x).p_value
        (True, 1.0)
    """
    from scipy.special import fdtrc

    left, right = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if left.shape != right.shape or left.ndim != 1 or np.isinf(left).any() or np.isinf(right).any():
        raise UsageError(
            f"Expected two finite vectors of one length, got {left.shape} and {right.shape}."
        )
    both = ~np.isnan(left + right)
    left, right = left[both], right[both]
    n, nan = len(left), float("nan")
    if n < 2 or np.ptp(left) == 0:
        return Curvature(p_value=nan, gain=nan, slope=nan, fit=nan, n=n)
    # Centred and scaled, so that cubes do not lose digits.
    unit = (left - left.mean()) / np.ptp(left)
    design = np.vander(unit, 2 + _TERMS, increasing=True)
    total = float(((right - right.mean()) ** 2).sum())
    line, *_ = np.linalg.lstsq(design[:, :2], right, rcond=None)
    straight = float(((right - design[:, :2] @ line) ** 2).sum())
    slope, fit = float(line[1]) / float(np.ptp(left)), 1 - straight / total if total else nan
    free = n - 2 - _TERMS
    if free < 1 or len(np.unique(left)) < 2 + _TERMS:
        return Curvature(p_value=nan, gain=nan, slope=slope, fit=fit, n=n)
    curve, *_ = np.linalg.lstsq(design, right, rcond=None)
    bent = min(float(((right - design @ curve) ** 2).sum()), straight)
    nothing = 1e-20 * (total + float((right**2).sum()))  # what rounding leaves of a perfect fit
    if straight <= nothing:
        p_value, gain = 1.0, 0.0
    elif bent <= nothing:
        p_value, gain = 0.0, 1.0
    else:
        ratio = (straight - bent) / _TERMS / (bent / free)
        p_value, gain = float(fdtrc(_TERMS, free, ratio)), 1 - bent / straight
    return Curvature(p_value=p_value, gain=gain, slope=slope, fit=fit, n=n)
