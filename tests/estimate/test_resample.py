"""Resampled means, intervals and the bootstrap: oracles and laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import NotComparable, UsageError
from variegate.estimate import (
    Estimate,
    bootstrap,
    interval,
    paired,
    resampled_means,
    stratum_means,
)


def test_variance_of_a_resampled_mean_is_s2_over_n():
    values = np.random.default_rng(1).normal(size=12)
    means = resampled_means(values, resamples=40_000)[:, 0]
    assert means.mean() == pytest.approx(values.mean(), abs=0.01)
    assert means.var() == pytest.approx(values.var(ddof=1) / 12, rel=0.03)


def test_scipy_agrees_where_the_two_rules_meet():
    """With many prompts, drawing n - 1 of n and n of n are the same to 1/n."""
    from scipy.stats import bootstrap as peer

    values = np.random.default_rng(3).exponential(size=400)
    theirs = peer((values,), np.mean, n_resamples=20_000, method="percentile", rng=0)
    ours = bootstrap(values, resamples=20_000)
    assert isinstance(ours, Estimate)
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.01)


def test_columns_share_one_draw():
    rng = np.random.default_rng(0)
    a = rng.random(50)
    means = resampled_means(np.column_stack([a, a + 2.0, 3.0 * a]), resamples=200)
    np.testing.assert_allclose(means[:, 1], means[:, 0] + 2.0)
    np.testing.assert_allclose(means[:, 2], 3.0 * means[:, 0])


def test_same_seed_same_draw_in_two_calls_and_any_block_size(monkeypatch):
    values = np.random.default_rng(0).random((30, 2))
    strata = np.repeat(["a", "b"], 15)
    whole = resampled_means(values, resamples=101, strata=strata)
    monkeypatch.setattr("variegate.estimate._resample.BLOCK", 70)
    pieces = resampled_means(values, resamples=101, strata=strata)
    np.testing.assert_allclose(whole, pieces, rtol=1e-12)


def test_strata_keep_their_sizes_and_weigh_the_same():
    """A task with one constant value never mixes with the other, whatever its size."""
    values = np.concatenate([np.zeros(5), np.ones(95)])
    strata = np.repeat(["small", "large"], [5, 95])
    np.testing.assert_allclose(resampled_means(values, strata=strata, resamples=50), 0.5)
    per_stratum = stratum_means(values, strata=strata, resamples=50)
    assert per_stratum.shape == (50, 2, 1)
    np.testing.assert_allclose(per_stratum[:, :, 0], [[1.0, 0.0]] * 50)  # large, small


def test_missing_values_leave_the_mean_of_the_present_ones():
    values = np.array([[1.0, 1.0], [np.nan, 1.0], [1.0, 1.0], [np.nan, 1.0]])
    means = resampled_means(values, resamples=300)
    assert np.isnan(means[:, 0]).any()  # a draw of the two missing prompts alone
    np.testing.assert_allclose(means[~np.isnan(means[:, 0]), 0], 1.0)
    np.testing.assert_allclose(means[:, 1], 1.0)


def test_a_stratum_without_values_is_left_out_of_the_macro_mean():
    values = np.array([1.0, 3.0, np.nan, np.nan])
    estimate = bootstrap(values, strata=["a", "a", "b", "b"])
    assert isinstance(estimate, Estimate)
    assert estimate.value == 2.0
    assert (estimate.n_prompts, estimate.n_excluded) == (2, 2)


@pytest.mark.fault(10)
def test_fault_10_no_prompt_and_one_prompt_say_so():
    nothing = bootstrap([])
    assert isinstance(nothing, Estimate)
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all()
    assert nothing.note == "no prompt has a value"
    one = bootstrap([0.3, np.nan])
    assert isinstance(one, Estimate)
    assert one.value == 0.3
    assert np.isnan([one.low, one.high]).all()
    assert one.note == "one prompt gives no interval"
    mixed = bootstrap([0.3, 0.4, 0.5], strata=["a", "b", "b"])
    assert isinstance(mixed, Estimate)
    assert "1 of 2 strata have one prompt" in mixed.note
    assert mixed.low < mixed.value < mixed.high


@pytest.mark.fault(13)
def test_fault_13_infinities_are_refused_with_their_place():
    with pytest.raises(UsageError, match=r"\[\[1, 0\]\]"):
        bootstrap([0.0, np.inf])


@pytest.mark.fault(36)
def test_fault_36_the_same_seed_gives_the_same_bytes():
    values = np.random.default_rng(0).random(40)
    assert resampled_means(values).tobytes() == resampled_means(values).tobytes()
    assert resampled_means(values, seed=1).tobytes() != resampled_means(values).tobytes()


@pytest.mark.fault(23)
def test_fault_23_unpaired_vectors_are_refused():
    with pytest.raises(NotComparable, match="same prompts"):
        paired([1.0, 2.0], [1.0])


def test_paired_uses_the_prompts_both_have():
    estimate = paired([1.0, 2.0, np.nan, 5.0], [0.0, 1.0, 7.0, np.nan])
    assert estimate.value == 1.0
    assert (estimate.low, estimate.high) == (1.0, 1.0)
    assert (estimate.n_prompts, estimate.n_excluded) == (2, 2)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30), st.floats(-100, 100))
@settings(deadline=None, max_examples=40)
def test_a_shift_of_the_values_shifts_the_interval(values, shift):
    plain = bootstrap(values, resamples=100)
    moved = bootstrap(np.array(values) + shift, resamples=100)
    assert isinstance(plain, Estimate)
    assert isinstance(moved, Estimate)
    assert moved.low == pytest.approx(plain.low + shift, abs=1e-6)
    assert moved.high == pytest.approx(plain.high + shift, abs=1e-6)


def test_interval_ignores_missing_resamples_and_keeps_empty_columns_empty():
    resampled = np.column_stack([np.arange(101.0), np.full(101, np.nan)])
    resampled[:50, 0] = np.nan
    low, high = interval(resampled, level=0.5)
    assert low.tolist()[0] == 62.5
    assert high.tolist()[0] == 87.5
    assert np.isnan([low[1], high[1]]).all()
    with pytest.raises(UsageError, match="between 0 and 1"):
        interval([1.0], level=95)


def test_wrong_shapes_are_named():
    with pytest.raises(UsageError, match="stratum"):
        bootstrap([1.0, 2.0], strata=["a"])
    with pytest.raises(UsageError, match=r"\(2, 2, 2\)"):
        bootstrap(np.zeros((2, 2, 2)))
    with pytest.raises(UsageError, match="at least 1 resample"):
        resampled_means([1.0], resamples=0)
