"""Vocabulary, repetition and overlap of texts against closed forms and the slow routes."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import UsageError
from variegate.metrics import (
    distinct_n,
    hdd,
    homogenisation,
    maas,
    mattr,
    measure,
    mtld,
    ngram_diversity,
    self_repetition,
)
from variegate.metrics.texts._self_repetition import self_repetition_by_set
from variegate.metrics.texts._words import NGrams
from variegate.samples import Samples

token = st.sampled_from(list("abcdef"))
runs = st.lists(token, min_size=1, max_size=60)
texts = st.lists(st.lists(token, max_size=9), min_size=2, max_size=6)
few = settings(deadline=None, max_examples=60)

DISTINCT = [str(i) for i in range(120)]
CONSTANT = ["a"] * 120


def test_a_text_of_one_word():
    assert mtld(CONSTANT) == 2
    assert hdd(CONSTANT) == pytest.approx(1 / 42, abs=1e-15)
    assert mattr(CONSTANT) == 1 / 50
    assert maas(CONSTANT) == pytest.approx(1 / math.log(120), abs=1e-15)


def test_a_text_without_repetition():
    assert mtld(DISTINCT) == math.inf
    assert hdd(DISTINCT) == pytest.approx(1, abs=1e-12)
    assert mattr(DISTINCT) == 1
    assert maas(DISTINCT) == 0


def test_two_words_in_turn():
    assert mtld(["a", "b"] * 50) == pytest.approx(100 / 33, abs=1e-12)


def test_a_factor_that_was_begun_counts_in_part():
    # Forwards 8 different words of 10 are part of a factor; backwards "0 0" closes one.
    forwards, backwards = 10 / (0.2 / 0.28), 10
    expected = (forwards + backwards) / 2
    assert mtld([*DISTINCT[:8], "0", "0"]) == pytest.approx(expected, abs=1e-12)


def test_too_short_a_text_has_no_value():
    assert math.isnan(mtld([]))
    assert math.isnan(hdd(["a"] * 41))
    assert math.isnan(mattr(["a"] * 49))
    assert math.isnan(maas(["a"]))
    for measure_of, setting in ((hdd, "draws"), (mattr, "window")):
        with pytest.raises(UsageError, match=f"{setting} of at least 1"):
            measure_of(["a"], **{setting: 0})
    with pytest.raises(UsageError, match="threshold between 0 and 1"):
        mtld(["a"], threshold=1)


@few
@given(runs, st.integers(1, 60))
def test_windows_and_draws_equal_their_definition(run, k):
    if k > len(run):
        assert math.isnan(mattr(run, window=k))
        assert math.isnan(hdd(run, draws=k))
        return
    windows = [len(set(run[i : i + k])) / k for i in range(len(run) - k + 1)]
    assert mattr(run, window=k) == pytest.approx(np.mean(windows), abs=1e-12)
    missed = [math.comb(len(run) - c, k) / math.comb(len(run), k) for c in Counter(run).values()]
    assert hdd(run, draws=k) == pytest.approx(sum(1 - m for m in missed) / k, abs=1e-12)


@few
@given(runs)
def test_laws_of_vocabulary(run):
    forward, backward = mtld(run), mtld(run[::-1])
    assert forward == backward
    assert forward >= 1.4
    assert hdd(run, draws=1) == pytest.approx(1, abs=1e-12)
    assert mattr(run, window=1) == 1
    renamed = [f"word{w}" for w in run]
    for of in (mtld, maas, lambda r: mattr(r, window=1), lambda r: hdd(r, draws=1)):
        assert of(run) == pytest.approx(of(renamed), nan_ok=True)
    if len(run) > 1:
        assert 0 <= maas(run) <= 1 / math.log(len(run)) + 1e-12


def test_hdd_does_not_depend_on_the_length():
    rng = np.random.default_rng(2)
    p = np.arange(1, 41) / np.arange(1, 41).sum()
    at = [
        np.mean([hdd(rng.choice(40, size=n, p=p).astype(str)) for _ in range(400)])
        for n in (60, 240)
    ]
    truth = (1 - (1 - p) ** 42).sum() / 42
    assert at == pytest.approx([truth, truth], abs=3e-3)


def naive_self_repetition(documents, n):
    grams = [{tuple(d[i : i + n]) for i in range(len(d) - n + 1)} for d in documents]
    return np.mean(
        [
            math.log1p(sum(g in other for g in own for j, other in enumerate(grams) if j != i))
            for i, own in enumerate(grams)
        ]
    )


@few
@given(texts, st.integers(1, 4))
def test_self_repetition_equals_its_definition_in_every_set(documents, n):
    value = self_repetition(documents, n=n)
    assert value == pytest.approx(naive_self_repetition(documents, n), abs=1e-12)
    assert self_repetition(documents[::-1], n=n) == pytest.approx(value, abs=1e-12)
    sizes = [len(documents), 2]
    twins = self_repetition_by_set(NGrams([*documents, *documents[:2]], sizes), n=n)
    pair = self_repetition(documents[:2], n=n)
    assert twins.tolist() == pytest.approx([value, pair], abs=1e-12)


def test_self_repetition_of_equal_and_of_unlike_texts():
    document = list("abcdefgh")  # five 4-grams
    assert self_repetition([document] * 6) == pytest.approx(math.log(5 * 5 + 1), abs=1e-12)
    assert self_repetition([list("abcd"), list("dcba")]) == 0
    assert math.isnan(self_repetition([]))
    with pytest.raises(UsageError):
        self_repetition(["a"], n=0)


def lcs(a, b):
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            best = max(table[i, j + 1], table[i + 1, j])
            table[i + 1, j + 1] = table[i, j] + 1 if x == y else best
    return int(table[-1, -1])


def naive_homogenisation(documents, common):
    scores = [
        2 * common(a, b) / (len(a) + len(b)) if a or b else 1.0
        for i, a in enumerate(documents)
        for b in documents[i + 1 :]
    ]
    return np.mean(scores)


@few
@given(texts)
def test_homogenisation_equals_the_loop_over_pairs(documents):
    by_order = naive_homogenisation(documents, lcs)
    assert homogenisation(documents) == pytest.approx(by_order, abs=1e-12)
    by_count = naive_homogenisation(documents, lambda a, b: (Counter(a) & Counter(b)).total())
    assert homogenisation(documents, by="rouge-1") == pytest.approx(by_count, abs=1e-6)
    assert -1e-12 <= by_order <= by_count + 1e-12 <= 1 + 1e-9
    assert homogenisation(documents[::-1]) == pytest.approx(by_order, abs=1e-12)


def test_homogenisation_of_long_and_of_empty_texts_between_others():
    rng = np.random.default_rng(4)
    documents = [list(rng.choice(list("abcdefgh"), size=k)) for k in (0, 200, 65, 0, 64, 63, 1)]
    truth = naive_homogenisation(documents, lcs)
    assert homogenisation(documents) == pytest.approx(truth, abs=1e-12)


def test_texts_with_nothing_in_common_are_not_homogeneous():
    # The peer returns 1.0 here, and 0.111 once a word is shared.
    for by in ("rouge-l", "rouge-1"):
        assert homogenisation(["a b", "c d", "e f"], by=by) == 0
        assert homogenisation(["a b"] * 3, by=by) == 1
        assert homogenisation(["", ""], by=by) == 1
        assert homogenisation(["a", ""], by=by) == 0
        assert math.isnan(homogenisation(["a"], by=by))
    with pytest.raises(UsageError, match="rouge-l, rouge-1, bleu, got 'chrf'"):
        homogenisation(["a", "b"], by="chrf")


@few
@given(texts)
def test_ngram_diversity_is_the_sum_and_its_compat_form_crosses_texts(documents):
    parts = [distinct_n(documents, n=n) for n in range(1, 5)]
    if math.isnan(parts[0]):
        assert math.isnan(ngram_diversity(documents))
        return
    assert ngram_diversity(documents) == pytest.approx(np.nansum(parts), abs=1e-12)
    joined = [w for d in documents for w in (d or [""])]
    crossing = np.nansum([distinct_n([joined], n=n) for n in range(1, 5)])
    assert ngram_diversity(documents, compat="diversity") == pytest.approx(crossing, abs=1e-12)


def test_ngram_diversity_refuses_what_it_does_not_know():
    with pytest.raises(UsageError, match="max_n"):
        ngram_diversity(["a"], max_n=0)
    with pytest.raises(UsageError, match="compat"):
        ngram_diversity(["a"], compat="theirs")


def outputs(*texts):
    rows = [{"prompt": "Write.", "text": text} for text in texts]
    return Samples.from_rows(rows)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mtld", 100 / 33),
        ("hdd", hdd(["a", "b"] * 50)),
        ("mattr", 2 / 50),
        ("maas", maas(["a", "b"] * 50)),
        ("self_repetition", math.log(2 + 1) * 2 / 3),
        ("homogenisation", 1 / 3),
        ("ngram_diversity", 3 / 201 + 2 / 198 + 2 / 196 + 2 / 194),
    ],
)
def test_measure_runs_them_when_they_are_named(name, expected):
    samples = outputs("a b " * 50, "a b " * 50, "c")
    if name == "maas":
        samples = outputs("a b " * 50, "a b " * 50)
    result = measure(samples, metrics=[name])
    assert result.frame["value"].item() == pytest.approx(expected, abs=1e-6)


def test_outputs_too_short_to_judge_leave_no_value():
    result = measure(outputs("a short one", "another"), metrics=["mtld", "hdd", "mattr"])
    assert result.frame["value"].is_nan().all()
    assert result.frame["note"].str.contains("nothing to count").all()
