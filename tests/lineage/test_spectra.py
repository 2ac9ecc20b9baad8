"""Spectra: planted ranks, planted tails, planted copies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import DataError, UsageError
from variegate.lineage import (
    effective_rank,
    filter_diversity,
    spectral_exponent,
    stable_rank,
    truncate,
)


def rotated(spectrum, rng, rows=40, columns=30):
    u, _ = np.linalg.qr(rng.normal(size=(rows, len(spectrum))))
    v, _ = np.linalg.qr(rng.normal(size=(columns, len(spectrum))))
    return (u * spectrum) @ v.T


def test_ranks_of_identity_and_of_one_direction():
    assert effective_rank(np.eye(9)) == pytest.approx(9)
    assert stable_rank(np.eye(9)) == pytest.approx(9)
    one = np.outer(np.arange(1.0, 5), np.arange(1.0, 8))
    assert effective_rank(one) == pytest.approx(1)
    assert stable_rank(one) == pytest.approx(1)
    assert np.isnan([effective_rank(np.zeros((2, 2))), stable_rank(np.zeros((2, 2)))]).all()


@given(st.integers(0, 500), st.floats(0.01, 100))
@settings(deadline=None, max_examples=30)
def test_ranks_do_not_depend_on_scale_or_rotation(seed, scale):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(6, 5))
    turn, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    for rank in (effective_rank, stable_rank):
        assert rank(scale * turn @ matrix) == pytest.approx(rank(matrix))
        assert 1 - 1e-9 <= rank(matrix) <= 5 + 1e-9
    assert stable_rank(matrix) <= effective_rank(matrix) ** 2


@given(st.integers(0, 500), st.sampled_from([(3, 7), (7, 3), (5, 5)]))
@settings(deadline=None, max_examples=30)
def test_effective_rank_is_that_of_the_singular_values(seed, shape):
    matrix = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    values = np.linalg.svd(matrix.astype(np.float64), compute_uv=False)
    share = values / values.sum()
    assert effective_rank(matrix) == pytest.approx(np.exp(-(share @ np.log(share))), rel=1e-9)


def test_the_collapsed_layer_is_found():
    """Features of six layers; one loses its directions between the two checkpoints."""
    rng = np.random.default_rng(0)
    before = [rng.normal(size=(50, 20)) for _ in range(6)]
    after = [layer + 0.01 * rng.normal(size=layer.shape) for layer in before]
    after[4] = truncate(after[4], rank=2) + 0.01 * rng.normal(size=(50, 20))
    change = [
        np.log(effective_rank(a) / effective_rank(b)) for a, b in zip(after, before, strict=True)
    ]
    assert int(np.argmin(change)) == 4


def test_truncation_keeps_the_planted_signal_and_drops_the_noise():
    rng = np.random.default_rng(0)
    signal = rotated(np.array([50.0, 40.0, 30.0]), rng)
    noisy = signal + 0.1 * rng.normal(size=signal.shape)
    kept = truncate(noisy, rank=3)
    assert np.linalg.norm(kept - signal) < 0.6 * np.linalg.norm(noisy - signal)
    np.testing.assert_allclose(truncate(noisy, rank=30), noisy, atol=1e-9)
    assert not truncate(noisy, rank=0).any()
    assert np.linalg.matrix_rank(truncate(noisy, rank=5)) == 5
    with pytest.raises(UsageError, match="from 0 to 30"):
        truncate(noisy, rank=31)


@pytest.mark.parametrize("alpha", [2.0, 3.0, 4.5])
def test_a_planted_tail_is_recovered(alpha):
    rng = np.random.default_rng(0)
    eigenvalues = (1 - rng.random(3000)) ** (-1 / (alpha - 1))
    fit = spectral_exponent(eigenvalues)
    assert fit.alpha == pytest.approx(alpha, rel=0.08)
    assert fit.distance < 0.05


def test_the_tail_is_told_from_the_bulk():
    rng = np.random.default_rng(1)
    bulk = rng.uniform(0.1, 1.0, size=2000)
    tail = 1.0 * (1 - rng.random(600)) ** (-1 / 1.5)
    fit = spectral_exponent(np.concatenate([bulk, tail]))
    assert fit.alpha == pytest.approx(2.5, rel=0.1)
    assert fit.tail == pytest.approx(600, rel=0.3)


def test_scale_changes_nothing():
    eigenvalues = (1 - np.random.default_rng(2).random(500)) ** -1.0
    a, b = spectral_exponent(eigenvalues), spectral_exponent(1e6 * eigenvalues)
    assert a.alpha == pytest.approx(b.alpha)
    assert (a.tail, a.determinant_tail, a.gap) == (b.tail, b.determinant_tail, b.gap)


def test_determinant_tail_equals_the_product_scan():
    for seed in range(5):
        values = np.sort((1 - np.random.default_rng(seed).random(60)) ** -0.8)
        rescaled = values * len(values) / values.sum()
        product, count = 1.0, 0
        for value in rescaled[::-1]:
            product, count = product * value, count + 1
            if product < 1:
                break
        assert spectral_exponent(values).determinant_tail == count


def test_altered_layers_rank_first():
    """Eight heavy-tailed layers; two get a heavier tail between the checkpoints."""
    rng = np.random.default_rng(3)
    quantiles = (np.arange(100) + 0.5) / 100
    base = [rotated((1 - quantiles) ** (-1 / 6), rng, 120, 100) for _ in range(8)]
    post = [w + 0.01 * rng.normal(size=w.shape) for w in base]
    for layer in (2, 5):
        u, s, v = np.linalg.svd(post[layer], full_matrices=False)
        post[layer] = (u * s**2) @ v

    def alpha(w):
        return spectral_exponent(np.linalg.svd(w, compute_uv=False) ** 2).alpha

    change = [abs(alpha(p) - alpha(b)) for p, b in zip(post, base, strict=True)]
    assert set(np.argsort(change)[-2:].tolist()) == {2, 5}
    assert min(change[2], change[5]) > 3 * max(c for i, c in enumerate(change) if i not in (2, 5))


def test_spectra_without_a_tail_are_refused():
    with pytest.raises(DataError, match="different positive"):
        spectral_exponent(np.ones(50))
    with pytest.raises(DataError, match="more than 10"):
        spectral_exponent(np.arange(1.0, 6))
    with pytest.raises(DataError, match="at least 0"):
        spectral_exponent([-1.0, 2.0])


def test_filters():
    assert filter_diversity(np.eye(5)) == 1.0
    copies = np.outer([1.0, -2.0, 3.0], [1.0, 2.0])
    assert filter_diversity(copies) == pytest.approx(0, abs=1e-12)
    assert filter_diversity(np.eye(4).reshape(4, 2, 2)) == 1.0
    with_dead = np.vstack([np.eye(3), np.zeros((2, 3))])
    assert filter_diversity(with_dead) == 1.0
    assert np.isnan(filter_diversity([[1.0, 2.0]]))


@pytest.mark.fault(13)
def test_fault_13_nan_weights_are_refused():
    with pytest.raises(DataError, match="NaN"):
        effective_rank([[np.nan, 1.0]])
