"""collect: every draw once, whatever fails or is killed in between."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import DataError, ModelError, Refused, UsageError
from variegate.models import Arm, FakeModel, Sampling, UniformModel, collect
from variegate.samples import Prompt, RunDirectory

PROMPTS = [Prompt(prompt=text, task=task) for task in "ab" for text in (f"{task}1", f"{task}2")]


def uniform(**options) -> UniformModel:
    return UniformModel(branching=50, length=8, **{"batch_size": 7, **options})


def arm(model=None, **options) -> Arm:
    return Arm(name="arm", model=model or uniform(), **options)


def opened(path) -> RunDirectory:
    return RunDirectory.open(path, settings={"n": 30}, kind="collect")


@pytest.mark.fault(1)
def test_fault_01_n_requests_give_n_draws_and_the_second_run_gives_the_same(tmp_path):
    model = uniform()
    with opened(tmp_path) as run:
        first = collect(arm(model), PROMPTS, n=30, run=run).frame
        made = model.draws
        second = collect(arm(model), PROMPTS, n=30, run=run).frame
    assert first.filter(pl.col("prompt") == "a1")["text"].n_unique() == 30
    assert first.equals(second)
    assert made == model.draws == 120


@pytest.mark.fault(1)
def test_fault_01_more_draws_keep_the_ones_that_are_there(tmp_path):
    with opened(tmp_path) as run:
        few = collect(arm(), PROMPTS, n=10, run=run).frame
        model = uniform()
        many = collect(arm(model), PROMPTS, n=30, run=run).frame
    assert model.draws == 80
    assert many.filter(pl.col("sample") < 10).equals(few)


@pytest.mark.fault(2)
def test_fault_02_a_temperature_left_open_is_null_and_no_zero():
    arms = [arm(sampling=Sampling(temperature=t)) for t in (None, 0.0, 1.0)]
    assert arms[0].settings()["sampling"]["temperature"] is None
    ids = {collect(one, PROMPTS, n=1).frame["sample_id"][0] for one in arms}
    assert len(ids) == 3
    coin = FakeModel(answers={"Coin?": {"heads": 0.5, "tails": 0.5}})
    default = arm(coin, sampling=Sampling(temperature=None))
    assert collect(default, [Prompt(prompt="Coin?")], n=40).frame["text"].n_unique() == 2


@pytest.mark.fault(3)
def test_fault_03_what_does_not_come_back_is_asked_for_again():
    whole = collect(arm(), PROMPTS, n=5).frame
    faulty = collect(arm(uniform(faults={0: None, 6: None, 13: None, 21: None})), PROMPTS, n=5)
    assert faulty.frame.equals(whole)


@pytest.mark.fault(3)
def test_fault_03_what_never_comes_back_is_counted_per_prompt():
    model = FakeModel(
        answers={p.prompt: {"x": 1.0} for p in PROMPTS}, faults=dict.fromkeys([0, *range(20, 30)])
    )
    frame = collect(arm(model), PROMPTS, n=5).frame
    assert frame.height == 20
    assert frame.filter(pl.col("finish") == "error")["prompt"].to_list() == ["a1"]
    assert frame.filter(pl.col("finish") == "error")["text"].to_list() == [""]


@pytest.mark.fault(5)
def test_fault_05_an_error_that_may_pass_costs_no_draw():
    faults = {3: ModelError("reset"), 11: ModelError("500")}
    assert collect(arm(uniform(faults=faults)), PROMPTS, n=5).frame.equals(
        collect(arm(), PROMPTS, n=5).frame
    )


@pytest.mark.fault(5)
def test_fault_05_after_three_rounds_draws_are_failed_rows_and_a_later_run_repairs_them(tmp_path):
    down = uniform(faults=dict.fromkeys(range(9, 1000), ModelError("down")))
    with opened(tmp_path) as run:
        frame = collect(arm(down), PROMPTS, n=5, run=run).frame
        assert (frame["finish"] == "error").sum() == 13
        assert frame["logprob"].null_count() == 13
        later = collect(arm(), PROMPTS, n=5, run=run).frame
        assert run.samples().frame.height == 20
    assert later.equals(collect(arm(), PROMPTS, n=5).frame)


@pytest.mark.fault(6)
def test_fault_06_a_refusal_stops_at_once_and_keeps_what_came(tmp_path):
    model = uniform(faults={14: Refused("wrong key")})
    with opened(tmp_path) as run:
        with pytest.raises(Refused):
            collect(arm(model), PROMPTS, n=5, run=run)
        assert run.samples().frame.height == 14
    assert model.draws == 15


@pytest.mark.fault(24)
@settings(deadline=None, max_examples=25)
@given(st.integers(0, 19), st.integers(1, 9))
def test_fault_24_stopped_at_any_draw_the_run_ends_like_one_that_was_not(
    tmp_path_factory, at, batch_size
):
    class Killed(BaseException):
        pass

    class Dies(UniformModel):
        def _draw(self, request, sampling):
            if self.draws > at:
                raise Killed
            return super()._draw(request, sampling)

    path = tmp_path_factory.mktemp("run")
    with opened(path) as run, pytest.raises(Killed):
        collect(arm(Dies(branching=50, length=8, batch_size=batch_size)), PROMPTS, n=5, run=run)
    model = uniform(batch_size=batch_size)
    with opened(path) as run:
        kept = run.samples().frame.height
        assert kept == at // batch_size * batch_size
        resumed = collect(arm(model), PROMPTS, n=5, run=run).frame
    assert model.draws == 20 - kept
    assert resumed.equals(collect(arm(), PROMPTS, n=5).frame)


def test_two_arms_that_ask_the_same_share_their_draws_under_their_own_names(tmp_path):
    with opened(tmp_path) as run:
        one = collect(arm(), PROMPTS, n=3, run=run).frame
        other = collect(Arm(name="other", model=uniform()), PROMPTS, n=3, run=run).frame
    assert set(other["arm"]) == {"other"}
    assert other.drop("arm").equals(one.drop("arm"))


def test_another_seed_gives_other_draws_and_rows_come_in_order():
    a, b = (collect(arm(), PROMPTS, n=4, seed=seed).frame for seed in (0, 1))
    assert not set(a["text"]) & set(b["text"])
    assert a["prompt"].to_list() == [p.prompt for p in PROMPTS for _ in range(4)]
    assert a["sample"].to_list() == [0, 1, 2, 3] * 4
    assert a["iid"].all()


def test_prompts_that_would_share_their_draws_are_refused():
    with pytest.raises(DataError, match="'x' and 'y'"):
        collect(arm(), [Prompt(prompt="p", prompt_id="x"), Prompt(prompt="p", prompt_id="y")], n=1)
    with pytest.raises(DataError, match="'x' and 'x'"):
        collect(arm(), [Prompt(prompt="p", prompt_id="x"), Prompt(prompt="q", prompt_id="x")], n=1)
    with pytest.raises(UsageError, match="n >= 1"):
        collect(arm(), PROMPTS, n=0)


def test_progress_tells_what_is_there_and_what_is_wanted():
    told = []
    collect(arm(), PROMPTS, n=5, progress=lambda done, wanted: told.append((done, wanted)))
    assert told == [(0, 20), (7, 20), (14, 20), (20, 20)]


def test_a_format_the_model_does_not_know_is_refused():
    with pytest.raises(UsageError, match="it knows raw"):
        arm(format="chat")
