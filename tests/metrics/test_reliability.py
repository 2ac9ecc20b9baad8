"""Calibration error and harmony: simulated truth, laws, and what they refuse."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import UnknownName, UsageError
from variegate.metrics import ece, harmony


def world(seed, n, *, gap=0.0):
    generator = np.random.default_rng(seed)
    stated = generator.uniform(0.3, 0.95, n)
    return stated, generator.random(n) < stated - gap


def test_ece_of_a_table_by_hand():
    stated, right = [0.05, 0.15, 0.15, 0.95], [0, 1, 0, 0]
    assert ece(stated, right, bins=10).value == pytest.approx((0.05 + 0.7 + 0.95) / 4)
    halves = ece(stated, right, bins=2, kind="equal-mass")
    assert halves.value == pytest.approx((abs(1 - 0.35) + abs(0 - 0.95)) / 4)


@pytest.mark.parametrize("kind", ["equal-width", "equal-mass"])
def test_chance_raises_the_plain_value_of_a_calibrated_model_not_the_debiased(kind):
    plain, debiased = (
        np.mean(
            [ece(*world(s, 800), kind=kind, debiased=debias, resamples=2).value for s in range(200)]
        )
        for debias in (False, True)
    )
    assert plain > 0.035
    assert debiased == pytest.approx(0, abs=0.005)


def test_debiased_value_is_right_where_the_gap_is_clear():
    values = [ece(*world(s, 600, gap=0.25), debiased=True, resamples=2).value for s in range(60)]
    assert np.mean(values) == pytest.approx(0.25, abs=0.01)
    assert np.mean(values) <= 0.25 + 0.005


@pytest.mark.slow
@pytest.mark.parametrize("gap", [0.0, 0.05, 0.1, 0.25])
def test_interval_covers_whatever_the_gap(gap):
    results = [ece(*world(s, 800, gap=gap), resamples=400) for s in range(200)]
    assert np.mean([r.low <= gap <= r.high for r in results]) >= 0.9


tables = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=30)


@given(tables, st.sampled_from(["equal-width", "equal-mass"]))
@settings(deadline=None, max_examples=60)
def test_ece_laws_bounds_order_and_duplication(table, kind):
    stated, right = map(list, zip(*table, strict=True))
    result = ece(stated, right, kind=kind, resamples=20)
    assert 0 <= result.value <= 1
    assert result.low <= result.value + 1e-12
    again = ece(stated[::-1], right[::-1], kind=kind, resamples=20)
    assert again.value == pytest.approx(result.value, abs=1e-12)
    twice = ece(stated * 2, right * 2, kind="equal-width", resamples=20).value
    assert twice == pytest.approx(ece(stated, right, resamples=20).value, abs=1e-12)
    fine = ece(stated, right, kind=kind, debiased=True, resamples=20).value
    assert fine <= result.value + 1e-12


def test_equal_confidences_share_a_bin_and_small_sets_say_so():
    result = ece([0.5] * 7 + [0.9], [1, 0, 1, 0, 1, 0, 1, 1], kind="equal-mass", bins=4)
    assert result.value == pytest.approx((7 * abs(4 / 7 - 0.5) + 0.1) / 8)
    assert math.isnan(ece([], []).value)
    one = ece([0.8], [1])
    assert one.value == pytest.approx(0.2)
    assert math.isnan(one.low)


@pytest.mark.parametrize(
    ("stated", "right"), [([1.2], [1]), ([math.nan], [1]), ([0.5], [0.5]), ([0.5, 0.5], [1])]
)
def test_ece_refuses(stated, right):
    with pytest.raises(UsageError, match="Expected"):
        ece(stated, right)


def test_ece_names_an_unknown_kind():
    with pytest.raises(UnknownName, match="kmeans"):
        ece([0.5], [1], kind="kmeans")


parts = st.lists(st.floats(0, 1), min_size=2, max_size=8)


@given(parts, st.floats(0.02, 1), st.floats(-3, 3))
@settings(deadline=None, max_examples=80)
def test_harmony_laws_bounds_shift_and_order(scores, bandwidth, shift):
    value = harmony(scores, bandwidth=bandwidth)
    assert 0 <= value <= 1 + 1e-12
    moved = harmony(np.add(scores, shift), bandwidth=bandwidth)
    assert moved == pytest.approx(value, abs=1e-6)
    assert harmony(scores[::-1], bandwidth=bandwidth) == pytest.approx(value, abs=1e-9)
    assert harmony(scores, [3] * len(scores), bandwidth=bandwidth) == pytest.approx(value)


def test_harmony_is_one_when_even_and_lower_when_one_part_deviates():
    assert harmony([0.4] * 5, bandwidth=0.1) == pytest.approx(1)
    slightly, strongly = (harmony([0.4] * 4 + [x], bandwidth=0.1) for x in (0.5, 0.9))
    assert strongly < slightly < 1
    assert strongly == pytest.approx(math.log(4) / math.log(5), abs=0.01)
    shares = harmony([0.4, 0.4], [3, 1], bandwidth=0.1)
    assert shares == pytest.approx(-(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25)))


def test_harmony_of_a_narrow_bandwidth_and_of_one_part():
    assert harmony([0.0, 0.1, 1.0], bandwidth=1e-9) == pytest.approx(0)
    assert math.isnan(harmony([0.5], bandwidth=0.1))
    with pytest.raises(UsageError, match="bandwidth"):
        harmony([0.5, 0.6], bandwidth=0)
    with pytest.raises(UsageError, match="weight"):
        harmony([0.5, 0.6], [0, 0], bandwidth=0.1)
