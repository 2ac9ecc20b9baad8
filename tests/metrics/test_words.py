"""Metrics of words against the peers' slow routes and closed forms."""

import math
import warnings
import zlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import UsageError
from variegate.metrics import (
    common_length,
    compression_ratio,
    distinct_n,
    ead,
    mean_length,
    self_bleu,
    truncated,
    words,
)
from variegate.metrics.similarity._across import ead_across
from variegate.metrics.texts._words import NGrams

token = st.sampled_from(list("abcdef"))
text = st.lists(token, max_size=9).map(" ".join)
texts = st.lists(text, min_size=1, max_size=6)


def grams_of(text, n):
    tokens = words(text)
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def nltk_self_bleu(documents):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

        smooth = SmoothingFunction().method1
        tokens = [words(d) for d in documents]
        return np.mean(
            [
                sentence_bleu(tokens[:i] + tokens[i + 1 :], own, smoothing_function=smooth)
                for i, own in enumerate(tokens)
            ]
        )


@settings(deadline=None, max_examples=150)
@given(st.lists(text.filter(bool), min_size=2, max_size=6))
def test_self_bleu_equals_the_quadratic_route(documents):
    assert self_bleu(documents) == pytest.approx(nltk_self_bleu(documents), abs=1e-12)


def test_self_bleu_equals_the_quadratic_route_on_longer_texts():
    rng = np.random.default_rng(1)
    documents = [
        " ".join(f"w{i}" for i in rng.zipf(1.4, rng.integers(20, 60)) % 400) for _ in range(40)
    ]
    assert self_bleu(documents) == pytest.approx(nltk_self_bleu(documents), abs=1e-14)


@pytest.mark.fault(8)
@pytest.mark.fault(9)
def test_fault_08_09_self_bleu_of_identical_and_of_disjoint_texts():
    assert self_bleu(["one two three four five"] * 5) == pytest.approx(1, abs=1e-12)
    assert self_bleu(["a b c d", "e f g h", "i j k l"]) == 0
    assert distinct_n(["a b"] * 4, n=2) == 0.25
    assert distinct_n(["a b", "c d"], n=2) == 1


@pytest.mark.fault(10)
def test_fault_10_too_little_text_is_nan_not_zero():
    assert math.isnan(self_bleu([]))
    assert math.isnan(self_bleu(["alone in the set"]))
    assert math.isnan(distinct_n(["one"], n=2))
    assert math.isnan(ead([""], vocab_size=100))
    assert math.isnan(compression_ratio([]))
    assert math.isnan(compression_ratio([""]))
    assert math.isnan(mean_length([]))
    assert 0 <= self_bleu(["", "a b", ""]) <= 1


@settings(deadline=None, max_examples=80)
@given(texts, st.integers(1, 4))
def test_distinct_and_ead_equal_counting_by_hand(documents, n):
    pooled = Counter(g for d in documents for g in grams_of(d, n))
    if pooled:
        expected = len(pooled) / sum(pooled.values())
        assert distinct_n(documents, n=n) == pytest.approx(expected)
    ratios = []
    for order in range(1, 6):
        pooled = [g for d in documents for g in grams_of(d, order)]
        if pooled:
            expected = 500 * (1 - (499 / 500) ** len(pooled))
            ratios.append(len(set(pooled)) / expected)
    if ratios:
        assert ead(documents, vocab_size=500) == pytest.approx(np.mean(ratios), rel=1e-10)


def test_ead_of_uniform_draws_is_one_in_expectation():
    rng = np.random.default_rng(0)
    values = [
        ead([[str(w) for w in rng.integers(0, 1000, 500)]], vocab_size=1000, max_n=1)
        for _ in range(300)
    ]
    assert np.mean(values) == pytest.approx(1, abs=4 * np.std(values) / math.sqrt(300))
    same = ead([["a"] * 50], vocab_size=10**9, max_n=1)
    assert same == pytest.approx(1 / 50, rel=1e-6)
    spread = ["a b c a b", "b c d"]
    assert ead(spread, vocab_size=10**12, max_n=1) == pytest.approx(distinct_n(spread, n=1))


