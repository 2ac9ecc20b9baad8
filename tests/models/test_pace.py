"""How many requests at once: laws of the pace, without a clock or a server."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.models._pace import Pace, wait_asked_for

EVENTS = st.lists(
    st.one_of(
        st.just(("good",)),
        st.just(("trouble",)),
        st.tuples(st.just("many"), st.floats(0, 5), st.floats(0, 3)),
    ),
    max_size=80,
)


def play(pace, events):
    now = 0.0
    for event in events:
        now += 0.1
        if event[0] == "good":
            pace.succeeded()
        elif event[0] == "trouble":
            pace.in_trouble()
        else:
            pace.too_many(sent=max(0.0, now - event[1]), now=now, wait=event[2])
        yield now


@pytest.mark.fault(4)
@settings(deadline=None, max_examples=200)
@given(st.integers(1, 64), EVENTS)
def test_fault_04_the_number_stays_between_one_and_the_most_and_waits_only_grow(most, events):
    pace, free = Pace(most=most), 0.0
    for _now in play(pace, events):
        assert 1 <= pace.limit <= most
        assert pace.free_at >= free
        free = pace.free_at
    assert pace.cuts <= sum(event[0] == "many" for event in events)


@pytest.mark.fault(4)
@settings(deadline=None, max_examples=100)
@given(st.integers(2, 64), st.integers(1, 64), st.floats(0, 9))
def test_fault_04_a_storm_cuts_once_however_many_answer_and_a_new_one_cuts_again(most, storm, wait):
    pace = Pace(most=most)
    for i in range(storm):
        pace.too_many(sent=0.0, now=1.0 + i / 100, wait=wait)
    assert (pace.cuts, pace.limit) == (1, most // 2)
    again = pace.free_at + 0.1
    pace.too_many(sent=again, now=again + 1, wait=wait)
    assert (pace.cuts, pace.limit) == (2, max(1, most // 2 // 2))


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 64))
def test_a_round_of_successes_adds_one_and_trouble_pauses_that_for_a_round(most):
    pace = Pace(most=most)
    pace.too_many(sent=0.0, now=1.0, wait=0.0)
    low = pace.limit
    pace.in_trouble()
    for _ in range(low):
        pace.succeeded()
    assert pace.limit == low
    for _ in range(low + 1):
        pace.succeeded()
    assert pace.limit == min(most, low + 1)
    for _ in range(most * most):
        pace.succeeded()
    assert pace.limit == most


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:10 GMT"}, 0.0),
        ({"retry-after": "Thu, 99 Foo 1970"}, None),
    ],
)
def test_what_a_server_asks_to_wait_is_read_or_left_aside(headers, seconds):
    assert wait_asked_for(headers, now=20.0) == seconds
