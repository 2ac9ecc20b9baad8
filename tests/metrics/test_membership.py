"""Signs that a text was read before: definitions, ends, and planted members."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import DataError, UsageError
from variegate.metrics import dc_pdd, min_k, min_k_plus

few = settings(deadline=None, max_examples=60)
logprobs = st.lists(st.floats(-20, 0), min_size=1, max_size=30)


@few
@given(logprobs, st.floats(0.01, 1))
def test_min_k_is_the_mean_surprise_of_the_least_expected(logs, share):
    few_tokens = max(1, int(len(logs) * share))
    by_hand = -np.mean(np.sort(logs)[:few_tokens])
    assert min_k(logs, share=share) == pytest.approx(by_hand)
    assert min_k(logs[::-1], share=share) == pytest.approx(by_hand)
    assert -np.mean(logs) - 1e-9 <= min_k(logs, share=share) <= -min(logs) + 1e-9


def test_a_text_of_less_than_five_tokens_has_a_value():
    # A fifth of four tokens is none: the source's code gives NaN.
    assert min_k([-1.0, -2.0, -3.0, -4.0]) == 4
    assert math.isnan(min_k([]))
    assert math.isnan(dc_pdd([], [], [1, 2]))
    assert math.isnan(min_k_plus(np.zeros((0, 3)), []))


@few
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(2, 9))
def test_min_k_plus_standardises_by_the_distribution_itself(seed, T, V):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(V), size=T)
    tokens = rng.integers(0, V, size=T)
    z = []
    for row, token in zip(p, tokens, strict=True):
        mean = sum(row * np.log(row))
        variance = sum(row * np.log(row) ** 2) - mean**2
        z.append((math.log(row[token]) - mean) / math.sqrt(variance))
    by_hand = -np.mean(np.sort(z)[: max(1, int(T * 0.2))])
    assert min_k_plus(np.log(p), tokens) == pytest.approx(by_hand, rel=1e-5, abs=1e-6)


def test_min_k_plus_at_its_ends():
    assert min_k_plus(np.log(np.full((3, 4), 0.25)), [0, 1, 2]) == 0
    with np.errstate(divide="ignore"):
        certain = np.log([[1.0, 0.0], [0.5, 0.5]])
    assert min_k_plus(certain, [0, 1]) == 0
    with pytest.raises(DataError):
        min_k_plus(certain, [1, 1])  # a token that cannot come


def test_only_the_first_place_of_a_token_counts_and_at_most_the_cap():
    counts = np.array([90, 9, 0])
    first = dc_pdd([-8.0, -9.0], [0, 2], counts)
    assert dc_pdd([-8.0, -9.0, -0.1, -0.1], [0, 2, 0, 2], counts) == first
    frequency = (counts + 1) / (99 + 3)
    by_hand = np.exp([-8.0, -9.0]) * -np.log(frequency[[0, 2]])
    assert first == pytest.approx(-by_hand.mean())
    assert dc_pdd([-0.1, -0.1], [1, 2], counts) == -0.01
    assert dc_pdd([-0.1, -0.1], [1, 2], counts, cap=10) < -0.01


def auc(members, others):
    members, others = np.asarray(members)[:, None], np.asarray(others)[None, :]
    return (members < others).mean() + (members == others).mean() / 2


def test_planted_members_are_told_from_texts_of_common_words():
    """Others are made of words that are expected because they are common."""
    rng = np.random.default_rng(7)
    V = 5000
    frequency = 1 / np.arange(1, V + 1)
    frequency /= frequency.sum()
    counts = np.round(1e7 * frequency)

    def text(member):
        # Members use rare words; having read them, the model expects them a little more.
        tilt = 0.7 if member else 1.3
        p = frequency**tilt / (frequency**tilt).sum()
        tokens = rng.choice(V, size=100, p=p)
        noise = 0.5 * rng.standard_normal(100)
        known = 3.0 if member else 0.0
        logs = np.minimum(np.log(frequency[tokens]) + known + noise, -0.01)
        return logs, tokens

    members = [text(True) for _ in range(100)]
    others = [text(False) for _ in range(100)]
    by_calibration = auc(*([dc_pdd(*t, counts) for t in kind] for kind in (members, others)))
    by_surprise = auc(*([min_k(t[0]) for t in kind] for kind in (members, others)))
    assert by_calibration > by_surprise + 0.1
    assert by_calibration > 0.8


@pytest.mark.parametrize("share", [0, 1.5, -1])
def test_a_share_is_a_share(share):
    with pytest.raises(UsageError, match="share"):
        min_k([-1.0], share=share)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(UsageError, match=r"\(T, V\)"):
        min_k_plus([[0.0, 0.0]], [0, 1])
    with pytest.raises(UsageError, match=r"\(T,\)"):
        dc_pdd([-1.0], [0, 1], [1])
    with pytest.raises(UsageError, match="cap"):
        dc_pdd([-1.0], [0], [1], cap=0)
    with pytest.raises(DataError):
        min_k([-1.0, math.nan])
