"""A set against a reference: closed expectations, brute force, published shells, and laws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.divergences import kl
from variegate.errors import DataError, UsageError
from variegate.metrics import (
    Coverage,
    frontier_integral,
    knn_entropy,
    knn_kl,
    mauve,
    mauve_of_features,
    prdc,
    probabilistic_precision_recall,
)


def cloud(seed, n, d):
    return np.random.default_rng(seed).standard_normal((n, d))


def shell(seed, n, d, radius):
    rows = cloud(seed, n, d)
    return radius * rows / np.linalg.norm(rows, axis=1, keepdims=True)


pairs = st.builds(
    lambda seed, n, m, d: (cloud(seed, n, d), cloud(seed + 1, m, d) + 0.3),
    st.integers(0, 10**6),
    st.integers(4, 9),
    st.integers(4, 9),
    st.integers(1, 4),
)


def by_loops(real, generated, k):
    def distance(a, b):
        return float(np.linalg.norm(a - b))

    def radii(points):
        return [sorted(distance(a, b) for b in points)[k] for a in points]

    own, other = radii(real), radii(generated)
    n, m = range(len(real)), range(len(generated))
    d = [[distance(a, b) for b in generated] for a in real]
    precision = np.mean([any(d[i][j] < own[i] for i in n) for j in m])
    recall = np.mean([any(d[i][j] < other[j] for j in m) for i in n])
    density = sum(d[i][j] < own[i] for i in n for j in m) / (k * len(generated))
    coverage = np.mean([min(d[i]) < own[i] for i in n])
    hit = np.mean([min(d[i][j] for i in n) < other[j] for j in m])
    return precision, recall, density, coverage, min(precision, hit), min(recall, coverage)


def numbers(fit):
    return (
        fit.precision,
        fit.recall,
        fit.density,
        fit.coverage,
        fit.symmetric_precision,
        fit.symmetric_recall,
    )


@given(pairs, st.integers(1, 3))
@settings(deadline=None, max_examples=40)
def test_prdc_is_what_the_loops_say(pair, k):
    assert numbers(prdc(*pair, k=k)) == pytest.approx(by_loops(*pair, k), abs=1e-12)


@given(pairs, st.floats(0.01, 100))
@settings(deadline=None, max_examples=40)
def test_prdc_laws_roles_order_rotation_shift_and_scale(pair, scale):
    real, generated = pair
    turn = np.linalg.qr(cloud(7, real.shape[1], real.shape[1]))[0]
    fit, swapped = prdc(real, generated, k=2), prdc(generated, real, k=2)
    assert (fit.precision, fit.recall) == (swapped.recall, swapped.precision)
    assert fit.symmetric_precision == swapped.symmetric_recall
    moved = prdc(scale * (real[::-1] @ turn) + 3, scale * (generated @ turn) + 3, k=2)
    assert numbers(moved) == pytest.approx(numbers(fit), abs=1e-12)


def test_same_points_are_at_one_and_points_all_alike_at_zero():
    same = cloud(0, 200, 5) + 100
    assert numbers(prdc(same, same)) == (1.0,) * 6
    alike = np.full((20, 3), 0.1)
    assert numbers(prdc(alike, alike)) == (0.0,) * 6
    assert numbers(prdc(same, same + 1000)) == (0.0,) * 6


@pytest.mark.parametrize(("n", "m", "expected"), [(500, 500, 0.96922), (500, 250, None)])
def test_coverage_and_density_of_the_same_distribution(n, m, expected):
    fits = [prdc(cloud(s, n, 4), cloud(s + 900, m, 4)) for s in range(20)]
    if expected is not None:
        assert fits[0].expected_coverage == pytest.approx(expected, abs=1e-5)
    assert np.mean([f.coverage for f in fits]) == pytest.approx(fits[0].expected_coverage, abs=0.01)
    assert np.mean([f.density for f in fits]) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(("n", "m", "expected"), [(500, 1000, 0.99597), (1000, 500, 0.86897)])
def test_expected_coverage_holds_for_unequal_sizes(n, m, expected):
    fit = prdc(cloud(0, n, 2), cloud(1, m, 2))
    assert fit.expected_coverage == pytest.approx(expected, abs=1e-5)


def test_asymmetry_of_shells_disappears_in_the_symmetric_pair():
    real = shell(0, 1000, 64, 1.0)
    inner, outer = prdc(real, shell(1, 1000, 64, 0.8)), prdc(real, shell(2, 1000, 64, 1.2))
    assert inner.precision > 0.95
    assert inner.recall < 0.1
    assert outer.precision < 0.15
    assert outer.recall > 0.95
    for fit in (inner, outer):
        assert fit.symmetric_precision < 0.15
        assert fit.symmetric_precision == pytest.approx(fit.symmetric_recall, abs=0.03)


def test_probabilistic_pair_same_far_and_normal():
    x = cloud(0, 500, 8)
    same = probabilistic_precision_recall(x, x)
    assert (same.precision, same.recall) == (1.0, 1.0)
    far = probabilistic_precision_recall(x, x + 1000)
    assert (far.precision, far.recall) == (0.0, 0.0)
    normal = probabilistic_precision_recall(x, cloud(1, 500, 8))
    assert normal.precision == pytest.approx(0.72, abs=0.05)
    assert normal.recall == pytest.approx(0.72, abs=0.05)


def test_one_outlier_widens_a_hard_ball_but_hardly_the_soft_one():
    real, generated = cloud(0, 300, 8), cloud(1, 300, 8) + 6
    outlier = np.vstack([real, np.full((1, 8), 12.0)])
    hard = prdc(outlier, generated).precision - prdc(real, generated).precision
    soft = (
        probabilistic_precision_recall(outlier, generated).precision
        - probabilistic_precision_recall(real, generated).precision
    )
    assert hard > 0.5
    assert abs(soft) < 0.05


@given(pairs)
@settings(deadline=None, max_examples=30)
def test_probabilistic_pair_is_the_product_and_swaps_roles(pair):
    real, generated = pair
    k, scale = 2, 1.2
    d = np.linalg.norm(real[:, None] - generated, axis=2)
    radius = scale * np.mean(np.sort(np.linalg.norm(real[:, None] - real, axis=2))[:, k])
    truth = np.mean(1 - np.prod(1 - np.maximum(0, 1 - d / radius), axis=0))
    fit = probabilistic_precision_recall(real, generated, k=k, scale=scale)
    swapped = probabilistic_precision_recall(generated, real, k=k, scale=scale)
    assert fit.precision == pytest.approx(truth, abs=1e-9)
    assert (fit.precision, fit.recall) == pytest.approx((swapped.recall, swapped.precision))


histograms = st.integers(1, 6).flatmap(
    lambda bins: st.tuples(
        *[st.lists(st.integers(0, 9), min_size=bins, max_size=bins).filter(any) for _ in range(2)]
    )
)


@given(histograms)
@settings(deadline=None, max_examples=80)
def test_mauve_laws_equal_is_exactly_one_symmetric_and_bounded(pair):
    p, q = pair
    value = mauve(p, q)
    assert mauve(p, p) == 1.0
    assert frontier_integral(p, p) == pytest.approx(0, abs=1e-15)
    assert mauve(q, p) == pytest.approx(value, abs=1e-12)
    assert mauve(p[::-1], q[::-1]) == pytest.approx(value, abs=1e-12)
    assert 0.00396 <= value <= 1 + 1e-12
    assert 0 <= frontier_integral(p, q) <= 1 + 1e-12


def test_mauve_of_disjoint_histograms_is_the_beta_integral():
    truth = math.factorial(5) ** 2 / math.factorial(10)
    assert mauve([1, 0], [0, 1], points=1001) == pytest.approx(truth, abs=1e-6)
    assert mauve([1, 0], [0, 1]) == pytest.approx(0.00407, abs=1e-5)


def test_frontier_integral_is_the_integral_over_mixtures():
    p, q = np.array([0.5, 0.3, 0.2, 0.0]), np.array([0.1, 0.3, 0.1, 0.5])
    w = (np.arange(200_000) + 0.5)[:, None] / 200_000
    mixture = w * p + (1 - w) * q
    costs = w[:, 0] * kl(p, mixture) + (1 - w[:, 0]) * kl(q, mixture)
    assert frontier_integral(p, q) == pytest.approx(2 * costs.mean(), abs=1e-6)


def test_mauve_of_features_orders_shifts_and_tells_its_spread():
    x = cloud(0, 200, 6)
    near, far = (mauve_of_features(x, cloud(1, 200, 6) + s, seeds=3) for s in (0.0, 3.0))
    assert 0.8 < near.value <= 1
    assert far.value < 0.1
    assert near.clusters == 20
    assert len(near.by_seed) == 3
    assert near.spread == pytest.approx(np.std(near.by_seed, ddof=1))
    assert near.spread > 0
    alike = mauve_of_features(np.ones((30, 3)), np.ones((30, 3)))
    assert (alike.value, alike.frontier_integral) == (1.0, 0.0)


@pytest.mark.parametrize("d", [1, 2])
def test_entropy_of_a_normal_sample(d):
    values = [knn_entropy(cloud(seed, 1000, d)) for seed in range(10)]
    truth = d * math.log(2 * math.pi * math.e) / 2
    assert np.mean(values) == pytest.approx(truth, abs=0.04)


@given(pairs, st.floats(0.01, 100))
@settings(deadline=None, max_examples=40)
def test_knn_laws_scale_shift_and_rotation(pair, scale):
    x, y = pair
    d = x.shape[1]
    turn = scale * np.linalg.qr(cloud(7, d, d))[0]
    shifted = knn_entropy(x, k=2) + d * math.log(scale)
    assert knn_entropy(x @ turn + 5, k=2) == pytest.approx(shifted, abs=1e-8)
    assert knn_kl(x @ turn, y @ turn, k=2) == pytest.approx(knn_kl(x, y, k=2), abs=1e-8)


def test_knn_kl_of_normals():
    same = [knn_kl(cloud(s, 800, 2), cloud(s + 50, 800, 2)) for s in range(8)]
    apart = [knn_kl(cloud(s, 2000, 1), cloud(s + 50, 2000, 1) + 1) for s in range(8)]
    assert np.mean(same) == pytest.approx(0, abs=0.05)
    assert np.mean(apart) == pytest.approx(0.5, abs=0.05)


def test_copies_have_no_density():
    assert knn_entropy(np.zeros((9, 2))) == -math.inf
    with pytest.raises(DataError, match="copies"):
        knn_kl(np.zeros((9, 2)), cloud(0, 9, 2))


def test_blocks_change_nothing(monkeypatch):
    x, y = cloud(0, 37, 3), cloud(1, 29, 3)

    def everything():
        soft = probabilistic_precision_recall(x, y)
        return [*numbers(prdc(x, y)), soft.precision, soft.recall, knn_kl(x, y)]

    whole = everything()
    monkeypatch.setattr("variegate.metrics.reference._neighbours._BLOCK", 64)
    monkeypatch.setattr("variegate.divergences._distances._BLOCK", 64)
    assert everything() == pytest.approx(whole, abs=1e-12)


def test_refuses_what_cannot_be():
    x = cloud(0, 5, 2)
    with pytest.raises(UsageError, match="k from 1 to 4"):
        prdc(x, x)
    with pytest.raises(UsageError, match="dimension"):
        prdc(x, cloud(0, 5, 3), k=1)
    with pytest.raises(DataError, match="finite"):
        prdc(x, x * math.nan, k=1)
    with pytest.raises(UsageError, match="scale"):
        probabilistic_precision_recall(x, x, scale=0)
    with pytest.raises(UsageError, match="same bins"):
        mauve([1, 2], [1, 2, 3])
    with pytest.raises(UsageError, match="not all 0"):
        frontier_integral([0, 0], [1, 2])
    with pytest.raises(UsageError, match="both sides"):
        mauve_of_features(x, x[:0])


@given(
    st.integers(0, 10**6),
    st.sampled_from([1e-100, 1e-9, 1.0, 1e20, 1e100]),
    st.sampled_from(["plain", "outlier", "far apart", "copies", "grid"]),
)
@settings(deadline=None, max_examples=60)
def test_near_is_what_the_loops_say_wherever_the_points_lie(seed, scale, kind):
    real, generated = cloud(seed, 9, 3), cloud(seed + 1, 7, 3)
    if kind == "outlier":
        real[0] *= 1e6
    if kind == "far apart":  # where products lose the digits of what is near
        real[:5] += 1e7
        generated[:4] += 1e7
    if kind == "copies":
        real[1:4], generated[2:5] = real[0], real[0]
    if kind == "grid":  # exact ties, and points on rims: outside
        real, generated = np.round(real), np.round(generated)
    fit = prdc(scale * real, scale * generated, k=2)
    if kind == "grid":
        assert numbers(fit) == numbers(prdc(real, generated, k=2))
    else:
        assert numbers(fit) == pytest.approx(by_loops(real, generated, 2), abs=1e-12)
    if kind == "plain":
        shift = 3 * math.log(scale)
        assert knn_entropy(scale * real, k=2) == pytest.approx(knn_entropy(real, k=2) + shift)


@pytest.mark.fault(37)
def test_fault_37_more_neighbours_than_points_is_refused_with_both_numbers():
    few = cloud(0, 4, 2)
    for call in (
        lambda: prdc(few, few, k=4),
        lambda: probabilistic_precision_recall(few, few, k=4),
        lambda: knn_entropy(few, k=4),
        lambda: knn_kl(few, few, k=4),
        lambda: Coverage(few, k=4),
    ):
        with pytest.raises(UsageError, match=r"k from 1 to 3, .* got 4"):
            call()


@pytest.mark.fault(37)
def test_fault_37_clusters_that_stay_empty_give_no_warning_and_too_many_are_refused():
    alike = np.ones((6, 2))
    assert mauve_of_features(alike, alike, clusters=12).value == pytest.approx(1)
    with pytest.raises(UsageError, match="1 to 12 clusters, one a point, got 50"):
        mauve_of_features(alike, alike, clusters=50)