@settings(deadline=None, max_examples=60)
@given(texts, st.randoms())
def test_order_of_the_texts_does_not_matter(documents, random):
    shuffled = documents.copy()
    random.shuffle(shuffled)
    for measure in (
        lambda t: distinct_n(t, n=2),
        lambda t: ead(t, vocab_size=100),
        self_bleu,
        mean_length,
    ):
        np.testing.assert_allclose(measure(shuffled), measure(documents), rtol=1e-12)


@settings(deadline=None, max_examples=50)
@given(st.lists(texts, min_size=1, max_size=4))
def test_many_sets_at_once_equal_one_at_a_time(sets):
    from variegate.metrics.texts._distinct import distinct_by_set, ead_by_set
    from variegate.metrics.texts._length import length_by_set
    from variegate.metrics.texts._self_bleu import self_bleu_by_set

    grams = NGrams([t for one in sets for t in one], [len(one) for one in sets])
    pairs = [
        (distinct_by_set(grams, n=2), [distinct_n(one, n=2) for one in sets]),
        (ead_by_set(grams, vocab_size=99), [ead(one, vocab_size=99) for one in sets]),
        (self_bleu_by_set(grams), [self_bleu(one) for one in sets]),
        (length_by_set(grams), [mean_length(one) for one in sets]),
    ]
    for together, singly in pairs:
        np.testing.assert_allclose(together, singly, rtol=1e-12)


def test_compression_ratio_is_zlib_less_its_header():
    document = "Colourless green ideas sleep furiously. " * 3
    packed = len(zlib.compress(document.encode(), 9)) - len(zlib.compress(b"", 9))
    assert compression_ratio([document]) == len(document) / packed
    noise = np.random.default_rng(0).integers(32, 127, 3000).astype(np.uint8).tobytes().decode()
    assert compression_ratio([noise]) < 1.3
    copies = compression_ratio([noise] * 8) / compression_ratio([noise])
    assert 6 < copies < 8.1


@pytest.mark.fault(17)
def test_fault_17_words_of_all_scripts():
    import unicodedata

    one, other = (unicodedata.normalize(form, "Café crème") for form in ("NFC", "NFD"))
    assert one != other
    assert words(one) == words(other)
    assert words("東京に行く") == list("東京に行く")
    assert words("👨‍👩‍👧 👍🏽") == ["👨‍👩‍👧", "👍🏽"]
    assert words("it's 'quoted'") == ["it's", "'", "quoted", "'"]
    assert words("") == []
    assert distinct_n(["東京東京"], n=1) == 0.5
    assert words("\ud800x") == ["\ud800", "x"]  # half a character neither raises nor vanishes


def test_cutting_to_one_length():
    assert truncated(["one, two three", "", "a b c d"], length=3) == ["one, two", "", "a b c"]
    assert common_length([10, 20, 30, 40, 50], [5, 6, 7, 8, 9]) == 6
    assert common_length([0, 0], [4]) == 4
    assert common_length([0, 0]) == 1


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=40), st.integers(0, 6))
def test_the_first_words_of_a_text_are_its_first_words(document, count):
    assert words(truncated([document], length=count)[0]) == words(document)[:count]


@settings(deadline=None, max_examples=40)
@given(st.lists(text.filter(bool), min_size=3, max_size=6))
def test_ead_across_deletes_what_it_says(documents):
    from variegate.estimate import jackknife

    without = [
        ead(documents[:i] + documents[i + 1 :], vocab_size=77) for i in range(len(documents))
    ]
    expected = jackknife(without, value=ead(documents, vocab_size=77))
    found = ead_across([[d] for d in documents], vocab_size=77)
    np.testing.assert_allclose(
        (found.value, found.low, found.high),
        (expected.value, expected.low, expected.high),
        rtol=1e-9,
    )


def test_wrong_arguments_are_refused():
    with pytest.raises(UsageError):
        ead(["a"], vocab_size=1)
    with pytest.raises(UsageError):
        distinct_n(["a"], n=0)
