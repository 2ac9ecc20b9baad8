"""Published numbers, defects and all, under `compat`; the default is the correct form."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from variegate.errors import DataError, UsageError
from variegate.metrics import (
    branching_factor,
    compression_ratio,
    distinct_at_k,
    ead,
    homogenisation,
    mauve,
    pairwise_diversity,
    surprise,
)

documents = st.lists(st.text("ab. \n", max_size=25), min_size=1, max_size=5)


@given(documents)
@settings(deadline=None)
def test_ead_of_kirk_is_its_loop(texts):
    V, ratios = 50257, []
    for n in range(1, 6):
        grams = []
        for text in texts:
            said = [w for w in text.replace(".", "").replace("\n", "").split(" ") if w]
            grams += [tuple(said[i : i + n]) for i in range(len(said) - n + 1)]
        C = len(grams)
        ratios.append(len(set(grams)) / (V * (1 - ((V - 1) / V) ** C)) if C else 0.0)
    assert ead(texts, vocab_size=V, compat="kirk") == pytest.approx(np.mean(ratios), abs=1e-9)


def test_ead_of_kirk_takes_full_stops_but_no_commas_for_nothing():
    assert ead(["plum. plum"], vocab_size=1000, max_n=1, compat="kirk") == pytest.approx(
        0.5, rel=1e-3
    )
    assert ead(["plum, plum"], vocab_size=1000, max_n=1, compat="kirk") == pytest.approx(
        1, rel=1e-3
    )


def test_compression_twice_is_what_a_file_written_twice_holds(tmp_path: Path):
    for texts in (["hi"], [f"sentence {i} says {i * 7 % 5} things" for i in range(20)]):
        joined = " ".join(texts).encode()
        file = tmp_path / "compressed.gz"
        with gzip.GzipFile(str(file), "w") as stream:
            stream.write(gzip.compress(joined))
        found = compression_ratio(texts, compat="diversity")
        assert found == pytest.approx(len(joined) / file.stat().st_size)
        assert found < compression_ratio(texts)
    assert compression_ratio(["hi"], compat="diversity") == pytest.approx(0.0375, abs=0.001)


def test_homogenisation_of_texts_with_nothing_in_common_is_one_there():
    assert homogenisation(["a b", "c d", "e f"], compat="diversity") == 1
    assert homogenisation(["a b", "c d", "e f"]) == 0
    one_shared = ["one two three", "one x y", "p q r"]
    assert homogenisation(one_shared, compat="diversity") == pytest.approx(0.111, abs=5e-4)
    assert homogenisation(["It's A", "it s a"], compat="diversity") == 1
    assert homogenisation(["...", "?"], compat="diversity") == 1  # no word in common


@given(st.integers(0, 9), st.integers(2, 20))
@settings(deadline=None)
def test_remote_clique_counts_every_item_at_no_distance_to_itself(seed, n):
    rows = np.random.default_rng(seed).normal(size=(n, 4))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    expected = (1 - unit @ unit.T).mean()
    assert pairwise_diversity(rows, compat="remote-clique") == pytest.approx(expected)
    if n == 16:
        share = pairwise_diversity(rows, compat="remote-clique") / pairwise_diversity(rows)
        assert share == pytest.approx(0.9375)


@pytest.mark.parametrize("bins", [2, 3, 4, 7])
def test_mauve_of_equal_histograms_is_three_quarters_where_ties_are_broken_by_chance(bins):
    assert mauve([1] * bins, [1] * bins, compat="mauve-text") == 0.75
    assert mauve([1] * bins, [1] * bins) == 1


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_mauve_without_ties_is_the_same_number(counts, random):
    other = counts[:]
    random.shuffle(other)
    if np.allclose(counts, other):
        return
    assert mauve(counts, other, compat="mauve-text") == pytest.approx(mauve(counts, other))


def test_novelty_bench_stores_one_class_less():
    assert distinct_at_k([5, 5], k=10, compat="novelty-bench") == pytest.approx(1)
    assert distinct_at_k([5, 5], k=10) == pytest.approx(2)


def test_the_branching_factor_of_its_source_switches_at_fifty():
    entropies = [[1.0, 1.0], [0.0]]
    logs = [[-2.0, -2.0], [-2.0]]
    # Position by position: (1 + 0) / 2 and 1; over tokens it would be 2/3.
    found = branching_factor(entropies, token_logprobs=logs, compat="yang")
    assert math.log(found) == pytest.approx(0.75)
    assert math.log(branching_factor(entropies)) == pytest.approx(2 / 3)
    long = branching_factor([[1.0] * 51], token_logprobs=[[-2.0] * 51], compat="yang")
    assert math.log(long) == pytest.approx(2)


def test_entropy_and_surprise_agree_with_length():
    """Row 25: uniform over b tokens gives b, certainty 1, and both forms meet as outputs grow."""
    rng = np.random.default_rng(0)
    p = np.array([0.5, 0.25, 0.125, 0.125])
    entropy = float(-(p * np.log(p)).sum())
    gaps = []
    for length in (10, 1000, 100_000):
        logs = np.log(rng.choice(p, length, p=p))
        gaps.append(abs(surprise([logs]) - entropy))
    assert gaps[2] < 0.01 < 0.5
    assert math.exp(surprise([[-math.log(7)] * 5])) == pytest.approx(7)
    assert surprise([[0.0, 0.0]]) == 0
    assert math.isnan(surprise([]))
    with pytest.raises(DataError, match="at most 0"):
        surprise([[0.5]])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: ead(["a"], vocab_size=9, compat="other"),
        lambda: compression_ratio(["a"], compat="other"),
        lambda: homogenisation(["a", "b"], compat="other"),
        lambda: pairwise_diversity(np.eye(2), compat="other"),
        lambda: mauve([1, 2], [2, 1], compat="other"),
        lambda: distinct_at_k([1, 1], k=1, compat="other"),
        lambda: branching_factor([[1.0]], token_logprobs=[[-1.0]], compat="other"),
        lambda: branching_factor([[1.0]], compat="yang"),
    ],
)
def test_another_compat_is_refused(wrong):
    with pytest.raises(UsageError):
        wrong()
