"""Judging: normalising, verifiers, classes, and what a broken verifier may do."""

import logging
import re
import time
import unicodedata
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import DataError, UnknownName, UsageError
from variegate.judging import (
    Verdict,
    answer_keys,
    canonical,
    classes,
    judge,
    normalise,
    verifier,
    verifier_names,
)
from variegate.metrics import measure
from variegate.samples import Prompt, Samples


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (unicodedata.normalize("NFC", "Café"), unicodedata.normalize("NFD", "café")),
        ("ＡＢＣ１", "abc1"),
        ("\u200fשלום\u200e", "שלום"),
        ("  two\u00a0 words\n", "Two words."),
        ("Straße", "STRASSE"),
        ("\ufeffplum", "plum"),
        ("\u22123", "-3"),
    ],
)
def test_fault_17_texts_that_read_alike_are_one(one, other):
    assert normalise(one) == normalise(other)


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("👨‍👩‍👧", "👨👩👧"),  # the joiner makes one family of three people
        ("-3", "3"),
        ("3.5", "35"),
        ("50%", "50"),
        ("()", "[]"),
        ("か", "が"),
    ],
)
def test_fault_17_texts_that_differ_stay_different(one, other):
    assert normalise(one) != normalise(other)


@pytest.mark.fault(17)
def test_fault_17_answers_are_counted_alike_however_they_are_encoded():
    composed, apart = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))
    assert composed != apart
    assert len(set(answer_keys([composed, apart], ["x", "y"]))) == 1
    assert len(set(answer_keys([None, None], [composed, f" {apart.upper()}!"]))) == 1
    assert len(set(answer_keys(["a", "A", None, None], ["", "", "a", "b"]))) == 4
    said = Samples.from_rows({"prompt": "?", "text": t, "answer": t} for t in (composed, apart))
    counted = measure(said, metrics=["gini_simpson", "distinct_at_k"], k=2).frame
    assert counted["value"].to_list() == [0, 1]


@pytest.mark.fault(17)
def test_fault_17_the_form_can_be_chosen():
    assert normalise("①", form="NFKC") == "1"
    assert normalise("①", form="NFC") == "①"
    assert normalise("A b!", casefold=False, punctuation=False) == "A b!"


@settings(deadline=None, max_examples=200)
@given(st.text())
def test_normalise_is_idempotent_enough_to_make_classes(text):
    once = normalise(text)
    assert normalise(once, form="NFKC").split() == normalise(normalise(once)).split()
    assert once == once.strip()


@pytest.mark.parametrize(
    ("name", "text", "target", "correct", "answer"),
    [
        ("exact", "Paris", "Paris", True, "Paris"),
        ("exact", "paris", "Paris", False, "paris"),
        ("normalised", "  PARIS! ", "Paris", True, "paris"),
        ("normalised", "", "", False, None),
        ("one_of", "The Seine.", ["seine", "the seine"], True, "the seine"),
        ("one_of", "Thames", ["seine"], False, "thames"),
        ("contains", "I would say Paris.", ["Rome", "Paris"], True, "paris"),
        ("contains", "parisian", "Paris", False, "parisian"),
        ("contains", "", "Paris", False, None),
        ("contains", "anything", "", False, "anything"),
        ("regex", "route: A-B-C", r"route: (\S+)", True, "a-b-c"),
        ("regex", "none", r"\d+", False, None),
        ("numeric", "3 + 4 = 7", 7, True, "7"),
        ("numeric", "It costs 1,234,567.50 euros", "1234567.5", True, "2469135/2"),
        ("numeric", "about 3.1", {"value": 3.14, "tolerance": 0.05}, True, "31/10"),
        ("numeric", "-1/3", "-1/3", True, "-1/3"),
        ("numeric", "1e3", 1000, True, "1000"),
        ("numeric", "no number", 7, False, None),
        ("numeric", "1/0", 7, False, None),
        ("choice", "The answer is (C).", "C", True, "C"),
        ("choice", "b)", "B", True, "B"),
        ("choice", "Maybe (A), no, (D)", "D", True, "D"),
        ("choice", "A man walks in", "A", False, None),
    ],
)
def test_verifiers(name, text, target, correct, answer):
    verdict = verifier(name)(text, target)
    assert (verdict.correct, verdict.answer) == (correct, answer)


@pytest.mark.parametrize("name", [n for n in verifier_names() if "." not in n])
@settings(deadline=None, max_examples=60)
@given(text=st.text(max_size=80))
def test_no_text_makes_a_builtin_verifier_raise(name, text):
    target = {"numeric": 7, "regex": r"a(b+)"}.get(name, "B")
    verdict = verifier(name)(text, target)
    assert isinstance(verdict, Verdict)
    assert verdict.correct in (True, False)


