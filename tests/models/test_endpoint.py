"""The endpoint against a server that misbehaves as scripted, and what it makes of each reply."""

from __future__ import annotations

import importlib.util
import json
import logging
import socket
import threading
import time
import traceback
from email.utils import formatdate
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.decoding import rule
from variegate.errors import DataError, ModelError, Refused, UsageError
from variegate.models import (
    Arm,
    Request,
    Sampling,
    Turn,
    collect,
    discover,
    endpoint_model,
    entropy_bounds,
    require,
    say,
)
from variegate.samples import Prompt, RunDirectory

_spec = importlib.util.spec_from_file_location(
    "faulty_server", Path(__file__).with_name("faulty_server.py")
)
faulty_server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(faulty_server)
FaultyServer, answer, slow = faulty_server.FaultyServer, faulty_server.answer, faulty_server.slow

CANARY = "sk-canary-0123456789abcdefghij"
PROMPTS = [Prompt(prompt=f"Name a thing {p}.") for p in range(3)]
MANY = (429, {"Retry-After": "0.2"}, {"error": {"message": "slow down"}})


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    # The doubling waits start at half a second; the tests have no such time.
    monkeypatch.setattr("variegate.models._dispatch.FIRST_WAIT", 0.02)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


def opened(server, **options):
    return endpoint_model(server.url, "m", **{"in_flight": 4, "timeout": 5.0, **options})


def arm(server, *, sampling=None, **options):
    model = opened(server, **options)
    return Arm(name="a", model=model, format=model.formats()[0], sampling=sampling or Sampling())


def drawn(server, *, n=4, prompts=PROMPTS, sampling=None, run=None, **options):
    return collect(arm(server, sampling=sampling, **options), prompts, n=n, run=run).frame


def told(frame):
    """What a server that answers well says to these draws."""
    return [answer({"seed": seed % 2**31})["choices"][0]["text"] for seed in frame["seed"]]


def refusal(server, *, match, **options):
    with pytest.raises(Refused, match=match) as caught:
        drawn(server, **options)
    return caught.value


# What is sent.


@pytest.mark.fault(2)
def test_fault_02_what_is_left_open_is_not_sent():
    with FaultyServer() as server:
        drawn(server, n=1, sampling=Sampling(temperature=None))
        drawn(server, n=1, sampling=Sampling(temperature=0.0, top_p=0.9, stop=("\n",)))
    first, other = server.bodies[0], server.bodies[-1]
    assert set(first) == {"model", "messages", "max_tokens", "seed"}
    assert other["temperature"] == 0.0
    assert other["top_p"] == 0.9
    assert other["stop"] == ["\n"]
    assert server.heads[0]["Authorization"] == f"Bearer {CANARY}"


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from(["system", "user", "assistant"]), st.text(max_size=30)),
        min_size=1,
        max_size=5,
    ).map(lambda turns: [Turn(role=role, text=text) for role, text in turns])
)
def test_a_conversation_reaches_the_server_as_it_is(turns):
    model = endpoint_model("http://127.0.0.1:9/v1", "m", prefill="plain")
    messages = json.loads(model.render(turns, format="chat"))
    assert [(m["role"], m["content"]) for m in messages] == [(t.role, t.text) for t in turns]


def test_a_begun_answer_is_gone_on_with_where_the_server_was_said_to_do_so():
    turns = [Turn(role="user", text="Count."), Turn(role="assistant", text="One, ")]
    with FaultyServer() as server:
        with pytest.raises(UsageError, match="tier D"):
            opened(server).render(turns, format="chat")
        say(opened(server, prefill="flag"), [turns], sampling=Sampling())
        require(opened(server, api="completions"), "D", "openings")
    assert server.bodies[0]["continue_final_message"] is True
    assert server.bodies[0]["messages"][-1] == {"role": "assistant", "content": "One, "}


