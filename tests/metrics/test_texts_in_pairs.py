"""Texts compared pair by pair: peers as oracles, brute force, laws, blocks."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import DataError, UnknownName, UsageError
from variegate.metrics import edit_diversity, homogenisation, homogenisation_of_tokens

FORMS = ["rouge-l", "rouge-1", "bleu"]
texts = st.lists(st.lists(st.sampled_from("abcd"), max_size=7), min_size=2, max_size=6)


def pairs(items):
    return [(a, b) for i, a in enumerate(items) for b in items[i + 1 :]]


@given(texts)
@settings(deadline=None, max_examples=60)
def test_bleu_of_pairs_is_that_of_nltk(split):
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    smooth = SmoothingFunction().method1

    def bleu(hypothesis, reference):
        if not hypothesis or not reference:
            return float(hypothesis == reference)
        return sentence_bleu([reference], hypothesis, smoothing_function=smooth)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.mean([(bleu(a, b) + bleu(b, a)) / 2 for a, b in pairs(split)])
    assert homogenisation(split, by="bleu") == pytest.approx(expected, abs=1e-12)


@given(texts)
@settings(deadline=None, max_examples=60)
def test_edit_distances_are_those_of_the_table(split):
    def distance(a, b):
        row = list(range(len(b) + 1))
        for i, x in enumerate(a, start=1):
            last, row = row, [i]
            for j, y in enumerate(b, start=1):
                row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + (x != y)))
        return row[-1] / max(len(a), len(b), 1)

    expected = np.mean([distance(a, b) for a, b in pairs(split)])
    assert edit_diversity(split) == pytest.approx(expected, abs=1e-12)
    joined = ["".join(one) for one in split]
    assert edit_diversity(joined, unit="characters") == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 10**6), st.lists(st.integers(0, 5), min_size=2, max_size=6))
@settings(deadline=None, max_examples=60)
def test_token_overlap_is_that_of_the_loops(seed, lengths):
    rng = np.random.default_rng(seed)
    rows = [rng.standard_normal((n, 3)) + 0.3 for n in lengths]

    def f1(a, b):
        if not len(a) or not len(b):
            return float(len(a) == len(b))
        cosine = np.array([[x @ y / np.linalg.norm(x) / np.linalg.norm(y) for y in b] for x in a])
        recall, precision = cosine.max(axis=1).mean(), cosine.max(axis=0).mean()
        both = recall + precision
        return 2 * recall * precision / both if both > 0 else 0.0

    expected = np.mean([f1(a, b) for a, b in pairs(rows)])
    assert homogenisation_of_tokens(rows) == pytest.approx(expected, abs=1e-9)


@given(texts, st.randoms())
@settings(deadline=None, max_examples=40)
def test_order_does_not_matter_and_all_the_same_is_the_end(split, random):
    mixed = list(split)
    random.shuffle(mixed)
    for form in FORMS:
        value = homogenisation(split, by=form)
        assert -1e-12 <= value <= 1 + 1e-12
        assert homogenisation(mixed, by=form) == pytest.approx(value, abs=1e-12)
    assert edit_diversity(mixed) == pytest.approx(edit_diversity(split), abs=1e-12)
    assert edit_diversity([split[0]] * 3) == 0


@pytest.mark.fault(8)
@pytest.mark.fault(9)
def test_fault_08_and_09_all_the_same_and_nothing_in_common():
    for form in FORMS:
        assert homogenisation(["a b c d e"] * 4, by=form) == pytest.approx(1, abs=1e-12)
        assert homogenisation(["a b", "c d", "e f"], by=form) == 0
    assert edit_diversity(["a b", "c d", "e f"]) == 1
    assert homogenisation_of_tokens([np.eye(4)[:2], np.eye(4)[2:]]) == 0
    assert homogenisation_of_tokens([np.eye(4)[:2], 3 * np.eye(4)[:2]]) == pytest.approx(1)


@pytest.mark.fault(10)
def test_fault_10_one_text_is_no_pair():
    for form in FORMS:
        assert math.isnan(homogenisation(["a"], by=form))
    assert math.isnan(edit_diversity(["a"]))
    assert math.isnan(homogenisation_of_tokens([[[1.0]]]))


@pytest.mark.fault(13)
def test_fault_13_tokens_without_numbers():
    with pytest.raises(DataError):
        homogenisation_of_tokens([[[1.0, np.nan]], [[1.0, 2.0]]])


@pytest.mark.fault(16)
def test_fault_16_pairs_in_blocks_are_all_the_pairs(monkeypatch):
    rng = np.random.default_rng(0)
    split = [[f"w{i}" for i in rng.integers(0, 30, rng.integers(0, 20))] for _ in range(40)]
    tokens = [rng.standard_normal((len(one), 4)) for one in split]

    def all_forms():
        return [
            *(homogenisation(split, by=form) for form in FORMS),
            homogenisation_of_tokens(tokens),
            edit_diversity(split),
        ]

    whole = all_forms()
    monkeypatch.setattr("variegate.metrics.texts._homogenisation._BLOCK", 300)
    assert all_forms() == pytest.approx(whole, rel=1e-12)


@pytest.mark.fault(17)
def test_fault_17_composed_and_decomposed_are_the_same_text():
    for unit in ("words", "characters"):
        assert edit_diversity(["caf\u00e9", "cafe\u0301"], unit=unit) == 0


def test_wrong_arguments_are_refused():
    with pytest.raises(UnknownName):
        edit_diversity(["a", "b"], unit="lines")
    with pytest.raises(UsageError):
        homogenisation_of_tokens([[[1.0]], [[1.0, 2.0]]])
