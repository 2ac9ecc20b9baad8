"""Intervals near a floor or a ceiling, and intervals of statistics of one set or several."""

from __future__ import annotations

import math
from dataclasses import dataclass

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy.special import stdtrit

from variegate.errors import UsageError
from variegate.estimate import bootstrap, bounded, subsampled
from variegate.estimate._student import student


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_students_quantiles_are_scipys(level):
    for df in (1, 2, 3, 4, 7, 20, 500):
        assert student(level, df) == pytest.approx(stdtrit(df, (1 + level) / 2), rel=2e-3)
    assert student(level, 0) == math.inf


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30), st.booleans())
@settings(deadline=None)
def test_laws_of_the_bounded_interval(values, upside_down):
    estimate = bounded(values)
    assert estimate.value == pytest.approx(np.mean(values))
    assert 0 <= estimate.low <= estimate.value + 1e-12
    assert estimate.value - 1e-12 <= estimate.high <= 1
    mirrored = bounded([1 - v for v in values])
    assert mirrored.low == pytest.approx(1 - estimate.high, abs=1e-9)
    assert mirrored.high == pytest.approx(1 - estimate.low, abs=1e-9)
    scaled = bounded([3 + 4 * v for v in values], low=3, high=7)
    assert (scaled.low - 3) / 4 == pytest.approx(estimate.low, abs=1e-9)


def test_far_from_the_bounds_it_is_students_interval():
    values = np.random.default_rng(0).normal(0.5, 0.02, 400)
    estimate, error = bounded(values), values.std(ddof=1) / 20
    reach = stdtrit(399, 0.975) * error
    assert estimate.low == pytest.approx(values.mean() - reach, rel=1e-4)
    assert estimate.high == pytest.approx(values.mean() + reach, rel=1e-4)


def test_nothing_seen_off_the_ceiling_is_not_nothing_there():
    estimate = bounded([1.0] * 100)
    assert estimate.high == 1
    assert 1 - estimate.low == pytest.approx(3.94 / 103.94, abs=1e-3)  # t² / (P + t²)
    boot = bootstrap([1.0] * 100)
    assert boot.low == boot.high == 1
    # One prompt of 30 a hair off the ceiling says little more than 30 on it, with 4 outputs each.
    off = bounded([1.0] * 29 + [0.999], trials=[4] * 30)
    assert off.low < 0.975
    assert bounded([1.0] * 29 + [0.999]).low > off.low


def test_strata_weigh_alike_and_single_ones_add_no_width():
    values, strata = [0.2, 0.4, 0.9], ["a", "a", "b"]
    estimate = bounded(values, strata=strata)
    assert estimate.value == pytest.approx(0.6)
    assert "1 of 2 strata" in estimate.note
    assert math.isnan(bounded([0.5]).low)
    assert math.isnan(bounded([float("nan")] * 3).value)
    assert bounded([0.5, float("nan"), 0.7]).n_excluded == 1


def test_bounds_are_bounds():
    with pytest.raises(UsageError, match=r"Expected values in \[0, 1\], got 1.5"):
        bounded([0.5, 1.5])
    with pytest.raises(UsageError, match="low < high"):
        bounded([0.5], low=1, high=1)


@dataclass(frozen=True)
class Two:
    mean: float
    top: float
    n: int


def test_subsampling_a_mean_gives_the_textbook_error_whatever_the_share():
    x = np.random.default_rng(1).normal(size=80)
    for share in (0.3, 0.5, 0.8):
        estimate = subsampled(np.mean, x, share=share, repeats=3000)
        assert estimate.settings["standard_error"] == pytest.approx(
            x.std(ddof=1) / math.sqrt(80), rel=0.06
        )
        assert estimate.value == x.mean()


def test_two_sets_are_subsampled_apart_and_clusters_together():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=60), rng.normal(size=90)
    apart = subsampled(lambda a, b: a.mean() - b.mean(), x, y, repeats=3000)
    expected = math.sqrt(x.var(ddof=1) / 60 + y.var(ddof=1) / 90)
    assert apart.settings["standard_error"] == pytest.approx(expected, rel=0.06)
    # Both sets hold the same prompts, whose levels differ a lot: the difference does not show it.
    level = np.repeat(rng.normal(size=20) * 10, 4)
    a, b = level + rng.normal(size=80), level + rng.normal(size=80)
    prompts = np.repeat(np.arange(20), 4)
    together = subsampled(
        lambda a, b: a.mean() - b.mean(), a, b, clusters=[prompts, prompts], repeats=1000
    )
    assert together.n_prompts == 20
    assert together.settings["standard_error"] < 0.3
    assert subsampled(lambda a, b: a.mean() - b.mean(), a, b).settings["standard_error"] > 1


def test_named_numbers_share_the_subsamples_and_bounds_cut():
    x = np.linspace(0, 1, 50)
    found = subsampled(lambda v: Two(mean=v.mean(), top=v.max(), n=len(v)), x, bounds=(0.4, 0.6))
    assert list(found) == ["mean", "top"]
    assert found["mean"].low >= 0.4
    assert found["top"].high == 0.6
    assert subsampled(np.mean, x, seed=3).low == subsampled(np.mean, x, seed=3).low


def test_too_few_units_have_no_interval():
    estimate = subsampled(np.mean, [1.0, 2.0, 3.0])
    assert estimate.value == 2
    assert math.isnan(estimate.low)
    assert estimate.note == "fewer than four units give no interval"
    with pytest.raises(UsageError):
        subsampled(np.mean, [1.0], share=1.0)
    with pytest.raises(UsageError, match="Expected a label"):
        subsampled(np.mean, [1.0, 2.0], clusters=[1])