def test_rules_become_fields_where_there_is_one_and_are_refused_before_a_request_where_not():
    with FaultyServer() as server:
        drawn(server, n=1, sampling=Sampling(rules=(rule("min_p", min_p=0.1),)))
        assert server.bodies[0]["min_p"] == 0.1
        asked = len(server.bodies)
        with pytest.raises(UsageError, match="'top_h'; it needs tier E"):
            drawn(server, sampling=Sampling(rules=(rule("top_h", alpha=0.4),)))
        with pytest.raises(UsageError, match="Two settings for 'top_p'"):
            drawn(server, sampling=Sampling(top_p=0.5, rules=(rule("top_p", top_p=0.9),)))
    assert len(server.bodies) == asked


def test_raw_prompts_go_to_the_completions_call_with_what_else_is_wanted():
    with FaultyServer() as server:
        model = opened(server, api="completions", top_logprobs=3, extra={"echo": False})
        (said,) = say(model, ["Once upon"], sampling=Sampling())
    assert server.bodies[0]["prompt"] == "Once upon"
    assert server.bodies[0]["echo"] is False
    assert said.token_logprobs == (-0.7, -0.7)


# Draws and their number.


@pytest.mark.fault(1)
def test_fault_01_n_draws_are_n_seeds_and_the_same_ones_again():
    with FaultyServer() as server:
        first, second = drawn(server, n=30), drawn(server, n=30)
    assert first.equals(second)
    assert first["text"].n_unique() == 90
    assert len({body["seed"] for body in server.bodies}) == 90


@pytest.mark.fault(3)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_fault_03_a_server_that_ignores_n_is_asked_for_the_rest(count):
    with FaultyServer([lambda body: answer(body, count=count)] * 100) as server:
        model = opened(server, per_request=4)
        frame = collect(Arm(name="a", model=model, format="chat"), PROMPTS, n=4).frame
    assert (frame["finish"] == "stop").all()
    usage = model.usage()
    assert usage.missing > 0
    if count == 1:  # it is not asked for several again
        assert sum(body.get("n", 1) > 1 for body in server.bodies) <= len(PROMPTS)
    assert usage.completion_tokens == 2 * count * len(server.bodies)


@pytest.mark.fault(3)
def test_fault_03_answers_nobody_asked_for_are_counted_and_left_aside():
    with FaultyServer([lambda body: answer(body, count=5)] * 100) as server:
        model = opened(server)
        frame = collect(Arm(name="a", model=model, format="chat"), PROMPTS, n=2).frame
    assert frame.height == 6
    assert model.usage().surplus == 24


@pytest.mark.fault(3)
def test_fault_03_no_choices_at_all_is_asked_again_and_then_counted():
    empty = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 0}}
    with FaultyServer([empty] * 3) as server:
        assert (drawn(server)["finish"] == "stop").all()
    with FaultyServer([empty] * 10_000) as server:
        frame = drawn(server, retries=1)
    assert (frame["finish"] == "error").all()
    assert len(server.bodies) == 12 * 2 * 3


def test_one_request_for_several_answers_reads_the_prompt_once():
    with FaultyServer() as server:
        frame = drawn(server, n=4, per_request=4)
    assert len(server.bodies) == 3
    assert frame["cost"].sum() == 3 * (5 + 8)
    assert frame["completion_tokens"].sum() == 3 * 8


# Errors that pass.


@pytest.mark.fault(4)
def test_fault_04_a_storm_of_429_cuts_once_waits_and_loses_nothing():
    with FaultyServer([MANY] * 8) as server:
        model = opened(server, in_flight=8)
        frame = collect(Arm(name="a", model=model, format="chat"), PROMPTS, n=8).frame
    assert frame["text"].to_list() == told(frame)
    assert model.usage().cuts == 1
    assert model.usage().again == 8
    # Nobody came back within the wait that was asked for.
    assert min(server.times[8:]) - max(server.times[:8]) >= 0.15


