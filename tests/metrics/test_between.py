"""Likeness within and between arms, matching, and what compare says of both."""

from __future__ import annotations

import itertools
import math

import numpy as np
import polars as pl
import pytest

from variegate.errors import NotComparable, UsageError
from variegate.metrics import (
    between,
    compare,
    distinct_models,
    homogeneity,
    mean_similarities,
    partition,
)
from variegate.samples import Samples


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


class Directions:
    """An embedder that reads the features out of the text: "3" is the third axis."""

    name, dim, revision = "directions", 64, "0"

    def encode(self, texts, **_):
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.split():
                # Letters, in the probes, are no axis: any fixed one does.
                row[(int(word) if word.isdigit() else sum(map(ord, word))) % self.dim] += 1.0
        return unit(np.where(rows.any(axis=1, keepdims=True), rows, 1e-3)).astype(np.float32)


def drawn(arm, rng, *, kinds, prompts=60, n=8, shift=0):
    """Each prompt has `kinds` answers of its own, of which an arm takes those from `shift` on."""
    return Samples.from_rows(
        {
            "arm": arm,
            "prompt": f"prompt {p}",
            "prompt_id": f"p{p}",
            "sample": i,
            "text": str((p * 7 + shift + int(rng.integers(kinds))) % 64),
        }
        for p in range(prompts)
        for i in range(n)
    )


def together(*parts):
    return Samples.from_frame(pl.concat([part.frame for part in parts]))


def test_similarities_are_the_loops_over_pairs():
    rng = np.random.default_rng(0)
    sets = [unit(rng.normal(size=(n, 5))) for n in (4, 2, 7)]
    found = mean_similarities(sets)
    for a, b in itertools.product(range(3), repeat=2):
        pairs = [
            float(x @ y)
            for (i, x), (j, y) in itertools.product(enumerate(sets[a]), enumerate(sets[b]))
            if a != b or i != j
        ]
        assert found[a, b] == pytest.approx(np.mean(pairs))
    assert np.isnan(mean_similarities([sets[0], sets[1][:1]])[1, 1])
    with pytest.raises(UsageError):
        mean_similarities([np.eye(3), np.eye(4)])


def test_number_of_models_at_its_oracles():
    assert distinct_models(np.full((4, 4), 0.3)) == pytest.approx(1)
    assert distinct_models(np.eye(4) * 0.3) == pytest.approx(4)
    assert math.isnan(distinct_models(np.full((2, 2), 0.3), floor=0.4))
    # With the arms' true shares it is the partition of order 2.
    shares = np.array([[0.5, 0.5, 0.0], [0.0, 0.25, 0.75]])
    assert distinct_models(shares @ shares.T) == pytest.approx(partition(shares, q=2).beta)
    stacked = np.stack([np.eye(2), np.ones((2, 2))])
    assert distinct_models(stacked).tolist() == [2, 1]
    assert homogeneity(stacked)[:, 0, 1].tolist() == [0, 1]
    with pytest.raises(UsageError):
        homogeneity(np.ones((2, 3)))


def test_one_model_under_two_names_is_one_model_and_disjoint_ones_are_two():
    """Row 27: inter equals intra within its interval, where nothing but the name differs."""
    rng = np.random.default_rng(1)
    one, same = drawn("one", rng, kinds=4), drawn("same", rng, kinds=4, n=12)
    other = drawn("other", rng, kinds=4, shift=20)
    found = between(together(one, same, other), embedder=Directions())
    row = {(r["metric"], r["arm"]): r for r in found.frame.iter_rows(named=True)}
    intra, inter = row["intra_similarity", "one"], row["inter_similarity", "one × same"]
    assert inter["low"] <= intra["value"] <= inter["high"]
    for metric in ("homogeneity", "distinct_models", "distinct_models_by_answer"):
        assert row[metric, "one × same"]["low"] <= 1 <= row[metric, "one × same"]["high"]
    assert row["homogeneity", "one × other"]["high"] < 0.1
    assert row["distinct_models", "one × other"]["value"] == pytest.approx(2, abs=0.2)
    assert row["distinct_models_by_answer", "one × other"]["value"] == 2
    # Two of the three are one.
    assert 1.6 < row["distinct_models", "all arms"]["value"] < 2
    assert 0 < found.value("similarity_floor", "all arms") < 0.2
    assert found.n_prompts == 60


