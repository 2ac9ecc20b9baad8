"""Forms of Vendi, Hill numbers with likeness, and volumes: closed forms, laws, simulation."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from variegate.errors import DataError, UsageError
from variegate.metrics import (
    dcscore,
    evenness,
    leinster_cobbold,
    log_determinant,
    log_determinant_distance,
    measure,
    partition,
    population_volume,
    rke,
    rke_within,
    sample_coverage,
    vendi,
    vendi_conditional,
    vendi_truncated,
)
from variegate.samples import Samples

ORDERS = [0, 0.5, 1, 2, 3.7, math.inf]
few = settings(deadline=None, max_examples=50)


def cloud(seed, n, d):
    return np.random.default_rng(seed).standard_normal((n, d))


clouds = st.builds(cloud, st.integers(0, 10**6), st.integers(2, 9), st.integers(1, 9))
orders = st.sampled_from(ORDERS)
counts = st.lists(st.integers(0, 6), min_size=4, max_size=4)


def cosine(X):
    X = X / np.linalg.norm(X, axis=-1, keepdims=True)
    return X @ np.swapaxes(X, -1, -2)


# Truncated


@few
@given(clouds, orders, st.integers(1, 12))
@example(cloud(0, 8, 2), 0, 3)  # two dimensions: no third eigenvalue out of the rounding of a sum
def test_truncation_keeps_the_largest_and_spreads_the_rest(X, q, t):
    value = vendi_truncated(X, t=t, q=q)
    if t >= len(X):
        assert value == pytest.approx(vendi(X, q=q), rel=1e-9)
    assert 1 - 1e-9 <= value <= t + 1e-9
    assert vendi_truncated(kernel=cosine(X), t=t, q=q) == pytest.approx(value, rel=1e-7)
    lam = np.sort(np.linalg.eigvalsh(cosine(X) / len(X)))[::-1][:t]
    if q == 2 and t < len(X):
        by_hand = 1 / np.sum((lam + (1 - lam.sum()) / t) ** 2)
        assert value == pytest.approx(by_hand, rel=1e-9)


def test_truncation_of_many_sets_and_of_none():
    X = cloud(1, 6 * 5, 3).reshape(6, 5, 3)
    together = vendi_truncated(X, t=2)
    assert together == pytest.approx([vendi_truncated(one, t=2) for one in X])
    assert math.isnan(vendi_truncated(np.zeros((0, 3)), t=2))
    with pytest.raises(UsageError, match="t of at least 1"):
        vendi_truncated(np.eye(2), t=0)
    with pytest.raises(UsageError, match="either"):
        vendi_truncated(t=1)


# Conditional


@few
@given(clouds, st.integers(0, 100), orders)
def test_conditional_times_mutual_is_the_total(X, seed, q):
    split = vendi_conditional(X, cloud(seed, len(X), 4), q=q)
    assert split.conditional * split.mutual == pytest.approx(split.total, rel=1e-12)
    assert split.total == pytest.approx(vendi(X, q=q), rel=1e-7)
    if q == 1:  # information is never negative
        assert split.mutual >= 1 - 1e-9


@pytest.mark.parametrize("q", ORDERS)
def test_what_one_prompt_and_what_a_deciding_prompt_leave(q):
    X = cloud(2, 12, 5)
    one = vendi_conditional(X, np.ones((12, 3)), q=q)
    assert one.conditional == pytest.approx(vendi(X, q=q), rel=1e-9)
    assert one.mutual == pytest.approx(1)
    groups = np.repeat(np.eye(4), 3, axis=0)
    decided = vendi_conditional(groups, groups, q=q)
    assert decided.conditional == pytest.approx(1)
    assert decided.mutual == pytest.approx(4)
    with pytest.raises(UsageError, match="as many prompts"):
        vendi_conditional(X, np.ones((11, 3)), q=q)


# RKE


@few
@given(clouds)
def test_rke_is_the_loop_over_pairs(X):
    K = cosine(X)
    n = len(K)
    mean = (np.sum(K**2) - n) / (n * (n - 1))
    assert 1 / rke(X) == pytest.approx(mean, abs=1e-12)
    assert 1 / rke(kernel=K) == pytest.approx(mean, abs=1e-9)
    assert rke(X) >= vendi(X, q=2) - 1e-9


def test_the_inverse_of_rke_has_one_expectation_for_every_n():
    rng = np.random.default_rng(5)
    centres = np.eye(5, 12)
    truth = None
    for n in (4, 10, 40):
        draw = rng.integers(0, 5, size=(3000, n))
        X = centres[draw] + 0.1 * rng.standard_normal((3000, n, 12))
        inverse = (1 / rke(X)).mean()
        plug_in = (1 / vendi(X, q=2)).mean()
        truth = inverse if truth is None else truth
        assert inverse == pytest.approx(truth, abs=0.01)
        assert plug_in == pytest.approx(truth + (1 - truth) / n, abs=0.01)
        assert rke_within(X).value == pytest.approx(1 / inverse, rel=1e-9)


def test_rke_at_its_ends():
    assert rke(np.eye(4)) == math.inf
    assert rke(np.ones((4, 2))) == pytest.approx(1)
    assert math.isnan(rke([[1.0, 0.0]]))
    assert np.isnan(rke(np.ones((3, 1, 2)))).all()
    nothing = rke_within([np.eye(3), np.eye(2), [[1.0]]])
    assert math.isnan(nothing.value)
    assert "in common" in nothing.note
    alone = rke_within([np.eye(3), np.ones((2, 2))])
    assert alone.value == pytest.approx(2)
    assert math.isnan(alone.low)
    estimate = rke_within([cloud(s, 5, 3) for s in range(30)])
    assert estimate.low < estimate.value < estimate.high


# Leinster and Cobbold


@pytest.mark.parametrize("q", ORDERS)
def test_equally_alike_kinds_give_n_over_1_plus_n_minus_1_times_z(q):
    n, z = 50, 0.3
    value = leinster_cobbold(np.ones(n), (1 - z) * np.eye(n) + z, q=q)
    assert value == pytest.approx(n / (1 + (n - 1) * z), rel=1e-9)
    assert value == pytest.approx(3.1847, abs=1e-4)


@few
@given(counts.filter(any), orders)
def test_without_likeness_it_is_the_hill_number_and_vendi_of_unlike_items(p, q):
    value = leinster_cobbold(p, q=q)
    assert value == pytest.approx(vendi(np.eye(4), weights=p, q=q), rel=1e-9)
    assert value == pytest.approx(leinster_cobbold(p, np.eye(4), q=q), rel=1e-12)
    assert 1 - 1e-9 <= value <= np.count_nonzero(p) + 1e-9


@few
@given(clouds, st.lists(orders, min_size=2, max_size=2, unique=True))
def test_laws_of_hill_numbers(X, pair):
    p, Z = np.abs(X[:, 0]) + 0.1, np.clip(cosine(X), 0, 1)
    np.fill_diagonal(Z, 1)
    low, high = sorted(pair)
    value = leinster_cobbold(p, Z, q=low)
    assert leinster_cobbold(p, Z, q=high) <= value + 1e-9
    assert value <= leinster_cobbold(p, q=low) + 1e-9  # likeness only takes away
    turned = leinster_cobbold(3 * p[::-1], Z[::-1, ::-1], q=low)
    assert turned == pytest.approx(value, rel=1e-9)
    halves = np.kron(Z, np.ones((2, 2)))  # a kind split into two that are the same
    assert leinster_cobbold(np.repeat(p, 2), halves, q=low) == pytest.approx(value, rel=1e-9)


@few
@given(st.lists(counts, min_size=1, max_size=4), orders)
def test_the_partition_of_sources(table, q):
    sources = sum(map(any, table))
    split = partition(table, q=q)
    if not sources:
        assert math.isnan(split.beta)
        return
    assert split.alpha * split.beta == pytest.approx(split.gamma, rel=1e-12)
    assert 1 - 1e-9 <= split.beta <= sources + 1e-9
    disjoint = np.kron(np.eye(len(table)), np.ones(4)) * np.ravel(table)
    assert partition(disjoint, q=q).beta == pytest.approx(sources, rel=1e-9)
    same = [np.asarray(table[0]) * m for m in (1, 2, 5)]
    if any(table[0]):
        assert partition(same, q=q).beta == pytest.approx(1, rel=1e-9)


def test_beta_of_order_1_is_the_mean_divergence_from_the_pool():
    sources = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    weights = np.array([0.25, 0.75])
    pool = weights @ sources
    divergence = weights @ (sources * np.log(sources / pool)).sum(axis=1)
    beta = partition(sources, weights=weights).beta
    assert math.log(beta) == pytest.approx(divergence, abs=1e-12)


def test_hill_numbers_refuse_what_is_no_likeness():
    for Z in ([[1, -0.1], [-0.1, 1]], [[0.5, 0], [0, 1]], np.eye(3), [[1, 2], [2, 1]]):
        with pytest.raises(UsageError):
            leinster_cobbold([1, 1], Z)
    with pytest.raises(UsageError):
        leinster_cobbold([1, -1])
    with pytest.raises(UsageError, match="order"):
        leinster_cobbold([1, 1], q=-1)
    with pytest.raises(UsageError, match="2 weights"):
        partition([[1, 0], [0, 1]], weights=[1])
    with pytest.raises(DataError):
        leinster_cobbold([1, math.nan])
    assert math.isnan(leinster_cobbold([0, 0]))
    assert math.isnan(evenness(1.0, 1))
    assert evenness(leinster_cobbold([1, 0, 0]), 3) == 0
    with pytest.raises(UsageError):
        evenness(1.0, 0)


def test_sample_coverage_estimates_what_the_next_draw_repeats():
    rng = np.random.default_rng(8)
    p = np.r_[0.3, 0.2, np.full(50, 0.01)]
    drawn = rng.multinomial(30, p, size=4000)
    truth = ((drawn > 0) * p).sum(axis=1).mean()
    assert np.mean([sample_coverage(c) for c in drawn]) == pytest.approx(truth, abs=0.01)
    assert sample_coverage([1, 1, 1]) == 0
    assert sample_coverage([1]) == 0
    assert math.isnan(sample_coverage([]))
    with pytest.raises(UsageError):
        sample_coverage([-1, 2])


# Volumes


@few
@given(clouds, st.floats(0.01, 100))
def test_both_gram_matrices_give_one_volume(X, gamma):
    n = len(X)
    truth = np.linalg.slogdet(np.eye(n) + gamma * cosine(X))[1]
    assert log_determinant(X, gamma=gamma) == pytest.approx(truth, rel=1e-9)
    assert math.log1p(gamma * n) - 1e-9 <= truth <= n * math.log1p(gamma) + 1e-9
    ridge = gamma / 50
    short = math.log1p(ridge) - np.linalg.slogdet(cosine(X) + ridge * np.eye(n))[1] / n
    assert log_determinant_distance(X, ridge=ridge) == pytest.approx(short, rel=1e-6, abs=1e-9)
    assert log_determinant_distance(X[::-1] * 3, ridge=ridge) == pytest.approx(short, abs=1e-8)


def test_volumes_at_their_ends():
    assert log_determinant_distance(np.eye(4)) == pytest.approx(0, abs=1e-12)
    assert log_determinant_distance(np.eye(4), ridge=0.1) == pytest.approx(0, abs=1e-12)
    assert log_determinant_distance(np.ones((3, 2))) == math.inf
    assert log_determinant_distance(cloud(1, 5, 3)) == math.inf  # n > d
    assert math.isfinite(log_determinant_distance(np.ones((3, 2)), ridge=1e-6))
    assert log_determinant(np.zeros((0, 3))) == 0
    assert math.isnan(log_determinant_distance(np.zeros((0, 3))))
    # An item without direction has nothing in common with the others.
    assert log_determinant([[1, 0], [0, 0], [0, 0]]) == pytest.approx(3 * math.log(2))
    assert log_determinant_distance([[1, 0], [0, 0], [0, 0]]) == pytest.approx(0, abs=1e-12)


def test_population_volume_at_its_oracles():
    assert population_volume([[0.0], [1.0]]) == pytest.approx(1 - 1 / math.e, abs=1e-12)
    assert population_volume([[0.0, 2.0], [0.0, 2.0], [1.0, 1.0]]) == 0
    assert population_volume([[0.0], [1e3], [-1e3]]) == pytest.approx(1)
    assert population_volume([[1e8], [1e8 + 1]]) == pytest.approx(1 - 1 / math.e, rel=1e-6)
    assert population_volume([[3.0]]) == 1
    many = cloud(4, 300, 40)
    log = population_volume(many, bandwidth=4, log=True)
    assert math.isfinite(log)
    assert log < -20
    wide = [population_volume(many, bandwidth=h, log=True) for h in (1, 2, 4)]
    assert wide == sorted(wide, reverse=True)


@few
@given(clouds)
def test_laws_of_population_volume(X):
    value = population_volume(X)
    assert 0 <= value <= 1
    order = np.random.default_rng(len(X)).permutation(len(X))
    assert population_volume(X[order] + 5) == pytest.approx(value, abs=1e-9)
    assert population_volume(X[:-1]) >= value - 1e-9  # one more can only be nearer to others
    assert population_volume(np.stack([X, 2 * X]))[1] == pytest.approx(population_volume(2 * X))


@few
@given(clouds, st.floats(0.05, 5))
def test_dcscore_is_the_trace_of_the_softmax(X, temperature):
    K = cosine(X) / temperature
    softmax = np.exp(K - K.max(axis=1, keepdims=True))
    truth = np.trace(softmax / softmax.sum(axis=1, keepdims=True))
    assert dcscore(X, temperature=temperature) == pytest.approx(truth, rel=1e-9)
    assert 1 - 1e-9 <= truth <= len(X) + 1e-9


def test_dcscore_at_its_ends():
    assert dcscore(np.ones((5, 2))) == pytest.approx(1)
    assert dcscore(np.eye(5)) == pytest.approx(5 * math.e / (math.e + 4))
    assert dcscore(np.eye(5), temperature=1e-3) == pytest.approx(5)
    assert dcscore(np.zeros((0, 2))) == 0


@pytest.mark.parametrize(
    ("function", "settings_"),
    [
        (dcscore, {"temperature": 0}),
        (population_volume, {"bandwidth": -1}),
        (log_determinant, {"gamma": 0}),
        (log_determinant_distance, {"ridge": -1}),
    ],
)
def test_scales_must_be_positive_and_features_finite(function, settings_):
    with pytest.raises(UsageError):
        function(np.eye(2), **settings_)
    with pytest.raises(UsageError, match="shape"):
        function(np.ones(3))
    with pytest.raises(DataError, match="NaN"):
        function([[1.0, math.nan]])


class Letters:
    """Three directions, told by the first letter."""

    name, dim, revision = "letters", 3, None

    def encode(self, texts):
        return np.eye(3, dtype=np.float32)[[ord(text[0]) % 3 for text in texts]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vendi_2", 2.0),
        ("vendi_inf", 2.0),
        ("vendi_truncated", 2.0),
        ("rke", 3.0),
        ("log_determinant", 2 * math.log(3)),
        ("log_determinant_distance", math.log(1.01) - math.log(2.01 * 0.01) / 2),
        ("population_volume", 0.0),
        ("dcscore", 4 * math.e / (2 * math.e + 2)),
        ("sample_coverage", 1.0),
    ],
)
def test_measure_runs_them_when_they_are_named(name, expected):
    rows = [{"prompt": p, "text": t} for p in ("one", "two") for t in ("a", "a", "b", "b")]
    result = measure(Samples.from_rows(rows), metrics=[name], embedder=Letters(), k=3)
    assert result.frame["value"].item() == pytest.approx(expected, abs=1e-6)
