"""Ranks, hypervolume, epsilon, R2, knee, shares: oracles, laws, and moocore as a second opinion."""

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from variegate.errors import MissingExtra, UsageError
from variegate.fronts import (
    additive_epsilon,
    bulge,
    contributions,
    hypervolume,
    knee,
    nondominated,
    r2,
    ranks,
    robustness,
)

FOUR = np.array([[0.2, 0.9], [0.5, 0.7], [0.8, 0.3], [0.5, 0.5]])

quick = settings(deadline=None, max_examples=60)
# Sixteenths: sums and products of them are exact, so laws can be held to the last digit.
grid = st.integers(0, 16).map(lambda i: i / 16)


def sets(axes=2, least=1, most=9):
    return hnp.arrays(np.float64, st.tuples(st.integers(least, most), st.just(axes)), elements=grid)


# --- front and ranks


def test_four_points():
    assert nondominated(FOUR).tolist() == [True, True, True, False]
    assert ranks(FOUR).tolist() == [0, 0, 0, 1]


def test_nan_rows_do_not_win_where_those_of_moocore_do():
    points = np.array([[np.nan, 1.0], [1.0, 1.0]])
    assert moocore.is_nondominated(points, maximise=True).tolist() == [True, False]
    assert nondominated(points).tolist() == [False, True]
    assert ranks(points).tolist() == [-1, 0]
    spatial = np.array([[np.nan, 1.0, 1.0], [1.0, 1.0, 1.0]])
    assert nondominated(spatial).tolist() == [False, True]
    assert hypervolume(points, reference=[0, 0]) == 1.0
    assert contributions(points, reference=[0, 0]).tolist() == [0.0, 1.0]


@given(sets())
@quick
def test_ranks_are_peeled_fronts(points):
    left, layer = np.ones(len(points), dtype=bool), 0
    expected = np.full(len(points), -1)
    while left.any():
        front = nondominated(np.where(left[:, None], points, np.nan))
        expected[front], left = layer, left & ~front
        layer += 1
    assert ranks(points).tolist() == expected.tolist()


@given(sets(axes=3))
@quick
def test_three_axes_keep_the_definition_and_equal_points(points):
    beaten = [any((q >= p).all() and (q > p).any() for q in points) for p in points]
    assert nondominated(points).tolist() == [not b for b in beaten]


@given(hnp.arrays(np.float64, (3, 2, 6, 2), elements=grid | st.just(np.nan)))
@quick
def test_leading_axes_are_many_sets(points):
    for i in np.ndindex(3, 2):
        assert nondominated(points)[i].tolist() == nondominated(points[i]).tolist()
        assert hypervolume(points, reference=[0, 0])[i] == hypervolume(points[i], reference=[0, 0])
        assert np.array_equal(
            additive_epsilon(points, points[0, 0])[i],
            additive_epsilon(points[i], points[0, 0]),
            equal_nan=True,
        )


# --- hypervolume


def test_hypervolume_of_four_points():
    assert hypervolume(FOUR, reference=[0, 0]) == pytest.approx(0.48, abs=1e-12)
    expected = [0.04, 0.12, 0.09, 0.0]
    assert contributions(FOUR, reference=[0, 0]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("n", "volume"), [(11, 0.45), (101, 0.495)])
def test_hypervolume_of_points_on_a_line(n, volume):
    x = np.linspace(0, 1, n)
    found = hypervolume(np.column_stack([x, 1 - x]), reference=[0, 0])
    assert found == pytest.approx(volume, abs=1e-12)
    assert found == pytest.approx(0.5 - 1 / (2 * (n - 1)), abs=1e-12)


def test_what_does_not_beat_the_reference_covers_nothing():
    assert hypervolume([[0.5, 0.9], [0.9, 0.4]], reference=[0.9, 0.5]) == 0.0
    assert hypervolume([], reference=[0, 0]) == 0.0
    assert hypervolume([[1, 1]], reference=[0, 0]) == 1.0