@pytest.mark.fault(4)
def test_fault_04_a_storm_without_end_is_given_up_in_bounded_time():
    start = time.monotonic()
    with FaultyServer([MANY] * 100_000) as server:
        frame = drawn(server, patience=0.5)
    assert (frame["finish"] == "error").all()
    assert time.monotonic() - start < 10
    hour = (429, {"Retry-After": "3600"}, {})
    with FaultyServer([hour] * 100) as server, pytest.raises(ModelError, match="3600 s"):
        list(opened(server).sample(requests(4), sampling=Sampling()))


def requests(n, rendered='[{"role":"user","content":"Hi"}]'):
    return [Request(key=str(i), rendered=rendered, index=i, seed=i) for i in range(n)]


@pytest.mark.fault(4)
def test_fault_04_a_date_in_retry_after_is_understood():
    date = (429, {"Retry-After": formatdate(time.time() + 1, usegmt=True)}, {})
    with FaultyServer([date]) as server:
        assert (drawn(server, n=1)["finish"] == "stop").all()


@pytest.mark.fault(5)
@pytest.mark.parametrize(
    "step",
    [
        500,
        (503, {"Retry-After": "0.01"}, {}),
        "reset",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"choices\": [",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{\"cho",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"cho",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n",
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
        b"x" * 200_000,
        {"choices": "none"},
        {"choices": [{"message": {"content": 7}}]},
        {"choices": [{"message": None}]},
        [1, 2],
        b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"[" * 200_000,
    ],
)  # fmt: skip
def test_fault_05_half_of_a_reply_costs_no_draw(step):
    with FaultyServer([step] * 3) as server:
        model = opened(server)
        frame = collect(Arm(name="a", model=model, format="chat"), PROMPTS, n=4).frame
    assert frame["text"].to_list() == told(frame)
    assert model.usage().again == 3


@pytest.mark.fault(5)
def test_fault_05_a_server_that_is_too_slow_is_asked_again_and_then_the_draw_is_counted():
    with FaultyServer([slow(0.6)]) as server:
        assert (drawn(server, n=1, timeout=0.3)["finish"] == "stop").all()
    with FaultyServer([slow(0.4)] * 1000) as server:
        frame = drawn(server, n=1, timeout=0.1, retries=0, prompts=PROMPTS[:1])
    assert frame["finish"].to_list() == ["error"]


@pytest.mark.fault(5)
def test_fault_05_a_server_that_is_not_there_ends_in_failed_draws():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        model = endpoint_model(url, "m", retries=1, timeout=1)
        frame = collect(Arm(name="a", model=model, format="chat"), PROMPTS, n=2).frame
    assert (frame["finish"] == "error").all()


@pytest.mark.fault(5)
def test_fault_05_a_body_in_pieces_or_of_no_stated_length_is_read_in_full():
    raw = json.dumps(answer({"messages": [], "seed": 1})).encode()
    chunked = b"".join(b"%x;note=1\r\n%s\r\n" % (1, raw[i : i + 1]) for i in range(len(raw)))
    steps = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked + b"0\r\nX: y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + raw,
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n" + raw,
    ]
    with FaultyServer(steps) as server:
        frame = drawn(server, n=1)
        assert len(server.bodies) == 3
    assert set(frame["text"]) == {"oak 1"}


def test_the_pace_recovers_and_never_passes_its_most():
    with FaultyServer([MANY] * 3 + [slow(0.01)] * 60) as server:
        model = opened(server, in_flight=8)
        collect(Arm(name="a", model=model, format="chat"), PROMPTS, n=20)
    assert server.most <= 8


# Errors that do not pass.


@pytest.mark.fault(6)
@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_fault_06_a_no_for_good_stops_at_once_and_keeps_what_came(status, tmp_path):
    with (
        FaultyServer([None] * 5 + [status] * 500) as server,
        RunDirectory.open(tmp_path, settings={}, kind="sample") as run,
    ):
        error = refusal(server, match=f"status {status}", n=20, run=run, in_flight=1)
        assert run.samples().frame.height == 5
    assert len(server.bodies) == 6
    assert error.hint
    assert error.exit_code == 2


