"""What holds for every way of asking: rows, cost, identity, and what goes wrong."""

from __future__ import annotations

import json
import logging

import numpy as np
import polars as pl
import pytest

from variegate.errors import DataError, ModelError, Refused, UnknownName, UsageError
from variegate.models import Arm, FakeModel, Sampling, UniformModel, collect
from variegate.prompting import SimulatedChat, asking, asking_tiers
from variegate.samples import Prompt, RunDirectory

WAYS = list(asking_tiers())
PROMPTS = [Prompt(prompt="The {fruit} comes from {place}."),
           Prompt(prompt="Is {fruit} eaten in {place}?")]  # fmt: skip


def arm(model, **settings) -> Arm:
    return Arm(name="arm", model=model, format="chat", sampling=Sampling(**settings))


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("n", [1, 7])
def test_there_are_n_rows_a_prompt_with_unique_names_and_settings_json_can_hold(
    name, n, obliging, way
):
    asked = way(name)
    rows = asked.collect(arm(obliging), PROMPTS, n=n).frame
    assert rows["prompt"].to_list() == [p.prompt for p in PROMPTS for _ in range(n)]
    assert rows["sample"].to_list() == [*range(n)] * 2
    assert rows["sample_id"].n_unique() == 2 * n
    assert (rows["finish"] != "error").all()
    assert json.loads(json.dumps(asked.settings()))["asking"] == name
    assert asked.tier in "ABCDEF"


@pytest.mark.parametrize("name", [name for name in WAYS if name != "direct"])
def test_the_cost_of_the_rows_is_all_that_was_read_and_written(name, obliging, way):
    rows = way(name).collect(arm(obliging), PROMPTS[:1], n=6).frame
    assert rows["cost"].sum() == pytest.approx(obliging.tokens)
    assert (rows["cost"] > 0).all()


@pytest.mark.parametrize("name", WAYS)
def test_equal_seeds_give_equal_sets_whoever_else_is_asked(name, obliging, way):
    asked = way(name)
    both = asked.collect(arm(obliging), PROMPTS, n=4, seed=3).frame
    alone = asked.collect(arm(obliging), PROMPTS[1:], n=4, seed=3).frame
    assert both[4:]["text"].to_list() == alone["text"].to_list()
    assert both[4:]["sample_id"].to_list() == alone["sample_id"].to_list()
    other = asked.collect(arm(obliging), PROMPTS[1:], n=4, seed=4).frame
    assert set(alone["sample_id"]).isdisjoint(other["sample_id"])


@pytest.mark.parametrize("name", WAYS)
def test_only_independent_draws_say_they_are(name, obliging, way):
    rows = way(name).collect(arm(obliging), PROMPTS, n=4).frame
    assert rows["iid"].to_list() == [name == "direct"] * 8


@pytest.mark.parametrize("name", WAYS)
def test_a_run_goes_on_where_it_stopped_and_asks_for_nothing_twice(name, obliging, way, tmp_path):
    asked = way(name)
    whole = asked.collect(arm(obliging), PROMPTS, n=3).frame
    with RunDirectory.open(tmp_path, settings=asked.settings(), kind="ask") as run:
        asked.collect(arm(obliging), PROMPTS[:1], n=3, run=run)
        before = obliging.calls
        told: list[tuple[int, int]] = []
        again = asked.collect(
            arm(obliging), PROMPTS, n=3, run=run, progress=lambda *counts: told.append(counts)
        ).frame
        assert obliging.calls > before
        assert again.drop("token_ids").equals(whole.drop("token_ids"))
        first = obliging.calls
        asked.collect(arm(obliging), PROMPTS, n=3, run=run)
        assert obliging.calls == first
    assert told[0] == (3, 6)
    assert told[-1] == (6, 6)


class Cached(SimulatedChat):
    """A cache in front of a model: by the key of the request, index and all."""

    def __init__(self, rule):
        super().__init__(rule)
        self.kept = {}

    def sample(self, requests, *, sampling):
        missing = [r for r in requests if r.key not in self.kept]
        for batch in super().sample(missing, sampling=sampling):
            self.kept |= {c.key: c for c in batch}
        yield [self.kept[r.key] for r in requests]


@pytest.mark.fault(1)
@pytest.mark.parametrize("name", WAYS)
def test_fault_01_through_a_cache_n_answers_are_n_draws_and_a_second_run_has_the_same(
    name, way, obliging
):
    model = Cached(obliging.rule)
    first = way(name).collect(arm(model), PROMPTS, n=6).frame
    calls = model.calls
    second = way(name).collect(arm(model), PROMPTS, n=6).frame
    assert model.calls == calls
    assert second["text"].to_list() == first["text"].to_list()


