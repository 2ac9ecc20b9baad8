"""What a spread goes along with: groups, attributes, drift, confusion, other models."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from variegate.errors import DataError, UsageError
from variegate.metrics import (
    confusion_norm,
    distance_correlation,
    mutual_information,
    neural_collapse,
    partial_information,
    smile,
    student_distance,
    transfer_rate,
)

quick = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 2**32 - 1)


def simplex(k: int) -> np.ndarray:
    """The k means of full collapse: equal lengths, cosines -1/(k - 1)."""
    return np.eye(k) - 1 / k


@pytest.mark.parametrize("k", [2, 3, 10])
def test_a_simplex_frame_is_full_collapse(k):
    groups = np.repeat(np.arange(k), 7)
    found = neural_collapse(simplex(k)[groups], groups, classifier=3 * simplex(k))
    assert found.within == pytest.approx(0, abs=1e-20)
    assert (found.norms, found.angles, found.duality) == pytest.approx((0, 0, 0), abs=1e-7)


@given(seeds)
@quick
def test_collapse_does_not_change_with_scale_rotation_or_place(seed):
    generator = np.random.default_rng(seed)
    groups = np.repeat(np.arange(4), 6)
    x = generator.standard_normal((24, 5)) + 3 * generator.standard_normal((4, 5))[groups]
    turn, _ = np.linalg.qr(generator.standard_normal((5, 5)))
    plain = neural_collapse(x, groups)
    moved = neural_collapse(4 * x @ turn + 10, groups)
    assert (moved.within, moved.norms, moved.angles) == pytest.approx(
        (plain.within, plain.norms, plain.angles), rel=1e-8
    )
    # The definition, with a pseudo-inverse.
    means = np.stack([x[groups == g].mean(0) for g in range(4)])
    inner = sum((x[groups == g] - means[g]).T @ (x[groups == g] - means[g]) / 6 for g in range(4))
    between = (means - means.mean(0)).T @ (means - means.mean(0)) / 4
    direct = np.trace(inner / 4 @ np.linalg.pinv(between)) / 4
    assert plain.within == pytest.approx(direct, rel=1e-8)


def test_collapse_at_its_ends_and_what_it_refuses():
    assert neural_collapse([[0.0], [2.0], [0.0], [2.0]], [0, 0, 1, 1]).within == math.inf
    assert math.isnan(neural_collapse([[1.0]] * 4, [0, 0, 1, 1]).within)
    with pytest.raises(UsageError, match="two groups"):
        neural_collapse([[1.0], [2.0]], [0, 0])
    with pytest.raises(DataError, match="NaN"):
        neural_collapse([[1.0], [math.nan]], [0, 1])


def test_gradient_flow_near_given_features_collapses_monotonically():
    """Features pulled to a classifier's minimum and held by their first values (row 15)."""
    generator = np.random.default_rng(0)
    k, per = 3, 20
    groups = np.repeat(np.arange(k), per)
    target = np.eye(k)[groups]
    start = 2 * simplex(k)[groups] + 0.3 * generator.standard_normal((k * per, k))
    h, w = start.copy(), np.eye(k)
    hold, rates = 0.01, []
    for _ in range(400):
        rates.append(neural_collapse(h, groups).within)
        # The head follows at once (ridge regression), the features by gradient flow.
        w = np.linalg.solve(h.T @ h + 0.5 * np.eye(k), h.T @ target).T
        h -= 0.05 * ((h @ w.T - target) @ w + hold * (h - start))
    assert all(a > b for a, b in itertools.pairwise(rates))
    assert rates[-1] < rates[0] / 2


