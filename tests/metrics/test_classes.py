"""Known answers, attributes, clusters, votes and channels against closed forms and peers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import UsageError
from variegate.metrics import (
    answer_entropy,
    attribute_entropy,
    cluster_score,
    coverage_recall,
    default_share,
    effective_channels,
    holm,
    kl_to_uniform,
    measure,
    side_by_side,
    vendi,
)
from variegate.samples import Samples

few = settings(deadline=None, max_examples=80)
counts = st.lists(st.integers(0, 8), min_size=1, max_size=6)


# Known answers


def test_recall_of_k_draws_is_unbiased_for_the_mean_chance_to_be_named():
    rng = np.random.default_rng(1)
    p = np.array([0.4, 0.2, 0.1, 0.05])  # and 0.25 of something else
    drawn = rng.multinomial(20, [*p, 0.25], size=4000)
    truth = (1 - (1 - p) ** 5).mean()
    estimates = [coverage_recall(row[:-1], invalid=int(row[-1]), k=5) for row in drawn]
    assert np.mean(estimates) == pytest.approx(truth, abs=0.004)


@few
@given(counts, st.integers(0, 5))
def test_laws_of_recall(named, invalid):
    n = sum(named) + invalid
    full = coverage_recall(named, invalid=invalid)
    assert full == pytest.approx(np.mean(np.asarray(named) > 0))
    curve = [coverage_recall(named, invalid=invalid, k=k) for k in range(n + 1)]
    assert curve == sorted(curve)
    assert coverage_recall(named[::-1], invalid=invalid) == full
    with pytest.raises(UsageError):
        coverage_recall(named, invalid=invalid, k=n + 1)


def test_both_directions_at_the_oracles():
    even = kl_to_uniform(np.full(24, 7))
    assert (even.from_uniform, even.to_uniform, even.invalid) == pytest.approx((0, 0, 0))
    single = kl_to_uniform([5, 0, 0])
    assert single.to_uniform == pytest.approx(math.log(3))
    assert single.from_uniform == math.inf
    # 24 answers, 0.87 on one, 0.12 on no list.
    gap = kl_to_uniform([0.87, *np.full(23, 0.01 / 23)], invalid=0.12)
    assert gap.from_uniform == pytest.approx(4.25, abs=0.005)
    assert gap.to_uniform == pytest.approx(3.08, abs=0.005)
    assert gap.invalid == pytest.approx(0.12)
    none = kl_to_uniform([0, 0], invalid=3)
    assert math.isnan(none.to_uniform)
    assert (none.from_uniform, none.invalid) == (math.inf, 1)


@few
@given(counts.filter(any), st.floats(0, 10))
def test_laws_of_the_distance_to_uniform(named, invalid):
    gap = kl_to_uniform(named, invalid=invalid)
    assert gap.to_uniform == pytest.approx(math.log(len(named)) - answer_entropy(named), abs=1e-9)
    assert 0 <= gap.to_uniform <= math.log(len(named)) + 1e-9
    # What is invalid is lost to every answer alike.
    valid = kl_to_uniform(named).from_uniform
    assert gap.from_uniform == pytest.approx(valid - math.log1p(-gap.invalid), abs=1e-9)
    smoothed = kl_to_uniform(named, invalid=invalid, pseudo_count=0.5)
    assert math.isfinite(smoothed.from_uniform)
    assert smoothed.to_uniform <= gap.to_uniform + 1e-9


def test_known_answers_refuse_what_is_none():
    assert math.isnan(coverage_recall([]))
    for bad in ([], [0, 0], [-1, 2], [[1]]):
        with pytest.raises(UsageError):
            kl_to_uniform(bad)
    with pytest.raises(UsageError):
        kl_to_uniform([1], invalid=-1)
    with pytest.raises(UsageError, match="pseudo_count"):
        kl_to_uniform([1], pseudo_count=-1)


# Attributes and clusters


def test_attribute_entropy_at_the_oracles():
    assert attribute_entropy([4, 4, 4], values=3) == pytest.approx(1)
    assert attribute_entropy([12], values=3) == 0
    assert attribute_entropy([4, 4, 4], values=9) == pytest.approx(0.5)
    both = attribute_entropy([[4, 4], [8, 0]], values=2)
    assert both.tolist() == pytest.approx([1, 0])
    with pytest.raises(UsageError, match="at least 3 values, got 2"):
        attribute_entropy([1, 1, 1], values=2)
    with pytest.raises(UsageError, match="at least 2 values"):
        attribute_entropy([1], values=1)


def test_the_bias_of_attribute_entropy_for_16_outputs_is_corrected():
    drawn = np.random.default_rng(3).multinomial(16, np.full(20, 0.05), size=3000)
    means = [
        attribute_entropy(drawn, values=20, correction=c).mean() * math.log(20)
        for c in (None, "miller-madow", "chao-shen")
    ]
    assert means == pytest.approx([2.318, 2.637, 3.077], abs=0.02)


@few
@given(counts.filter(any))
def test_laws_of_shares_and_clusters(sizes):
    n, C = sum(sizes), np.count_nonzero(sizes)
    assert default_share(sizes) == pytest.approx(max(sizes) / n)
    assert 1 / n - 1e-12 <= cluster_score(sizes) <= n + 1e-12
    assert cluster_score(sizes) == pytest.approx(C / (n / C))
    assert cluster_score([*sizes, 0][::-1]) == cluster_score(sizes)


@pytest.mark.parametrize(("clusters", "score"), [(1, 0.1), (2, 0.4), (5, 2.5), (10, 10.0)])
def test_cluster_score_of_ten_outputs(clusters, score):
    sizes = np.bincount(np.arange(10) % clusters)
    assert cluster_score(sizes) == pytest.approx(score)
    assert cluster_score([sizes, sizes]).tolist() == pytest.approx([score, score])


def test_nothing_counted_has_no_share():
    assert math.isnan(default_share([0, 0]))
    assert math.isnan(cluster_score([]))
    assert math.isnan(attribute_entropy([0, 0], values=2))


# Votes


@few
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 3))
def test_the_sign_test_equals_scipy(first, second, ties):
    from scipy.stats import binomtest

    votes = side_by_side(first, second, ties=ties)
    assert (votes.decided, votes.ties) == (first + second, ties)
    assert side_by_side(second, first).p_value == votes.p_value
    if votes.decided:
        theirs = binomtest(first, first + second).pvalue
        assert votes.p_value == pytest.approx(theirs, rel=1e-9)
        assert votes.share == first / votes.decided
    else:
        assert votes.p_value == 1
        assert math.isnan(votes.share)


def test_sixty_of_86_and_more_votes_than_a_float_can_count():
    from scipy.stats import binomtest

    assert side_by_side(60, 26).p_value == pytest.approx(binomtest(60, 86).pvalue, rel=1e-12)
    assert side_by_side(60, 26).winner() == "first"
    assert side_by_side(26, 60).winner() == "second"
    assert side_by_side(43, 43).p_value == 1
    assert side_by_side(2100, 1900).p_value == pytest.approx(binomtest(2100, 4000).pvalue)
    with pytest.raises(UsageError):
        side_by_side(1, -1)


def test_who_is_no_better_is_called_so_at_most_at_the_error_rate():
    for n in (5, 6, 20, 50):
        chance = sum(
            math.comb(n, a) / 2**n for a in range(n + 1) if side_by_side(a, n - a).winner()
        )
        assert chance <= 0.05


@few
@given(st.lists(st.floats(0, 1), max_size=6))
def test_laws_of_holm(p_values):
    adjusted = holm(p_values)
    assert (adjusted >= np.asarray(p_values) - 1e-15).all()
    assert (adjusted <= np.minimum(1, len(p_values) * np.asarray(p_values)) + 1e-15).all()
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()
    assert holm(p_values[::-1])[::-1] == pytest.approx(adjusted)


def test_holm_refuses_what_is_no_chance():
    assert holm([0.01, 0.02, 0.03]).tolist() == pytest.approx([0.03, 0.04, 0.04])
    with pytest.raises(UsageError):
        holm([1.5])


# Channels


def test_channels_are_not_centred_and_count_clones_once():
    rng = np.random.default_rng(6)
    rows = rng.standard_normal((8, 40)) + 1.0
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    mu = np.clip(np.linalg.eigvalsh(unit.T @ unit), 0, None)
    shares = mu[mu > 1e-12] / mu.sum()
    in_bits = 2 ** -(shares * np.log2(shares)).sum()
    assert effective_channels(rows) == pytest.approx(in_bits)
    assert effective_channels(rows - rows.mean(axis=0)) != pytest.approx(in_bits, rel=0.05)
    assert effective_channels(np.ones((5, 3))) == pytest.approx(1)
    assert effective_channels(np.eye(5)) == pytest.approx(5)
    rounds = np.stack([rows, rows[::-1]])
    assert effective_channels(rounds).tolist() == pytest.approx([in_bits, in_bits])
    weights = np.array([1.0, 1, 0, 0, 0, 0, 0, 0])
    assert effective_channels(rows, weights=weights) == pytest.approx(vendi(rows[:2]))


@pytest.mark.parametrize(("name", "expected"), [("default_share", 0.75), ("cluster_score", 1.0)])
def test_measure_runs_them_when_they_are_named(name, expected):
    rows = [{"prompt": "A fruit?", "text": text} for text in ("plum", "plum", "Plum", "kiwi")]
    result = measure(Samples.from_rows(rows), metrics=[name])
    assert result.frame["value"].item() == pytest.approx(expected)


def test_a_default_behaviour_is_flagged_from_four_fifths_on():
    """Row 33: 0.8 of the outputs show one value."""
    assert default_share([8, 1, 1]) >= 0.8 > default_share([79, 21])
    assert default_share([[16, 0], [12, 4]]).tolist() == [1.0, 0.75]
