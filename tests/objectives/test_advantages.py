"""Group advantages: the conventions of trl, number by number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import UnknownName, UsageError
from variegate.objectives import group_advantages

rewards_of_groups = st.lists(st.floats(-10, 10), min_size=4, max_size=12)


def test_published_value():
    found = group_advantages([1, 0, 0, 1], [0, 0, 0, 0])
    np.testing.assert_allclose(found, [0.865875, -0.865875, -0.865875, 0.865875], atol=1e-6)


def test_a_small_bonus_becomes_full_size_under_group_scaling():
    d = np.array([0.1, 0.2, 0.3, 0.4])
    small = group_advantages(1 + 0.01 * d, [0] * 4)
    large = group_advantages(1 + d, [0] * 4)
    np.testing.assert_allclose(small, [-1.078, -0.359, 0.359, 1.078], atol=6e-4)
    np.testing.assert_allclose(large, [-1.161, -0.387, 0.387, 1.161], atol=6e-4)
    plain = group_advantages(1 + 0.01 * d, [0] * 4, scale="none")
    np.testing.assert_allclose(plain, 0.01 * (d - d.mean()))


@given(rewards_of_groups, st.floats(-5, 5), st.sampled_from(["group", "batch", "none"]))
@settings(deadline=None, max_examples=60)
def test_laws(rewards, shift, scale):
    groups = np.arange(len(rewards)) % 2
    found = group_advantages(rewards, groups, scale=scale)
    for g in (0, 1):
        assert found[groups == g].sum() == pytest.approx(0, abs=1e-6)
    order = np.random.default_rng(0).permutation(len(rewards))
    moved = group_advantages(np.array(rewards)[order], groups[order], scale=scale)
    np.testing.assert_allclose(moved, found[order], atol=1e-7)
    if scale != "batch":  # the spread of the batch feels a shift of one group
        raised = group_advantages(np.array(rewards) + shift * (groups == 0), groups, scale=scale)
        np.testing.assert_allclose(raised, found, atol=1e-6)


def test_scale_batch_uses_one_spread():
    rewards = np.array([0.0, 1.0, 0.0, 3.0])
    found = group_advantages(rewards, ["a", "a", "b", "b"], scale="batch")
    np.testing.assert_allclose(
        found, np.array([-0.5, 0.5, -1.5, 1.5]) / (rewards.std(ddof=1) + 1e-4)
    )


def test_constant_single_and_inapplicable_rewards_get_nothing():
    found = group_advantages([5, 5, 7, np.nan, 1, 0], [0, 0, 1, 2, 2, 2])
    np.testing.assert_allclose(found[:4], 0.0)
    np.testing.assert_allclose(found[4:], np.array([0.5, -0.5]) / (np.sqrt(0.5) + 1e-4))
    assert group_advantages([np.nan, np.nan], [0, 0], scale="batch").tolist() == [0, 0]
    assert group_advantages([], []).shape == (0,)


def test_tensors_come_back_as_tensors():
    torch = pytest.importorskip("torch")
    rewards = torch.tensor([1.0, 0.0, 0.0, 1.0], dtype=torch.float32)
    found = group_advantages(rewards, torch.zeros(4, dtype=torch.long))
    assert found.dtype == torch.float32
    assert found[0].item() == pytest.approx(0.865875, abs=1e-5)


@pytest.mark.fault(13)
def test_fault_13_infinite_rewards_are_refused():
    with pytest.raises(UsageError, match="finite"):
        group_advantages([np.inf, 0.0], [0, 0])


def test_what_cannot_be_is_refused():
    with pytest.raises(UnknownName, match="groups"):
        group_advantages([1.0], [0], scale="groups")
    with pytest.raises(UsageError, match=r"\(2,\) and \(1,\)"):
        group_advantages([1.0, 2.0], [0])
