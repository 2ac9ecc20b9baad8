"""The account of pairs: brute force, exactness, and the published shares."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import UsageError
from variegate.lineage import exact_account, genuine_share, pair_account, split


def random_prompts(seed, prompts=4, n=6):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(prompts, n, 3))
    distances = np.linalg.norm(points[:, :, None] - points[:, None, :], axis=-1)
    return distances, rng.random((prompts, n)) < rng.random((prompts, 1))


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=50)
def test_the_three_kinds_make_up_the_mean_distance(seed):
    distances, correct = random_prompts(seed)
    account = pair_account(distances, correct)
    pairs = list(itertools.combinations(range(6), 2))
    for p in range(4):
        found = {0: [], 1: [], 2: []}
        for i, j in pairs:
            found[2 - int(correct[p, i]) - int(correct[p, j])].append(distances[p, i, j])
        for kind, members in found.items():
            assert account.share[p, kind] == pytest.approx(len(members) / len(pairs))
            if members:
                assert account.distance[p, kind] == pytest.approx(np.mean(members))
            else:
                assert np.isnan(account.distance[p, kind])
        everything = np.mean([distances[p, i, j] for i, j in pairs])
        assert account.mean_distance[p] == pytest.approx(everything)


@given(st.integers(0, 10_000), st.integers(0, 10_000))
@settings(deadline=None, max_examples=50)
def test_the_parts_add_up_and_turn_round(a, b):
    base, post = (pair_account(*random_prompts(seed)) for seed in (a, b))
    parts, back = split(base, post), split(post, base)
    np.testing.assert_allclose(parts.accuracy + parts.narrowing, parts.total, atol=1e-12)
    np.testing.assert_allclose(parts.total, base.mean_distance - post.mean_distance)
    np.testing.assert_allclose(parts.accuracy, -back.accuracy, atol=1e-12)
    np.testing.assert_allclose(parts.narrowing, -back.narrowing, atol=1e-12)


def test_average_of_both_orders():
    """Mix first then distances, distances first then mix: by hand on two kinds."""
    base = exact_account([[0.3, 0.3, 0.4]], [True, True, False])
    post = exact_account([[0.7, 0.1, 0.2]], [True, True, False])
    mix_first = (base.share - post.share) @ base.distance[0]
    mix_last = (base.share - post.share) @ post.distance[0]
    assert split(base, post).accuracy[0] == pytest.approx((mix_first[0] + mix_last[0]) / 2)


def test_only_wrong_answers_go():
    """Right answers keep their relative frequencies: all of the fall is accuracy."""
    base = exact_account([[0.2, 0.2, 0.1, 0.5]], [True, True, True, False])
    post = exact_account([[0.4, 0.4, 0.2, 0.0]], [True, True, True, False])
    parts = split(base, post)
    assert parts.narrowing[0] == pytest.approx(0, abs=1e-12)
    assert parts.accuracy[0] == pytest.approx(parts.total[0])


def test_only_the_right_answers_narrow():
    base = exact_account([[0.4, 0.4, 0.2]], [True, True, False])
    post = exact_account([[0.8, 0.0, 0.2]], [True, True, False])
    parts = split(base, post)
    assert parts.accuracy[0] == pytest.approx(0, abs=1e-12)
    assert parts.narrowing[0] == pytest.approx(0.64 * 0.5)


def test_a_kind_that_one_side_lacks_counts_as_accuracy():
    distances = np.array([[[0, 1, 3], [1, 0, 3], [3, 3, 0]]], dtype=float)
    base = pair_account(distances, [[True, True, False]])
    post = pair_account(distances, [[True, True, True]])
    post_alone = pair_account(np.ones((1, 3, 3)), [[True, True, True]])
    assert np.isnan(post.distance[0, 1])
    parts = split(base, post_alone)
    # right-right pairs are at distance 1 on both sides; right-wrong ones were at 3.
    assert parts.narrowing[0] == pytest.approx(0)
    assert parts.accuracy[0] == pytest.approx(7 / 3 - 1)


def test_samples_converge_to_the_exact_account():
    rng = np.random.default_rng(0)
    p, correct = np.array([0.35, 0.25, 0.2, 0.2]), np.array([True, True, False, False])
    drawn = rng.choice(4, size=(2000, 16), p=p)
    account = pair_account((drawn[:, :, None] != drawn[:, None, :]).astype(float), correct[drawn])
    exact = exact_account(p[None], correct)
    np.testing.assert_allclose(account.share.mean(axis=0), exact.share[0], atol=0.01)
    weighted = account.weighted.mean(axis=0) / account.share.mean(axis=0)
    np.testing.assert_allclose(weighted, exact.distance[0], atol=0.02)
    assert account.mean_distance.mean() == pytest.approx(1 - (p**2).sum(), abs=0.01)


def test_padding_is_not_read():
    distances, correct = random_prompts(3, prompts=2, n=5)
    wide, flags = np.full((2, 8, 8), np.nan), np.zeros((2, 8), dtype=bool)
    wide[:, :5, :5], flags[:, :5] = distances, correct
    present = np.arange(8) < np.array([[5], [5]])
    padded, plain = pair_account(wide, flags, present), pair_account(distances, correct)
    np.testing.assert_allclose(padded.share, plain.share)
    np.testing.assert_allclose(padded.distance, plain.distance)


@pytest.mark.fault(10)
def test_fault_10_one_output_has_no_pairs():
    account = pair_account(np.zeros((1, 1, 1)), [[True]])
    assert np.isnan(account.share).all()


# Mean distance of all and of right outputs (Table 14 of Karouzos 2026): base, instruct, think.
TABLE_14 = {
    "GSM8K": [(0.172, 0.135), (0.078, 0.074), (0.051, 0.050)],
    "Algebra": [(0.146, 0.119), (0.057, 0.057), (0.062, 0.059)],
    "Geometry": [(0.198, 0.145), (0.101, 0.087), (0.122, 0.091)],
    "IFEval": [(0.349, 0.333), (0.154, 0.155), (0.196, 0.187)],
    "HumanEval": [(0.411, 0.123), (0.093, 0.091), (0.117, 0.110)],
    "MBPP": [(0.291, 0.196), (0.069, 0.058), (0.089, 0.064)],
}
SHARES = {  # think, instruct: what the plain formula gives on the table
    "GSM8K": (0.70, 0.65),
    "Algebra": (0.71, 0.70),
    "Geometry": (0.71, 0.60),
    "IFEval": (0.95, 0.91),
    "HumanEval": (0.04, 0.10),
    "MBPP": (0.65, 0.62),
}


@pytest.mark.parametrize("task", TABLE_14)
def test_plain_formula_on_the_published_table(task):
    base, instruct, think = TABLE_14[task]
    assert genuine_share(*base, *think) == pytest.approx(SHARES[task][0], abs=0.006)
    assert genuine_share(*base, *instruct) == pytest.approx(SHARES[task][1], abs=0.006)


def test_plain_formula_ends():
    assert genuine_share(0.4, 0.4, 0.1, 0.1) == 1.0  # all right: all of it is narrowing
    assert genuine_share(0.4, 0.1, 0.1, 0.1) == 0.0  # only wrong outputs were spread
    assert np.isnan(genuine_share(0.4, 0.3, 0.4, 0.1))


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(UsageError, match=r"\(1, 3, 3\) and \(1, 2\)"):
        pair_account(np.zeros((1, 3, 3)), [[True, False]])
    one = exact_account([[1.0]], [True])
    two = exact_account([[1.0], [1.0]], [True])
    with pytest.raises(UsageError, match="1 and 2"):
        split(one, two)