def test_intervals_of_one_model_under_two_names_cover_one():
    hits = 0
    for world in range(60):
        rng = np.random.default_rng([3, world])
        pair = together(drawn("a", rng, kinds=3, n=4), drawn("b", rng, kinds=3, n=4))
        found = between(pair, by_meaning=False, resamples=300)
        row = found.frame.filter(pl.col("metric") == "distinct_models_by_answer").row(0, named=True)
        hits += row["low"] <= 1 <= row["high"]
    assert hits >= 52


def test_what_cannot_be_held_against_itself_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(NotComparable, match="two arms"):
        between(drawn("a", rng, kinds=3), by_meaning=False)
    single = together(drawn("a", rng, kinds=3, n=1), drawn("b", rng, kinds=3))
    with pytest.raises(NotComparable, match="two outputs"):
        between(single, by_meaning=False)
    a, b = drawn("a", rng, kinds=3, n=1), drawn("b", rng, kinds=3, n=1)
    assert compare(a, b, metrics=["length"]).between.height == 0


def test_compare_says_as_how_many_models_the_arms_count():
    rng = np.random.default_rng(2)
    a, b = drawn("a", rng, kinds=4), drawn("b", rng, kinds=4, shift=20)
    result = compare(a, b, metrics=["pairwise"], embedder=Directions())
    assert any("a and b count as 2" in s and "different things" in s for s in result.sentences)
    assert set(result.between["arm"]) == {"a", "b", "a × b", "all arms"}
    by_answer = compare(a, b, metrics=["gini_simpson"])
    assert "homogeneity" not in by_answer.between["metric"].to_list()


def test_where_no_prompt_differs_some_still_may():
    rng = np.random.default_rng(2)
    a = drawn("a", rng, kinds=4)
    same = Samples.from_frame(a.frame.with_columns(pl.lit("b").alias("arm")))
    row = compare(a, same, metrics=["gini_simpson"]).differences.row(0, named=True)
    assert (row["value"], row["low"], row["high"]) == (0, 0, 0)
    assert "no prompt differs, up to 5% may" in row["note"]


def worded(arm, rng, lengths, *, quality=lambda n: 0.0):
    return Samples.from_rows(
        {
            "arm": arm,
            "prompt": f"prompt {p}",
            "prompt_id": f"p{p}",
            "text": " ".join(rng.choice([f"w{i}" for i in range(40)], n)),
            "quality": quality(n),
        }
        for p in range(40)
        for n in rng.choice(lengths, 12)
    )


def test_matched_by_length_a_difference_of_length_alone_is_gone():
    rng = np.random.default_rng(4)
    long = worded("long", rng, [10, 20, 40, 40, 40])
    short = worded("short", rng, [10, 10, 10, 20, 40])
    plain = compare(long, short, metrics=["length", "distinct_2"]).differences
    assert plain.filter(pl.col("metric") == "distinct_2")["low"].item() > 0
    matched = compare(long, short, metrics=["length", "distinct_2"], match=["length"])
    rows = {r["metric"]: r for r in matched.differences.iter_rows(named=True)}
    assert rows["length"]["value"] == 0
    assert rows["distinct_2"]["low"] <= 0 <= rows["distinct_2"]["high"]
    notes = [c for c in matched.cautions if c.kind == "matched"]
    assert notes[0].count == notes[1].count < 480
    assert notes[0].total == 480
    assert matched.settings["match"] == {"by": ["length"], "caliper": 0.2}


def test_matching_takes_as_many_pairs_as_there_can_be_and_none_twice():
    rng = np.random.default_rng(5)
    a = worded("a", rng, [5, 10], quality=lambda n: n / 10)
    b = worded("b", rng, [5, 10], quality=lambda n: n / 10)
    found = compare(a, b, metrics=["length"], match=["length", "quality"])
    kept = next(c.count for c in found.cautions if c.kind == "matched")
    expected = 0
    for p in range(40):
        sizes = [
            part.frame.filter(pl.col("prompt_id") == f"p{p}")["quality"].to_list()
            for part in (a, b)
        ]
        expected += sum(min(side.count(q) for side in sizes) for q in (0.5, 1.0))
    assert kept == expected
    other = worded("c", rng, [300])
    with pytest.raises(NotComparable, match="has a partner"):
        compare(a, other, metrics=["length"], match=["length"])
    with pytest.raises(UsageError, match="length, quality"):
        compare(a, b, match=["colour"])
    with pytest.raises(UsageError, match="caliper"):
        compare(a, b, match=["length"], caliper=0)