@given(sets(), st.tuples(grid, grid))
@quick
def test_hypervolume_grows_with_points_and_with_better_ones(points, extra):
    before = hypervolume(points, reference=[0, 0])
    assert hypervolume([*points, extra], reference=[0, 0]) >= before
    assert hypervolume(np.maximum(points, extra), reference=[0, 0]) >= before
    assert hypervolume(points, reference=[0.25, 0.125]) <= before


@given(sets(), st.sampled_from([0.5, 2.0, 4.0]), st.permutations(range(9)))
@quick
def test_hypervolume_scales_with_each_axis_and_does_not_know_order(points, scale, order):
    before = hypervolume(points, reference=[0, 0])
    assert hypervolume(points * [scale, 1], reference=[0, 0]) == before * scale
    assert hypervolume(points + 1, reference=[1, 1]) == before
    assert hypervolume(points[:, ::-1], reference=[0, 0]) == before
    shuffled = points[[i for i in order if i < len(points)]]
    assert hypervolume(shuffled, reference=[0, 0]) == before


@given(sets() | sets(axes=3, most=6))
@quick
def test_contributions_are_what_the_front_loses(points):
    origin = np.zeros(points.shape[1])
    found = contributions(points, reference=origin)
    front = points[nondominated(points)]
    whole = hypervolume(front, reference=origin)
    without = [hypervolume(np.delete(front, i, 0), reference=origin) for i in range(len(front))]
    lost = whole - np.array(without)
    assert found[nondominated(points)] == pytest.approx(lost, abs=1e-12)
    assert (found[~nondominated(points)] == 0).all()


@given(sets(), sets(axes=3))
@quick
def test_hypervolume_is_that_of_moocore(plane, space):
    for points in (plane, space):
        origin = np.zeros(points.shape[1])
        other = moocore.hypervolume(points, ref=origin, maximise=True)
        assert hypervolume(points, reference=origin) == pytest.approx(other, abs=1e-12)


def test_three_axes_without_moocore_name_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "moocore", None)
    assert hypervolume([[1, 1]], reference=[0, 0]) == 1.0
    for call in (
        lambda: nondominated(np.ones((2, 3))),
        lambda: hypervolume(np.ones((2, 3)), reference=np.zeros(3)),
    ):
        with pytest.raises(MissingExtra) as caught:
            call()
        assert "pareto" in caught.value.hint


@pytest.mark.parametrize(
    ("points", "reference"),
    [([[1, 1]], [0, 0, 0]), ([[1, 1]], [0, np.nan]), ([[np.inf, 1]], [0, 0]), ([[1, 1]], 0)],
)
def test_hypervolume_refuses_what_has_no_volume(points, reference):
    with pytest.raises(UsageError):
        hypervolume(points, reference=reference)


# --- epsilon and R2


def test_a_front_shifted_by_a_tenth_is_a_tenth_ahead():
    assert additive_epsilon(FOUR, FOUR + 0.1) == pytest.approx(0.1)
    assert additive_epsilon(FOUR + 0.1, FOUR) == pytest.approx(-0.1)
    assert additive_epsilon(FOUR, FOUR) == 0.0


@given(sets(), sets())
@quick
def test_epsilon_is_the_least_worsening_after_which_all_is_covered(a, b):
    epsilon = additive_epsilon(a, b)
    assert epsilon == pytest.approx(moocore.epsilon_additive(a, ref=b, maximise=True))
    assert all(any((p >= q - epsilon).all() for p in a) for q in b)
    assert not all(any((p >= q - epsilon + 1e-9).all() for p in a) for q in b)


def test_epsilon_without_points():
    nothing = [[np.nan, 1.0]]
    assert additive_epsilon(nothing, FOUR) == np.inf
    assert np.isnan(additive_epsilon(FOUR, nothing))
    assert additive_epsilon([*FOUR, [np.nan, 9]], [*FOUR, [9, np.nan]]) == 0.0
    with pytest.raises(UsageError, match="2 and 3"):
        additive_epsilon(FOUR, np.ones((1, 3)))