def test_an_imbalanced_deep_linear_net_reaches_orthogonal_means_of_the_predicted_lengths():
    """Free features under two linear layers, no bias, weight decay (row 9).

    The minimum is known in closed form: for each class, singular value σ of the product over the
    layers solves a scalar problem, so the means are orthogonal and their lengths follow the sizes.
    """
    sizes = np.array([40, 20, 10])
    groups = np.repeat(np.arange(3), sizes)
    n, d, decay = len(groups), 6, 2e-3
    target = np.eye(3)[groups].T
    generator = np.random.default_rng(1)
    layers = [generator.standard_normal(s) * 0.3 for s in ((3, d), (d, d), (d, n))]
    for _ in range(30000):
        w2, w1, h = layers
        error = (w2 @ w1 @ h - target) / n
        slopes = (error @ (w1 @ h).T, w2.T @ error @ h.T, (w2 @ w1).T @ error)
        decays = (decay, decay, decay / 10)
        for i, (slope, strength) in enumerate(zip(slopes, decays, strict=True)):
            layers[i] = layers[i] - (2.0 if i == 2 else 0.1) * (slope + strength * layers[i])
    h = layers[2].T
    means = np.stack([h[groups == g].mean(0) for g in range(3)])
    assert neural_collapse(h, groups).within < 1e-6
    lengths = np.linalg.norm(means, axis=1)
    cosines = (means @ means.T)[np.triu_indices(3, 1)] / np.outer(lengths, lengths)[
        np.triu_indices(3, 1)
    ]
    assert np.abs(cosines).max() < 1e-2
    # Per class: minimise over the singular values a, b of the layers and the length c of a mean,
    # (n_k/2n)(abc - 1)² + decay (a² + b²)/2 + (decay/10) n_k c²/2.
    from scipy.optimize import minimize

    expected = []
    for size in sizes:

        def cost(v, size=size):
            a, b, c = v
            fit = size / (2 * n) * (a * b * c - 1) ** 2
            return fit + decay * (a * a + b * b) / 2 + decay / 10 * size * c * c / 2

        best = min((minimize(cost, [s, s, s], tol=1e-14) for s in (0.5, 1, 2)), key=lambda r: r.fun)
        expected.append(abs(best.x[2]))
    assert lengths == pytest.approx(expected, rel=0.02)


def test_distance_correlation_catches_what_correlation_misses():
    generator = np.random.default_rng(0)
    x = generator.standard_normal(400)
    assert abs(np.corrcoef(x, x**2)[0, 1]) < 0.15
    assert distance_correlation(x, x**2) > 0.2
    labels = np.where(np.abs(x) > 1, "out", "in")
    assert distance_correlation(x, labels) > 0.1


def test_unbiased_distance_correlation_is_zero_on_average_and_the_plain_one_is_not():
    generator = np.random.default_rng(1)
    draws = [
        [
            distance_correlation(*pair, unbiased=u)
            for pair in [generator.standard_normal((2, 20))]
            for u in (True, False)
        ]
        for _ in range(400)
    ]
    unbiased, plain = np.mean(draws, axis=0)
    assert abs(unbiased) < 0.02 < 0.1 < plain


@given(seeds)
@quick
def test_distance_correlation_is_one_for_itself_and_blind_to_order_and_turns(seed):
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((15, 3))
    turn, _ = np.linalg.qr(generator.standard_normal((3, 3)))
    y = generator.standard_normal(15)
    order = generator.permutation(15)
    assert distance_correlation(x, x @ turn) == pytest.approx(1, abs=1e-6)
    assert distance_correlation(y, 3 - 2 * y) == pytest.approx(1, abs=1e-9)
    both = distance_correlation(x, y, y > 0)
    assert distance_correlation(x[order], y[order], y[order] > 0) == pytest.approx(both, abs=1e-9)


def test_distance_correlation_refuses_what_it_cannot_read():
    assert math.isnan(distance_correlation(np.arange(5.0), np.ones(5)))
    with pytest.raises(UsageError, match="no"):
        distance_correlation([1, 2, 3, 4])
    with pytest.raises(UsageError, match="rows"):
        distance_correlation(np.arange(5.0), np.arange(6.0))
    with pytest.raises(DataError, match="NaN"):
        distance_correlation([1, 2, 3, math.nan], [1, 2, 3, 4])


def log_ratio(x: np.ndarray, y: np.ndarray, rho: float) -> np.ndarray:
    """ln p(x, y)/(p(x) p(y)) of two normals with correlation rho, for every pair."""
    a, b = x[:, None], y[None]
    square = 2 * rho * a * b - rho**2 * (a**2 + b**2)
    return square / (2 * (1 - rho**2)) - np.log(1 - rho**2) / 2


def correlated(generator: np.random.Generator, n: int, rho: float) -> np.ndarray:
    x, noise = generator.standard_normal((2, n))
    return np.stack([x, rho * x + np.sqrt(1 - rho**2) * noise])


