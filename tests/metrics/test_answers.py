"""Metrics of answers, of right answers, of tokens, and of pairs, against brute force."""

import itertools
import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import DataError, UsageError
from variegate.estimate import jackknife, leave_one_out
from variegate.metrics import (
    accuracy,
    answer_entropy,
    branching_factor,
    distinct_at_k,
    entropy_by_position,
    gini_simpson,
    pairwise_across,
    pairwise_diversity,
    pass_at_k,
    pass_at_k_interval,
    token_entropy,
    unique_correct_at_k,
    utility_at_k,
    vendi,
    vendi_across,
)

counts = st.lists(st.integers(0, 4), min_size=1, max_size=5).filter(lambda c: 1 <= sum(c) <= 9)


def draws(class_counts):
    return [c for c, n in enumerate(class_counts) for _ in range(n)]


@settings(deadline=None, max_examples=60)
@given(counts, st.data())
def test_rarefaction_equals_the_mean_over_all_subsets(class_counts, data):
    labels = draws(class_counts)
    k = data.draw(st.integers(1, len(labels)))
    right = [c % 2 == 0 for c in range(len(class_counts))]
    subsets = list(itertools.combinations(labels, k))
    distinct = np.mean([len(set(s)) for s in subsets])
    unique = np.mean([len({c for c in s if right[c]}) for s in subsets])
    passes = np.mean([any(right[c] for c in s) for s in subsets])
    correct = sum(n for n, r in zip(class_counts, right, strict=True) if r)
    assert distinct_at_k(class_counts, k=k) == pytest.approx(distinct, abs=1e-12)
    assert unique_correct_at_k(class_counts, right, k=k) == pytest.approx(unique, abs=1e-12)
    assert pass_at_k(len(labels), correct, k=k) == pytest.approx(passes, abs=1e-12)
    if len(labels) > 1:
        pairs = np.mean([a != b for a, b in itertools.combinations(labels, 2)])
        assert gini_simpson(class_counts) == pytest.approx(pairs, abs=1e-12)
        one_hot = np.eye(len(class_counts))[labels]
        assert pairwise_diversity(one_hot) == pytest.approx(pairs, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 2000), st.data())
def test_pass_at_k_to_sixteen_digits(n, data):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    with mpmath.workdps(40):
        exact = 1 - mpmath.binomial(n - c, k) / mpmath.binomial(n, k)
    assert pass_at_k(n, c, k=k) == pytest.approx(float(exact), rel=1e-10, abs=1e-14)


@pytest.mark.fault(11)
def test_fault_11_the_ends_of_pass_at_k():
    assert pass_at_k(10, 0, k=5) == 0
    assert pass_at_k(10, 10, k=5) == 1
    assert pass_at_k(10, 6, k=5) == 1
    np.testing.assert_allclose(pass_at_k([4, 4], [1, 2], k=1), [0.25, 0.5])
    for call in (
        lambda: pass_at_k(4, 2, k=5),
        lambda: distinct_at_k([2, 2], k=5),
        lambda: unique_correct_at_k([2, 2], [True, False], k=5),
        lambda: pass_at_k_interval(4, 2, k=5),
    ):
        with pytest.raises(UsageError, match=r"k = 5.*n = 4"):
            call()


def test_one_right_class_makes_unique_correct_pass_at_k():
    assert unique_correct_at_k([3, 4, 3], [True, False, False], k=4) == pytest.approx(
        pass_at_k(10, 3, k=4)
    )


@pytest.mark.parametrize("p", [0.02, 0.3, 0.9])
@pytest.mark.parametrize("k", [1, 4])
def test_interval_of_pass_at_k_covers_at_least_as_stated(p, k):
    n = 20
    ends = [pass_at_k_interval(n, c, k=k, level=0.9) for c in range(n + 1)]
    chance = [math.comb(n, c) * p**c * (1 - p) ** (n - c) for c in range(n + 1)]
    truth = 1 - (1 - p) ** k
    covered = sum(w for w, e in zip(chance, ends, strict=True) if e.low <= truth <= e.high)
    assert covered >= 0.9
    assert (ends[0].low, ends[n].high) == (0, 1)


@settings(deadline=None, max_examples=60)
@given(counts)
def test_entropy_bounds_and_corrections(class_counts):
    plain = answer_entropy(class_counts)
    seen = sum(c > 0 for c in class_counts)
    assert -1e-12 <= plain <= math.log(seen) + 1e-12
    madow = answer_entropy(class_counts, correction="miller-madow")
    assert madow == pytest.approx(plain + (seen - 1) / (2 * sum(class_counts)))
    assert answer_entropy(class_counts, correction="chao-shen") >= plain - 1e-12
    padded = [*class_counts, 0, 0]
    for correction in (None, "miller-madow", "chao-shen"):
        assert answer_entropy(padded, correction=correction) == pytest.approx(
            answer_entropy(class_counts, correction=correction)
        )


