"""Exact mode: the formulas, and the real base checkpoint's truth against what is drawn from it."""

from __future__ import annotations

import itertools
import math
from functools import cache

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

from variegate import lab
from variegate.errors import UsageError
from variegate.estimate import bootstrap, inclusion
from variegate.models import Arm, FakeModel, Sampling, collect, transformers_model

SAMPLING = Sampling(temperature=1.0, max_tokens=32)


class Listed:
    """A model that gives every listed answer the probability it was handed."""

    def __init__(self, probabilities, formats=("raw",)):
        self.probabilities = probabilities
        self._formats = formats

    def formats(self):
        return self._formats

    def render(self, prompt, *, format):
        return prompt

    def score(self, rendered, continuations, *, sampling):
        with np.errstate(divide="ignore"):
            return np.log([self.probabilities.get(text, 0.0) for text in continuations])


def test_truth_is_what_listing_every_outcome_of_k_draws_gives():
    right, wrong, k = {"a": 0.5, "b": 0.2}, {"x": 0.2, "y": 0.1}, 3
    p = right | wrong
    expected = dict.fromkeys(("pass_at_k", "unique_correct_at_k", "distinct_at_k"), 0.0)
    for drawn in itertools.product(p, repeat=k):
        chance = math.prod(p[answer] for answer in drawn)
        expected["pass_at_k"] += chance * any(answer in right for answer in drawn)
        expected["unique_correct_at_k"] += chance * len(set(drawn) & set(right))
        expected["distinct_at_k"] += chance * len(set(drawn))
    known = lab.truth(right, wrong, k=k)
    for name, value in expected.items():
        assert math.isclose(known[name], value, rel_tol=1e-12)
    assert math.isclose(known["gini_simpson"], 1 - (0.25 + 0.04 + 0.04 + 0.01))
    assert math.isclose(known["answer_entropy"], -sum(v * math.log(v) for v in p.values()))


def test_truth_agrees_with_the_closed_forms_of_the_fake_model():
    answers = {"q": {"a": 0.4, "b": 0.35, "x": 0.25}}
    fake = FakeModel(answers=answers, right={"q": {"a", "b"}})
    known = lab.truth({"a": 0.4, "b": 0.35}, {"x": 0.25}, k=4)
    assert math.isclose(known["pass_at_k"], fake.pass_at_k("q", k=4))
    assert math.isclose(known["distinct_at_k"], fake.distinct_at_k("q", k=4))


def test_metrics_over_all_answers_are_left_out_where_mass_is_missing():
    known = lab.truth({"a": 0.5}, {}, k=2)
    assert set(known) == {"accuracy", "pass_at_k", "unique_correct_at_k"}
    nearly = lab.truth({"a": 0.5}, {"x": 0.4999}, k=2)
    assert "gini_simpson" in nearly
    assert "answer_entropy" not in nearly


def test_answers_that_say_the_same_thing_are_added_up():
    prompt = next(p for p in lab.evaluation_prompts() if p.task == "arithmetic" and p.target >= 8)
    t = prompt.target
    model = Listed({f"{t - 1} + 1": 0.3, f"1 + {t - 1}": 0.2, f"{t - 2} + 2": 0.1})
    if t - 1 > 20:
        model = Listed({"20 + " + str(t - 20): 0.3, f"{t - 20} + 20": 0.2, f"19 + {t - 19}": 0.1})
    frame = lab.exact_metrics(model, [prompt], sampling=SAMPLING, n=4, k=2)
    known = dict(zip(frame["metric"], frame["value"], strict=True))
    assert math.isclose(known["accuracy"], 0.6)
    assert math.isclose(known["unique_correct_at_k"], (1 - 0.5**2) + (1 - 0.9**2))


def test_a_model_that_reasons_first_has_no_listable_answers():
    prompts = lab.evaluation_prompts(per_task=1)
    model = Listed({}, formats=("raw", "chat", "empty-reasoning"))
    for format in ("raw", "chat"):
        assert lab.exact_metrics(
            model, prompts, sampling=SAMPLING, n=4, k=2, format=format
        ).is_empty()
    closed = lab.exact_metrics(
        model, prompts, sampling=SAMPLING, n=4, k=2, format="empty-reasoning"
    )
    assert set(closed["task"]) == {"arithmetic", "routes", "lists", "opinions"}


