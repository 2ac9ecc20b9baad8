"""Nominal 95% intervals cover the truth at the stated rate."""

import numpy as np
import pytest

from variegate.estimate import bootstrap, inclusion

WORLDS = 600


def covered(draw, truth, *, strata=None):
    hits = 0
    for world in range(WORLDS):
        estimate = bootstrap(
            draw(np.random.default_rng([7, world])), strata=strata, resamples=600, seed=world
        )
        hits += estimate.low <= truth <= estimate.high
    return hits / WORLDS


@pytest.mark.slow
def test_pass_at_k_over_prompts_of_unequal_difficulty():
    difficulty = np.random.default_rng(0).beta(0.7, 1.5, size=200_000)
    truth = float((1 - (1 - difficulty) ** 4).mean())

    def draw(rng):
        p = rng.choice(difficulty, size=40)
        return inclusion(16, rng.binomial(16, p), 4)

    assert 0.925 <= covered(draw, truth) <= 0.975


@pytest.mark.slow
def test_mean_of_a_skewed_metric():
    assert 0.915 <= covered(lambda rng: rng.gamma(2.0, size=50), 2.0) <= 0.975


@pytest.mark.slow
def test_macro_mean_over_tasks_with_few_prompts_each():
    """Six prompts a task: drawing n of n instead of n - 1 would cover about 0.92."""
    strata = np.repeat(np.arange(8), 6)

    def draw(rng):
        return rng.normal(loc=strata, size=len(strata))

    assert 0.93 <= covered(draw, float(np.arange(8).mean()), strata=strata) <= 0.97