def test_corrected_entropy_is_nearer_the_truth():
    rng = np.random.default_rng(0)
    samples = rng.multinomial(16, np.full(20, 1 / 20), size=20_000)
    plain, madow, chao = (
        answer_entropy(samples, correction=c).mean() for c in (None, "miller-madow", "chao-shen")
    )
    assert plain == pytest.approx(2.318, abs=0.01)
    assert madow == pytest.approx(2.637, abs=0.01)
    assert chao == pytest.approx(3.077, abs=0.02)


@pytest.mark.fault(8)
def test_fault_08_one_answer():
    for correction in (None, "miller-madow", "chao-shen"):
        assert answer_entropy([7, 0], correction=correction) == 0
    assert gini_simpson([7]) == 0
    assert distinct_at_k([7], k=3) == 1
    assert pairwise_diversity(np.ones((5, 3))) == pytest.approx(0, abs=1e-12)


@pytest.mark.fault(9)
def test_fault_09_never_the_same_answer():
    assert gini_simpson(np.ones(6)) == 1
    assert distinct_at_k(np.ones(6), k=4) == pytest.approx(4)
    assert answer_entropy(np.ones(6)) == pytest.approx(math.log(6))
    assert math.isfinite(answer_entropy(np.ones(6), correction="chao-shen"))
    assert pairwise_diversity(np.eye(6)) == pytest.approx(1)


@pytest.mark.fault(10)
def test_fault_10_too_few_outputs_are_nan():
    assert math.isnan(gini_simpson([1]))
    assert math.isnan(gini_simpson([0, 0]))
    assert math.isnan(pairwise_diversity([[1.0, 0.0]]))
    assert math.isnan(pairwise_diversity(np.zeros((0, 3))))
    assert np.isnan(pairwise_diversity(np.zeros((4, 1, 3)))).all()
    assert math.isnan(answer_entropy([0, 0]))
    assert answer_entropy([1], correction="chao-shen") == 0
    assert math.isnan(accuracy([]))
    assert math.isnan(token_entropy([]))
    assert math.isnan(branching_factor([[], []]))
    assert math.isnan(utility_at_k([], []))
    assert math.isnan(pairwise_across([[[1, 0]]]).value)
    assert "2 prompts" in vendi_across([]).note


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.integers(2, 7), st.integers(1, 5))
def test_pairwise_equals_the_double_loop(seed, n, d):
    sets = np.random.default_rng(seed).standard_normal((3, n, d))
    unit = sets / np.linalg.norm(sets, axis=-1, keepdims=True)
    expected = [
        1 - np.mean([u[i] @ u[j] for i, j in itertools.combinations(range(n), 2)]) for u in unit
    ]
    np.testing.assert_allclose(pairwise_diversity(sets), expected, atol=1e-12)


def test_pairwise_does_not_depend_on_n():
    rng = np.random.default_rng(0)
    modes = np.eye(4)
    means = [
        pairwise_diversity(modes[rng.choice(4, p=[0.4, 0.3, 0.2, 0.1], size=(20_000, n))]).mean()
        for n in (2, 16)
    ]
    truth = 1 - (0.16 + 0.09 + 0.04 + 0.01)
    np.testing.assert_allclose(means, truth, atol=0.01)


@pytest.mark.fault(13)
def test_fault_13_nan_is_refused_with_its_place():
    rows = np.ones((4, 3))
    rows[3, 0] = np.nan
    with pytest.raises(DataError, match="first at 3"):
        pairwise_diversity(rows)
    with pytest.raises(DataError, match=r"token entropies.*first at 1"):
        token_entropy([[0.5, np.inf]])


@pytest.mark.fault(14)
def test_fault_14_zero_rows_are_orthogonal():
    rows = np.array([[1.0, 0], [0, 0], [0, 0]])
    assert pairwise_diversity(rows) == 1


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 10)), min_size=1, max_size=6),
    st.integers(1, 6),
    st.floats(0, 1),
)
@settings(deadline=None, max_examples=40)
def test_utility_is_the_mean_over_all_orders(outputs, k, patience):
    k = min(k, len(outputs))
    orders = [
        utility_at_k([c for c, _ in order], [u for _, u in order], k=k, patience=patience,
                     compat="novelty-bench")
        for order in itertools.permutations(outputs)
    ]  # fmt: skip
    classes, worth = [c for c, _ in outputs], [u for _, u in outputs]
    found = utility_at_k(classes, worth, k=k, patience=patience)
    assert found == pytest.approx(np.mean(orders), abs=1e-9)


