"""Vendi: oracles, the laws of an effective number, and what it refuses."""

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import DataError, UsageError
from variegate.metrics import vendi, vendi_sensitivity

ORDERS = [0, 0.5, 1, 2, 3.7, math.inf]


def cloud(seed, n, d):
    rows = np.random.default_rng(seed).standard_normal((n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


clouds = st.builds(cloud, st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 9))
orders = st.sampled_from(ORDERS)


@pytest.mark.parametrize("q", ORDERS)
def test_oracles_for_every_order(q):
    assert vendi(kernel=np.eye(7), q=q) == pytest.approx(7, abs=1e-9)
    assert vendi(kernel=np.ones((7, 7)), q=q) == pytest.approx(1, abs=1e-9)
    groups = np.repeat(np.eye(5, 12), 20, axis=0)  # 5 orthogonal modes, each 20 times
    assert vendi(groups, q=q) == pytest.approx(5, abs=1e-9)
    assert vendi(kernel=groups @ groups.T, q=q) == pytest.approx(5, abs=1e-9)


def test_equicorrelated_kernel_has_the_published_value():
    n, z = 50, 0.3
    kernel = (1 - z) * np.eye(n) + z
    assert vendi(kernel=kernel) == pytest.approx(26.898016646895, abs=1e-9)


@pytest.mark.parametrize("q", ORDERS)
def test_weights_on_orthogonal_items_give_the_hill_number(q):
    p = np.array([0.5, 0.3, 0.15, 0.05])
    hill = {
        0: 4.0,
        1: math.exp(-(p * np.log(p)).sum()),
        math.inf: 2.0,
    }.get(q, (p**q).sum() ** (1 / (1 - q)) if q not in (1, math.inf) else None)
    assert vendi(np.eye(4), weights=10 * p, q=q) == pytest.approx(hill, abs=1e-9)


def test_rank_is_not_fooled_by_dust():
    rows = cloud(3, 50, 8)
    assert vendi(rows, q=0) == 8
    assert vendi(kernel=rows @ rows.T, q=0) == 8
    kernel = (rows @ rows.T).astype(np.float32)
    np.fill_diagonal(kernel, 1)
    assert vendi(kernel=kernel, q=0) == 8


@settings(deadline=None, max_examples=60)
@given(clouds, orders, st.randoms())
def test_laws(rows, q, random):
    score = vendi(rows, q=q)
    n, d = rows.shape
    assert 1 - 1e-9 <= score <= min(n, d) + 1e-9
    close = {"rel": 1e-7}
    # The dual route and the kernel route are one number.
    assert vendi(kernel=rows @ rows.T, q=q) == pytest.approx(score, **close)
    order = list(range(n))
    random.shuffle(order)
    assert vendi(rows[order], q=q) == pytest.approx(score, **close)
    # Doubling the set changes no frequency; merging doubles into weights neither.
    assert vendi(np.concatenate([rows, rows, rows]), q=q) == pytest.approx(score, **close)
    assert vendi(rows, weights=np.full(n, 3.0), q=q) == pytest.approx(score, **close)
    doubled = np.concatenate([rows, rows[:1]])
    merged = np.ones(n)
    merged[0] = 2
    assert vendi(doubled, q=q) == pytest.approx(vendi(rows, weights=merged, q=q), **close)
    # Rotation and scale do not matter to cosine.
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((d, d)))[0]
    assert vendi(7 * rows @ rotation, q=q) == pytest.approx(score, **close)


@settings(deadline=None, max_examples=60)
@given(clouds)
def test_never_rises_with_the_order(rows):
    scores = [vendi(rows, q=q) for q in ORDERS]
    assert all(a >= b - 1e-9 for a, b in itertools.pairwise(scores))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), orders, st.integers(1, 6), st.integers(1, 6))
def test_batches_equal_one_at_a_time(seed, q, n, d):
    sets = np.random.default_rng(seed).standard_normal((2, 3, n, d))
    batched = vendi(sets, q=q)
    assert batched.shape == (2, 3)
    singly = [[vendi(sets[i, j], q=q) for j in range(3)] for i in range(2)]
    np.testing.assert_allclose(batched, singly, rtol=1e-9)


