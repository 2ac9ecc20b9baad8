"""The table of generators: every column against the others."""

import numpy as np
import pytest

from variegate.divergences import (
    alpha,
    chi2,
    generator,
    generator_names,
    hellinger,
    js,
    kl,
    total_variation,
)
from variegate.errors import UnknownName, UsageError

SMOOTH = [name for name in generator_names() if name != "total-variation"]
U = np.array([0.2, 0.7, 1.0, 1.9])
P = np.array([0.7, 0.2, 0.1])
Q = np.array([0.2, 0.3, 0.5])


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("a", [0.3, 0.5, 0.9])
def test_columns_agree(name, a):
    g = generator(name, alpha=a)
    assert float(g.f(1.0)) == pytest.approx(0, abs=1e-15)
    slope = (g.f(U + 1e-6) - g.f(U - 1e-6)) / 2e-6
    np.testing.assert_allclose(g.derivative(U), slope, rtol=1e-6, atol=1e-8)
    s = g.derivative(U)
    np.testing.assert_allclose(g.inverse(s), U, rtol=1e-12)
    np.testing.assert_allclose(g.f(U) + g.conjugate(s), U * s, atol=1e-12)  # Fenchel
    assert (np.diff(s) > 0).all()
    assert float(g.derivative(1e12)) == pytest.approx(g.at_infinity, abs=1e-3) or np.isinf(
        g.at_infinity
    )


def test_each_generates_the_named_divergence():
    expected = {
        "reverse-kl": kl(P, Q),
        "forward-kl": kl(Q, P),
        "js": 2 * js(P, Q),
        "alpha": alpha(P, Q, alpha=0.7),
        "hellinger": 2 * hellinger(P, Q) ** 2,
        "chi2": chi2(P, Q),
        "neyman-chi2": chi2(Q, P),
        "total-variation": total_variation(P, Q),
    }
    assert set(expected) == set(generator_names())
    for name, value in expected.items():
        ours = generator(name, alpha=0.3).divergence(P, Q)
        assert float(ours) == pytest.approx(float(value)), name


def test_dropped_and_invented_mass_cost_their_limits():
    p, q = [0.5, 0.5, 0.0], [0.5, 0.0, 0.5]
    assert float(generator("total-variation").divergence(p, q)) == 0.5
    assert float(generator("js").divergence(p, q)) == pytest.approx(2 * float(js(p, q)))
    assert float(generator("reverse-kl").divergence(p, q)) == np.inf
    assert float(generator("reverse-kl").divergence([1.0, 0], [0.5, 0.5])) == pytest.approx(
        np.log(2)
    )


def test_alpha_runs_from_reverse_to_forward():
    assert float(generator("alpha", alpha=1e-6).divergence(P, Q)) == pytest.approx(
        float(kl(P, Q)), abs=1e-4
    )
    assert float(generator("alpha", alpha=1 - 1e-6).divergence(P, Q)) == pytest.approx(
        float(kl(Q, P)), abs=1e-4
    )


def test_what_cannot_be_says_so():
    with pytest.raises(UnknownName) as caught:
        generator("revers-kl")
    assert caught.value.hint == "Did you mean reverse-kl?"
    with pytest.raises(UsageError, match="between 0 and 1"):
        generator("alpha", alpha=1.0)
    with pytest.raises(UsageError, match="no inverse slope"):
        generator("total-variation").inverse(0.1)