@pytest.mark.fault(6)
def test_fault_06_a_quota_that_is_used_up_is_no_storm():
    gone = (429, {}, {"error": {"code": "insufficient_quota", "message": "exceeded your quota"}})
    with FaultyServer([gone] * 100) as server:
        error = refusal(server, match="exceeded your quota", in_flight=1)
    assert len(server.bodies) == 1
    assert "nothing left" in error.hint


@pytest.mark.fault(6)
def test_fault_06_settings_that_a_server_refuses_stop_the_first_time_and_fail_a_draw_later():
    bad = (400, {}, {"error": {"message": "top_k is not a field", "param": "top_k"}})
    with FaultyServer([bad] * 100) as server:
        refusal(server, match="top_k is not a field", in_flight=1)
        assert len(server.bodies) == 1
    with FaultyServer([None, bad]) as server:
        frame = drawn(server, n=2, in_flight=1)  # asked again in the next round
    assert (frame["finish"] == "stop").all()
    long = (400, {}, {"error": {"code": "context_length_exceeded", "message": "too long"}})
    only = lambda body: long if "2" in body["messages"][0]["content"] else None  # noqa: E731
    with FaultyServer([only] * 100) as server:
        frame = drawn(server, n=2)
    assert frame.filter(pl.col("finish") == "error")["prompt"].unique().to_list() == [
        "Name a thing 2."
    ]


def test_fields_a_server_does_not_know_are_left_out_where_that_changes_no_draw():
    def strict(body):
        for name in ("seed", "max_tokens"):
            if name in body:
                said = f"Unsupported parameter: '{name}'."
                if name == "max_tokens":
                    said += " Use 'max_completion_tokens' instead."
                return (400, {}, {"error": {"message": said, "param": name}})
        return None

    with FaultyServer([strict] * 100) as server:
        frame = drawn(server, n=2)
    assert (frame["finish"] == "stop").all()
    assert server.bodies[-1]["max_completion_tokens"] == 256
    assert "seed" not in server.bodies[-1]


@pytest.mark.fault(33)
def test_fault_33_a_redirect_is_not_followed_and_the_key_goes_nowhere():
    with (
        FaultyServer() as elsewhere,
        FaultyServer([(307, {"Location": elsewhere.url + "/chat/completions"}, {})] * 10) as server,
    ):
        refusal(server, match="redirects elsewhere")
        assert elsewhere.bodies == []


# What came.


@pytest.mark.fault(7)
def test_fault_07_refusals_filters_cuts_and_empties_are_rows_with_their_reason():
    filtered = (400, {}, {"error": {"code": "content_filter", "message": "policy"}})
    steps = [
        lambda body: answer(body, finish_reason="length"),
        lambda body: answer(body, finish_reason="content_filter"),
        lambda body: answer(body, message={"role": "assistant", "content": None}),
        lambda body: answer(body, message={"content": None, "refusal": "I cannot."}),
        filtered,
        lambda body: answer(body, message={"content": [{"type": "text", "text": " yes "}]}),
        lambda body: answer(body, message={"content": "so", "reasoning_content": "thought"}),
        lambda body: answer(body, message={"content": "<think>long</think> end"}),
    ]
    with FaultyServer(steps) as server:
        frame = drawn(server, n=8, prompts=PROMPTS[:1], in_flight=1)
        assert len(server.bodies) == 8
    assert frame["finish"].to_list() == [
        "length", "filter", "empty", "filter", "filter", "stop", "stop", "stop",
    ]  # fmt: skip
    assert frame["text"][3:].to_list() == ["I cannot.", "", "yes", "so", "end"]
    assert frame["reasoning"][6:].to_list() == ["thought", "long"]


def test_half_a_surrogate_pair_becomes_a_replacement_and_no_traceback():
    step = lambda body: json.dumps(  # noqa: E731
        answer(body, message={"content": "odd \ud83d end"})
    ).encode()
    raw = step({"messages": [], "seed": 1})
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(raw)
    with FaultyServer([head + raw]) as server:
        frame = drawn(server, n=1, prompts=PROMPTS[:1])
    assert frame["text"].to_list() == ["odd \N{REPLACEMENT CHARACTER} end"]


