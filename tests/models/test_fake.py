"""The fakes are the oracles of other tests, so their own numbers are checked by counting."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import UsageError
from variegate.models import Arm, FakeModel, Sampling, UniformModel, collect
from variegate.samples import Prompt

PROMPT = Prompt(prompt="Name a fruit.")
WEIGHTS = st.lists(st.integers(1, 20), min_size=1, max_size=5)


def fake(weights: list[int], right: int = 1) -> FakeModel:
    total = sum(weights)
    table = {f"answer {place}": weight / total for place, weight in enumerate(weights)}
    return FakeModel(
        answers={PROMPT.prompt: table}, right={PROMPT.prompt: set(list(table)[:right])}
    )


@settings(deadline=None, max_examples=30)
@given(WEIGHTS, st.integers(1, 3), st.integers(0, 5))
def test_closed_forms_equal_the_sum_over_all_sets_of_k_draws(weights, k, right):
    model = fake(weights, right)
    table, good = model.answers[PROMPT.prompt], model.right[PROMPT.prompt]
    passed = distinct = unique = 0.0
    for drawn in itertools.product(table, repeat=k):
        p = math.prod(table[answer] for answer in drawn)
        passed += p * bool(good.intersection(drawn))
        distinct += p * len(set(drawn))
        unique += p * len(good.intersection(drawn))
    assert model.pass_at_k(PROMPT.prompt, k=k) == pytest.approx(passed)
    assert model.distinct_at_k(PROMPT.prompt, k=k) == pytest.approx(distinct)
    assert model.unique_correct_at_k(PROMPT.prompt, k=k) == pytest.approx(unique)
    if k == 2:
        assert model.gini_simpson(PROMPT.prompt) == pytest.approx(distinct - 1)


@settings(deadline=None, max_examples=20)
@given(WEIGHTS, st.sampled_from([None, 0.5, 1.0, 2.0]))
def test_scores_sum_to_one_and_token_entropy_is_the_entropy(weights, temperature):
    model, sampling = fake(weights), Sampling(temperature=temperature)
    lp = model.score(PROMPT.prompt, list(model.answers[PROMPT.prompt]), sampling=sampling)
    assert np.exp(lp).sum() == pytest.approx(1)
    frame = collect(Arm(name="a", model=model, sampling=sampling), [PROMPT], n=1).frame
    assert frame["token_entropies"][0][0] == pytest.approx(-(np.exp(lp) * lp).sum(), abs=1e-12)


def test_draws_follow_the_probabilities():
    frame = collect(Arm(name="a", model=fake([6, 3, 1])), [PROMPT], n=4000).frame
    shares = [(frame["text"] == f"answer {place}").mean() for place in range(3)]
    assert shares == pytest.approx([0.6, 0.3, 0.1], abs=4 * math.sqrt(0.25 / 4000))


def test_the_branching_factor_of_the_uniform_model_is_its_branching():
    model = UniformModel(branching=7, length=11)
    frame = collect(Arm(name="a", model=model), [PROMPT], n=5).frame
    entropies = np.array(frame["token_entropies"].to_list())
    assert entropies.shape == (5, 11)
    assert np.exp(entropies.mean()) == pytest.approx(7)
    scores = model.score(PROMPT.prompt, frame["text"].to_list(), sampling=Sampling())
    assert scores == pytest.approx(frame["logprob"].to_numpy())
    assert model.score(PROMPT.prompt, ["w0", "w9 " * 11], sampling=Sampling()).max() == -np.inf


def test_probabilities_that_do_not_sum_to_one_are_refused():
    with pytest.raises(UsageError, match="with sum 1"):
        FakeModel(answers={"x": {"a": 0.5, "b": 0.4}})


@pytest.mark.parametrize(
    "bad",
    [
        {"temperature": -0.1}, {"temperature": float("nan")}, {"temperature": float("inf")},
        {"top_p": 0.0}, {"top_p": 1.1}, {"top_k": 0}, {"min_p": -1.0}, {"min_p": 1.5},
        {"max_tokens": 0}, {"stop": ("",)}, {"stop": "end"},
    ],
)  # fmt: skip
def test_settings_outside_their_range_are_refused(bad):
    with pytest.raises(UsageError, match=next(iter(bad))):
        Sampling(**bad)