def test_smile_finds_the_information_of_normals():
    generator = np.random.default_rng(0)
    dims, rho = 3, 0.8
    found = [
        smile(sum(log_ratio(*correlated(generator, 400, rho), rho) for _ in range(dims)))
        for _ in range(40)
    ]
    assert np.mean(found) == pytest.approx(-dims / 2 * math.log(1 - rho**2), abs=0.1)


def test_the_partition_of_smile_varies_little_where_the_plain_one_explodes():
    """At 17 nats, 128 pairs: the clip trades the variance for a bias of nearly its own size."""
    generator = np.random.default_rng(0)
    partition = {5.0: [], None: []}
    for _ in range(60):
        scores = sum(log_ratio(*correlated(generator, 128, 0.9), 0.9) for _ in range(20))
        for clip, found in partition.items():
            found.append(smile(scores, clip=clip) - scores.diagonal().mean())
    assert np.std(partition[None]) > 3 * np.std(partition[5.0])
    assert max(partition[5.0]) <= 5


def test_smile_obeys_data_processing_and_additivity():
    generator = np.random.default_rng(1)
    rho = 0.8
    one, two = (np.stack(correlated(generator, 2000, rho)) for _ in range(2))
    scores = [log_ratio(*pair, rho) for pair in (one, two)]
    single = [smile(s) for s in scores]
    assert smile(scores[0] + scores[1]) == pytest.approx(sum(single), abs=0.1)
    noisy = np.stack([one[0], (one[1] + generator.standard_normal(2000)) / math.sqrt(2)])
    assert smile(log_ratio(*noisy, rho / math.sqrt(2))) < single[0]


@given(arrays(np.float64, (6, 6), elements=st.floats(-50, 50)), st.floats(-30, 30))
@quick
def test_unclipped_smile_does_not_change_with_a_constant_of_the_critic(scores, constant):
    assert smile(scores + constant, clip=None) == pytest.approx(
        smile(scores, clip=None), abs=1e-9, rel=1e-9
    )


def test_information_of_xor_is_synergy_and_of_a_copy_redundancy():
    xor = np.zeros((2, 2, 2))
    copy = np.zeros((2, 2, 2))
    for a in range(2):
        copy[a, a, a] = 0.5
        for b in range(2):
            xor[a, b, a ^ b] = 0.25
    parts = partial_information(xor)
    assert (parts.total, parts.synergistic) == pytest.approx((math.log(2),) * 2)
    assert (parts.redundant, parts.first, parts.second) == pytest.approx((0, 0, 0), abs=1e-12)
    parts = partial_information(copy)
    assert (parts.total, parts.redundant) == pytest.approx((math.log(2),) * 2)
    assert (parts.synergistic, parts.first, parts.second) == pytest.approx((0, 0, 0), abs=1e-12)


@given(arrays(np.float64, (3, 2, 3), elements=st.floats(0, 1)).filter(lambda t: t.sum() > 0.01))
@quick
def test_the_parts_of_information_sum_to_it_and_none_is_negative(joint):
    parts = partial_information(joint)
    pieces = (parts.redundant, parts.first, parts.second, parts.synergistic)
    assert min(pieces) >= -1e-12
    assert sum(pieces) == pytest.approx(parts.total, abs=1e-9)
    marginal = joint.sum(axis=1)
    assert parts.redundant + parts.first == pytest.approx(mutual_information(marginal), abs=1e-9)


def test_prompt_and_stage_as_sources_of_an_answer():
    """The prompt decides the answer, the stage only whether it is given: credit goes there."""
    joint = np.zeros((2, 2, 2))
    joint[0, :, 0] = joint[1, :, 1] = 0.25
    parts = partial_information(joint)
    assert parts.first == pytest.approx(math.log(2))
    assert parts.second == pytest.approx(0, abs=1e-12)


