"""Stepwise search: resampling, widths, choice of leaves, and the searches themselves."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import UnknownName, UsageError
from variegate.models import Arm, Sampling
from variegate.prompting import SimulatedChat
from variegate.prompting.stepwise import (
    ParticleSearch,
    TreeSearch,
    ets_select,
    log_weights,
    particle_temperature,
    rebase_widths,
    systematic_resample,
)
from variegate.samples import Prompt

W = [0.65] + [0.05] * 7
WEIGHTS = st.lists(st.floats(0, 1), min_size=1, max_size=12).filter(lambda w: sum(w) > 1e-3)
ASK = [Prompt(prompt="Tell a story.")]


def arm(rule) -> Arm:
    model = rule if isinstance(rule, SimulatedChat) else SimulatedChat(rule)
    return Arm(name="arm", model=model, format="chat", sampling=Sampling())


# Row 106: particles -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annealing", "temperatures"),
    [("ess", [3.52, 2.64, 2.112]), ("entropy", [1.5652, 1.3714, 1.2766]), ("base", [2, 1.75, 1.6])],
)
def test_row_106_worked_temperatures(annealing, temperatures):
    found = [particle_temperature(W, progress=t, annealing=annealing) for t in (0, 0.25, 0.4)]
    assert found == pytest.approx(temperatures, abs=5e-5)


def test_row_106_annealed_weights():
    flat = np.array(W) ** (1 / particle_temperature(W, progress=0.25))
    flat /= flat.sum()
    assert flat[:2] == pytest.approx([0.2740, 0.1037], abs=5e-5)
    assert 1 / (flat**2).sum() == pytest.approx(6.650, abs=5e-4)


@pytest.mark.parametrize("annealing", ["ess", "entropy", "base", "none"])
def test_row_106_where_nothing_is_flattened(annealing):
    assert particle_temperature([1.0] * 8, progress=0, annealing=annealing) == 1
    assert particle_temperature(W, progress=0, annealing=annealing, threshold=0) == 1
    assert particle_temperature(W, progress=0.5, annealing=annealing) == 1
    assert particle_temperature([1.0], progress=0, annealing=annealing) == 1


@given(WEIGHTS, st.floats(0, 1), st.sampled_from(["ess", "entropy", "base", "none"]))
@settings(deadline=None)
def test_temperatures_are_one_or_more_and_no_matter_of_scale(weights, t, annealing):
    found = particle_temperature(weights, progress=t, annealing=annealing)
    assert found >= 1
    scaled = particle_temperature(np.array(weights) * 1e-3, progress=t, annealing=annealing)
    assert scaled == pytest.approx(found)


@given(WEIGHTS, st.integers(0, 40), st.floats(0, 1, exclude_max=True))
@settings(deadline=None, max_examples=200)
def test_row_106_every_particle_comes_floor_or_ceil_times(weights, n, u):
    w = np.array(weights) / np.sum(weights)
    counts = np.bincount(systematic_resample(weights, n=n, u=u), minlength=len(w))
    assert counts.sum() == n
    assert (counts >= np.floor(n * w - 1e-9)).all()
    assert (counts <= np.ceil(n * w + 1e-9)).all()
    assert (counts[w == 0] == 0).all()


def test_row_106_flattening_delays_impoverishment():
    """Scores that are sure of themselves and know nothing: who is left of 32 after ten steps?"""

    def ancestors(annealing: str, seed: int) -> list[int]:
        rng = np.random.default_rng(seed)
        line = np.arange(32)
        alive = []
        for step in range(1, 11):
            weights = np.exp(rng.normal(scale=2.5, size=32))
            flat = particle_temperature(weights, progress=step / 20, annealing=annealing)
            line = line[systematic_resample(weights ** (1 / flat), n=32, u=rng.random())]
            alive.append(len(set(line)))
        return alive

    plain, entropic = (
        np.mean([ancestors(kind, seed) for seed in range(40)], axis=0) for kind in ("none", "ess")
    )
    assert (entropic[:5] > 1.5 * plain[:5]).all()
    assert (entropic >= plain).all()


def test_scores_become_logits():
    assert log_weights([0.5, 0.0, 1.0]) == pytest.approx([0, -16.118, 16.118], abs=1e-3)
    for bad in ([1.5], [np.nan], [-0.1]):
        with pytest.raises(UsageError):
            log_weights(bad)


def test_bad_weights_are_refused():
    for bad in ([], [0.0, 0.0], [-1.0, 2.0], [np.inf], [np.nan]):
        with pytest.raises(UsageError):
            systematic_resample(bad, n=2, u=0.5)
    with pytest.raises(UsageError):
        systematic_resample([1.0], n=2, u=1.0)
    with pytest.raises(UnknownName):
        particle_temperature([1.0], progress=0, annealing="hot")


# Row 77: ETS --------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10), st.integers(0, 50))
@settings(deadline=None)
def test_row_77_widths_add_up_and_follow_the_scores(scores, width):
    widths = rebase_widths(scores, width=width)
    assert widths.sum() == width
    order = np.argsort(-np.array(scores), kind="stable")
    assert (np.diff(widths[order]) <= 0).all()


def test_row_77_widths_by_hand():
    # weights e^0, e^-2, e^-4 over .2: 8 · .8650 → 7, then 1 · .8808 → 1
    assert rebase_widths([0.9, 0.5, 0.1], width=8).tolist() == [7, 1, 0]
    assert rebase_widths([0.5, 0.5], width=4).tolist() == [2, 2]
    assert rebase_widths([], width=0).tolist() == []
    with pytest.raises(UsageError):
        rebase_widths([0.1], width=1, temperature=0)


def random_tree(rng, n):
    """Leaves of a random tree as the nodes they lie under: prefixes of random paths."""
    paths = [tuple(rng.integers(3, size=3)) for _ in range(n)]
    nodes = sorted({path[:k] for path in paths for k in (1, 2, 3)})
    return np.array([[path[: len(node)] == node for node in nodes] for path in paths])


def worth(kept, widths, under, clusters, b, s):
    names = np.unique(clusters)
    covered = sum(bool(kept[clusters == name].any()) for name in names)
    n, m = under.shape
    cost = under[kept].any(axis=0).sum() + kept.sum()
    return (widths / widths.sum())[kept].sum() - b / (m + n) * cost + s / len(names) * covered


@pytest.mark.parametrize("seed", range(12))
def test_row_77_the_program_matches_brute_force(seed):
    rng = np.random.default_rng(seed)
    n = 12 if seed == 0 else int(rng.integers(2, 10))
    widths = rng.integers(1, 9, size=n).astype(float)
    under, clusters = random_tree(rng, n), rng.integers(3, size=n)
    for b, s in ((1.0, 1.45), (0.5, 0.0), (2.0, 0.3)):
        found = ets_select(widths, under, clusters, node_cost=b, coverage=s)
        sets = (np.array(x, dtype=bool) for x in itertools.product([0, 1], repeat=n) if any(x))
        best = max(worth(kept, widths, under, clusters, b, s) for kept in sets)
        assert worth(found, widths, under, clusters, b, s) == pytest.approx(best)


def test_row_77_zero_weights_are_rebase_large_costs_keep_one_and_coverage_all_clusters():
    rng = np.random.default_rng(0)
    widths = np.array([5.0, 2, 1, 1, 0, 0])
    under, clusters = random_tree(rng, 6), np.array([0, 0, 0, 1, 1, 2])
    assert ets_select(widths, under, clusters, node_cost=0, coverage=0).tolist() == [
        True, True, True, True, False, False,
    ]  # fmt: skip
    assert ets_select(widths, under, clusters, node_cost=1e4, coverage=0).sum() == 1
    covered = ets_select(widths, under, clusters, node_cost=1.0, coverage=1e4)
    assert set(clusters[covered]) == {0, 1, 2}
    assert set(clusters[ets_select(widths, under, clusters, node_cost=0)]) == {0, 1, 2}
    with pytest.raises(UsageError):
        ets_select([0.0, 0.0], under[:2])
    with pytest.raises(UsageError):
        ets_select([1.0, 1.0], under[:2], node_cost=-1)


# The searches -------------------------------------------------------------------------------------


def two_ways(heard, rng):
    """Three steps; each says good or bad by a coin, then nothing more."""
    told = heard.split("assistant: ")[-1].split()
    return "" if len(told) >= 3 else f"{rng.choice(['good', 'bad'])}\n\nand more"


def likes_good(prompt, text):
    return (1 + text.split().count("good")) / (2 + len(text.split()))


@pytest.mark.parametrize("search", [ParticleSearch, TreeSearch])
def test_answers_grow_step_by_step_towards_the_score(search):
    rows = search(scorer=likes_good, max_steps=6).collect(arm(two_ways), ASK, n=24).frame
    assert rows["finish"].to_list() == ["stop"] * 24
    assert {len(text.split()) for text in rows["text"]} == {3}
    good = np.mean([text.split().count("good") for text in rows["text"]])
    assert good > 1.8  # 1.5 without a search
    assert rows["quality"].to_list() == pytest.approx(
        [likes_good("", text) for text in rows["text"]]
    )
    assert not rows["iid"].any()


@pytest.mark.parametrize("search", [ParticleSearch, TreeSearch])
def test_what_has_not_ended_is_cut_and_what_has_ended_leaves(search):
    rows = search(scorer=likes_good, max_steps=2).collect(arm(two_ways), ASK, n=5).frame
    assert rows["finish"].to_list() == ["length"] * 5
    assert {len(text.split()) for text in rows["text"]} == {2}


@pytest.mark.fault(35)
@pytest.mark.parametrize("search", [ParticleSearch, TreeSearch])
@pytest.mark.parametrize("nonsense", [float("nan"), 1.5, "high", None])
def test_fault_35_a_scorer_that_answers_nonsense_marks_that_answer_and_the_others_go_on(
    search, nonsense
):
    def scorer(prompt, text):
        return nonsense if text.startswith("bad") else 0.5

    rows = search(scorer=scorer, max_steps=6).collect(arm(two_ways), ASK, n=16).frame
    marked = rows.filter(rows["finish"] == "error")
    assert 0 < marked.height < 16
    assert set(marked["reasoning"]) == {"bad"}
    assert rows.filter(rows["finish"] == "stop")["text"].str.starts_with("good").all()


def test_without_a_scorer_the_models_own_certainty_leads():
    class Sure(SimulatedChat):
        def _completion(self, request, text, sampling):
            done = super()._completion(request, text, sampling)
            sure = -0.05 if done.text == "good" else -3.0
            return replace(done, token_logprobs=(sure,) if done.text else ())

    def good(model):
        rows = ParticleSearch(max_steps=6, annealing="none").collect(arm(model), ASK, n=40).frame
        assert rows["quality"].is_null().all()
        return np.mean([text.split().count("good") for text in rows["text"]])

    assert good(Sure(two_ways)) > 2.2
    assert good(SimulatedChat(two_ways)) == pytest.approx(1.5, abs=0.3)  # no log-probabilities


def test_a_tree_that_covers_keeps_more_than_one_idea():
    def ideas(heard, rng):
        told = heard.split("assistant: ")[-1].split("\n\n")
        words = ["cats purr softly", "taxes rise again", "rain falls down"]
        return "" if len(told) > 1 else str(rng.choice(words, p=[0.6, 0.2, 0.2]))

    def favourite(prompt, text):
        return 0.9 if text.startswith("cats") else 0.2

    def kinds(**options):
        rows = TreeSearch(scorer=favourite, max_steps=5, **options).collect(arm(ideas), ASK, n=30)
        return {text.split()[0] for text in rows.frame["text"]}

    assert kinds(coverage=0.0, node_cost=1.0) == {"cats"}
    assert kinds(coverage=20.0) == {"cats", "taxes", "rain"}