def test_the_peer_agrees_at_small_n():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from vendi_score import vendi as peer

        rows = cloud(5, 40, 12)
        assert vendi(rows) == pytest.approx(peer.score_dual(rows), rel=1e-9)
        assert vendi(rows, q=2) == pytest.approx(peer.score_dual(rows, q=2), rel=1e-9)


@pytest.mark.fault(8)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "d"), [(16, 384), (1000, 384), (300, 5)])
@pytest.mark.parametrize("q", ORDERS)
def test_fault_08_identical_outputs_are_one(dtype, n, d, q):
    row = cloud(n, 1, d).astype(dtype)
    assert abs(vendi(np.repeat(row, n, axis=0), q=q) - 1) < 1e-9


@pytest.mark.fault(8)
def test_fault_08_identical_in_float32_kernel():
    row = cloud(1, 1, 300).astype(np.float32)
    rows = np.repeat(row, 50, axis=0)
    assert abs(vendi(kernel=rows @ rows.T) - 1) < 1e-9


@pytest.mark.fault(9)
@pytest.mark.parametrize("q", ORDERS)
def test_fault_09_all_different_is_n_exactly(q):
    assert vendi(np.eye(100, 256), q=q) == pytest.approx(100, abs=1e-9)
    assert vendi(np.eye(300, 256)[:256], q=q) == pytest.approx(256, abs=1e-9)


@pytest.mark.fault(10)
def test_fault_10_no_item_is_nan_and_one_is_one():
    assert math.isnan(vendi(np.zeros((0, 4))))
    assert math.isnan(vendi(kernel=np.zeros((0, 0))))
    assert vendi([[3.0, 4.0]]) == 1


@pytest.mark.fault(13)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_fault_13_nan_lists_the_first_indices(bad):
    rows = np.ones((9, 3))
    rows[[2, 5], 1] = bad
    with pytest.raises(DataError, match="in 2 of them, first at 2, 5"):
        vendi(rows)
    long = np.ones((90_000, 200), dtype=np.float32)
    long[88_000, 3] = bad
    with pytest.raises(DataError, match="88000"):
        vendi(long)
    with pytest.raises(DataError, match=r"\(1, 2\), \(1, 5\)"):
        vendi(np.stack([np.ones((9, 3)), rows]))


@pytest.mark.fault(14)
@pytest.mark.parametrize("d", [2, 9])
@pytest.mark.parametrize("q", ORDERS)
def test_fault_14_zero_rows_are_unlike_everything(d, q):
    rows = np.zeros((5, d))
    rows[:3, 0] = 1
    # Three alike and two unlike all: the Hill number of shares 3/5, 1/5, 1/5.
    assert vendi(rows, q=q) == pytest.approx(vendi(np.eye(3), weights=[3, 1, 1], q=q), abs=1e-9)


@pytest.mark.fault(15)
def test_fault_15_indefinite_kernel_is_refused_or_clipped_with_a_warning():
    kernel = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.9], [0.0, 0.9, 1.0]])
    with pytest.raises(DataError, match="positive semi-definite"):
        vendi(kernel=kernel)
    with pytest.warns(UserWarning, match="rescaled"):
        score = vendi(kernel=kernel, indefinite="clip")
    lam = np.clip(np.linalg.eigvalsh(kernel / 3), 0, None)
    lam = lam[lam > 0] / lam.sum()
    assert score == pytest.approx(math.exp(-(lam * np.log(lam)).sum()), rel=1e-9)


@pytest.mark.parametrize(
    "kernel", [[[1.0, 0.5], [0.1, 1.0]], [[2.0, 0.0], [0.0, 2.0]], [[1.0, np.nan], [np.nan, 1.0]]]
)
def test_what_is_no_kernel_is_refused(kernel):
    with pytest.raises(DataError):
        vendi(kernel=kernel)


def test_wrong_arguments_are_refused():
    for call in (
        lambda: vendi(),
        lambda: vendi(np.eye(2), kernel=np.eye(2)),
        lambda: vendi(np.eye(2), q=-1),
        lambda: vendi(np.eye(2), q=math.nan),
        lambda: vendi(np.eye(2), weights=[1, -1]),
        lambda: vendi(np.eye(2), weights=[0, 0]),
        lambda: vendi(np.ones(3)),
        lambda: vendi(kernel=np.ones((2, 3))),
    ):
        with pytest.raises(UsageError):
            call()