def test_utility_oracles():
    tens = [10.0] * 10
    assert utility_at_k([0] * 10, tens) == pytest.approx(2.24058, abs=1e-5)
    assert utility_at_k(list(range(10)), tens) == pytest.approx(10)
    assert utility_at_k([3], [7.5]) == pytest.approx(7.5)
    in_order = {"compat": "novelty-bench"}
    assert utility_at_k([0, 0, 1], [3, 9, 6], patience=1, **in_order) == pytest.approx(3)
    assert utility_at_k([0, 1, 1], [3, 9, 6], patience=0, **in_order) == pytest.approx(3)
    assert utility_at_k([0, 1], [3, 9], k=1, **in_order) == pytest.approx(3)
    with pytest.raises(UsageError):
        utility_at_k([0, 1], [1.0])


def test_branching_factor_oracles():
    uniform = [np.full(n, math.log(32)) for n in (5, 60, 1)]
    assert branching_factor(uniform) == pytest.approx(32)
    assert branching_factor([np.zeros(9)]) == 1
    assert token_entropy([[1.0, 3.0], [], [2.0, 2.0, 2.0]]) == 2
    surprise = [np.full(n, -math.log(8)) for n in (5, 60, 1)]
    assert branching_factor(uniform, token_logprobs=surprise, switch=50) == pytest.approx(32)
    assert branching_factor(uniform, token_logprobs=surprise, switch=10) == pytest.approx(8)
    with pytest.raises(UsageError):
        branching_factor(uniform, switch=50)
    means, outputs = entropy_by_position([[1.0, 2.0], [], [3.0]])
    assert (means.tolist(), outputs.tolist()) == ([2.0, 2.0], [2, 1])


def test_entropy_and_surprise_agree_over_ragged_lengths():
    # Every step: end with chance 0.1, else one of two tokens. Outputs end when they end, so the
    # lengths are ragged; pooled over tokens both forms estimate one rate.
    chances = np.array([0.1, 0.6, 0.3])
    rng = np.random.default_rng(0)
    entropies, logprobs = [], []
    for _ in range(4000):
        steps = []
        while not steps or steps[-1] != 0:
            steps.append(rng.choice(3, p=chances))
        logprobs.append(np.log(chances[steps]))
        entropies.append(np.full(len(steps), -(chances * np.log(chances)).sum()))
    by_entropy = branching_factor(entropies)
    by_surprise = branching_factor(entropies, token_logprobs=logprobs, switch=0)
    assert by_surprise == pytest.approx(by_entropy, rel=0.02)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(3, 7), st.integers(1, 3))
def test_pairwise_across_is_the_mean_over_one_output_a_prompt(seed, prompts, n):
    rows = np.random.default_rng(seed).standard_normal((prompts, n, 3))
    found = pairwise_across(list(rows))
    picks = itertools.product(range(n), repeat=prompts)
    sets = [rows[np.arange(prompts), list(pick)] for pick in itertools.islice(picks, 2500)]
    if n**prompts <= 2500:
        assert found.value == pytest.approx(np.mean([pairwise_diversity(s) for s in sets]))
    means = [pairwise_across(np.delete(rows, i, axis=0)).value for i in range(prompts)]
    expected = jackknife(means, value=found.value)
    np.testing.assert_allclose((found.low, found.high), (expected.low, expected.high), rtol=1e-9)


def test_vendi_across_has_about_the_interval_of_the_full_jackknife():
    rng = np.random.default_rng(2)
    centres = rng.standard_normal((6, 20))
    rows = centres[rng.integers(0, 6, 120)] + 0.4 * rng.standard_normal((120, 20))
    found = vendi_across(rows[:, None, :])
    full = jackknife(leave_one_out(rows, vendi), value=vendi(rows))
    assert found.value == pytest.approx(full.value)
    assert found.settings["standard_error"] == pytest.approx(
        full.settings["standard_error"], rel=0.1
    )
    same = vendi_across([[[1.0, 0.0]]] * 5)
    assert (same.value, same.low, same.high) == (1, 1, 1)


def test_a_model_that_does_not_heed_its_prompt_is_as_various_across_as_within():
    rng = np.random.default_rng(0)
    rows = np.eye(8)[rng.integers(0, 8, (400, 16))]
    assert pairwise_across(list(rows)).value == pytest.approx(
        pairwise_diversity(rows).mean(), abs=0.01
    )
