"""The stability index: its error and its test against simulation, and what it does with zeros."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.divergences import jeffreys, psi
from variegate.errors import UsageError

P = np.array([0.1, 0.2, 0.3, 0.25, 0.15])
Q = np.array([0.2, 0.2, 0.2, 0.2, 0.2])

histograms = st.integers(2, 6).flatmap(
    lambda bins: st.tuples(
        *[st.lists(st.integers(1, 500), min_size=bins, max_size=bins) for _ in range(2)]
    )
)


def draws(p, q, *, n=2000, m=3000, worlds=2000):
    generator = np.random.default_rng(0)
    pairs = zip(
        generator.multinomial(n, p, size=worlds),
        generator.multinomial(m, q, size=worlds),
        strict=True,
    )
    return [psi(a, b) for a, b in pairs]


def test_standard_error_is_that_of_simulated_drift_and_intervals_cover():
    results = draws(P, Q)
    values = np.array([r.value for r in results])
    truth = float(jeffreys(P, Q))
    errors = np.mean([r.standard_error for r in results])
    assert errors == pytest.approx(values.std(ddof=1), rel=0.05)
    assert values.mean() - truth == pytest.approx(results[0].bias, rel=0.5)
    covered = np.mean([r.low <= truth <= r.high for r in results])
    assert 0.93 <= covered <= 0.97


def test_null_is_chi_square_with_one_degree_less_than_bins():
    results = draws(P, P)
    statistics = np.array([r.statistic for r in results])
    assert results[0].degrees == 4
    assert statistics.mean() == pytest.approx(4, abs=0.2)
    assert statistics.var() == pytest.approx(8, abs=1.2)
    assert np.mean([r.p_value < 0.05 for r in results]) == pytest.approx(0.05, abs=0.015)


def test_short_delta_form_would_be_far_too_small():
    counts = 2000 * P, 3000 * Q
    short = math.sqrt(np.sum((P - Q) ** 2 * (1 / (2000 * P) + 1 / (3000 * Q))))
    assert psi(*counts).standard_error > 1.8 * short


@given(histograms)
@settings(deadline=None, max_examples=60)
def test_laws_symmetric_zero_when_equal_and_blind_to_the_order_of_bins(pair):
    a, b = pair
    forth, back = psi(a, b), psi(b, a)
    assert forth.value == pytest.approx(back.value, abs=1e-12)
    assert forth.standard_error == pytest.approx(back.standard_error, abs=1e-12)
    assert forth.value == pytest.approx(
        float(jeffreys(np.divide(a, sum(a)), np.divide(b, sum(b)))), abs=1e-12
    )
    assert psi(a[::-1], b[::-1]).value == pytest.approx(forth.value, abs=1e-12)
    assert 0 <= forth.p_value <= 1
    assert forth.low >= 0
    same = psi(a, a)
    assert same.value == 0
    assert same.p_value == 1


def test_zero_bins_are_smoothed_and_the_result_says_so():
    full, holed = psi([5, 5], [3, 7]), psi([10, 0, 0], [5, 5, 0])
    assert full.smoothing == 0
    assert holed.smoothing == 0.5
    assert holed.degrees == 1
    p, q = np.array([10.5, 0.5]) / 11, np.array([5.5, 5.5]) / 11
    assert holed.value == pytest.approx(float(jeffreys(p, q)))
    assert psi([10, 0], [5, 5], smoothing=0).value == math.inf


def test_one_bin_cannot_drift():
    only = psi([3, 0], [9, 0])
    assert (only.value, only.degrees, only.p_value) == (0.0, 0, 1.0)


@pytest.mark.parametrize(
    ("p", "q"), [([1, 2], [1, 2, 3]), ([-1, 2], [1, 2]), ([0, 0], [1, 2]), ([1, math.nan], [1, 2])]
)
def test_refuses_what_is_no_pair_of_histograms(p, q):
    with pytest.raises(UsageError, match="Expected"):
        psi(p, q)