def test_r2_of_the_two_known_sets():
    assert r2([[-1, -1]], ideal=[0, 0]) == 0.75
    assert r2([[0, -1], [-1, 0]], ideal=[0, 0]) == 0.25
    assert r2([[1, 1], [0, 0]], ideal=[1, 1]) == 0.0
    assert np.isnan(r2([[np.nan, 0]], ideal=[1, 1]))
    with pytest.raises(UsageError, match="beyond the ideal"):
        r2([[2, 0]], ideal=[1, 1])


@given(sets())
@quick
def test_r2_is_that_of_moocore_and_of_brute_force(points):
    found = r2(points, ideal=[1, 1])
    assert found == pytest.approx(moocore.r2_exact(1 - points, ref=[0, 0]), abs=1e-9)
    w = (np.arange(4000) + 0.5) / 4000
    short = 1 - points
    brute = np.maximum(w * short[:, :1], (1 - w) * short[:, 1:]).min(axis=0).mean()
    assert found == pytest.approx(brute, abs=1e-3)


# --- knee and shares


def test_the_middle_of_three_is_the_knee_and_a_line_has_none():
    assert knee([[0, 1], [0.7, 0.7], [1, 0]]) == 1
    assert bulge([[0, 1], [0.7, 0.7], [1, 0]])[1] == pytest.approx(0.4 / np.sqrt(2))
    x = np.linspace(0, 1, 11)
    assert knee(np.column_stack([x, 1 - x])) is None
    assert knee(np.column_stack([x, 0.3 - 0.1 * x])) is None
    assert knee([[0, 1], [0.2, 0.2], [1, 0]]) is None  # hollow
    for few in ([], [[1, 1]], [[0, 1], [1, 0]], [[np.nan, 1]]):
        assert knee(few) is None


@given(sets(least=3), st.sampled_from([0.25, 2.0, 8.0]))
@quick
def test_units_do_not_move_the_knee(points, scale):
    here = bulge(points)
    assert np.allclose(bulge(points * [scale, 1] + [3, -1]), here, equal_nan=True)
    assert (np.isnan(here) == ~nondominated(points)).all()
    assert np.nanmax(here) <= 1 / np.sqrt(2) + 1e-12


@given(sets())
@quick
def test_shares_sum_to_one_and_are_those_of_a_sweep_over_weights(points):
    shares = robustness(points)
    assert shares.sum() == pytest.approx(1.0)
    assert (shares[~nondominated(points)] == 0).all()
    w = (np.arange(2000) + 0.5) / 2000
    value = w[:, None] * points[:, 0] + (1 - w[:, None]) * points[:, 1]
    best = np.isclose(value, value.max(axis=1, keepdims=True), atol=1e-12, rtol=0)
    # Points on one straight piece of the hull tie at a single weight, which counts for nothing.
    swept = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    assert shares == pytest.approx(swept, abs=2e-3)


def test_shares_of_equal_points_and_of_none():
    assert robustness([[1, 1], [1, 1], [0, 0]]).tolist() == [0.5, 0.5, 0.0]
    assert robustness([[np.nan, 1]]).tolist() == [0.0]


@given(sets(), sets(most=4))
@quick
def test_epsilon_over_mixtures_is_that_over_many_mixtures(a, b):
    w = np.linspace(0, 1, 65)[:, None]
    dense = np.concatenate([w * p + (1 - w) * q for p in a for q in a])
    mixed = additive_epsilon(a, b, mixing=True)
    assert mixed <= additive_epsilon(a, b) + 1e-12
    assert mixed == pytest.approx(additive_epsilon(dense, b), abs=0.02)
    assert mixed <= additive_epsilon(dense, b) + 1e-12


def test_epsilon_over_mixtures_runs_over_resamples_and_skips_nan():
    sets_ = np.random.default_rng(0).random((5, 4, 2))
    sets_[2, 1] = np.nan
    found = additive_epsilon(sets_, sets_[:, :1] + 0.1, mixing=True)
    each = [additive_epsilon(s, s[:1] + 0.1, mixing=True) for s in sets_]
    assert found.tolist() == each
    with pytest.raises(UsageError, match="two axes"):
        additive_epsilon(np.ones((2, 3)), np.ones((2, 3)), mixing=True)
