"""Variety of training data: NovelSum, the diversity coefficient, and Vendi on gradients."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import DataError, UnknownName, UsageError
from variegate.metrics import diversity_coefficient, novel_sum, pairwise_diversity, vendi


def cloud(seed, n, d):
    return np.random.default_rng(seed).standard_normal((n, d))


clouds = st.builds(cloud, st.integers(0, 10**6), st.integers(2, 9), st.integers(1, 5))
readings = st.sampled_from(["item", "other"])


def by_loops(features, *, proximity, density, k, density_of, floor, itself):
    rows = features / np.linalg.norm(features, axis=1, keepdims=True)
    n = len(rows)
    sigma = []
    for i in range(n):
        squared = sorted(float(np.sum((rows[i] - rows[j]) ** 2)) for j in range(n) if j != i)
        sigma.append(max(np.mean(squared[:k]), floor) ** -density)
    total = 0.0
    for i in range(n):
        row = sorted(
            sigma[i if density_of == "item" else j] * (1 - float(rows[i] @ rows[j]))
            for j in range(n)
            if j != i
        )
        row = [0.0, *row] if itself else row
        weights = [(r + 1) ** -proximity for r in range(len(row))]
        total += np.average(row, weights=weights)
    return total / n


@given(clouds, readings, st.booleans(), st.integers(1, 4), st.sampled_from([0.0, 0.5, 2.0]))
@settings(deadline=None, max_examples=60)
def test_novel_sum_is_what_the_loops_say(rows, density_of, itself, k, power):
    chosen = {
        "proximity": power,
        "density": 0.5,
        "k": k,
        "density_of": density_of,
        "floor": 1e-2,
        "itself": itself,
    }
    assert novel_sum(rows, **chosen) == pytest.approx(by_loops(rows, **chosen), abs=1e-9)


@given(clouds)
@settings(deadline=None, max_examples=40)
def test_novel_sum_without_weights_is_the_mean_pairwise_distance(rows):
    n = len(rows)
    truth = pairwise_diversity(rows)
    plain = {"proximity": 0, "density": 0}
    assert novel_sum(rows, **plain) == pytest.approx(truth, abs=1e-9)
    assert novel_sum(rows, itself=True, **plain) == pytest.approx((n - 1) / n * truth, abs=1e-9)


@given(clouds, readings, st.floats(0.01, 100))
@settings(deadline=None, max_examples=40)
def test_novel_sum_laws_order_rotation_and_scale(rows, density_of, scale):
    turn = scale * np.linalg.qr(cloud(7, rows.shape[1], rows.shape[1]))[0]
    moved = novel_sum(rows[::-1] @ turn, density_of=density_of)
    assert moved == pytest.approx(novel_sum(rows, density_of=density_of), abs=1e-6)


@pytest.mark.parametrize("density_of", ["item", "other"])
def test_copies_are_worth_nothing_and_never_explode(density_of):
    assert novel_sum(np.ones((30, 4)), density_of=density_of) == pytest.approx(0, abs=1e-12)
    rows = cloud(0, 40, 8)
    copied = np.vstack([rows, np.repeat(rows[:1], 20, axis=0)])
    assert novel_sum(copied, density_of=density_of) < novel_sum(rows, density_of=density_of) * 2
    # With the published floor the same copies are worth thousands.
    assert novel_sum(copied, density_of=density_of, floor=1e-9) > 100


def test_readings_of_density_differ_and_a_reference_changes_it():
    rows = np.vstack([cloud(0, 30, 4), cloud(1, 30, 4) * 0.1 + 2])
    item, other = (novel_sum(rows, density_of=which) for which in ("item", "other"))
    assert abs(item - other) > 0.01
    far = novel_sum(rows, reference=-cloud(2, 50, 4) * 0.01 - 2)
    assert far < item  # where the reference is thin, a distance is worth less


def test_novel_sum_blocks_change_nothing(monkeypatch):
    rows = cloud(0, 37, 3)
    whole = [novel_sum(rows, density_of=which) for which in ("item", "other")]
    monkeypatch.setattr("variegate.metrics.training_data._novel_sum._BLOCK", 64)
    parts = [novel_sum(rows, density_of=which) for which in ("item", "other")]
    assert parts == pytest.approx(whole, abs=1e-12)


def test_novel_sum_of_one_item_and_what_it_refuses():
    assert math.isnan(novel_sum([[1.0, 0.0]]))
    rows = cloud(0, 5, 2)
    with pytest.raises(UnknownName, match="row"):
        novel_sum(rows, density_of="row")
    with pytest.raises(UsageError, match="floor"):
        novel_sum(rows, floor=0)
    with pytest.raises(UsageError, match="reference"):
        novel_sum(rows, reference=cloud(0, 5, 3))
    with pytest.raises(DataError, match="finite"):
        novel_sum(rows * math.nan)


@given(clouds)
@settings(deadline=None, max_examples=40)
def test_coefficient_is_the_pair_mean_with_the_brute_force_jackknife(rows):
    estimate = diversity_coefficient(rows)
    assert estimate.value == pytest.approx(pairwise_diversity(rows), abs=1e-9)
    n = len(rows)
    if n < 3:
        assert math.isnan(estimate.low)
        return
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosine = unit @ unit.T
    without = []
    for i in range(n):
        kept = np.delete(np.delete(cosine, i, axis=0), i, axis=1)
        without.append(1 - (kept.sum() - (n - 1)) / ((n - 1) * (n - 2)))
    error = math.sqrt((n - 1) / n * np.sum((np.array(without) - np.mean(without)) ** 2))
    assert estimate.settings["standard_error"] == pytest.approx(error, abs=1e-9)


def test_same_batch_again_and_again_is_at_zero_and_a_mixture_above_its_parts():
    assert diversity_coefficient(np.ones((6, 3))).value == pytest.approx(0, abs=1e-12)
    one, other = (np.abs(cloud(s, 30, 6)) * 0.2 + np.eye(6)[s] for s in (0, 1))
    mixture = diversity_coefficient(np.vstack([one, other]))
    assert mixture.low > diversity_coefficient(one).high
    assert math.isnan(diversity_coefficient(np.ones((1, 3))).value)


@pytest.mark.slow
def test_interval_over_batches_covers_where_one_over_pairs_would_not():
    d, n, worlds = 5, 20, 400
    shift = np.array([1.0, 0.5, 0, 0, 0])
    unit = cloud(99, 400_000, d) + shift
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    truth = 1 - float(np.sum(unit.mean(axis=0) ** 2))
    covered = narrow = 0
    for world in range(worlds):
        rows = cloud(world, n, d) + shift
        estimate = diversity_coefficient(rows)
        covered += estimate.low <= truth <= estimate.high
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        pairs = (rows @ rows.T)[np.triu_indices(n, 1)]
        reach = 1.96 * pairs.std() / math.sqrt(len(pairs))
        narrow += abs(estimate.value - truth) <= reach
    assert covered / worlds >= 0.92
    assert narrow / worlds < 0.75


def test_vendi_of_gradients_is_the_published_gradient_score():
    gradients = cloud(0, 50, 12)
    unit = gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(unit.T @ unit / 50)
    truth = math.exp(-np.sum(values * np.log(values)))
    assert vendi(gradients) == pytest.approx(truth, abs=1e-9)
    lengths = np.random.default_rng(1).uniform(0.1, 10, (50, 1))
    assert vendi(gradients * lengths) == pytest.approx(truth, abs=1e-9)  # scale of a loss
    assert vendi(np.ones((9, 4))) == pytest.approx(1)