@pytest.mark.fault(16)
def test_fault_16_a_hundred_thousand_items_take_the_dual_route():
    rows = np.random.default_rng(0).standard_normal((100_000, 16)).astype(np.float32)
    assert 15.9 < vendi(rows) < 16


@pytest.mark.fault(16)
def test_fault_16_what_would_not_fit_is_refused_before_it_is_allocated():
    huge = np.broadcast_to(np.float32(1), (60_000, 60_000))  # takes no memory itself
    with pytest.raises(UsageError, match=r"60000 × 60000 needs about 53.6 GiB"):
        vendi(huge)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_sensitivity_is_the_derivative(seed):
    rows = cloud(seed, 6, 4)
    weights = np.full(6, 1 / 6)

    def unnormalised(p):
        lam = np.linalg.eigvalsh((rows * p[:, None]).T @ rows)
        lam = lam[lam > 1e-14]
        return math.exp(-(lam * np.log(lam)).sum())

    step = 1e-6
    for i, slope in enumerate(vendi_sensitivity(rows)):
        up, down = weights.copy(), weights.copy()
        up[i] += step
        down[i] -= step
        numeric = (unnormalised(up) - unnormalised(down)) / (2 * step)
        assert slope == pytest.approx(numeric, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", ["round", "leaning", "falling", "flat"])
@pytest.mark.parametrize("q", [0, 0.5, 1, 2, math.inf])
def test_large_sets_in_single_precision_agree_with_double(dtype, shape, q):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((6000, 160))
    if shape == "leaning":
        rows += 3 * rng.standard_normal(160)
    if shape == "falling":
        rows *= np.exp(-np.arange(160) / 12)
    if shape == "flat":  # of rank 20: the other eigenvalues are nothing but rounding
        rows = rows[:, :20] @ rng.standard_normal((20, 160))
    rows = rows.astype(dtype)
    unit = rows.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    assert vendi(rows, q=q) == pytest.approx(vendi_of(unit, q), rel=3e-7)


def vendi_of(unit, q):
    lam = np.linalg.eigvalsh(unit.T @ unit / len(unit))
    lam = lam[lam > 1e-12 * lam.max()]
    lam /= lam.sum()
    if q == 1:
        return math.exp(-(lam * np.log(lam)).sum())
    return 1 / lam.max() if q == math.inf else (lam**q).sum() ** (1 / (1 - q))


@pytest.mark.fault(8)
@pytest.mark.parametrize("q", ORDERS)
def test_fault_08_identical_outputs_are_one_in_large_sets_too(q):
    row = cloud(3, 1, 256).astype(np.float32)
    assert abs(vendi(np.repeat(row, 20_000, axis=0), q=q) - 1) < 1e-9


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
@pytest.mark.parametrize("shape", [(12, 30), (30, 12), (5000, 200)])
def test_lengths_whose_squares_no_number_holds_do_not_matter(scale, shape):
    rows = np.random.default_rng(0).standard_normal(shape)
    mixed = rows * np.where(np.arange(len(rows)) % 2, scale, 1.0)[:, None]
    for q in (1, 2):
        assert vendi(mixed, q=q) == pytest.approx(vendi(rows, q=q), rel=1e-7)


def test_weights_whose_sum_no_number_holds():
    huge = [1.7e308, 1.7e308, 0.85e308]
    assert vendi(np.eye(3), weights=huge) == pytest.approx(vendi(np.eye(3), weights=[2, 2, 1]))


@pytest.mark.fault(13)
@pytest.mark.fault(14)
def test_fault_13_and_14_in_large_sets():
    rows = np.random.default_rng(0).standard_normal((6000, 160)).astype(np.float32)
    rows[100:3100] = 0.0
    kept = np.concatenate([rows[:100], rows[3100:]])
    for q in (1, 2):
        # Half the items are each unlike all others.
        half, lone = vendi(kept, q=q), 3000
        both = 2 * math.sqrt(half * lone) if q == 1 else 4 / (1 / half + 1 / lone)
        assert vendi(rows, q=q) == pytest.approx(both, rel=1e-6)
    rows[5000, 7] = np.nan
    with pytest.raises(DataError, match="first at 5000"):
        vendi(rows)
