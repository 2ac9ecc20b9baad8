"""Divergences between distributions: closed forms, peers, inequalities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from variegate.divergences import (
    alpha,
    chi2,
    fisher_rao,
    hellinger,
    jeffreys,
    js,
    kl,
    renyi,
    total_variation,
)
from variegate.errors import UsageError

P = np.array([0.7, 0.2, 0.1])
Q = np.array([0.2, 0.3, 0.5])

pairs = hnp.arrays(np.float64, (2, 4), elements=st.floats(0.01, 1.0)).map(
    lambda rows: rows / rows.sum(axis=1, keepdims=True)
)


def test_published_numbers():
    assert float(js(P, Q)) == pytest.approx(0.151358, abs=1e-6)
    assert float(kl(P, Q)) == pytest.approx(0.634897, abs=1e-6)
    assert float(kl(Q, P)) == pytest.approx(0.675806, abs=1e-6)


def test_scipy_agrees():
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import entropy

    assert float(kl(P, Q)) == pytest.approx(entropy(P, Q))
    assert float(js(P, Q)) == pytest.approx(jensenshannon(P, Q) ** 2)


def test_disjoint_supports_reach_the_upper_ends():
    p, q = [1.0, 0.0], [0.0, 1.0]
    assert float(js(p, q)) == pytest.approx(np.log(2))
    assert float(total_variation(p, q)) == 1.0
    assert float(hellinger(p, q)) == 1.0
    assert float(fisher_rao(p, q)) == pytest.approx(np.pi)
    assert np.isinf([float(kl(p, q)), float(jeffreys(p, q)), float(chi2(p, q))]).all()
    assert float(alpha(p, q, alpha=0.5)) == 4.0
    assert float(renyi(p, q, alpha=2)) == np.inf


def test_a_zero_of_p_adds_nothing():
    assert float(kl([1.0, 0.0], [0.5, 0.5])) == pytest.approx(np.log(2))
    assert float(kl([0.0, 1.0], [0.0, 1.0])) == 0.0
    assert float(chi2([0.0, 1.0], [0.0, 1.0])) == 0.0
    assert float(renyi([1.0, 0.0], [0.25, 0.75], alpha=0)) == pytest.approx(np.log(4))


@given(pairs)
@settings(deadline=None, max_examples=60)
def test_inequalities_and_symmetries(rows):
    p, q = rows
    tv, h = float(total_variation(p, q)), float(hellinger(p, q))
    assert tv**2 <= float(kl(p, q)) / 2 + 1e-12  # Pinsker
    assert h**2 - 1e-12 <= tv <= np.sqrt(2) * h + 1e-12
    assert 0 <= float(js(p, q)) <= np.log(2) + 1e-12
    for symmetric in (js, jeffreys, total_variation, hellinger, fisher_rao):
        assert float(symmetric(p, q)) == pytest.approx(float(symmetric(q, p)), abs=1e-12)
    for any_of_them in (kl, js, jeffreys, total_variation, hellinger, chi2, fisher_rao):
        assert float(any_of_them(p, p)) == pytest.approx(0, abs=1e-12)
        shuffled = [2, 0, 3, 1]
        assert float(any_of_them(p[shuffled], q[shuffled])) == pytest.approx(
            float(any_of_them(p, q)), abs=1e-9
        )


@given(pairs)
@settings(deadline=None, max_examples=40)
def test_one_parameter_families_meet_their_named_members(rows):
    p, q = rows
    assert float(alpha(p, q, alpha=1)) == pytest.approx(float(kl(p, q)))
    assert float(alpha(p, q, alpha=0)) == pytest.approx(float(kl(q, p)))
    assert float(alpha(p, q, alpha=0.5)) == pytest.approx(4 * float(hellinger(p, q)) ** 2)
    assert float(alpha(p, q, alpha=2)) == pytest.approx(float(chi2(p, q)) / 2)
    assert float(alpha(p, q, alpha=1 - 1e-6)) == pytest.approx(float(kl(p, q)), abs=1e-4)
    assert float(renyi(p, q, alpha=2)) == pytest.approx(np.log1p(float(chi2(p, q))))
    orders = [float(renyi(p, q, alpha=a)) for a in (0.0, 0.5, 1.0, 2.0, np.inf)]
    assert (np.diff(orders) >= -1e-9).all()


def test_fisher_rao_is_a_metric_and_keeps_digits_when_close():
    r = np.array([0.1, 0.8, 0.1])
    assert float(fisher_rao(P, Q)) <= float(fisher_rao(P, r)) + float(fisher_rao(r, Q))
    assert float(fisher_rao(P, Q)) == pytest.approx(2 * np.arccos(np.sqrt(P * Q).sum()))
    step = 1e-9 * np.array([1.0, -1.0, 0.0])
    exact = np.sqrt((step**2 / P).sum())
    assert float(fisher_rao(P, P + step)) == pytest.approx(exact, rel=1e-5)


def test_batches_broadcast():
    batch = np.stack([P, Q, P])
    np.testing.assert_allclose(kl(batch, Q), [kl(P, Q), 0.0, kl(P, Q)])
    assert js(batch[:, None], batch).shape == (3, 3)


@pytest.mark.fault(13)
def test_fault_13_rows_that_are_no_distribution_are_refused():
    for row, word in [([0.5, 0.6], "sum to 1"), ([np.nan, 1.0], "finite"), ([-0.5, 1.5], "neg")]:
        with pytest.raises(UsageError, match=word):
            kl(row, [0.5, 0.5])
    with pytest.raises(UsageError, match="same number of outcomes"):
        kl([1.0], [0.5, 0.5])
    with pytest.raises(UsageError, match="at least 0"):
        renyi(P, Q, alpha=-1)
