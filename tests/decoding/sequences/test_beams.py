"""Stochastic beams, diverse beams and look-ahead trees against trees that can be listed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.decoding.sequences import (
    TableModel,
    diverse_beam,
    log_inclusion,
    lookahead_tree,
    stochastic_beam,
)
from variegate.errors import UsageError
from variegate.models import Sampling

from .test_arithmetic import draw, draw_sets, random_table

DIE = TableModel(table=lambda prompt, written: [0, 0.5, 0.3, 0.2])


# --- stochastic beams ---------------------------------------------------------------------------


def test_inclusion_probabilities_are_those_of_drawing_without_replacement():
    sets = draw_sets(stochastic_beam(DIE, n=2), n=2, groups=range(3000), max_tokens=1)
    inside = np.zeros(3)
    for one in sets:
        a, b = (c.token_ids[0] for c in one)
        assert a != b
        inside[[a - 1, b - 1]] += 1
    assert inside / len(sets) == pytest.approx([0.8393, 0.6750, 0.4857], abs=4 * 0.5 / 3000**0.5)


def test_as_many_as_there_are_leaves_gives_all_of_them_with_weights_that_sum_to_one():
    model = random_table(7, size=3)
    leaves = model.leaves("p", sampling=Sampling(max_tokens=3))
    drawn = draw(stochastic_beam(model, n=len(leaves) + 2), n=len(leaves) + 2, max_tokens=3)
    spoken = [c for c in drawn if c.finish != "error"]
    assert {c.token_ids: pytest.approx(c.weight) for c in spoken} == leaves
    assert sum(c.weight for c in drawn) == pytest.approx(1)
    assert sum(c.finish == "error" for c in drawn) == 2  # said, not filled with copies


def test_weighted_sums_are_unbiased():
    model = random_table(11, ends=0.2)
    leaves = model.leaves("p", sampling=Sampling(max_tokens=3, temperature=0.8))
    worth = {ids: float(np.sin(sum(ids)) + len(ids)) for ids in leaves}
    truth = sum(p * worth[ids] for ids, p in leaves.items())
    sampler = stochastic_beam(model, n=4)
    sets = draw_sets(sampler, n=4, groups=range(1200), max_tokens=3, temperature=0.8)
    sums = np.array([sum(c.weight * worth[c.token_ids] for c in one) for one in sets])
    plain = np.array([np.mean([worth[c.token_ids] for c in one]) for one in sets])
    error = sums.std() / len(sums) ** 0.5
    assert abs(sums.mean() - truth) < 4 * error
    assert abs(plain.mean() - truth) > 4 * plain.std() / len(plain) ** 0.5  # what weights are for
    assert np.mean([sum(c.weight for c in one) for one in sets]) == pytest.approx(1, abs=0.03)
    assert all(len({c.token_ids for c in one}) == 4 for one in sets)
    assert not any(c.iid for one in sets for c in one)


@settings(deadline=None)
@given(st.floats(-2000, 50), st.floats(-60, 60))
def test_inclusion_is_stable_at_both_ends(logprob, kappa):
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(1200):
        exact = mpmath.log(-mpmath.expm1(-mpmath.exp(mpmath.mpf(logprob) - mpmath.mpf(kappa))))
        expected = float(exact)
    got = float(log_inclusion(logprob, kappa=kappa))
    assert got == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert log_inclusion(logprob, kappa=-np.inf) == 0


def test_long_texts_keep_their_weights():
    words = TableModel(table=lambda prompt, written: [0, *[0.01] * 100])
    drawn = draw(stochastic_beam(words, n=3), n=3, max_tokens=200)  # log p = -921 each
    assert all(0 < c.weight < 10 for c in drawn)


# --- diverse beams ------------------------------------------------------------------------------


def beam_search(model, width, sampling):
    """By brute force over all continuations of the beam, ended ones competing."""
    beam = [((), 0.0)]
    while any(not ids or (ids[-1] != 0 and len(ids) < sampling.max_tokens) for ids, _ in beam):
        grown = []
        for ids, score in beam:
            if ids and (ids[-1] == 0 or len(ids) == sampling.max_tokens):
                grown.append((ids, score))
                continue
            p = model.table("p", ids)
            grown += [((*ids, t), score + np.log(q)) for t, q in enumerate(p) if q]
        beam = sorted(grown, key=lambda one: -one[1])[:width]
    return beam


def by_brute_force(model, *, n, groups, strength, cumulative, sampling):
    """Groups in turn at every step, Hamming, from the definition."""
    width = n // groups
    beams = [[((), 0.0)] for _ in range(groups)]
    for step in range(sampling.max_tokens):
        said = []
        for g in range(groups):
            grown = []
            for ids, score in beams[g]:
                if len(ids) < step or (ids and ids[-1] == 0):
                    grown.append((score, ids, score))
                    continue
                for t, q in enumerate(model.table("p", ids)):
                    if q:
                        value = score + np.log(q) - strength * said.count(t)
                        kept = value if cumulative else score + np.log(q)
                        grown.append((value, (*ids, t), kept))
            best = sorted(grown, key=lambda one: -one[0])[:width]
            beams[g] = [(ids, kept) for _, ids, kept in best]
            said += [ids[step] for ids, _ in beams[g] if len(ids) == step + 1]
    return [ids for beam in beams for ids, _ in beam]


def ids(drawn):
    return [c.token_ids for c in drawn]


@pytest.mark.parametrize("seed", range(6))
def test_one_group_is_beam_search(seed):
    model, sampling = random_table(seed), Sampling(max_tokens=4)
    drawn = draw(diverse_beam(model, n=4, groups=1, strength=3.0), n=4, max_tokens=4)
    expected = beam_search(model, 4, sampling)
    assert ids(drawn) == [row for row, _ in expected]
    assert [sum(c.token_logprobs) for c in drawn] == pytest.approx([s for _, s in expected])


@pytest.mark.parametrize("seed", range(4))
def test_no_strength_gives_copies_of_a_narrower_beam(seed):
    model = random_table(seed)
    drawn = ids(draw(diverse_beam(model, n=6, groups=3, strength=0.0), n=6, max_tokens=4))
    assert drawn == 3 * [row for row, _ in beam_search(model, 2, Sampling(max_tokens=4))]


@pytest.mark.parametrize("dissimilarity", ["hamming", "cumulative"])
def test_great_strength_gives_distinct_first_tokens(dissimilarity):
    model = diverse_beam(random_table(2, size=6), n=5, strength=1e6, dissimilarity=dissimilarity)
    assert len({row[0] for row in ids(draw(model, n=5, max_tokens=3))}) == 5


@pytest.mark.parametrize("cumulative", [True, False])
@pytest.mark.parametrize(("n", "groups", "strength"), [(4, 4, 0.7), (6, 3, 0.4), (4, 2, 2.0)])
def test_groups_match_brute_force(n, groups, strength, cumulative):
    sampling = Sampling(max_tokens=4)
    for seed in range(5):
        model = random_table(seed, size=4, ends=0.05)
        options = {"n": n, "groups": groups, "strength": strength, "cumulative": cumulative}
        drawn = draw(diverse_beam(model, **options), n=n, max_tokens=4)
        assert ids(drawn) == by_brute_force(model, **options, sampling=sampling)


def test_ngrams_are_not_said_again():
    loop = TableModel(table=lambda prompt, written: [0, 0.6, 0.4])
    model = diverse_beam(loop, n=2, strength=5.0, dissimilarity="ngram", ngram=2)
    first, second = ids(draw(model, n=2, max_tokens=4))
    assert first == (1, 1, 1, 1)
    assert (1, 1) not in set(itertools.pairwise(second))


def test_what_a_beam_cannot_be_is_refused():
    for wrong in ({"groups": 3}, {"strength": -1}, {"gamma": 0}, {"ngram": 0}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            diverse_beam(DIE, n=4, **wrong)


# --- look-ahead trees ---------------------------------------------------------------------------


def test_an_impossible_threshold_never_branches_and_never_copies():
    model = random_table(4, ends=0.1)
    tree = lookahead_tree(model, n=6, branch_above=0.5, share=1.0)
    drawn = draw(tree, n=6, max_tokens=6)
    greedy = draw(model, n=1, max_tokens=6, temperature=0.0)[0]
    assert drawn[0].token_ids == greedy.token_ids
    plain = draw(model, n=6, max_tokens=6)
    assert ids(drawn)[1:] == ids(plain)[1:]  # what is missing is drawn, not copied


def coin(prompt, written):
    return [0.02, 0.4, 0.38, 0.2]


def test_the_cap_holds_and_branches_part_at_their_birth():
    model = TableModel(table=coin)
    drawn = draw(lookahead_tree(model, n=8, share=1.0, look=(2,)), n=8, max_tokens=12)
    assert len(drawn) == 8
    forced = {c.token_ids[:4]: c.weight for c in drawn}
    assert len(forced) == 8
    for prefix, weight in forced.items():
        assert 0 < weight <= np.prod([coin("", ())[t] for t in prefix[:2]]) + 1e-12


def test_no_edits_never_prunes_and_many_always_do():
    # After the branch both say the same words: what came back goes.
    def table(prompt, written):
        return [0, 0.45, 0.4, 0.15] if not written else [0, 0.05, 0.05, 0.9]

    model = TableModel(table=table)
    kept = lookahead_tree(model, n=2, share=1.0, edits_below=0.0, look=(4,))
    assert sorted(c.token_ids[0] for c in draw(kept, n=2, max_tokens=8, temperature=0.2)) == [1, 2]
    pruned = lookahead_tree(model, n=2, share=1.0, edits_below=0.5, look=(4,))
    weights = [c.weight for c in draw(pruned, n=2, max_tokens=8)]
    # One path of the tree, and an independent draw in the place that came free.
    assert weights[0] == pytest.approx(0.45 * 0.9**7)
    assert weights[1] in (0.0, 1.0)


@pytest.mark.parametrize("share", [0.5, 0.75])
def test_weights_correct_the_bias_of_the_tree(share):
    model = random_table(9, size=4, ends=0.1)
    leaves = model.leaves("p", sampling=Sampling(max_tokens=4))
    worth = {row: float(np.cos(sum(row)) + len(row)) for row in leaves}
    truth = sum(p * worth[row] for row, p in leaves.items())
    options = {"branch_above": 0.2, "branch_within": 0.5, "look": (1,), "edits_below": 0.0}
    tree = lookahead_tree(model, n=4, share=share, **options)
    sets = draw_sets(tree, n=4, groups=range(1500), max_tokens=4)
    sums = np.array([sum(c.weight * worth[c.token_ids] for c in one) for one in sets])
    plain = np.array([np.mean([worth[c.token_ids] for c in one]) for one in sets])
    assert abs(sums.mean() - truth) < 4 * sums.std() / len(sums) ** 0.5
    assert abs(plain.mean() - truth) > 8 * plain.std() / len(plain) ** 0.5


def test_with_no_independent_draw_the_weights_say_what_is_reached():
    model = random_table(9, size=4, ends=0.1)
    options = {"branch_above": 0.1, "branch_within": 0.9, "look": (1,), "edits_below": 0.0}
    drawn = draw(lookahead_tree(model, n=2, share=1.0, **options), n=2, max_tokens=4)
    assert sum(c.weight for c in drawn) < 1


def test_nothing_for_the_tree_is_independent_sampling():
    model = random_table(6)
    assert ids(draw(lookahead_tree(model, n=3, share=0.0), n=3)) == ids(draw(model, n=3))