@pytest.mark.fault(1)
def test_fault_01_thirty_equal_calls_are_thirty_draws():
    uniform = UniformModel(branching=10, length=9)
    from variegate.prompting import ByApproach, Direct, WithFacts

    for way in (
        Direct(instruction="Go on."),
        ByApproach(approaches=("thinking",)),
        WithFacts(lookup=lambda _: "None."),
    ):
        rows = way.collect(Arm(name="a", model=uniform), [Prompt(prompt="x")], n=30).frame
        assert rows["text"].n_unique() == 30
        assert rows["iid"].all()


@pytest.mark.fault(2)
def test_fault_02_a_temperature_left_to_the_provider_is_left_there_in_planning_too(obliging, way):
    seen = []

    class Watched(SimulatedChat):
        def sample(self, requests, *, sampling):
            seen.append(sampling.temperature)
            return super().sample(requests, sampling=sampling)

    model = Watched(obliging.rule)
    way("stratified").collect(arm(model, temperature=None), PROMPTS[:1], n=2)
    assert set(seen) == {None}
    seen.clear()
    way("stratified").collect(arm(model, temperature=1.0), PROMPTS[:1], n=2)
    assert set(seen) == {0.5, 0.2, 1.0}


@pytest.mark.fault(3)
@pytest.mark.parametrize("name", ["verbalized", "sequence"])
def test_fault_03_missing_answers_are_asked_for_again_and_what_stays_away_is_marked(name):
    def two(heard, rng):
        return json.dumps({"responses": [f"a{rng.integers(10**6)}", f"b{rng.integers(10**6)}"]})

    rows = asking(name, per_call=5).collect(arm(SimulatedChat(two)), PROMPTS[:1], n=5).frame
    assert rows["finish"].to_list() == ["stop"] * 5  # 2 + 2 + 1
    assert rows["call"].n_unique() == 3

    def one(heard, rng):
        return '{"responses": ["only one"]}'

    rows = asking(name, per_call=9).collect(arm(SimulatedChat(one)), PROMPTS[:1], n=9).frame
    assert rows["finish"].to_list() == ["stop"] * 3 + ["error"] * 6


@pytest.mark.fault(3)
@pytest.mark.parametrize("name", WAYS)
def test_fault_03_lost_calls_leave_rows_that_are_counted_and_not_kept(
    name, obliging, way, tmp_path
):
    def silent(heard, rng):
        return None

    with RunDirectory.open(tmp_path, settings={}, kind="ask") as run:
        rows = way(name).collect(arm(SimulatedChat(silent)), PROMPTS, n=3, run=run).frame
        assert rows["finish"].to_list() == ["error"] * 6
        assert len(run.samples()) == 0
        rows = way(name).collect(arm(obliging), PROMPTS, n=3, run=run).frame
        assert (rows["finish"] != "error").all()


@pytest.mark.fault(5)
@pytest.mark.fault(6)
@pytest.mark.parametrize("name", WAYS)
def test_fault_06_a_refusal_for_good_stops_at_once_and_keeps_what_was_done(
    name, obliging, way, tmp_path
):
    class Broke(SimulatedChat):
        def sample(self, requests, *, sampling):
            if any("eaten" in r.rendered for r in requests):
                raise Refused("Quota used up.")
            return super().sample(requests, sampling=sampling)

    asked = way(name)
    with RunDirectory.open(tmp_path, settings={}, kind="ask") as run:
        asked.collect(arm(Broke(obliging.rule)), PROMPTS[:1], n=2, run=run)
        with pytest.raises(Refused):
            asked.collect(arm(Broke(obliging.rule)), PROMPTS, n=2, run=run)
        assert len(run.samples()) == 2


@pytest.mark.fault(7)
@pytest.mark.parametrize("finish", ["filter", "empty", "length"])
@pytest.mark.parametrize("name", [n for n in WAYS if n not in ("particles", "tree")])
def test_fault_07_a_refused_empty_or_cut_reply_is_never_passed_off_as_an_answer(
    name, finish, obliging, way
):
    """The plan comes as asked; every reply after it is refused, empty or cut."""
    from dataclasses import replace

    text = {"filter": "I cannot help.", "empty": "", "length": "Sorry but"}[finish]

    class Ends(SimulatedChat):
        def _completion(self, request, text_, sampling):
            done = super()._completion(request, text_, sampling)
            return replace(done, text=text, finish=finish)

    rows = way(name).collect(arm(Ends(obliging.rule)), PROMPTS[:1], n=3).frame
    assert rows.height == 3
    assert set(rows["finish"]) <= {finish, "error"}
    if finish != "length":  # a reply that is cut off in a list of answers could not be read
        assert set(rows["finish"]) == {finish}


