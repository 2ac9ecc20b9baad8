"""Fronts known with chance: attainment, membership, intervals, halves."""

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from variegate.errors import UsageError
from variegate.estimate import bootstrap
from variegate.fronts import (
    attainment,
    hypervolume,
    hypervolume_estimate,
    membership,
    nondominated,
    resampled_points,
    split_half,
)

quick = settings(deadline=None, max_examples=40)
grid = st.integers(0, 16).map(lambda i: i / 16)


# --- attainment


def test_equal_sets_have_one_surface_their_front():
    front = np.array([[0.0, 4.0], [1.0, 2.0], [2.5, 0.5]])
    found = attainment(np.repeat(front[None], 7, axis=0), levels=[5, 50, 95])
    assert found.x.tolist() == front[:, 0].tolist()
    assert (found.surfaces == front[:, 1]).all()
    assert found.sets == 7


def staircase(points, x):
    """The y that a set of points attains at every x."""
    return np.array([max((q for p, q in points if p >= at), default=np.nan) for at in x])


@given(hnp.arrays(np.float64, (5, 4, 2), elements=grid))
@quick
def test_surfaces_are_those_of_moocore(sets):
    levels = [20.0, 40.0, 60.0, 80.0, 100.0]
    found = attainment(sets, levels=levels)
    # moocore minimises, and wants the sets in a column.
    flat = np.column_stack([-sets.reshape(-1, 2), np.repeat(np.arange(1, 6), 4)])
    other = moocore.eaf(flat[:, :2], sets=flat[:, 2], percentiles=levels)
    for row, level in zip(found.surfaces, levels, strict=True):
        surface = -other[np.isclose(other[:, 2], level)][:, :2]
        assert np.array_equal(row, staircase(surface, found.x), equal_nan=True)


@given(hnp.arrays(np.float64, (6, 3, 2), elements=grid | st.just(np.nan)))
@quick
def test_surfaces_fall_along_the_axis_and_with_the_share(sets):
    found = attainment(sets, levels=[10, 50, 90], x=np.linspace(0, 1, 9)).surfaces
    filled = np.where(np.isnan(found), -np.inf, found)
    assert (filled[:, 1:] <= filled[:, :-1]).all()
    assert (filled[1:] <= filled[:-1]).all()


def test_many_places_are_thinned_and_other_shapes_refused():
    rng = np.random.default_rng(0)
    assert attainment(rng.random((50, 10, 2))).x.shape == (200,)
    for wrong in (np.zeros((3, 2)), np.zeros((0, 3, 2)), np.zeros((2, 3, 3))):
        with pytest.raises(UsageError):
            attainment(wrong)
    with pytest.raises(UsageError, match="levels"):
        attainment(np.zeros((2, 3, 2)), levels=[0])


# --- resampled points


def test_resamples_are_paired_and_their_mean_is_that_of_the_bootstrap():
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(40, 1, 1))
    values = shared + np.array([[[0.0, 0.0], [0.25, 0.5]]])
    points = resampled_points(values, resamples=500, seed=3)
    assert np.allclose(points[:, 1] - points[:, 0], [0.25, 0.5])
    estimate = bootstrap(values[:, 0, 0], resamples=500, seed=3)
    low, high = np.quantile(points[:, 0, 0], [0.025, 0.975])
    assert (estimate.low, estimate.high) == pytest.approx((low, high))


def test_membership_is_one_for_the_better_and_half_for_a_toss_up():
    rng = np.random.default_rng(2)
    ability = rng.normal(size=(200, 1, 1))
    values = ability + np.zeros((200, 4, 2))
    values[:, 1] += 0.2  # better by far on every prompt alike
    values[:, 2] += [0.4, -0.2]  # a trade
    values[:, 3] = np.nan
    share = membership(resampled_points(values, resamples=400))
    assert share.tolist() == [0.0, 1.0, 1.0, 0.0]
    noise = rng.normal(size=(2000, 2, 2))
    noise[..., 1] = noise[..., 0]
    toss = membership(resampled_points(noise - noise.mean(axis=0), resamples=2000))
    assert toss == pytest.approx([0.5, 0.5], abs=0.05)
    with pytest.raises(UsageError):
        membership(np.zeros((3, 2)))
    with pytest.raises(UsageError):
        resampled_points(np.zeros((3, 2)))


def test_equal_prompts_give_an_interval_without_width():
    front = np.array([[0.2, 0.9], [0.5, 0.7], [0.8, 0.3], [0.5, 0.5]])
    found = hypervolume_estimate(np.repeat(front[None], 6, axis=0), reference=[0, 0], resamples=50)
    assert found.value == pytest.approx(0.48)
    assert (found.low, found.high) == pytest.approx((0.48, 0.48))
    assert (
        hypervolume_estimate(front[None], reference=[0, 0]).note == "one prompt gives no interval"
    )


def test_tasks_weigh_the_same_in_the_hypervolume():
    values = np.concatenate([np.full((30, 1, 2), 0.2), np.full((3, 1, 2), 0.8)])
    found = hypervolume_estimate(
        values, reference=[0, 0], strata=["a"] * 30 + ["b"] * 3, resamples=20
    )
    assert found.value == pytest.approx(0.25)


@pytest.mark.slow
def test_the_interval_of_a_hypervolume_covers_the_true_one():
    true = np.array([[0.8, 0.2], [0.5, 0.5], [0.2, 0.8]])
    volume, rng, held = hypervolume(true, reference=[0, 0]), np.random.default_rng(5), 0
    for trial in range(200):
        values = rng.binomial(1, true, size=(60, 3, 2)).astype(float)
        found = hypervolume_estimate(values, reference=[0, 0], resamples=300, seed=trial)
        held += found.low <= volume <= found.high
    assert held >= 180


# --- halves


def test_choosing_and_judging_on_the_same_prompts_flatters_and_halves_do_not():
    rng, same, honest = np.random.default_rng(7), [], []
    for seed in range(200):
        values = rng.normal(size=(40, 30))  # thirty settings, none better than another
        half = split_half(np.zeros(40), seed=seed)
        chosen = int(values[half].mean(axis=0).argmax())
        same.append(values[half, chosen].mean())
        honest.append(values[~half, chosen].mean())
    assert np.mean(same) > 0.3
    assert abs(np.mean(honest)) < 4 / np.sqrt(20 * 200)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30), st.integers(0, 50))
@quick
def test_every_task_is_halved(tasks, seed):
    tasks = np.array(tasks)
    half = split_half(tasks, seed=seed)
    assert (split_half(tasks, seed=seed) == half).all()
    for task in np.unique(tasks):
        size = int((tasks == task).sum())
        chosen = int(half[tasks == task].sum())
        assert chosen in ({0} if size == 1 else {size // 2, (size + 1) // 2})
    odd = sum((tasks == task).sum() % 2 and (tasks == task).sum() > 1 for task in np.unique(tasks))
    singles = sum((tasks == task).sum() == 1 for task in np.unique(tasks))
    assert abs(int(half.sum()) - int((~half).sum()) + singles) <= (1 if odd else 0)


def test_a_front_in_a_resample_is_the_front_of_its_means():
    rng = np.random.default_rng(0)
    points = resampled_points(rng.random((12, 5, 2)), resamples=7)
    assert [nondominated(p).tolist() for p in points] == nondominated(points).tolist()