def test_log_probabilities_come_with_both_bounds_and_a_row_holds_the_one_that_was_chosen():
    top = np.array([-0.7, -1.2, -3.0])
    bounds = entropy_bounds(top, vocabulary=100)
    with FaultyServer() as server:
        for chosen in (None, "low", "high"):
            model = opened(server, top_logprobs=3, vocabulary=100, entropies=chosen)
            frame = collect(Arm(name="a", model=model, format="chat"), PROMPTS, n=2).frame
            assert frame["logprob"].to_list() == [-1.4] * 6
            low, high = model.usage().entropy
            assert (low, high) == pytest.approx(bounds)
            value = None if chosen is None else getattr(bounds, chosen)
            if value is None:
                assert frame["token_entropies"].null_count() == 6
            else:
                assert frame["token_entropies"][0].to_list() == pytest.approx([value] * 2)
    assert server.bodies[0]["top_logprobs"] == 3
    shaped = model.cautions(Sampling(temperature=0.7))
    assert any("before or after temperature 0.7" in line for line in shaped)
    assert not any("before or after" in line for line in model.cautions(Sampling()))


@pytest.mark.parametrize(
    "broken",
    [
        None,
        {"content": None},
        {"content": []},
        {"content": [{"logprob": None}]},
        {"content": [{"logprob": 5.0, "top_logprobs": []}]},
        {"content": [{"logprob": "-1"}]},
        {"content": [7]},
    ],
)
def test_log_probabilities_that_are_none_leave_the_row_without(broken):
    with FaultyServer([lambda body: answer(body, logprobs=broken)]) as server:
        frame = drawn(server, n=1, prompts=PROMPTS[:1], top_logprobs=5)
    assert frame["finish"].to_list() == ["stop"]
    assert frame["logprob"].to_list() == [None]


def test_the_visible_part_of_a_hidden_reasoning_is_no_log_probability_of_the_whole():
    def hidden(body):
        return answer(body) | {"usage": {"prompt_tokens": 5, "completion_tokens": 900}}

    with FaultyServer([hidden]) as server:
        frame = drawn(server, n=1, prompts=PROMPTS[:1], top_logprobs=5)
    assert frame["logprob"].to_list() == [None]


def test_tokens_and_prices_are_added_up_and_a_reply_without_a_count_is_said():
    with FaultyServer([lambda body: answer(body) | {"usage": None}]) as server:
        model = opened(server, prices=(1.0, 10.0))
        collect(Arm(name="a", model=model, format="chat"), PROMPTS, n=2)
    usage = model.usage()
    assert (usage.prompt_tokens, usage.completion_tokens) == (25, 10)
    assert usage.price == pytest.approx((25 + 100) / 1e6)
    assert any("without a count" in line for line in model.cautions(Sampling()))
    assert usage.fingerprints == {"fp-1": 6}


# Entropy bounds.


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.floats(0.001, 1.0), min_size=2, max_size=40),
    st.integers(1, 20),
    st.floats(0.3, 6.0),
)
def test_the_entropy_lies_between_its_bounds_and_the_low_one_is_never_the_looser(weights, k, power):
    p = np.sort(np.array(weights) ** power)[::-1]
    p /= p.sum()
    k = min(k, len(p))
    entropy = -(p * np.log(p)).sum()
    low, high = entropy_bounds(np.log(p[:k]), vocabulary=len(p))
    assert low - 1e-9 <= entropy <= high + 1e-9
    rest = max(1 - p[:k].sum(), 0.0)
    one_atom = -(p[:k] * np.log(p[:k])).sum() - (rest * np.log(rest) if rest > 0 else 0)
    assert low >= min(one_atom, high) - 1e-9
    if k == len(p):
        assert low == pytest.approx(high, abs=1e-8)


