"""Shifts between checkpoints: oracles of each probe."""

import itertools

import numpy as np
import pytest

from variegate.errors import DataError, UsageError
from variegate.lineage import depth_exponent, kernel_divergence_score, monge_gap


def test_kernel_score_is_0_for_the_same_and_never_positive():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 8))
    assert kernel_divergence_score(x, x) == 0.0
    turn, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    assert kernel_divergence_score(x, x @ turn) == pytest.approx(0, abs=1e-9)
    for noise in (0.01, 0.3, 3.0):
        assert kernel_divergence_score(x, x + noise * rng.normal(size=x.shape)) < 0


def test_more_overlap_with_training_orders_the_scores():
    """Known texts move little in tuning, new ones much: the known share orders the score."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 8))
    new = rng.normal(size=x.shape)
    scores = []
    for known in (0.0, 0.25, 0.5, 0.75, 1.0):
        step = np.where(np.arange(60)[:, None] < known * 60, 0.02, 0.8)
        scores.append(kernel_divergence_score(x, x + step * new))
    assert scores == sorted(scores)


def test_far_texts_do_not_underflow():
    x = np.vstack([np.ones((50, 2)) + 1e-9 * np.arange(100).reshape(50, 2), [[-1.0, 1.0]]])
    assert np.isfinite(kernel_divergence_score(x, x[::-1]))
    assert kernel_divergence_score(np.ones((3, 2)), np.ones((3, 2))) == 0.0


def test_translation_has_no_gap_and_swapped_pairs_have():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12, 3))
    assert monge_gap(x, x + 100.0) == pytest.approx(0, abs=1e-8)
    assert monge_gap(x, 0.3 * x) == pytest.approx(0, abs=1e-12)
    assert monge_gap(x, x[::-1]) > 0.1


def test_gap_is_cost_minus_exact_transport():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    cheapest = min(
        ((x - y[list(order)]) ** 2).sum(1).mean() for order in itertools.permutations(range(5))
    )
    assert monge_gap(x, y) == pytest.approx(((x - y) ** 2).sum(1).mean() - cheapest)


def test_smooth_and_rough_stacks_recover_their_exponents():
    rng = np.random.default_rng(0)
    depth = np.linspace(0, 1, 257)[:, None, None]
    smooth = np.sin(2 * depth + rng.normal(size=(1, 30, 16)))
    rough = np.cumsum(rng.normal(size=(257, 30, 16)), axis=0)
    assert depth_exponent(smooth, largest=0.1) == pytest.approx(0, abs=0.03)
    assert depth_exponent(rough) == pytest.approx(0.5, abs=0.03)


def test_repeated_and_shallow_stacks():
    assert np.isnan(depth_exponent(np.ones((20, 3))))
    with pytest.raises(UsageError, match="two spans"):
        depth_exponent(np.ones((5, 3)))


@pytest.mark.fault(13)
def test_fault_13_what_does_not_pair_is_refused():
    for probe in (kernel_divergence_score, monge_gap):
        with pytest.raises(DataError, match=r"\(3, 2\) and \(2, 2\)"):
            probe(np.ones((3, 2)), np.ones((2, 2)))
        with pytest.raises(DataError, match="NaN"):
            probe(np.full((2, 2), np.nan), np.ones((2, 2)))
    with pytest.raises(DataError, match="one width"):
        monge_gap(np.ones((2, 2)), np.ones((2, 3)))
