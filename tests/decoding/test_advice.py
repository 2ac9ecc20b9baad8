"""What likelihoods are good for, and when a small model's word may stand."""

from __future__ import annotations

import numpy as np
import pytest

from variegate.decoding import cascade_threshold, likelihood_utility
from variegate.errors import DataError, UsageError


def world(agreement: float, *, prompts: int = 60, answers: int = 12, seed: int = 0):
    """Answers whose utility follows their likelihood to a given degree."""
    rng = np.random.default_rng(seed)
    likelihood = rng.standard_normal((prompts, answers))
    noise = rng.standard_normal((prompts, answers))
    return likelihood, agreement * likelihood + np.sqrt(1 - agreement**2) * noise


def test_agreement_reads_as_a_rank_correlation():
    from scipy.stats import spearmanr

    likelihood, utility = world(0.6)
    likelihood[0, :4] = 0.0  # equals share their rank
    found = likelihood_utility(likelihood, utility)
    each = [spearmanr(a, b).statistic for a, b in zip(likelihood, utility, strict=True)]
    assert found.correlation.value == pytest.approx(np.mean(each), abs=1e-9)


@pytest.mark.parametrize(
    ("agreement", "advice"),
    [(1.0, "seek the mode"), (0.0, "sample and select"), (-0.9, "sample and select")],
)
def test_the_advice_beats_its_opposite(agreement, advice):
    likelihood, utility = world(agreement)
    found = likelihood_utility(likelihood, utility)
    assert found.advice == advice
    # Equal calls of the utility: the mode needs none, so selecting pays with one call a draw.
    price = 0.15
    mode = np.take_along_axis(utility, likelihood.argmax(1)[:, None], 1).mean()
    select = utility.max(1).mean() - price * utility.shape[1] / 12
    better = "seek the mode" if mode > select else "sample and select"
    assert better == advice


def test_an_interval_over_the_threshold_is_undecided():
    likelihood, utility = world(0.5, prompts=6, answers=5)
    value = likelihood_utility(likelihood, utility).correlation.value
    assert likelihood_utility(likelihood, utility, threshold=value).advice == "undecided"


def test_prompts_without_a_correlation_are_counted():
    found = likelihood_utility([[1, 1, 1], [1, 2], [1, 2, 3]], [[1, 2, 3], [1, 2], [3, 2, 1]])
    assert found.correlation.value == -1
    assert found.correlation.n_excluded == 2
    empty = likelihood_utility([], [])
    assert np.isnan(empty.correlation.value)
    assert empty.advice == "undecided"
    with pytest.raises(DataError, match="NaN"):
        likelihood_utility([[1, 2, float("nan")]], [[1, 2, 3]])
    with pytest.raises(UsageError, match="as many prompts"):
        likelihood_utility([[1, 2, 3]], [])
    with pytest.raises(UsageError, match="one likelihood and one utility"):
        likelihood_utility([[1, 2, 3]], [[1, 2]])


def answers(n: int, seed: int):
    """A first model that is right as often as it is sure, a second that is right at 0.9."""
    rng = np.random.default_rng(seed)
    sure = rng.random(n)
    return sure, (rng.random(n) > sure).astype(float), (rng.random(n) > 0.9).astype(float)


def test_a_calibrated_cascade_keeps_its_promise_on_held_out_answers():
    broken = 0
    for seed in range(40):
        found = cascade_threshold(*answers(1500, seed), epsilon=0.06, delta=0.1)
        sure, first, second = answers(20_000, 1000 + seed)
        excess = np.where(found.keeps(sure), first - second, 0.0).mean()
        broken += excess > 0.06
        assert found.bound <= 0.06
    assert broken <= 4  # delta of 40
    assert found.share > 0.1


def test_the_ends_of_a_cascade_are_the_two_models():
    sure, first, _ = answers(400, 0)
    both = cascade_threshold(sure, first, first, epsilon=0.2)
    assert both.threshold == 0.0
    assert both.keeps(sure).all()
    assert both.share == 1.0
    none = cascade_threshold(sure, np.ones(400), np.zeros(400), epsilon=0.0)
    assert none.threshold > 1.0
    assert not none.keeps([1.0, 0.5]).any()
    assert none.share == none.excess == 0.0


def test_a_cascade_refuses_what_it_cannot_bound():
    with pytest.raises(DataError, match="confidences in"):
        cascade_threshold([0.5, 1.5], [0, 0], [0, 0], epsilon=0.1)
    with pytest.raises(DataError, match="finite"):
        cascade_threshold([0.5, np.nan], [0, 0], [0, 0], epsilon=0.1)
    with pytest.raises(DataError, match="at most 1"):
        cascade_threshold([0.5, 0.5], [3, 0], [0, 0], epsilon=0.1)
    with pytest.raises(UsageError, match="one length"):
        cascade_threshold([0.5], [0], [0], epsilon=0.1)
    with pytest.raises(UsageError, match="epsilon >= 0"):
        cascade_threshold([0.5, 0.5], [0, 0], [0, 0], epsilon=-0.1)
