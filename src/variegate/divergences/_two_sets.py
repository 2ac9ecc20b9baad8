"""How far apart two sets of points are, by means of a function over their pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.divergences._distances import squared_distances, two_sets
from variegate.errors import UnknownName, UsageError

__all__ = ["cauchy_schwarz", "energy_distance", "mmd"]

Floats = NDArray[np.float64]
Form = Literal["u", "v"]


def mmd(x: ArrayLike, y: ArrayLike, *, width: float, form: Form = "u") -> float:
    """Squared maximum mean discrepancy with a Gaussian kernel.

    MMD² = E k(x, x') + E k(y, y') - 2 E k(x, y), with k = exp(-‖x - x'‖² / (2 width²)). For
    normal distributions of unit variance in d dimensions whose means are μ apart it is
    2 (w²/(w² + 2))^(d/2) (1 - exp(-μ²/(2 (w² + 2)))), w the width.

    Args:
        x: (n, d) or (n,) points of the one set.
        y: (m, d) or (m,) points of the other.
        width: of the kernel, in the unit of the points, e.g. their median distance.
        form: ``"u"`` leaves out the pair of a point with itself and is unbiased; ``"v"``
            counts it, is never negative, and is too large by about 1/n + 1/m.

    Returns:
        From 0 (same distribution) to 2. The U form varies around 0 for equal distributions,
        so it may be negative.

    Raises:
        DataError: NaN or Inf.
        UsageError: sets of other dimension, a width that is not positive, or fewer than two
            points for the U form.

    Example:
        >>> round(mmd([0.0, 1.0], [10.0, 11.0], width=1.0), 4)
        1.2131
        >>> mmd([0.0, 1.0], [0.0, 1.0], width=1.0, form="v")
        0.0

    Source: `Gretton 2012 <https://jmlr.org/papers/v13/gretton12a.html>`_.
    """
    own, other, between = _log_kernel_means(x, y, width, form)
    value = float(np.exp(own) + np.exp(other) - 2 * np.exp(between))
    return max(value, 0.0) if form == "v" else value


def cauchy_schwarz(x: ArrayLike, y: ArrayLike, *, width: float, form: Form = "v") -> float:
    """Cauchy–Schwarz divergence of two sets, their densities estimated with a Gaussian kernel.

    D = ln E k(x, x') + ln E k(y, y') - 2 ln E k(x, y), with k = exp(-‖x - x'‖² / (2 width²)):
    minus the logarithm of a squared cosine, where `mmd` is a squared distance. For N(0, 1) and
    N(μ, 1) it is μ²/(2 + width²). Kernel means are taken as logarithms, so sets far apart give
    their large finite value.

    Args:
        x: (n, d) or (n,) points of the one set.
        y: (m, d) or (m,) points of the other.
        width: of the kernel, in the unit of the points, not of their squares.
        form: ``"v"`` counts the pair of a point with itself and is never negative, too large
            where n is small against the spread over the width; ``"u"`` leaves it out, for
            inference.

    Returns:
        Nats, from 0 (same) up without bound, symmetric. The U form may be negative, and is NaN
        where both own means vanish with the mean between.

    Raises:
        DataError: NaN or Inf.
        UsageError: sets of other dimension, a width that is not positive, or fewer than two
            points for the U form.

    Example:
        >>> cauchy_schwarz([0.0, 1.0], [0.0, 1.0], width=0.5)
        0.0
        >>> round(cauchy_schwarz([0.0], [3.0], width=1.0), 4)
        9.0

    Source: `Yu 2024 <https://arxiv.org/abs/2404.17951>`_.
    """
    own, other, between = _log_kernel_means(x, y, width, form)
    value = own + other - 2 * between
    return max(value, 0.0) if form == "v" else value


def energy_distance(x: ArrayLike, y: ArrayLike, *, form: Form = "u") -> float:
    """Energy distance 2 E‖x - y‖ - E‖x - x'‖ - E‖y - y'‖: needs no width.

    In one dimension it is twice the integral of the squared difference of the distribution
    functions. It is the discrepancy `mmd` measures, with -‖x - y‖ as the kernel.

    Args:
        x: (n, d) or (n,) points of the one set.
        y: (m, d) or (m,) points of the other.
        form: ``"u"`` leaves out the pair of a point with itself and is unbiased; ``"v"`` counts
            it and is never negative.

    Returns:
        From 0 (same distribution) up, in the unit of the points. The U form may be negative.

    Raises:
        DataError: NaN or Inf.
        UsageError: sets of other dimension, or fewer than two points for the U form.

    Example:
        >>> round(energy_distance([0.0, 1.0], [2.0, 3.0]), 6)
        2.0

    Source: `Székely 2013 <https://doi.org/10.1016/j.jspi.2013.03.018>`_.
    """
    own, other, between = _log_means(x, y, form, lambda squared: np.log(np.sqrt(squared)))
    value = float(2 * np.exp(between) - np.exp(own) - np.exp(other))
    return max(value, 0.0) if form == "v" else value


def _log_kernel_means(
    x: ArrayLike, y: ArrayLike, width: float, form: Form
) -> tuple[float, float, float]:
    if not (width > 0 and np.isfinite(width)):
        raise UsageError(f"Expected a positive width, got {width}.")
    return _log_means(x, y, form, lambda squared: squared / (-2 * width**2))


def _log_means(
    x: ArrayLike, y: ArrayLike, form: Form, logarithm: Callable[[Floats], Floats]
) -> tuple[float, float, float]:
    """Ln of the mean over pairs within x, within y, and between; in one pass each."""
    if form not in ("u", "v"):
        raise UnknownName("form", form, ["u", "v"])
    left, right = two_sets(x, y, least=2 if form == "u" else 1)
    with np.errstate(divide="ignore"):
        return (
            _log_mean(left, left, logarithm, itself=form == "v"),
            _log_mean(right, right, logarithm, itself=form == "v"),
            _log_mean(left, right, logarithm, itself=True),
        )


def _log_mean(
    x: Floats, y: Floats, logarithm: Callable[[Floats], Floats], *, itself: bool
) -> float:
    total = -np.inf
    for start, squared in squared_distances(x, y):
        terms = logarithm(squared)
        if not itself:
            rows = np.arange(len(terms))
            terms[rows, start + rows] = -np.inf
        largest = terms.max()
        if largest > -np.inf:
            total = np.logaddexp(total, largest + np.log(np.exp(terms - largest).sum()))
    pairs = len(x) * len(y) if itself else len(x) * (len(x) - 1)
    return float(total - np.log(pairs))
