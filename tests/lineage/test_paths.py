"""Paths on the simplex, and waiting times against the matrix inverse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import UsageError
from variegate.lineage import absorption_times, stage_path


def test_disjoint_stages_are_pi_apart():
    path = stage_path([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    np.testing.assert_allclose(path.steps, np.pi)
    assert path.length == pytest.approx(2 * np.pi)
    assert path.chord == pytest.approx(np.pi)


def test_a_geodesic_is_straight():
    start, end = np.sqrt([0.4, 0.4, 0.2]), np.sqrt([0.9, 0.05, 0.05])
    angle = np.arccos(start @ end)
    t = np.linspace(0, 1, 6)[:, None]
    roots = (np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(angle)
    path = stage_path(roots**2)
    assert path.straightness == pytest.approx(1)
    np.testing.assert_allclose(path.steps, path.length / 5)


@given(st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_the_chord_is_never_longer_than_the_path(seed):
    path = stage_path(np.random.default_rng(seed).dirichlet([1.0] * 4, size=5))
    assert path.chord <= path.length + 1e-12


def test_standing_still_has_no_direction():
    path = stage_path([[0.5, 0.5], [0.5, 0.5]])
    assert path.length == 0
    assert np.isnan(path.straightness)
    with pytest.raises(UsageError, match="two stages"):
        stage_path([[0.5, 0.5]])


def test_waiting_times_match_the_inverse_and_the_drunkard():
    rng = np.random.default_rng(0)
    q = rng.dirichlet([1.0] * 5, size=4)  # last column: absorbed
    matrix = np.vstack([q, np.eye(5)[4]])
    expected = np.linalg.inv(np.eye(4) - q[:, :4]) @ np.ones(4)
    np.testing.assert_allclose(absorption_times(matrix), [*expected, 0])
    # a walk on 0..4 with absorbing ends takes i(4 - i) steps
    walk = np.zeros((5, 5))
    walk[0, 0] = walk[4, 4] = 1
    for i in (1, 2, 3):
        walk[i, i - 1] = walk[i, i + 1] = 0.5
    np.testing.assert_allclose(absorption_times(walk), [0, 3, 4, 3, 0])


def test_where_nothing_absorbs_the_wait_is_endless():
    swap = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    assert absorption_times(swap).tolist() == [np.inf, np.inf, 0.0]
    # one of two ways out leads into the endless pair
    risky = [
        [0.0, 0.5, 0.5, 0.0],
        [0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 1.0],
        [0.0, 0.0, 1.0, 0.0],
    ]
    assert absorption_times(risky).tolist() == [np.inf, 0.0, np.inf, np.inf]
    with pytest.raises(UsageError, match="sum to 1"):
        absorption_times([[0.5, 0.4], [0.0, 1.0]])
