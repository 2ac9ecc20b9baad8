"""Top-k mass and entropy, and the alarm made of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import UsageError
from variegate.lineage import topk_indicators, turning_point


def test_uniform_gives_k_over_v_and_ln_k():
    found = topk_indicators(np.log(np.full((3, 50), 0.02)), k=10, renormalise=True)
    np.testing.assert_allclose(found.mass, 0.2)
    np.testing.assert_allclose(found.entropy, np.log(10))
    plain = topk_indicators(np.log(np.full(50, 0.02)), k=10)
    assert float(plain.entropy) == pytest.approx(0.2 * np.log(50))


def test_one_hot_gives_1_and_0():
    with np.errstate(divide="ignore"):
        found = topk_indicators(np.log(np.eye(6)[0]), k=3)
    assert (float(found.mass), float(found.entropy)) == (1.0, 0.0)


@given(st.integers(0, 1000), st.integers(1, 8))
@settings(deadline=None, max_examples=40)
def test_laws(seed, k):
    p = np.random.default_rng(seed).dirichlet([0.5] * 8)
    p = np.maximum(p, 1e-12) / np.maximum(p, 1e-12).sum()
    full = topk_indicators(np.log(p), k=8)
    assert float(full.mass) == pytest.approx(1)
    assert float(full.entropy) == pytest.approx(float(-(p * np.log(p)).sum()))
    some = topk_indicators(np.log(p), k=k, renormalise=True)
    assert float(some.entropy) <= np.log(k) + 1e-9
    assert float(topk_indicators(np.log(p), k=k).mass) == pytest.approx(np.sort(p)[-k:].sum())


def test_a_truncated_list_of_log_probabilities_is_refused():
    with pytest.raises(UsageError, match="do not sum to 1"):
        topk_indicators(np.log([0.5, 0.2]), k=1)
    with pytest.raises(UsageError, match="k = 3"):
        topk_indicators(np.log([0.5, 0.5]), k=3)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("window", [3, 5, 9])
def test_a_tent_turns_at_its_top(sign, window):
    series = sign * np.concatenate([np.arange(20.0), 20 - np.arange(21.0)])
    turn = turning_point(series, window=window)
    assert turn.at == pytest.approx(20, abs=1)
    assert turn.known_at <= 20 + window
    assert np.sign(turn.slope_before) == sign
    assert np.sign(turn.slope_after) == -sign


def test_noise_moves_the_turn_little_and_a_dip_is_no_turn():
    rng = np.random.default_rng(0)
    tent = np.concatenate([np.arange(30.0), 30 - np.arange(31.0)])
    turn = turning_point(tent + rng.normal(scale=0.7, size=61), window=9, patience=4)
    assert turn.at == pytest.approx(30, abs=3)
    dip = np.arange(30.0)
    dip[12] -= 3
    assert turning_point(dip, window=3, patience=3).at is None


def test_monotone_flat_and_short_series_have_no_turn():
    for series in (np.arange(20.0), np.ones(20), [0.0, 1.0], []):
        assert turning_point(series).at is None
    assert turning_point(np.concatenate([np.ones(9), 1 + np.arange(5.0)])).at is None


def test_what_cannot_be_is_refused():
    with pytest.raises(UsageError, match="finite"):
        turning_point([1.0, np.nan])
    with pytest.raises(UsageError, match="window"):
        turning_point([1.0, 2.0], window=1)