def test_k_beyond_n_is_refused():
    with pytest.raises(UsageError, match="between 1 and n = 4"):
        lab.exact_metrics(Listed({}), lab.evaluation_prompts(), sampling=SAMPLING, n=4, k=5)


@cache
def base():
    return transformers_model(lab.lab_lineage().parent / "checkpoints" / "base")


@cache
def scored():
    """The base checkpoint's true probabilities of right answers, classes added up: (P, C)."""
    model = base()
    prompts = [p for p in lab.evaluation_prompts() if p.task in ("routes", "lists", "opinions")]
    rows = []
    for prompt in prompts:
        right = list(lab.right_answers(prompt))
        rendered = model.render(prompt.prompt, format="raw")
        rows.append(np.exp(model.score(rendered, right, sampling=SAMPLING)))
    width = max(map(len, rows))
    return np.array([np.pad(row, (0, width - len(row))) for row in rows])


@pytest.mark.slow
def test_intervals_cover_the_exact_truth_at_the_stated_rate():
    right = scored()
    n, k, drawn, seeds = 16, 4, 100, 300
    p = np.column_stack([right, 1 - right.sum(1)])  # the last class is "wrong"
    truth = {
        "accuracy": right.sum(1).mean(),
        "pass_at_k": (1 - (1 - right.sum(1)) ** k).mean(),
        "unique_correct_at_k": (1 - (1 - right) ** k).sum(1).mean(),
    }
    covered = dict.fromkeys(truth, 0)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        # The interval is about the prompts too, so they are drawn as well.
        chosen = rng.integers(len(p), size=drawn)
        counts = rng.multinomial(n, p[chosen] / p[chosen].sum(1, keepdims=True))
        hits = n - counts[:, -1]
        unique = inclusion(n, counts[:, :-1], k).sum(1)
        values = np.column_stack([hits / n, inclusion(n, hits, k), unique])
        for name, estimate in zip(truth, bootstrap(values, resamples=600, seed=seed), strict=True):
            covered[name] += estimate.low <= truth[name] <= estimate.high
    # What a true rate of 95% gives all but once in ten thousand, with a point and a half of room:
    # a percentile interval over a hundred prompts is not exact.
    least = binom.ppf(1e-4, seeds, 0.935)
    most = binom.ppf(1 - 1e-4, seeds, 0.965)
    for name, hits in covered.items():
        assert least <= hits <= most, (name, hits, least, most)


@pytest.mark.slow
def test_what_the_base_checkpoint_says_agrees_with_its_exact_accuracy():
    prompts = [p for p in lab.evaluation_prompts(per_task=8) if p.task != "stories"]
    model, n = base(), 64
    samples = collect(Arm(name="base", model=model, format="raw", sampling=SAMPLING), prompts, n=n)
    said = samples.frame.select("prompt_id", "text")
    exact = lab.exact_metrics(model, prompts, sampling=SAMPLING, n=n, k=n)
    truth = exact.filter(pl.col("metric") == "accuracy")
    truth = dict(zip(truth["prompt_id"], truth["value"], strict=True))
    verify = {
        "arithmetic": lab.verify_arithmetic,
        "routes": lab.verify_routes,
        "lists": lab.verify_lists,
        "opinions": lab.verify_opinions,
    }
    z = []
    for prompt in prompts:
        texts = said.filter(pl.col("prompt_id") == prompt.prompt_id)["text"].to_list()
        hits = np.mean([verify[prompt.task](text, prompt.target).correct for text in texts])
        p = truth[prompt.prompt_id]
        z.append((hits - p) / math.sqrt(p * (1 - p) / n + 1e-9))
    # 32 independent standard normal numbers, nearly.
    assert abs(np.mean(z)) < 4 / math.sqrt(len(z))
    assert np.max(np.abs(z)) < 5


@pytest.mark.slow
def test_the_base_checkpoint_keeps_to_the_answers_that_are_listed():
    prompts = [p for p in lab.evaluation_prompts(per_task=4) if p.task in ("lists", "opinions")]
    frame = lab.exact_metrics(base(), prompts, sampling=SAMPLING, n=16, k=4)
    counted = frame.group_by("metric").len()
    complete = dict(zip(counted["metric"], counted["len"], strict=True))
    assert complete["accuracy"] == len(prompts)
    assert complete["gini_simpson"] >= 0.75 * len(prompts)
