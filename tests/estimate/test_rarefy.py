"""The rarefaction kernel against exact fractions and its laws."""

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import UsageError
from variegate.estimate import inclusion, rarefy


@given(st.integers(1, 60), st.data())
@settings(deadline=None, max_examples=150)
def test_inclusion_equals_the_binomials(n, data):
    c = data.draw(st.integers(0, n))
    k = data.draw(st.integers(0, n))
    exact = 1 - comb(n - c, k) / comb(n, k)
    assert float(inclusion(n, c, k)) == pytest.approx(exact, abs=1e-12)


def test_mpmath_agrees_at_sizes_where_binomials_overflow():
    mpmath = pytest.importorskip("mpmath")
    for n, c, k in [(10_000, 3, 5_000), (10_000, 4_000, 2), (200_000, 1, 3), (5_000, 2_500, 60)]:
        with mpmath.workdps(60):
            exact = 1 - mpmath.binomial(n - c, k) / mpmath.binomial(n, k)
        assert float(inclusion(n, c, k)) == pytest.approx(float(exact), rel=1e-12)


def test_published_value_and_the_plug_in_it_replaces():
    assert float(inclusion(10, 3, 5)) == pytest.approx(0.9166666666666666)


@pytest.mark.fault(11)
def test_fault_11_ends_and_a_k_that_is_too_large():
    assert inclusion([7, 7], [0, 7], 3).tolist() == [0.0, 1.0]
    assert inclusion([4, 4], [1, 0], 4).tolist() == [1.0, 0.0]
    with pytest.raises(UsageError, match=r"k = 5 with n = 4"):
        inclusion([8, 4], [1, 1], 5)
    with pytest.raises(UsageError, match=r"k = 9 with n = 4"):
        rarefy([2, 2], k=9)


def test_counts_that_cannot_be_are_refused():
    with pytest.raises(UsageError, match=r"c = 5 with n = 4"):
        inclusion(4, 5, 1)
    with pytest.raises(UsageError, match="whole numbers"):
        rarefy([1.5, 2.0], k=1)
    with pytest.raises(UsageError, match="whole number k"):
        inclusion(4, 1, -1)


@pytest.mark.fault(12)
def test_fault_12_ragged_n_is_one_call():
    """Every row uses its own n; the same rows one at a time give the same numbers."""
    counts = np.array([[3, 2, 0], [1, 1, 1], [10, 0, 0]])
    together = rarefy(counts, k=3)
    np.testing.assert_allclose(together, [float(rarefy(row, k=3)) for row in counts])
    assert together[2] == 1.0


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(lambda c: sum(c) >= 2))
@settings(deadline=None, max_examples=60)
def test_rarefaction_laws(counts):
    n = sum(counts)
    curve = [float(rarefy(counts, k=k)) for k in range(n + 1)]
    assert curve[0] == 0.0
    assert curve[1] == pytest.approx(1.0)
    assert curve[n] == pytest.approx(sum(c > 0 for c in counts))
    steps = np.diff(curve)
    assert (steps >= -1e-9).all()  # more draws never show fewer classes
    assert (np.diff(steps) <= 1e-9).all()  # and each shows less that is new
    assert float(rarefy(counts[::-1], k=2)) == pytest.approx(curve[2])


def test_expectation_does_not_depend_on_n():
    """Rarefied from 10 or from 40 draws: the population value 1 - (1 - p)^k summed."""
    rng = np.random.default_rng(0)
    p = np.array([0.5, 0.3, 0.15, 0.05])
    truth = (1 - (1 - p) ** 5).sum()
    for n in (10, 40):
        values = rarefy(rng.multinomial(n, p, size=20_000), k=5)
        assert values.mean() == pytest.approx(truth, abs=4 * values.std() / np.sqrt(20_000))
