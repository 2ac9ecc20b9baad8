"""Divergences between sets of points: closed forms for normal samples, laws, and limits."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.divergences import cauchy_schwarz, energy_distance, mmd, sinkhorn
from variegate.errors import DataError, UnknownName, UsageError


def cloud(seed, n, d):
    return np.random.default_rng(seed).standard_normal((n, d))


clouds = st.builds(
    lambda seed, n, m, d: (cloud(seed, n, d), cloud(seed + 1, m, d) + 0.3),
    st.integers(0, 10**6),
    st.integers(2, 8),
    st.integers(2, 8),
    st.integers(1, 4),
)

DISTANCES = {
    "mmd": lambda x, y: mmd(x, y, width=1.5),
    "mmd-v": lambda x, y: mmd(x, y, width=1.5, form="v"),
    "cauchy-schwarz": lambda x, y: cauchy_schwarz(x, y, width=1.5),
    "energy": energy_distance,
    "sinkhorn": lambda x, y: sinkhorn(x, y, epsilon=10.0, tolerance=1e-8),
}


@pytest.mark.parametrize("name", DISTANCES)
@given(pair=clouds)
@settings(deadline=None, max_examples=25)
def test_laws_symmetric_and_blind_to_order_rotation_and_shift(name, pair):
    x, y = pair
    distance = DISTANCES[name]
    value = distance(x, y)
    turn = np.linalg.qr(cloud(7, x.shape[1], x.shape[1]))[0]
    assert distance(y, x) == pytest.approx(value, abs=1e-5)
    assert distance(x[::-1], y) == pytest.approx(value, abs=1e-5)
    assert distance(x @ turn + 3, y @ turn + 3) == pytest.approx(value, abs=1e-5)


@given(pair=clouds)
@settings(deadline=None, max_examples=25)
def test_same_set_is_at_zero_and_the_v_form_never_below(pair):
    x, y = pair
    assert mmd(x, x, width=1.0, form="v") == pytest.approx(0, abs=1e-12)
    assert energy_distance(x, x, form="v") == pytest.approx(0, abs=1e-12)
    assert cauchy_schwarz(x, x, width=1.0) == pytest.approx(0, abs=1e-12)
    assert sinkhorn(x, x, epsilon=0.5) == pytest.approx(0, abs=1e-4)
    assert min(cauchy_schwarz(x, y, width=1.0), energy_distance(x, y, form="v")) >= 0


def test_cauchy_schwarz_of_normals_has_its_closed_form():
    x, y = cloud(0, 3000, 1), cloud(1, 3000, 1) + 1
    for width in (0.3, 1.0):
        truth = 1 / (2 + width**2)
        assert cauchy_schwarz(x, y, width=width, form="u") == pytest.approx(truth, abs=0.05)
    assert cauchy_schwarz([0.0], [100.0], width=1.0) == pytest.approx(10_000)  # no underflow


def test_self_pairs_bias_the_v_form_upwards():
    worlds = [(cloud(seed, 30, 1), cloud(seed + 500, 30, 1)) for seed in range(200)]
    v = np.mean([cauchy_schwarz(x, y, width=0.3) for x, y in worlds])
    u = np.mean([cauchy_schwarz(x, y, width=0.3, form="u") for x, y in worlds])
    assert abs(u) < 0.03 < 0.1 < v


def test_mmd_is_unbiased_and_has_its_closed_form_for_normals():
    d, width, shift = 3, 1.2, 0.8
    truth = 2 * (width**2 / (width**2 + 2)) ** (d / 2)
    truth *= 1 - math.exp(-(shift**2) / (2 * (width**2 + 2)))
    move = np.array([shift, 0, 0])
    values = [
        mmd(cloud(seed, 20, d), cloud(seed + 5000, 25, d) + move, width=width)
        for seed in range(600)
    ]
    error = np.std(values) / math.sqrt(len(values))
    assert np.mean(values) == pytest.approx(truth, abs=4 * error)
    assert np.mean([mmd(*pair, width=1.0) for pair in equal_pairs()]) == pytest.approx(0, abs=0.01)


def equal_pairs():
    return [(cloud(seed, 10, 2), cloud(seed + 5000, 10, 2)) for seed in range(400)]


def test_energy_distance_is_twice_the_squared_gap_of_distribution_functions():
    x, y = cloud(0, 40, 1)[:, 0], cloud(1, 55, 1)[:, 0] + 0.5
    grid = np.sort(np.concatenate([x, y]))
    gap = np.searchsorted(np.sort(x), grid, side="right") / len(x)
    gap = gap - np.searchsorted(np.sort(y), grid, side="right") / len(y)
    truth = 2 * np.sum(gap[:-1] ** 2 * np.diff(grid))
    assert energy_distance(x, y, form="v") == pytest.approx(truth, abs=1e-12)


def test_blocks_change_nothing(monkeypatch):
    x, y = cloud(0, 37, 3), cloud(1, 29, 3)
    whole = [distance(x, y) for distance in DISTANCES.values()]
    monkeypatch.setattr("variegate.divergences._distances._BLOCK", 64)
    assert [distance(x, y) for distance in DISTANCES.values()] == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize("epsilon", [0.05, 1.0, 50.0])
def test_sinkhorn_of_a_shifted_cloud_is_the_squared_shift(epsilon):
    x, shift = cloud(3, 20, 2), np.array([1.0, -2.0])
    assert sinkhorn(x, x + shift, epsilon=epsilon) == pytest.approx(5.0, abs=1e-3)


def test_sinkhorn_limits_are_transport_and_the_energy_distance():
    x, y = cloud(0, 12, 1), cloud(1, 12, 1) * 2 + 1
    transport = np.mean((np.sort(x[:, 0]) - np.sort(y[:, 0])) ** 2)
    assert sinkhorn(x, y, epsilon=0.01) == pytest.approx(transport, rel=0.01)
    x, y = cloud(0, 12, 3), cloud(1, 9, 3) + 1
    limit = energy_distance(x, y, form="v") / 2
    assert sinkhorn(x, y, epsilon=1e4, cost="euclidean") == pytest.approx(limit, rel=1e-3)


def test_sinkhorn_does_not_underflow_and_says_when_it_gave_up():
    far = sinkhorn(cloud(0, 5, 2), cloud(0, 5, 2) + 1000, epsilon=0.1)
    assert far == pytest.approx(2e6, rel=1e-6)
    with pytest.raises(UsageError, match="marginals"):
        sinkhorn(cloud(0, 9, 2), cloud(1, 9, 2), epsilon=1e-3, most_rounds=3)


def test_refuses_what_cannot_be():
    x = cloud(0, 4, 2)
    with pytest.raises(UsageError, match="dimension"):
        mmd(x, cloud(0, 4, 3), width=1.0)
    with pytest.raises(UsageError, match="at least 2 points"):
        mmd(x[:1], x, width=1.0)
    with pytest.raises(UsageError, match="positive width"):
        cauchy_schwarz(x, x, width=0.0)
    with pytest.raises(DataError, match="finite"):
        energy_distance(x, x + math.nan)
    with pytest.raises(UnknownName, match="manhattan"):
        sinkhorn(x, x, epsilon=1.0, cost="manhattan")
    with pytest.raises(UnknownName, match="form"):
        energy_distance(x, x, form="w")