def test_student_distance_with_many_degrees_of_freedom_is_gaussian():
    generator = np.random.default_rng(0)
    base, x = generator.standard_normal((400, 5)), generator.standard_normal((50, 5)) * 3
    gaussian = student_distance(x, base, dof=math.inf)
    assert student_distance(x, base, dof=1e9) == pytest.approx(gaussian, rel=1e-5)
    m2 = np.einsum(
        "ij,jk,ik->i",
        x - base.mean(0),
        np.linalg.inv(np.cov(base.T) + 1e-3 * np.trace(np.cov(base.T)) / 5 * np.eye(5)),
        x - base.mean(0),
    )
    assert gaussian == pytest.approx(m2 / 2)


def test_student_distance_tells_a_long_tail_from_another_world():
    """Planted: the body's own tail (3 to 6 widths out), and outputs from far away (row 187)."""
    generator = np.random.default_rng(1)
    base = generator.standard_t(4, size=(3000, 4))
    direction = generator.standard_normal((200, 4))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    tail = direction * generator.uniform(4, 8, (200, 1))
    world = direction * generator.uniform(30, 60, (200, 1))
    body = generator.standard_t(4, size=(200, 4))
    scores = [student_distance(rows, base) for rows in (body, tail, world)]
    assert np.median(scores[0]) < np.median(scores[1]) < scores[2].min()
    # Relative to how far the other world lies, the tail is closer to the body than by the
    # Gaussian score it is to that world: the logarithm keeps it in sight of both.
    gaussian = [student_distance(rows, base, dof=math.inf) for rows in (tail, world)]
    assert np.median(scores[1]) / np.median(scores[2]) > 5 * np.median(gaussian[0]) / np.median(
        gaussian[1]
    )


@given(seeds)
@quick
def test_the_worst_class_lies_within_the_bounds_of_the_confusion_norm(seed):
    generator = np.random.default_rng(seed)
    m = int(generator.integers(2, 8))
    counts = generator.integers(0, 20, (m, m))
    counts[np.arange(m), np.arange(m)] += 1
    weights = generator.uniform(0, 2, m)
    norm = confusion_norm(counts, weights=weights)
    worst = (weights * (1 - counts.diagonal() / counts.sum(1))).max()
    assert norm / math.sqrt(m) - 1e-9 <= worst <= math.sqrt(m) * norm + 1e-9


def test_without_confusion_the_norm_is_zero():
    assert confusion_norm(np.diag([3, 0, 5])) == 0
    with pytest.raises(UsageError, match="square"):
        confusion_norm([[1, 2, 3]])


def test_clones_transfer_fully_and_independent_models_not_at_all():
    generator = np.random.default_rng(0)
    one, two = generator.random((2, 20000)) < 0.3
    rates = transfer_rate(np.stack([one, one, two]))
    assert rates[0, 1] == 1
    assert abs(rates[0, 2]) < 0.03
    assert transfer_rate([[1, 1, 0, 0], [0, 0, 1, 1]])[0, 1] == -1
    with pytest.raises(UsageError, match="truth values"):
        transfer_rate([[0.5, 1]])


def test_training_on_other_features_lowers_the_transfer_of_failures():
    """Two linear models see two copies of the signal; fooled is who flips when one is attacked.

    Left alone both lean on the strong copy. A penalty on the overlap of what they use drives them
    onto different copies, and an attack on the one no longer fools the other (row 154).
    """
    generator = np.random.default_rng(0)
    y = generator.choice([-1.0, 1.0], 2000)
    x = y[:, None] * np.array([1.0, 0.8]) + 0.2 * generator.standard_normal((2000, 2))

    def fooled(penalty: float) -> np.ndarray:
        w = np.array([[1.0, 0.2], [0.9, 0.3]])
        for _ in range(500):
            margin = y[:, None] * (x @ w.T)
            pull = -(x.T @ (y[:, None] / (1 + np.exp(margin)))).T / len(y)
            w = np.abs(w - 0.5 * (pull + 0.01 * w + penalty * w[::-1]))
        flips = []
        for model in w:  # the attack erases the feature this model leans on, for some inputs
            hit = x.copy()
            strength = generator.uniform(0, 4, len(y))
            hit[:, np.argmax(model)] -= strength * y
            flips.append([np.sign(hit @ other) != y for other in w])
        return np.array(flips)

    alone, apart = fooled(0.0), fooled(0.3)
    assert transfer_rate(alone[0])[0, 1] > 0.8
    assert transfer_rate(apart[0])[0, 1] < 0.2
