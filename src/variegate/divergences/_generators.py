"""Generators: one convex function, four things made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.divergences._between import _pair
from variegate.errors import UnknownName, UsageError

__all__ = ["Generator", "generator", "generator_names"]

Floats = NDArray[np.float64]
Function = Callable[[Floats], Floats]


@dataclass(frozen=True, kw_only=True)
class Generator:
    """A convex f with f(1) = 0, and the divergence D_f(p‖q) = Σ q f(p/q) it generates.

    Args:
        name: as `generator` knows it.
        behaviour: what a policy trained under it does, in one sentence.
        at_zero: f(0), the cost per unit of reference mass that is dropped.
        at_infinity: limit of f' for large ratios, the cost per unit of invented mass.
    """

    name: str
    behaviour: str
    at_zero: float
    at_infinity: float
    _f: Function
    _derivative: Function
    _inverse: Function | None
    _conjugate: Function | None

    def f(self, u: ArrayLike) -> Floats:
        """The function at the ratio u = p/q > 0."""
        return self._f(np.asarray(u, dtype=np.float64))

    def derivative(self, u: ArrayLike) -> Floats:
        """Its slope at the ratio u > 0."""
        return self._derivative(np.asarray(u, dtype=np.float64))

    def inverse(self, s: ArrayLike) -> Floats:
        """The ratio whose slope is s < `at_infinity`; 0 for slopes below f'(0)."""
        return self._known(self._inverse, "inverse slope")(np.asarray(s, dtype=np.float64))

    def conjugate(self, t: ArrayLike) -> Floats:
        """f*(t) = sup_u ut - f(u), for t < `at_infinity`."""
        return self._known(self._conjugate, "conjugate")(np.asarray(t, dtype=np.float64))

    def divergence(self, p: ArrayLike, q: ArrayLike) -> Floats:
        """D_f(p‖q) of probabilities (..., V): from 0 (equal) up, inf where the limits are."""
        left, right = _pair(p, q)
        left, right = np.broadcast_arrays(left, right)
        both = (left > 0) & (right > 0)
        ratio = np.divide(left, right, out=np.ones(left.shape), where=both)
        terms = right * self.f(ratio)
        dropped, invented = (left == 0) & (right > 0), (left > 0) & (right == 0)
        terms[dropped] = right[dropped] * self.at_zero
        terms[invented] = left[invented] * self.at_infinity
        total: Floats = np.maximum(terms.sum(axis=-1), 0.0)
        return total

    def _known(self, function: Function | None, what: str) -> Function:
        if function is None:
            raise UsageError(
                f"{self.name} has no {what}: its slope takes two values only.",
                hint="Use another divergence, e.g. 'js', which is bounded both ways too.",
            )
        return function


def generator(name: str, *, alpha: float = 0.5) -> Generator:
    """A generator by name.

    With u = policy/reference:

    ===================  ==========================================  ==========================
    name                 f(u)                                        divergence
    ===================  ==========================================  ==========================
    ``reverse-kl``       u ln u                                      KL(policy ‖ reference)
    ``forward-kl``       -ln u                                       KL(reference ‖ policy)
    ``js``               u ln u - (u + 1) ln((u + 1)/2)              2 JS
    ``alpha``            (u^(1-α) - (1-α)u - α)/(α(α-1))             Amari's at 1 - α
    ``hellinger``        (√u - 1)²                                   2 H²
    ``chi2``             (u - 1)²                                    Pearson's χ²
    ``neyman-chi2``      (1 - u)²/u                                  χ² of reference and policy
    ``total-variation``  abs(u - 1)/2                                total variation
    ===================  ==========================================  ==========================

    Args:
        name: one of the names above.
        alpha: for ``"alpha"`` only, inside (0, 1); towards 0 it is reverse KL, towards 1
            forward KL (the convention of Wang 2023, https://arxiv.org/abs/2309.16240; trl
            counts the other way).

    Returns:
        The generator.

    Raises:
        UnknownName: no such generator.
        UsageError: an `alpha` outside (0, 1).

    Example:
        >>> js = generator("js")
        >>> u = 0.7
        >>> s = js.derivative(u)
        >>> round(float(js.inverse(s)), 12), bool(np.isclose(js.f(u) + js.conjugate(s), u * s))
        (0.7, True)
    """
    if name == "alpha":
        return _alpha(alpha)
    if name not in _GENERATORS:
        raise UnknownName("divergence", name, generator_names())
    return _GENERATORS[name]