@settings(deadline=None, max_examples=100)
@given(st.fractions(), st.integers(-(10**9), 10**9))
def test_numbers_are_read_back_exactly(fraction, whole):
    shown = f"so it is {fraction.numerator}/{fraction.denominator}"
    if len(str(fraction.numerator)) < 30 and fraction.denominator < 10**29:
        assert verifier("numeric")(shown, str(fraction)).correct
    assert verifier("numeric")(f"{whole:,}", whole).answer == str(Fraction(whole))


def test_a_pattern_that_could_take_for_ever_is_refused():
    for pattern in (r"(a+)+$", r"(?:\w+\s?)*!", r"((x|y)*z?)+"):
        with pytest.raises(UsageError, match="repeats a repeat"):
            verifier("regex")("a" * 40 + "!", pattern)
    assert verifier("regex")("a" * 40, r"(?:a++,?)*").correct
    with pytest.raises(UsageError, match="regular expression"):
        verifier("regex")("a", "(")


def test_long_hostile_text_is_cut_before_matching():
    start = time.monotonic()
    assert not verifier("regex")("a" * 2_000_000, r"a+b").correct
    assert not verifier("numeric")("9" * 2_000_000, 7).correct
    verifier("choice")("(" * 2_000_000, "B")
    # Uncut, the first alone takes hours: this is a bound, not a race.
    assert time.monotonic() - start < 60


def test_unknown_verifier_suggests():
    with pytest.raises(UnknownName) as caught:
        verifier("numerical")
    assert "numeric" in caught.value.hint


def test_classes_and_canonical():
    assert classes(["b", "A", "a.", "b"]).tolist() == [0, 1, 1, 0]
    assert classes(["A", "a"], by="exact").tolist() == [0, 1]
    assert classes(["x1", "none", "y1"], by=re.compile(r"\d")).tolist() == [0, -1, 0]
    assert canonical(["ab", "c"], by=lambda t: t[::-1]) == ["ba", "c"]
    with pytest.raises(UsageError):
        canonical(["a"], by="meaning")


def _said(*texts, **more):
    return Samples.from_rows({"prompt": "p", "prompt_id": "q", "text": t, **more} for t in texts)


def test_judge_fills_only_what_is_null():
    prompt = Prompt(prompt="p", prompt_id="q", verifier="numeric", target=7)
    brought = _said("7", "8", correct=False)
    assert judge(brought, [prompt]).frame["correct"].to_list() == [False, False]
    assert judge(brought, [prompt]).frame["answer"].to_list() == ["7", "8"]
    assert judge(brought, [prompt], overwrite=True).frame["correct"].to_list() == [True, False]
    assert brought.frame["answer"].to_list() == [None, None]


def test_judge_leaves_open_prompts_and_errors_alone():
    open_prompt = Prompt(prompt="p", prompt_id="q")
    assert judge(_said("x"), [open_prompt]).frame["correct"].to_list() == [None]
    closed = Prompt(prompt="p", prompt_id="q", verifier="exact", target="")
    failed = judge(_said("", finish="error"), [closed])
    assert failed.frame["correct"].to_list() == [None]


@pytest.mark.fault(35)
@pytest.mark.fault(39)
@pytest.mark.parametrize("broken", [lambda t, g: 1 / 0, lambda t, g: True])
def test_fault_39_a_broken_verifier_leaves_its_rows_unscored_and_counted(
    monkeypatch, caplog, broken
):
    from variegate.judging import _registry

    monkeypatch.setitem(_registry._BUILTIN, "broken", broken)
    prompts = [
        Prompt(prompt="p", prompt_id="q", verifier="broken", target=1),
        Prompt(prompt="r", prompt_id="s", verifier="numeric", target=2),
    ]
    said = Samples.from_rows(
        [
            {"prompt": "p", "prompt_id": "q", "text": "1"},
            {"prompt": "p", "prompt_id": "q", "text": "2"},
            {"prompt": "r", "prompt_id": "s", "text": "2"},
        ]
    )
    with caplog.at_level(logging.WARNING, logger="variegate"):
        judged = judge(said, prompts)
    assert judged.frame["correct"].to_list() == [None, None, True]
    assert "failed on 2 outputs" in caplog.text


def test_two_prompts_of_one_name_are_refused():
    with pytest.raises(DataError, match="twice"):
        judge(
            _said("1"),
            [
                Prompt(prompt="p", prompt_id="q", verifier="numeric", target=1),
                Prompt(prompt="p", prompt_id="q", verifier="numeric", target=2),
            ],
        )