NONSENSE = ["", "lorem ipsum dolor", "{]", "[[[{", "yes no yes", "1.", "{'a': }", "\ud800 <x>", "0"]


@pytest.mark.fault(35)
@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("nonsense", NONSENSE)
def test_fault_35_nonsense_from_the_model_ends_in_rows_that_are_all_there(name, nonsense, way):
    if name == "direct" and "\ud800" in nonsense:
        pytest.skip("the rows are those of models.collect")
    rows = way(name).collect(arm(SimulatedChat(lambda heard, rng: nonsense)), PROMPTS, n=4).frame
    assert rows.height == 8
    assert set(rows["finish"]) <= {"stop", "empty", "error", "length"}
    unread = rows.filter(pl.col("finish") == "error")
    assert (unread["text"] == "").all()


PLANNED = ["stratified", "by-approach", "plan-search", "roles", "long-tail", "with-facts",
           "view-by-view"]  # fmt: skip


@pytest.mark.fault(35)
@pytest.mark.parametrize("name", PLANNED)
def test_fault_35_a_planner_that_answers_nonsense_marks_its_rows_and_the_others_go_on(
    name, obliging, way, caplog
):
    def half(heard, rng):
        planning = any(
            word in heard
            for word in ("yes-or-no properties", "different approaches", "JSON list of strings",
                         "different backgrounds", "different values", "What is known",
                         '"view"')
        )  # fmt: skip
        silent = "" if name == "with-facts" else "I had rather talk about the weather."
        return silent if planning and "eaten" in heard else obliging.rule(heard, rng)

    with caplog.at_level(logging.WARNING, "variegate.prompting"):
        rows = way(name).collect(arm(SimulatedChat(half)), PROMPTS, n=4).frame
    good, bad = rows[:4], rows[4:]
    assert (good["finish"] == "stop").all()
    marked = bad[1:] if name == "view-by-view" else bad  # its first answer needs no plan
    assert set(marked["finish"]) == ({"empty"} if name == "with-facts" else {"error"})
    if name != "with-facts":
        assert set(marked["reasoning"]) == {"I had rather talk about the weather."}
        assert f"{name}: {marked.height} of 8 answers could not be had" in caplog.text


@pytest.mark.parametrize("name", [n for n, tier in asking_tiers().items() if tier == "D"])
def test_a_model_without_what_a_way_needs_is_refused_before_anything_is_drawn(name, obliging, way):
    plain = SimulatedChat(obliging.rule, tiers=frozenset("A"))
    with pytest.raises(UsageError, match=f"{name} needs tier D"):
        way(name).collect(arm(plain), PROMPTS, n=2)
    assert plain.calls == 0


@pytest.mark.parametrize("name", WAYS)
def test_bad_arguments_are_refused(name, obliging, way):
    with pytest.raises(UsageError, match="n >= 1"):
        way(name).collect(arm(obliging), PROMPTS, n=0)
    with pytest.raises(DataError):
        way(name).collect(arm(obliging), [PROMPTS[0], PROMPTS[0]], n=1)
    assert way(name).collect(arm(obliging), [], n=1).frame.height == 0


def test_names_are_found_and_wrong_ones_refused_with_the_nearest():
    assert asking("roles", roles=["a baker"]).settings()["roles"] == ["a baker"]
    with pytest.raises(UnknownName, match="way of asking 'verbal'"):
        asking("verbal")
    with pytest.raises(UnknownName, match="setting of 'roles'"):
        asking("roles", role=["a baker"])
    with pytest.raises(UsageError, match="openings"):
        asking("openings")
    with pytest.raises(UnknownName, match="wording"):
        asking("verbalized", wording="loud")


def test_direct_is_collect():
    one = Arm(name="a", model=UniformModel(branching=9, length=5))
    assert (
        asking("direct")
        .collect(one, [Prompt(prompt="x")], n=4)
        .frame.equals(collect(one, [Prompt(prompt="x")], n=4).frame)
    )


def test_what_fails_in_passing_is_made_up_for():
    answers = {"x\n\nGo.": {"a": 0.5, "b": 0.5}}
    shaky = FakeModel(answers=answers, batch_size=1, faults={0: ModelError("Gone."), 3: None})
    rows = asking("direct", instruction="Go.").collect(
        Arm(name="a", model=shaky), [Prompt(prompt="x")], n=6
    )
    steady = asking("direct", instruction="Go.").collect(
        Arm(name="a", model=FakeModel(answers=answers)), [Prompt(prompt="x")], n=6
    )
    assert rows.frame["text"].to_list() == steady.frame["text"].to_list()
    assert np.all(rows.frame["iid"].to_numpy())
