"""The parser: what models write where a list was asked for."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import DataError, UnknownName, UsageError
from variegate.prompting import (
    WORDINGS,
    elicited_weights,
    read_answers,
    read_choice,
    read_lines,
    read_objects,
    read_probabilities,
)

WORDS = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\\\"'“”‘’`{}[]"),
    min_size=1, max_size=20,
).map(str.strip).filter(lambda text: text and not text.isdigit())  # fmt: skip
ITEMS = st.lists(st.tuples(WORDS, st.floats(0.001, 1)), min_size=1, max_size=6)


def pairs(text: str, **options) -> list[tuple[str, float | None]]:
    return [(a.text, a.probability) for a in read_answers(text, **options).answers]


@given(ITEMS)
@settings(deadline=None, max_examples=80)
def test_what_is_written_as_json_is_read_back(items):
    rows = [{"text": text, "probability": p} for text, p in items]
    for written in (
        json.dumps({"responses": rows}),
        json.dumps(rows, indent=2, ensure_ascii=False),
        f"Here you are:\n```json\n{json.dumps(rows)}\n```\nI hope it helps!",
    ):
        assert [text for text, _ in pairs(written)] == [text for text, _ in items]
        assert [p for _, p in pairs(written)] == pytest.approx([p for _, p in items])
        assert read_answers(written).unread == ()


@given(ITEMS, st.data())
@settings(deadline=None, max_examples=80)
def test_json_that_stops_anywhere_gives_what_was_whole_and_says_what_was_cut(items, data):
    rows = [{"text": text, "probability": p} for text, p in items]
    whole = json.dumps({"responses": rows})
    end = data.draw(st.integers(0, len(whole)))
    read = read_answers(whole[:end])
    for answer, (text, p) in zip(read.answers, items, strict=False):
        assert (
            answer.text == text
            or (answer.cut and text.startswith(answer.text))
            or ("\\" in json.dumps(text) and answer.cut)
        )
        if not answer.cut and answer is not read.answers[-1]:
            assert answer.probability == pytest.approx(p)
    assert len(read.answers) <= len(items)
    assert not any(answer.cut for answer in read.answers[:-1])


def test_a_number_at_the_end_of_a_reply_that_was_cut_is_none():
    half = '[{"text": "a", "probability": 0.3'
    assert read_answers(half).answers[0].probability == 0.3
    cut = read_answers(half, cut=True)
    assert (cut.answers[0].probability, cut.unread) == (None, ("0.3",))


BROKEN = {
    "trailing commas": '{"responses": [{"text": "a", "probability": 0.4,}, '
    '{"text": "b", "probability": 0.6,},],}',
    "single quotes": "[{'text': 'a', 'probability': 0.4}, {'text': 'b', 'probability': 0.6}]",
    "curly quotes": "[{“text”: “a”, “probability”: 0.4}, {“text”: “b”, “probability”: 0.6}]",
    "bare keys": "[{text: 'a', probability: .4}, {text: 'b', probability: .6}]",
    "no closing brackets": '{"responses": [{"text": "a", "probability": 0.4}, '
    '{"text": "b", "probability": 0.6',
    "no opening bracket": '{"text": "a", "probability": 0.4}, {"text": "b", "probability": 0.6}]}',
    "one object a line": '{"text": "a", "probability": 0.4}\n{"text": "b", "probability": 0.6}',
    "no commas": '[{"text": "a"\n"probability": 0.4}\n{"text": "b"\n"probability": 0.6}]',
    "comments": '[{"text": "a", "probability": 0.4}, // the likely one\n'
    '{"text": "b", "probability": 0.6} /* ] */]',
    "a fence never closed": '```json\n[{"text": "a", "probability": 0.4}, '
    '{"text": "b", "probability": 0.6}',
    "percent signs": '[{"text": "a", "probability": 40%}, {"text": "b", "probability": "60 %"}]',
    "whole percents": '[{"text": "a", "probability": 40}, {"text": "b", "probability": 60}]',
    "fractions": '[{"text": "a", "probability": 2/5}, {"text": "b", "probability": "3 in 5"}]',
    "text twice in one object": '{"text": "a", "probability": 0.4, "text": "b", '
    '"probability": 0.6}',
    "probability first": '[{"probability": 0.4, "text": "a"}, {"probability": 0.6, "text": "b"}]',
    "other keys": '{"answers": [{"response": "a", "prob": 0.4}, {"response": "b", "prob": 0.6}]}',
    "a mapping": '{"a": 0.4, "b": 0.6}',
    "pairs": '[["a", 0.4], ["b", 0.6]]',
    "tags": "<response><text>a</text><probability>0.4</probability></response>"
    "<response><text>b</text><probability>60%</probability></response>",
    "tags never closed": "<response><text>a<probability>0.4\n<response><text>b<probability>0.6",
    "tags with attributes": '<response probability="0.4">a</response>\n'
    '<response probability="0.6">b</response>',
    "a numbered list": "Of course:\n\n1. a (probability: 0.4)\n2. b (probability: 0.6)\n\nEnjoy!",
    "bold with a dash": "1) **a** - 40%\n2) **b** – 60%",
    "probability on its own line": "1. a\n   Probability: 0.4\n2. b\n   Probability: 3/5",
    "bullets": "- a: 0.4\n- b: 0.6",
    "bullets in brackets": "* a [40%]\n* b [60%]",
}


@pytest.mark.parametrize("form", BROKEN)
def test_real_models_write(form):
    read = read_answers(BROKEN[form])
    assert [(a.text, a.probability) for a in read.answers] == [
        ("a", pytest.approx(0.4)),
        ("b", pytest.approx(0.6)),
    ]
    assert read.unread == ()


def test_what_stands_inside_an_answer_stays_there():
    texts = ['He said "hi", twice', "it's 5:30, or [6]", "a {b} c", "50% off", "2024. A year",
             "line one\nline two", "C:\\dir"]  # fmt: skip
    rows = json.dumps([{"text": text, "probability": 0.1} for text in texts])
    assert [text for text, _ in pairs(rows)] == texts
    unescaped = '{"responses": [{"text": "He said "hi" to me", "probability": 0.2}]}'
    assert pairs(unescaped) == [('He said "hi" to me', 0.2)]
    assert [t for t, _ in pairs("1. 42\n2. It costs 3.50\n3. In 1984")] == [
        "42", "It costs 3.50", "In 1984",
    ]  # fmt: skip
    assert pairs('[{"text": 7, "probability": 0.5}]') == [("7", 0.5)]


def test_reasoning_is_read_apart():
    read = read_answers('{"reasoning": "Two come to mind.", "responses": [{"text": "a"}]}')
    assert (read.reasoning, [a.text for a in read.answers]) == ("Two come to mind.", ["a"])


def test_what_could_not_be_read_is_said():
    read = read_answers(
        '[{"text": "a", "probability": "likely"}, {"text": "b", "probability": -2}]'
    )
    assert [a.probability for a in read.answers] == [None, None]
    assert read.unread == ("likely", "-2")
    assert [a.said for a in read.answers] == ["likely", "-2"]
    read = read_answers('[{"text": "a", "probability": 0.5}, {"probability": 0.5}]')
    assert [a.text for a in read.answers] == ["a"]
    assert read.unread == ("probability: 0.5",)
    read = read_answers('[{"text": "", "probability": 0.5}, {"text": "a", "probability": 0.5}]')
    assert read.unread == ("an answer without text",)
    assert read_answers("I cannot do that.").unread == ("I cannot do that.",)
    assert read_answers(" \n").unread == ()
    assert read_answers("See [1] and {2}.").answers == ()


@pytest.mark.fault(21)
def test_fault_21_hostile_text_is_read_in_linear_time_and_raises_nothing():
    hostile = [
        "[" * 200_000, '{"a":' * 50_000, '"a' * 100_000, "[{'a" * 50_000,
        '{"text": "' + "a" * 10**6,
        "1. " * 60_000, "1. a\n" * 60_000, "<response>" * 20_000, "<text>" * 50_000,
        '["a" ' * 40_000, "/*" * 100_000, "{:" * 100_000, " " * 200_000, '{"p": 1' + "0" * 5000,
        '[{"text": "a", "probability": ' + "9" * 5000 + "}]", "\\" * 100_000, '["\\ud800"]',
        '{"text": "' + ' "' * 90_000, "1. a " + "(" * 100_000, "1. " + "probability: " * 15_000,
        '["a"' + ",/*" * 60_000, "[" + "a,/* " * 40_000, '{"a":"' + '",' * 60_000, "[a" * 90_000,
        "<response><text>" * 12_000, "1. a - \n" * 20_000, "{x" * 60_000, "1. " + "1" * 190_000,
        "[,]" * 60_000, "}" * 100_000, "'" * 200_000,
    ]  # fmt: skip
    # Minutes where something is quadratic, and then the clock of the test stops it.
    for text in hostile:
        for answer in read_answers(text).answers:
            answer.text.encode()
        read_objects(text)


@given(st.text(max_size=300))
@settings(deadline=None, max_examples=300)
def test_no_text_raises(text):
    for wording in WORDINGS:
        read = read_answers(text, wording=wording)
        assert all(a.text for a in read.answers)
        assert all(a.probability is None or 0 <= a.probability <= 1 for a in read.answers)
    read_objects(text)
    read_lines(text)


@given(st.text(alphabet="{}[]\"',:ab 1.%<>/\n-", max_size=60))
@settings(deadline=None, max_examples=400)
def test_no_heap_of_brackets_raises(text):
    read_answers(text)
    read_objects(text)


SAID = {
    "0.35": 0.35, ".35": 0.35, "0,35": 0.35, "35%": 0.35, "35 percent": 0.35, "35 per cent": 0.35,
    "7/20": 0.35, "7 in 20": 0.35, "7 out of 20": 0.35, "about 0.35": 0.35, "~0.35": 0.35,
    "p = 0.35": 0.35, "3.5e-1": 0.35, "0.35 (roughly)": 0.35, "0": 0.0, "1": 1.0, "100%": 1.0,
    "-0.35": None, "−35%": None, "150%": None, "likely": None, "": None, "nan": None, "inf": None,
    "3:1": None, "1/0": None, "9" * 400: None, None: None, True: None, math.nan: None, 0.35: 0.35,
}  # fmt: skip


@pytest.mark.parametrize("said", SAID, ids=repr)
def test_a_probability_is_read(said):
    [read] = read_probabilities([said])
    assert read == (None if SAID[said] is None else pytest.approx(SAID[said]))


def test_percentages_are_a_matter_of_all_numbers_of_a_reply():
    assert read_probabilities([70, 30]) == [0.7, 0.3]  # the peer clips both to 1
    assert read_probabilities([99.5, 0.5]) == [0.995, 0.005]
    assert read_probabilities([0.4, 1.7]) == [0.4, None]
    assert read_probabilities(["0.4", "30%"]) == [0.4, 0.3]
    assert read_probabilities([120, 30]) == [None, None]
    assert read_probabilities([30, 20], wording="percentage") == [0.3, 0.2]
    assert read_probabilities([0.5, 0.4], wording="percentage") == [0.5, 0.4]  # 90 % in all
    assert read_probabilities([0.5, 0.2], wording="percentage") == [0.005, 0.002]


def test_less_likely_is_less_whatever_was_asked_for():
    # The peer keeps perplexities and negative log-likelihoods as weights: the wrong way round.
    likely, unlikely = read_probabilities([0.5, 4.0], wording="nll")
    assert (likely, unlikely) == (pytest.approx(math.exp(-0.5)), pytest.approx(math.exp(-4)))
    assert read_probabilities([2, 10, 0.5], wording="perplexity") == [0.5, 0.1, None]
    with pytest.raises(UnknownName):
        read_probabilities([1], wording="odds")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
@settings(deadline=None)
def test_weights_add_up_whatever_was_said(said):
    weights = elicited_weights(said)
    assert weights.sum() == pytest.approx(1)
    assert np.argmax(weights) == np.argmax(said)


def test_weights_know_which_way_a_bound_goes_and_never_relax_it():
    assert elicited_weights([0.0, 0.0]).tolist() == [0.5, 0.5]  # the peer divides by zero
    assert elicited_weights([0.05, 0.02, np.nan], at_most=0.1).tolist() == pytest.approx(
        [5 / 7, 2 / 7, 0]
    )
    with pytest.raises(DataError, match=r"None of 2 said probabilities lies in \[0.12, 1\]"):
        elicited_weights([0.05, 0.02], at_least=0.12)
    with pytest.raises(UsageError):
        elicited_weights([1.2])


@pytest.mark.fault(35)
def test_fault_35_a_verdict_is_one_word_that_was_offered_or_none():
    menu = ("yes", "no")
    assert [read_choice(t, menu) for t in ("yes", " No.", "**YES**", '"no"')] == [
        "yes", "no", "yes", "no",
    ]  # fmt: skip
    for text in ("", "maybe", "yes and no", "yes, no", '{"verdict": "yes"}', "I say yes", "yesno"):
        assert read_choice(text, menu) is None


def test_a_thousand_objects_are_read():
    lines = "\n".join(json.dumps({"text": f"t{i}"}) for i in range(1000))
    assert len(read_answers(lines).answers) == 1000


def test_lists_without_marks_are_no_lists():
    assert read_lines("Some prose.\nMore prose.") == []
    assert read_lines('["a", "b"]') == ["a", "b"]
    assert read_lines("1. a\n\n2. b\n\n   more of b\n\nThat is all.") == ["a", "b\nmore of b"]
