"""Sides shown, draws needed, densities that hang on few points, gains that are only quality."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import DataError, UsageError
from variegate.metrics import (
    beyond_quality,
    draws_needed,
    expected_share_error,
    kernel_density,
    perspective_recall,
)

quick = settings(deadline=None, max_examples=40)


@given(st.integers(0, 2**32 - 1))
@quick
def test_perspectives_full_cover_one_missing_and_never_falling_in_k(seed):
    generator = np.random.default_rng(seed)
    shown = generator.random((8, 6, 3)) < 0.4
    values = [perspective_recall(shown, k=k) for k in range(1, 7)]
    assert values == sorted(values)
    shown[:, 0] = True
    assert perspective_recall(shown, k=1) == 1
    shown[:, :, 2] = False
    assert perspective_recall(shown, k=6) == 0


def test_reading_for_new_sides_covers_more_than_reading_for_relevance():
    """Planted: each question has two sides, and the most relevant documents all show the first."""
    generator = np.random.default_rng(0)
    recall = {"relevance": [], "novelty": []}
    for _ in range(50):
        side = np.array([0] * 5 + [1] * 5)
        centre = generator.standard_normal((2, 16))
        x = centre[side] + 0.3 * generator.standard_normal((10, 16))
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        relevance = np.where(side == 0, 0.8, 0.6) + 0.05 * generator.random(10)
        picked: list[int] = []
        while len(picked) < 4:
            near = (x @ x[picked].T).max(axis=1) if picked else np.zeros(10)
            score = 0.5 * relevance - 0.5 * near
            score[picked] = -np.inf
            picked.append(int(score.argmax()))
        for name, order in (("relevance", np.argsort(-relevance)), ("novelty", picked)):
            recall[name].append(perspective_recall(np.eye(2)[side[list(order)[:4]]], k=4))
    assert np.mean(recall["novelty"]) > np.mean(recall["relevance"]) + 0.5


def test_perspectives_refuse_other_tables():
    with pytest.raises(UsageError, match="k from 1"):
        perspective_recall([[1, 0]], k=2)
    with pytest.raises(UsageError, match="truth values"):
        perspective_recall([[0.5, 1]], k=1)


@pytest.mark.parametrize("m", [2, 5, 20])
def test_the_simulated_error_of_shares_is_near_its_asymptotic(m):
    p = np.random.default_rng(m).dirichlet(np.full(m, 5.0))
    for n in (2000, 10000):
        assert expected_share_error(p, n=n) == pytest.approx((m - 1) / (2 * n), rel=0.1)


def test_zero_counts_are_smoothed_and_one_answer_needs_one_draw():
    assert math.isfinite(expected_share_error([0.999, 0.001], n=3))
    assert expected_share_error([1.0], n=1) == 0
    assert draws_needed(1, tolerance=0.1) == 1
    p = np.full(10, 0.1)
    assert expected_share_error(p, n=draws_needed(10, tolerance=0.01)) == pytest.approx(
        0.01, rel=0.15
    )
    with pytest.raises(UsageError, match="tolerance"):
        draws_needed(3, tolerance=0)
    with pytest.raises(DataError, match="NaN"):
        expected_share_error([math.nan], n=3)


def test_density_of_a_normal_sample_and_its_effective_neighbours():
    sample = np.random.default_rng(0).standard_normal(20000)
    found = kernel_density([0.0, 1.0], sample, width=0.3)
    truth = [-0.5 * math.log(2 * math.pi * 1.09) - x * x / 2.18 for x in (0, 1)]
    assert found.log_density == pytest.approx(truth, abs=0.03)
    assert found.reliable.all()
    one = kernel_density([[0.0, 0.0]], [[0.0, 0.0], [100.0, 0.0]], width=1.0)
    assert one.neighbours == pytest.approx([1.0])
    assert one.log_density == pytest.approx([-math.log(2) - math.log(2 * math.pi)])


def test_the_density_fails_where_it_warns_and_follows_the_central_limit_elsewhere():
    """In 30 dimensions a few points carry the sum: skewed estimates, far below the truth (row 214).

    In 2 dimensions hundreds do: estimates over fresh samples are normal around the mean.
    """
    generator = np.random.default_rng(0)
    spread, warned = {}, {}
    for d, width in ((2, 0.4), (30, 0.4)):
        values, flags = [], []
        for _ in range(200):
            found = kernel_density(
                np.zeros((1, d)), generator.standard_normal((2000, d)), width=width
            )
            values.append(found.log_density[0])
            flags.append(found.reliable[0])
        smooth = -d / 2 * math.log(2 * math.pi * (1 + width**2))  # its expectation
        ratio = np.exp(np.array(values) - smooth)
        spread[d], warned[d] = ratio, np.mean(flags)
    assert (warned[2], warned[30]) == (1, 0)
    assert spread[2].mean() == pytest.approx(1, abs=0.02)
    skew = ((spread[2] - spread[2].mean()) ** 3).mean() / spread[2].std() ** 3
    assert abs(skew) < 0.6
    assert np.median(spread[30]) < 0.1  # the typical estimate misses what rare ones would bring


def test_densities_refuse_what_does_not_fit():
    with pytest.raises(UsageError, match="width"):
        kernel_density([0.0], [0.0], width=0)
    with pytest.raises(UsageError, match="one dimension"):
        kernel_density([[0.0, 1.0]], [0.0], width=1)
    with pytest.raises(DataError, match="NaN"):
        kernel_density([math.nan], [0.0], width=1)


def test_a_gain_that_quality_explains_is_flagged_and_a_planted_one_is_not():
    generator = np.random.default_rng(0)
    quality = generator.uniform(0.4, 0.9, 30)
    score = 0.2 + 0.6 * quality + 0.02 * generator.standard_normal(30)
    explained = beyond_quality(quality, score, set_quality=0.92, set_score=0.2 + 0.6 * 0.92)
    assert explained.explained
    assert explained.raw > -0.05
    real = beyond_quality(quality, score, set_quality=0.7, set_score=0.2 + 0.6 * 0.7 + 0.1)
    assert not real.explained
    assert real.gain.value == pytest.approx(0.1, abs=0.02)
    assert real.slope == pytest.approx(0.6, abs=0.1)


@pytest.mark.slow
def test_the_interval_of_a_gain_covers():
    generator = np.random.default_rng(1)
    held = 0
    for seed in range(400):
        quality = generator.uniform(0.4, 0.9, 25)
        score = quality + 0.05 * generator.standard_normal(25)
        found = beyond_quality(
            quality, score, set_quality=0.8, set_score=0.9, resamples=500, seed=seed
        ).gain
        held += found.low <= 0.1 <= found.high
    assert 0.88 <= held / 400 <= 0.98


def test_a_line_needs_models_of_different_quality():
    with pytest.raises(UsageError, match="four single models"):
        beyond_quality([0.5] * 5, [0.1] * 5, set_quality=0.5, set_score=0.5)
