"""Metrics that a table of samples carries by name, against their functions."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from variegate.metrics import (
    attribute_entropy,
    ece,
    evenness,
    leinster_cobbold,
    measure,
    metric,
    metric_names,
    min_k,
    reference_gap,
    surprise,
    utility_at_k,
    vendi_conditional,
)
from variegate.metrics._grouping import Groups
from variegate.metrics.similarity._vendi_forms import conditional_within
from variegate.samples import Samples

SAID = ["plum", "oak", "plum", "river in winter", "plum", "elm"]


def table(**columns):
    return Samples.from_rows(
        {
            "prompt": f"Name a thing of kind {p}.",
            "prompt_id": f"p{p}",
            "sample": i,
            "text": text if p else text + " indeed",
            **{name: told(p, i) for name, told in columns.items()},
        }
        for p in range(8)
        for i, text in enumerate(SAID)
    )


def value(samples, name, **settings):
    return measure(samples, metrics=[name], **settings).frame.row(0, named=True)["value"]


def test_classes_and_likeness():
    samples = table()
    counts = [3, 1, 1, 1]
    hill = leinster_cobbold(counts)
    assert value(samples, "evenness") == pytest.approx(evenness(hill, 4))
    assert value(samples, "attribute_entropy") == pytest.approx(attribute_entropy(counts, values=4))
    groups = Groups(samples, source=None)
    rows = groups.of("features", 1)
    Z = np.clip(rows @ rows.T, 0, 1)
    np.fill_diagonal(Z, 1)
    found = measure(samples, metrics=["leinster_cobbold"]).per_prompt
    own = found.filter(pl.col("prompt_id") == "p1")["value"].item()
    assert own == pytest.approx(leinster_cobbold(np.ones(6), Z), rel=1e-6)


def test_an_attribute_has_the_values_that_any_arm_shows():
    """Row 33: a value that only the other arm shows lowers the entropy of this one."""
    one = table().frame.with_columns(pl.lit("one").alias("arm"))
    other = one.with_columns(pl.lit("other").alias("arm"), pl.lit("fig").alias("text"))
    rows = pl.concat([one, other]).with_columns(pl.lit(None, dtype=pl.String).alias("sample_id"))
    both = measure(Samples.from_frame(rows), metrics=["attribute_entropy"])
    first, second = both.frame["value"]
    assert first == pytest.approx(attribute_entropy([3, 1, 1, 1], values=5))
    assert first < value(table(), "attribute_entropy")
    assert second == 0


def test_tokens():
    samples = table(token_logprobs=lambda p, i: [-0.5 * (i + 1), -0.1, -2.0, -0.3, -1.0])
    sequences = [[-0.5 * (i + 1), -0.1, -2.0, -0.3, -1.0] for i in range(6)]
    assert value(samples, "surprise") == pytest.approx(surprise(sequences))
    assert value(samples, "branching_factor_surprise") == pytest.approx(
        math.exp(surprise(sequences))
    )
    assert value(samples, "min_k") == pytest.approx(np.mean([min_k(one) for one in sequences]))


def test_utility_needs_quality_and_takes_k():
    samples = table(quality=lambda p, i: float(i))
    labels = [0, 1, 0, 2, 0, 3]
    expected = utility_at_k(labels, np.arange(6.0), k=3)
    assert value(samples, "utility_at_k", k=3) == pytest.approx(expected)
    assert "no quality" in measure(table(), metrics=["utility_at_k"]).frame["note"].item()


def test_calibration_over_outputs_has_prompts_as_clusters():
    rng = np.random.default_rng(0)
    logs = rng.uniform(-2, -0.1, size=(8, 6))
    right = rng.random((8, 6)) < np.exp(logs)
    samples = table(
        logprob=lambda p, i: float(logs[p, i]),
        correct=lambda p, i: None if i == 5 else bool(right[p, i]),
    )
    row = measure(samples, metrics=["ece"]).frame.row(0, named=True)
    plain = ece(
        np.exp(logs[:, :5]).ravel(), right[:, :5].ravel(), debiased=True,
        clusters=np.repeat(np.arange(8), 5),
    )  # fmt: skip
    assert row["value"] == pytest.approx(max(plain.value, 0))
    assert (row["low"], row["high"]) == pytest.approx((plain.low, plain.high))
    assert row["n_prompts"] == 8


def test_outputs_of_one_prompt_that_go_wrong_together_widen_the_error_of_calibration():
    rng = np.random.default_rng(1)
    stated, right = np.full(400, 0.7), np.repeat(rng.random(40) < 0.7, 10)
    clusters = np.repeat(np.arange(40), 10)
    alone, joint = ece(stated, right), ece(stated, right, clusters=clusters)
    assert joint.value == pytest.approx(alone.value, abs=1e-12)
    assert joint.high - joint.low > 1.5 * (alone.high - alone.low)
    singles = ece(stated, right, clusters=np.arange(400))
    assert (singles.low, singles.high) == pytest.approx((alone.low, alone.high))


def test_variety_beyond_the_prompt_over_a_whole_task():
    samples = table()
    groups = Groups(samples, source=None)
    prompts = np.repeat(groups.prompt_features, 6, axis=0)
    split = vendi_conditional(groups.features, prompts)
    assert value(samples, "vendi_conditional") == pytest.approx(split.conditional, rel=1e-6)
    # The slope of the jackknife is the derivative: one prompt taken out moves it as foretold.
    rng = np.random.default_rng(2)
    sets = [rng.normal(size=(3, 6)) for _ in range(60)]
    keys = rng.normal(size=(60, 5))
    found = conditional_within(sets, keys)
    without = [
        conditional_within(sets[:i] + sets[i + 1 :], np.delete(keys, i, axis=0)).value
        for i in range(12)
    ]
    error = np.sqrt(59 / 60 * 60 * np.var(without))
    assert found.settings["standard_error"] == pytest.approx(error, rel=0.4)
    many = conditional_within([rng.normal(size=(40, 4)) for _ in range(60)], keys)
    assert many.note == "1200 outputs beyond the first 20 a prompt left out"


def test_answers_against_the_facts_and_not_against_equal_shares():
    """Row 43: matching the reference is no distance; more even than it is more entropy and more."""
    facts = [0.7, 0.2, 0.1]
    matched, even = reference_gap([70, 20, 10], facts), reference_gap([34, 33, 33], facts)
    assert matched.total_variation == pytest.approx(0)
    assert matched.jensen_shannon == pytest.approx(0)
    assert even.entropy > even.reference_entropy == pytest.approx(matched.entropy)
    assert even.total_variation > 5 * even.by_chance
    assert reference_gap([0, 0], [1, 1], invalid=3).total_variation == 1
    # By chance: the mean over draws from the reference itself.
    rng = np.random.default_rng(0)
    drawn = [reference_gap(rng.multinomial(30, facts), facts) for _ in range(4000)]
    assert np.mean([gap.total_variation for gap in drawn]) == pytest.approx(
        drawn[0].by_chance, rel=0.02
    )
    assert reference_gap([0.5, 0.5], [1, 1]).by_chance == 0


def test_where_a_metric_moves_with_n_the_one_that_does_not_is_named_or_there_is_none():
    steady = ("none", "little")
    for name in metric_names():
        entry = metric(name)
        if entry.at_any_n:
            assert entry.n_dependence != "none: the expectation is the same for every n", name
            assert metric(entry.at_any_n).n_dependence.startswith(steady), name
