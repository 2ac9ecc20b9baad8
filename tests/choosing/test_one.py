"""From N answers to one: rewards, votes, risk, surprise, preferences, doubt."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.choosing import (
    accept_probabilities,
    best_of,
    best_of_loops,
    calibrate_acceptance,
    choose_by_preference,
    decide_or_abstain,
    k_medoids,
    least_likely,
    least_risk,
    majority,
    model_shift,
    nearby_preferences,
    selection_probabilities,
    stability_weights,
)
from variegate.errors import DataError, UsageError

quick = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 2**32 - 1)


# Best of N, in loops (row 138).


def test_the_outside_option_of_the_paper():
    p = accept_probabilities([1, 0.2, -0.5])
    assert p[-1] == pytest.approx(0.18030, abs=1e-5)
    assert p.sum() == pytest.approx(1)
    assert accept_probabilities([[800.0, -800.0]]).tolist() == [[1.0, 0.0, 0.0]]


@given(seeds)
@quick
def test_selection_probabilities_by_enumeration_and_their_price(seed):
    generator = np.random.default_rng(seed)
    p = generator.dirichlet(np.ones(4))
    r = generator.integers(0, 3, 4)
    for n in (1, 2, 3):
        exact = np.zeros(4)
        for draw in itertools.product(range(4), repeat=n):
            exact[draw[best_of(r[list(draw)])]] += np.prod(p[list(draw)])
        found = selection_probabilities(p, r, n=n)
        assert found == pytest.approx(exact)
        used = found > 0
        cost = (found[used] * np.log(found[used] / p[used])).sum()
        assert cost <= math.log(n) - (n - 1) / n + 1e-9


def test_thresholds_at_their_ends_are_one_loop_and_best_of_n():
    draws = np.random.default_rng(0).random(12).tolist()

    def run(threshold, mode="accelerator"):
        left = iter(draws)
        return best_of_loops(
            lambda n: [next(left) for _ in range(n)],
            float,
            loop=3,
            loops=4,
            threshold=threshold,
            mode=mode,
        )

    first, every = run(-math.inf), run(math.inf)
    assert (first.answer, first.draws) == (max(draws[:3]), 3)
    assert (every.answer, every.draws, every.accepted) == (max(draws), 12, False)
    assert run(math.inf, "guardrail").answer is None


def test_expected_draws_until_one_is_accepted():
    generator = np.random.default_rng(1)
    found = [
        best_of_loops(
            lambda n: generator.random(n).tolist(), float, loop=4, loops=5, threshold=0.9
        ).draws
        for _ in range(4000)
    ]
    a = 1 - 0.9**4
    assert np.mean(found) == pytest.approx(4 * (1 - (1 - a) ** 5) / a, rel=0.03)


def test_the_rate_of_false_accepts_is_the_one_asked_for():
    """Fresh prompts whose best answer is not acceptable pass a calibrated threshold at its rate."""
    generator = np.random.default_rng(2)
    rates = []
    for _ in range(400):
        threshold = calibrate_acceptance(
            generator.gumbel(size=200), generator.random(200) < 0.3, false_accepts=0.1
        )
        rates.append((generator.gumbel(size=500) >= threshold).mean())
    assert 0.08 < np.mean(rates) <= 0.102
    with pytest.raises(DataError, match="at least 19"):
        calibrate_acceptance([0.1] * 5, [False] * 5, false_accepts=0.05)


# Votes and risk (row 105).


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=12))
@quick
def test_exact_match_utility_is_the_majority_vote(answers):
    same = np.array([[a == b for b in answers] for a in answers], dtype=float)
    assert least_risk(same) == majority(answers)
    assert k_medoids(same, 1).indices.tolist() == [majority(answers)]
    top = Counter(answers).most_common(1)[0][1]
    assert answers.count(answers[majority(answers)]) == top


def test_one_candidate_is_itself_and_silence_votes_for_nothing():
    assert least_risk([[0.3]]) == 0
    assert majority([None, "x", None]) == 1
    with pytest.raises(UsageError, match="got none"):
        majority([None])


@given(seeds)
@quick
def test_a_clustered_utility_returns_the_medoid_of_the_larger_cluster(seed):
    generator = np.random.default_rng(seed)
    points = np.concatenate([generator.uniform(0, 0.5, 7), generator.uniform(50, 50.5, 4)])
    utility = -np.abs(points[:, None] - points)
    found = least_risk(np.exp(utility))
    assert found < 7
    medoid = np.exp(utility)[:7, :7].sum(axis=1).argmax()
    assert found == medoid


@given(seeds)
@quick
def test_k_medoids_against_all_sets_and_the_price_of_one_answer(seed):
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((9, 2))
    u = -np.linalg.norm(x[:, None] - x, axis=-1)
    found = k_medoids(u, 3)
    best = max(u[list(rows)].max(axis=0).mean() for rows in itertools.combinations(range(9), 3))
    assert best - 0.25 * abs(best) <= found.value <= best + 1e-9
    assert found.price == pytest.approx(found.value - u[least_risk(u)].mean())
    assert found.price >= -1e-9
    assert k_medoids(u, 9).value == pytest.approx(0)


# Surprise (row 17).


@given(seeds)
@quick
def test_the_least_likely_right_answer_is_the_reverse_of_confidence(seed):
    generator = np.random.default_rng(seed)
    lp, right = -generator.gamma(2, 5, 12), generator.random(12) < 0.5
    size = np.full(12, 7)
    found = [least_likely(lp, size, right, form=form) for form in ("mean", "sum")]
    assert found[0] == found[1]
    if right.any():
        assert found[0] == min(np.flatnonzero(right), key=lambda i: lp[i])
        assert least_likely(lp, size, right, quantile=0) == max(
            np.flatnonzero(right), key=lambda i: lp[i]
        )
    else:
        assert found[0] is None


def test_the_sum_takes_long_answers_and_length_control_does_not():
    generator = np.random.default_rng(0)
    taken = {"sum": [], "mean": [], "controlled": []}
    for _ in range(300):
        size = generator.integers(5, 60, 16)
        lp = -size * generator.gamma(9, 0.1, 16)
        right = np.ones(16, bool)
        middle = np.sort(size)[7]
        for name, options in (
            ("sum", {"form": "sum"}),
            ("mean", {}),
            ("controlled", {"form": "sum", "same_length": 1.1}),
        ):
            taken[name].append(size[least_likely(lp, size, right, **options)] / middle)
    assert np.mean(taken["sum"]) > 1.4
    assert abs(np.mean(taken["mean"]) - 1) < 0.1
    assert max(taken["controlled"]) <= 1.1


def test_surprise_refuses_what_it_cannot_rank():
    with pytest.raises(UsageError, match="length >= 1"):
        least_likely([-1.0], [0], [True])
    with pytest.raises(UsageError, match="quantile"):
        least_likely([-1.0], [1], [True], quantile=2)


# Preferences (row 169).


def test_zero_angle_is_best_of_k_under_the_target():
    assert nearby_preferences([0, 2], [[1, 0]], k=3, degrees=0).tolist() == [[0, 1]] * 3
    assert choose_by_preference([[1, 0], [0, 1]], [0, 5]) == 1


def test_only_directions_within_the_angle_are_used_nearest_first():
    angles = np.radians(np.arange(-40, 45, 5))
    grid = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    rows = nearby_preferences([np.cos(0.5), np.sin(0.5)], grid, k=5, degrees=30)
    away = np.degrees(np.arccos(np.clip(rows @ [np.cos(0.5), np.sin(0.5)], -1, 1)))
    assert (np.diff(away) >= -1e-9).all()
    assert away.max() <= 30
    assert len(rows) == 5


def test_neighbours_gain_only_where_they_are_better_trained():
    """Simulated: a draw under direction v has reward along v, with a spread for the training.

    Where the target itself is as well trained as its neighbours they gain nothing.
    """
    generator = np.random.default_rng(0)
    target = np.array([np.cos(np.radians(45)), np.sin(np.radians(45))])
    angles = np.radians([20, 25, 30, 35, 40, 45])
    grid = np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def value(rows, trained):
        total = 0.0
        for _ in range(1500):
            draws = [
                v * trained(np.degrees(np.arctan2(v[1], v[0]))) + 0.2 * generator.standard_normal(2)
                for v in rows
            ]
            total += float(np.array(draws)[choose_by_preference(draws, target)] @ target)
        return total / 1500

    near = nearby_preferences(target, grid[:-1], k=5, degrees=30)
    own = nearby_preferences(target, grid, k=5, degrees=0)
    poor = lambda degrees: 1.0 if degrees < 41 else 0.7  # noqa: E731
    even = lambda degrees: 1.0  # noqa: E731
    assert value(near, poor) > value(own, poor) + 0.1
    assert value(near, even) < value(own, even) + 0.01


# Doubt, shifts, experts (rows 89, 122, 198).


def test_five_unanimous_votes_abstain_and_six_decide():
    assert decide_or_abstain(["x"] * 5).answer is None
    assert decide_or_abstain(["x"] * 6).answer == "x"
    assert decide_or_abstain([]).p_value == 1


def test_a_coin_is_decided_wrongly_no_more_often_than_stated():
    generator = np.random.default_rng(0)
    decided = [
        decide_or_abstain(generator.choice(["a", "b"], 40).tolist()).answer is not None
        for _ in range(3000)
    ]
    assert np.mean(decided) <= 0.05


def test_planted_shifts_are_told_apart_and_a_weak_complement_beats_a_strong_twin():
    generator = np.random.default_rng(0)
    base = generator.integers(1, 20, (6, 2))
    assert model_shift(base, 3 * base) == model_shift(base, base)
    assert (model_shift(base, base).diversity, model_shift(base, base).correlation) == (0, 0)
    other_modes = np.roll(np.concatenate([base, np.zeros_like(base)]), 6, axis=0)
    modes = model_shift(np.concatenate([base, np.zeros_like(base)]), other_modes)
    assert (modes.diversity, modes.correlation) == pytest.approx((1, 0))
    flipped = model_shift(base, base[:, ::-1])
    assert flipped.diversity == 0
    assert flipped.correlation > 0.05
    # Three models on ten questions: the strong twin is right where the first is, the weak one
    # where it is not. Counts of (question, wrong/right).
    right = {"first": range(7), "twin": range(7), "weak": range(6, 10)}
    tables = {
        name: np.array([[5 * (q not in r), 5 * (q in r)] for q in range(10)])
        for name, r in right.items()
    }
    partner = max(
        ("twin", "weak"), key=lambda n: model_shift(tables["first"], tables[n]).correlation
    )
    assert partner == "weak"
    covered = {n: len({*right["first"], *right[n]}) for n in ("twin", "weak")}
    assert covered["weak"] > covered["twin"]


def test_one_expert_is_itself_and_the_matching_one_gains():
    assert stability_weights(np.full((1, 3, 2), 0.5), np.full((1, 3, 2), 0.5)).tolist() == [1]
    generator = np.random.default_rng(0)
    truth = generator.integers(5, size=300)

    def expert(skill):
        logits = generator.standard_normal((300, 5))
        logits[np.arange(300), truth] += skill
        p = np.exp(logits)
        return p / p.sum(axis=1, keepdims=True)

    views = [np.stack([expert(s) for s in (0.5, 4.0, 1.0)]) for _ in range(2)]
    weights = stability_weights(*views)
    assert weights.argmax() == 1
    assert weights[1] > 0.8
