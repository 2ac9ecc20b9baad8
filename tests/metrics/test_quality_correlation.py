"""Row 166: does what is more various come out better or worse, at equal length."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy import stats

from variegate.errors import DataError, UsageError
from variegate.metrics import quality_correlation


@given(st.integers(0, 99), st.integers(5, 40))
@settings(deadline=None)
def test_it_is_spearmans_and_the_partial_one_of_ranks(seed, n):
    rng = np.random.default_rng(seed)
    x, y, z = rng.integers(0, 8, size=(3, n)).astype(float)
    if min(len(set(one.tolist())) for one in (x, y, z)) < 2:
        return
    assert quality_correlation(x, y).value == pytest.approx(stats.spearmanr(x, y).statistic)
    ranks = [stats.rankdata(one) for one in (x, y, z)]
    left = [r - np.polyval(np.polyfit(ranks[2], r, 1), ranks[2]) for r in ranks[:2]]
    if min(np.ptp(one) for one in left) > 1e-6:
        expected = np.corrcoef(*left)[0, 1]
        assert quality_correlation(x, y, length=z).value == pytest.approx(expected, abs=1e-6)


@given(st.integers(0, 99))
@settings(deadline=None, max_examples=20)
def test_laws(seed):
    rng = np.random.default_rng(seed)
    x, y, z = rng.normal(size=(3, 25))
    found = quality_correlation(x, y, length=z)
    order = rng.permutation(25)
    again = quality_correlation(np.exp(x)[order], 3 * y[order] + 1, length=z[order] ** 3)
    assert again.value == pytest.approx(found.value)
    assert (again.low, again.high) == pytest.approx((found.low, found.high))
    assert quality_correlation(-x, y, length=z).value == pytest.approx(-found.value)
    assert -1 <= found.low <= found.value <= found.high <= 1


def test_a_planted_relation_is_found_and_one_through_length_is_none():
    flagged = {"planted": 0, "planted, length held": 0, "through length, held": 0, "none": 0}
    for world in range(100):
        length, one, other = np.random.default_rng(world).normal(size=(3, 80))
        worse = other - 0.8 * one
        for name, found in {
            "planted": quality_correlation(one, worse),
            "planted, length held": quality_correlation(
                one - length, worse + length, length=length
            ),
            "through length, held": quality_correlation(
                one - length, other + length, length=length
            ),
            "none": quality_correlation(one, other),
        }.items():
            flagged[name] += found.high < 0 or found.low > 0
    assert flagged["planted"] >= 98
    assert flagged["planted, length held"] >= 95
    assert flagged["through length, held"] <= 10
    assert flagged["none"] <= 10


def test_what_has_no_value_or_no_interval_says_so():
    assert math.isnan(quality_correlation([1, 1, 1, 1, 1], [1, 2, 3, 4, 5]).value)
    assert math.isnan(quality_correlation([1, 2, 3, 4, 5], [2, 1, 4, 3, 5], length=range(5)).value)
    few = quality_correlation([1, 2, 3, 4], [1, 2, 4, 3])
    assert few.value == pytest.approx(0.8)
    assert math.isnan(few.low)
    assert few.note == "fewer than five items give no interval"
    assert math.isnan(quality_correlation([], []).value)
    with pytest.raises(UsageError):
        quality_correlation([1, 2], [1, 2, 3])
    with pytest.raises(DataError):
        quality_correlation([1, float("nan")], [1, 2])
