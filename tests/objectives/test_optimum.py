"""Optimum: the bandit whose answers are known to six digits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.divergences import generator, generator_names
from variegate.errors import UnknownName, UsageError
from variegate.objectives import optimum

REFERENCE = np.array([0.6, 0.3, 0.1])
REWARDS = np.array([1.0, 1.0, 0.0])
INVERTIBLE = [name for name in generator_names() if name != "total-variation"]


@pytest.mark.parametrize(
    ("divergence", "policy", "entropy", "value"),
    [
        ("reverse-kl", (0.656790, 0.328395, 0.014814), 0.704190, 0.954782),
        ("forward-kl", (0.643927, 0.321964, 0.034109), 0.763551, 0.943906),
        ("js", (0.661574, 0.330787, 0.007639), 0.676499, 0.967714),
        ("alpha", (0.649335, 0.324668, 0.025997), 0.740507, 0.948519),
        ("chi2", (0.66, 0.33, 0.01), 0.686151, 0.945),
    ],
)
def test_bandit_table(divergence, policy, entropy, value):
    best = optimum(REFERENCE, REWARDS, beta=0.5, divergence=divergence)
    np.testing.assert_allclose(best.policy, policy, atol=1.1e-6)
    assert best.entropy == pytest.approx(entropy, abs=1e-6)
    assert best.value == pytest.approx(value, abs=1e-6)


@given(
    st.sampled_from(INVERTIBLE),
    st.floats(0.02, 20),
    st.lists(st.floats(-3, 3), min_size=4, max_size=4),
    st.integers(0, 1000),
)
@settings(deadline=None, max_examples=60)
def test_no_nearby_policy_is_better(divergence, beta, rewards, seed):
    rng = np.random.default_rng(seed)
    reference = rng.dirichlet([2.0] * 4)
    best = optimum(reference, rewards, beta=beta, divergence=divergence)
    assert best.policy.sum() == pytest.approx(1)
    f = generator(divergence)
    for other in [reference, *rng.dirichlet([1.0] * 4, size=5)]:
        mixed = 0.9 * best.policy + 0.1 * other
        value = float(mixed @ np.array(rewards) - beta * f.divergence(mixed, reference))
        assert value <= best.value + 1e-7 * (1 + beta)


@pytest.mark.parametrize("divergence", INVERTIBLE)
def test_equal_rewards_keep_the_ratio_of_the_reference(divergence):
    for beta in (0.05, 0.5, 50.0):
        policy = optimum(REFERENCE, REWARDS, beta=beta, divergence=divergence).policy
        assert policy[0] / policy[1] == pytest.approx(2.0)


def test_reverse_kl_is_the_softmax_it_is_known_to_be():
    rewards = np.array([0.3, -1.0, 2.0])
    policy = REFERENCE * np.exp(rewards / 0.2)
    best = optimum(REFERENCE, rewards, beta=0.2)
    np.testing.assert_allclose(best.policy, policy / policy.sum(), rtol=1e-9)


def test_a_changed_reward_equalises_what_a_divergence_cannot():
    """Right arms are paid for being rare (MARA): equal shares under reverse KL only."""
    raised = np.where(REWARDS >= 1, 1 + 0.5 * np.log(0.6 / REFERENCE), REWARDS)
    np.testing.assert_allclose(
        optimum(REFERENCE, raised, beta=0.5).policy, [0.494424, 0.494424, 0.011152], atol=1e-6
    )
    np.testing.assert_allclose(
        optimum(REFERENCE, raised, beta=0.5, divergence="forward-kl").policy,
        [0.465667, 0.503924, 0.030409],
        atol=1e-6,
    )


def test_ends():
    np.testing.assert_allclose(optimum(REFERENCE, [2, 2, 2], beta=0.1).policy, REFERENCE)
    np.testing.assert_allclose(
        optimum(REFERENCE, REWARDS, beta=1e9, divergence="js").policy, REFERENCE, atol=1e-8
    )
    for divergence in set(INVERTIBLE) - {"chi2"}:
        tiny = optimum([0.5, 0.5 - 1e-4, 1e-4], [0, 0, 1], beta=1e-3, divergence=divergence)
        assert tiny.policy[2] > 0.9
    # Under chi2 the slope grows with the ratio: a rare answer is kept at 1 + 1/(2 beta) times.
    kept = optimum([0.5, 0.5 - 1e-4, 1e-4], [0, 0, 1], beta=1e-3, divergence="chi2")
    assert kept.policy[2] == pytest.approx(1e-4 * (1 + 500), rel=1e-3)
    assert optimum([1.0, 0.0], [0, 9], beta=0.1).policy.tolist() == [1.0, 0.0]


def test_what_cannot_be_is_refused():
    with pytest.raises(UsageError, match="beta above 0"):
        optimum(REFERENCE, REWARDS, beta=0)
    with pytest.raises(UsageError, match="no inverse slope"):
        optimum(REFERENCE, REWARDS, beta=1, divergence="total-variation")
    with pytest.raises(UnknownName):
        optimum(REFERENCE, REWARDS, beta=1, divergence="kl")
    with pytest.raises(UsageError, match=r"\(3,\) and \(2,\)"):
        optimum(REFERENCE, [1, 0], beta=1)