def generator_names() -> tuple[str, ...]:
    """Names that `generator` knows, sorted.

    Example:
        >>> "reverse-kl" in generator_names()
        True
    """
    return tuple(sorted([*_GENERATORS, "alpha"]))


def _alpha(a: float) -> Generator:
    if not 0 < a < 1:
        raise UsageError(
            f"Expected alpha between 0 and 1, got {a}.",
            hint="Its ends have names: 0 is 'reverse-kl', 1 is 'forward-kl'.",
        )
    return Generator(
        name="alpha",
        behaviour="Between mode-seeking (α near 0) and mass-covering (α near 1).",
        at_zero=1 / (1 - a),
        at_infinity=1 / a,
        _f=lambda u: (u ** (1 - a) - (1 - a) * u - a) / (a * (a - 1)),
        _derivative=lambda u: (1 - u**-a) / a,
        _inverse=lambda s: (1 - a * s) ** (-1 / a),
        _conjugate=lambda t: ((1 - a * t) ** ((a - 1) / a) - 1) / (1 - a),
    )


def _chi2_inverse(s: Floats) -> Floats:
    return np.maximum(1 + s / 2, 0.0)


def _chi2_conjugate(t: Floats) -> Floats:
    # Below the slope at 0 the supremum sits at u = 0, where f is 1.
    return np.where(t < -2, -1.0, t + t**2 / 4)


_GENERATORS = {
    entry.name: entry
    for entry in [
        Generator(
            name="reverse-kl",
            behaviour="Dropping a mode is cheap, inventing mass is costly: mode-seeking.",
            at_zero=0.0,
            at_infinity=np.inf,
            _f=lambda u: u * np.log(u),
            _derivative=lambda u: np.log(u) + 1,
            _inverse=lambda s: np.exp(s - 1),
            _conjugate=lambda t: np.exp(t - 1),
        ),
        Generator(
            name="forward-kl",
            behaviour="Dropping a mode costs infinity: mass-covering.",
            at_zero=np.inf,
            at_infinity=0.0,
            _f=lambda u: -np.log(u),
            _derivative=lambda u: -1 / u,
            _inverse=lambda s: -1 / s,
            _conjugate=lambda t: -1 - np.log(-t),
        ),
        Generator(
            name="js",
            behaviour="Bounded both ways: a mode may go and mass may appear, at a price.",
            at_zero=np.log(2),
            at_infinity=np.log(2),
            _f=lambda u: u * np.log(u) - (u + 1) * np.log((u + 1) / 2),
            _derivative=lambda u: np.log(2 * u / (1 + u)),
            _inverse=lambda s: np.exp(s) / (2 - np.exp(s)),
            _conjugate=lambda t: -np.log(2 - np.exp(t)),
        ),
        Generator(
            name="hellinger",
            behaviour="Half-way between the two KLs, bounded both ways.",
            at_zero=1.0,
            at_infinity=1.0,
            _f=lambda u: (np.sqrt(u) - 1) ** 2,
            _derivative=lambda u: 1 - u**-0.5,
            _inverse=lambda s: (1 - s) ** -2.0,
            _conjugate=lambda t: t / (1 - t),
        ),
        Generator(
            name="chi2",
            behaviour="A heavy penalty on new mass; a mode may be dropped for good.",
            at_zero=1.0,
            at_infinity=np.inf,
            _f=lambda u: (u - 1) ** 2,
            _derivative=lambda u: 2 * (u - 1),
            _inverse=_chi2_inverse,
            _conjugate=_chi2_conjugate,
        ),
        Generator(
            name="neyman-chi2",
            behaviour="The strongest covering of the table.",
            at_zero=np.inf,
            at_infinity=1.0,
            _f=lambda u: (1 - u) ** 2 / u,
            _derivative=lambda u: 1 - u**-2.0,
            _inverse=lambda s: (1 - s) ** -0.5,
            _conjugate=lambda t: 2 - 2 * np.sqrt(1 - t),
        ),
        Generator(
            name="total-variation",
            behaviour="A flat price for any mass moved; its slope cannot be inverted.",
            at_zero=0.5,
            at_infinity=0.5,
            _f=lambda u: np.abs(u - 1) / 2,
            _derivative=lambda u: np.sign(u - 1) / 2,
            _inverse=None,
            _conjugate=None,
        ),
    ]
}