def test_entropy_bounds_of_the_worked_case_and_at_the_ends():
    p4 = np.log([0.5, 0.3, 0.15, 0.05])
    assert entropy_bounds(p4, 4) == pytest.approx([1.14212] * 2, abs=1e-5)
    assert entropy_bounds([0.0, -np.inf], 9) == pytest.approx([0, 0])
    # Two known, half the mass missing, none of the rest above 0.25: two more of 0.25.
    low, high = entropy_bounds(np.log([0.25, 0.25]), 4)
    assert (low, high) == pytest.approx([np.log(4)] * 2)
    assert np.isinf(entropy_bounds(np.log([0.5])).high)
    batch = entropy_bounds(np.log(np.full((3, 5, 2), 0.5)), 2)
    assert batch.low.shape == (3, 5)
    for wrong in ([np.nan], [0.5], np.log([0.9, 0.9])):
        with pytest.raises(DataError):
            entropy_bounds(wrong, 9)
    with pytest.raises(UsageError):
        entropy_bounds(p4, 3)
    with pytest.raises(UsageError):
        entropy_bounds([])


# Who may know the key.


@pytest.mark.fault(33)
def test_fault_33_the_key_stands_in_no_error_log_repr_or_file(tmp_path, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    echo = lambda status: (  # noqa: E731
        status,
        {"X-Echo": CANARY},
        {"error": {"message": f"Incorrect key {CANARY} in Bearer {CANARY}", "code": CANARY}},
    )
    seen = []
    for step in (echo(401), echo(403), echo(404), echo(400), echo(500), CANARY.encode()):
        with (
            FaultyServer([step] * 1000) as server,
            RunDirectory.open(tmp_path / str(len(seen)), settings={}, kind="x") as run,
        ):
            one = arm(server, retries=0)
            seen += [repr(one), str(one.settings()), str(one.model.usage())]
            try:
                seen.append(str(collect(one, PROMPTS, n=1, run=run).frame.to_dicts()))
                list(one.model.sample(requests(1), sampling=Sampling()))
            except ModelError as error:
                seen += [str(error), str(error.hint), "".join(traceback.format_exception(error))]
            try:
                discover(one.model)
            except ModelError as error:
                seen += [str(error), "".join(traceback.format_exception(error))]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not any(CANARY.encode() in path.read_bytes() for path in files)
    out = capsys.readouterr()
    assert CANARY not in "\n".join([*seen, caplog.text, out.out, out.err])


@pytest.mark.fault(33)
def test_fault_33_logins_in_urls_and_odd_keys_are_refused_without_showing_them(monkeypatch):
    for url in (f"https://me:{CANARY}@host/v1", f"https://{CANARY}@host/v1"):
        with pytest.raises(UsageError) as caught:
            endpoint_model(url, "m")
        assert CANARY not in str(caught.value)
    monkeypatch.setenv("OPENAI_API_KEY", f"{CANARY}\r\nX-Evil: 1")
    with FaultyServer() as server:
        with pytest.raises(UsageError) as caught:
            drawn(server)
        assert server.bodies == []
    assert CANARY not in str(caught.value)


@pytest.mark.fault(38)
def test_fault_38_without_a_key_a_server_elsewhere_is_not_asked(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    model = endpoint_model("https://example.invalid/v1", "m")
    with pytest.raises(Refused, match="OPENAI_API_KEY") as caught:
        list(model.sample(requests(1), sampling=Sampling()))
    assert "key_env=None" in caught.value.hint
    with FaultyServer() as server:  # this machine may do without
        drawn(server, n=1)
        assert "Authorization" not in server.heads[0]


@pytest.mark.fault(34)
@pytest.mark.parametrize(
    "url", ["", "host/v1", "ftp://host/v1", "http://", "http://host:x/", "http://a b/", "file:///x"]
)
def test_fault_34_urls_that_are_none_are_refused(url):
    with pytest.raises(UsageError, match="base URL"):
        endpoint_model(url, "m")


@pytest.mark.parametrize(
    "setting",
    [
        {"in_flight": 0}, {"per_request": 0}, {"top_logprobs": 21}, {"timeout": 0.0},
        {"retries": -1}, {"patience": float("inf")}, {"api": "images"}, {"prefill": "maybe"},
        {"entropies": "low"}, {"entropies": "high", "top_logprobs": 5}, {"tiers": "AE"},
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(setting):
    with pytest.raises(UsageError):
        endpoint_model("http://127.0.0.1:1/v1", "m", **setting)


@pytest.mark.fault(27)
def test_fault_27_what_shapes_a_draw_is_part_of_its_identity():
    base = {"base_url": "http://127.0.0.1:1/v1", "model": "m"}
    changed = [
        {}, {"base_url": "http://127.0.0.1:2/v1"}, {"extra": {"reasoning_effort": "low"}},
        {"top_logprobs": 5}, {"revision": "2026-11"}, {"prefill": "plain"}, {"api": "completions"},
    ]  # fmt: skip
    revisions = {endpoint_model(**(base | change)).revision for change in changed}
    assert len(revisions) == len(changed)
    assert endpoint_model(**base).revision == endpoint_model(**base, in_flight=9).revision


# Finding out what is offered.


def test_discover_finds_log_probabilities_n_and_the_other_call():
    with FaultyServer(models=("m", "other")) as server:
        offer = discover(opened(server))
    assert offer.tiers == {"A", "B", "C"}
    assert (offer.top_logprobs, offer.takes_n, offer.fingerprint) == (3, True, "fp-1")
    assert offer.models == ("m", "other")
    assert all(body["max_tokens"] == 1 for body in server.bodies)
    assert len(server.bodies) == 4


def test_discover_of_a_server_that_gives_text_and_no_more():
    def plain(body):
        if body.get("logprobs") or "prompt" in body:
            return (400, {}, {"error": {"message": "no"}})
        return answer(body, count=1)

    with FaultyServer([plain] * 20, models=404) as server:
        offer = discover(opened(server, tiers="ABC"))
        assert discover(opened(server, tiers="AB"), pay=False).tiers == {"A", "B"}
    assert offer.tiers == {"A", "C"}
    assert (offer.top_logprobs, offer.takes_n, offer.models) == (None, False, None)
    assert len(offer.notes) == 3


@pytest.mark.fault(6)
@pytest.mark.parametrize("status", [401, 403, 302])
def test_fault_06_discover_says_a_wrong_key_before_anything_is_paid(status):
    with FaultyServer(models=status) as server:
        with pytest.raises(Refused):
            discover(opened(server), pay=False)
        assert server.bodies == []


# Around it.


def test_a_caller_that_stops_stops_the_requests():
    before = threading.active_count()
    with FaultyServer([slow(0.05)] * 1000) as server:
        stream = opened(server, in_flight=2).sample(requests(500), sampling=Sampling())
        next(stream)
        stream.close()
        made = len(server.bodies)
        assert made < 500
        time.sleep(0.2)
        assert len(server.bodies) == made
    assert not [t for t in threading.enumerate() if t.name == "variegate-endpoint"]
    assert threading.active_count() <= before + 4


def test_it_runs_inside_a_running_loop():
    import asyncio

    async def notebook():
        with FaultyServer() as server:
            return drawn(server, n=2)

    assert (asyncio.run(notebook())["finish"] == "stop").all()


def test_a_proxy_of_the_environment_is_used_for_other_hosts_only(monkeypatch):
    with FaultyServer() as proxy, FaultyServer() as server:
        monkeypatch.setenv("http_proxy", f"http://me:pw@127.0.0.1:{proxy.port}")
        drawn(server, n=1)
        assert len(server.bodies) == 3
        assert proxy.bodies == []
        model = endpoint_model("http://model.invalid/v1", "m")
        say(model, ["Hi"], sampling=Sampling())
        assert proxy.heads[0]["Host"] == "model.invalid"
        assert proxy.heads[0]["Proxy-Authorization"].startswith("Basic ")


def test_an_endpoint_cannot_score():
    with pytest.raises(UsageError, match="cannot score"):
        endpoint_model("http://127.0.0.1:1/v1", "m").score("a", ["b"], sampling=Sampling())
