"""ARMS.toml: what it may say, what it expands to, and how it says what is wrong."""

import re
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from variegate.errors import DataError, NotComparable, UsageError
from variegate.fronts import Arms, at_equal_cost, front
from variegate.lab import evaluation_prompts
from variegate.models import UniformModel
from variegate.samples import Samples

WHOLE = """\
name = "small"
model = "lab:base"
prompts = "lab"
variety = "gini_simpson"

[sampling]
max_tokens = 8

[[methods]]
name = "temperature"
[methods.sampling]
temperature = [0.5, 1.0]

[[methods]]
name = "top-h"
rules = [{ name = "top_h", alpha = [0.2, 0.4] }]
[methods.sampling]
temperature = [1.0, 1.5]

[[methods]]
name = "verbalized"
asking = { name = "verbalized", per_call = 4 }
"""


def written(tmp_path, text):
    path = tmp_path / "ARMS.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_lists_are_swept_and_defaults_are_inherited(tmp_path):
    arms = Arms.read(written(tmp_path, WHOLE))
    assert [setting.arm for setting in arms.settings] == [
        "temperature (temperature 0.5)",
        "temperature (temperature 1)",
        "top-h (temperature 1, alpha 0.2)",
        "top-h (temperature 1, alpha 0.4)",
        "top-h (temperature 1.5, alpha 0.2)",
        "top-h (temperature 1.5, alpha 0.4)",
        "verbalized",
    ]
    assert all(setting.draw().max_tokens == 8 for setting in arms.settings)
    assert arms.settings[3].rules == (("top_h", {"alpha": 0.4}),)
    assert arms.settings[-1].asking == ("verbalized", {"per_call": 4})
    assert arms.method("top-h").model.name == "base"
    assert arms.prompts.is_file()
    assert arms.baseline_method == "temperature"


def test_the_example_in_the_reference_is_an_arms_file(tmp_path):
    page = Path(__file__).parents[2] / "docs" / "reference" / "fronts.md"
    example = re.search(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)[1]
    arms = Arms.read(written(tmp_path, example))
    grids = Counter(setting.method for setting in arms.settings)
    assert grids == {"temperature": 3, "min-p": 4, "top-h": 2, "verbalized": 2, "spread": 2}


def test_a_list_of_lists_sweeps_lists():
    arms = Arms(
        model=UniformModel(branching=2, length=1),
        prompts=(),
        methods=[
            {"name": "one", "sampling": {"stop": ["a", "b"]}},
            {"name": "two", "sampling": {"stop": [["a"], ["b", "c"]]}},
        ],
    )
    assert [s.draw().stop for s in arms.settings] == [("a", "b"), ("a",), ("b", "c")]


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ('variety = "gini', 'varity = "gini', 4, "unknown key; did you mean 'variety'"),
        ("asking =", "askin =", 22, "methods[2].askin: unknown key; did you mean 'asking'"),
        ("temperature = [0.5", "temprature = [0.5", 12, "sampling.temprature: unknown key; did"),
        ("max_tokens = 8", "max_token = 8", 7, "sampling.max_token: unknown key; did you mean"),
        ('"lab:base"', '"lab:bass"', 2, "the lab has no stage 'bass'; did you mean 'base'"),
        ('name = "top-h"', 'name = "temperature"', 15, "two methods are named 'temperature'"),
        ('name = "small"', 'baseline = "temp"', 1, "no method is named 'temp'"),
        ("[0.5, 1.0]", "[0.5, -1.0]", None, "Expected temperature >= 0, got -1.0"),
        ("[0.5, 1.0]", "[1.0, 1.0]", None, "two arms are named 'temperature (temperature 1)'"),
        ('{ name = "top_h", ', "{ ", 16, "expected a table with a 'name'"),
        ('model = "lab:base"\n', "", None, "expected 'model' or 'samples', found neither"),
        ('prompts = "lab"\n', "", None, "expected 'prompts', since a method has a model to ask"),
        ("[[methods]]", "[[methods", 10, "not TOML"),
    ],
)
def test_mistakes_name_the_line_and_what_was_meant(tmp_path, old, new, line, words):
    assert old in WHOLE
    path = written(tmp_path, WHOLE.replace(old, new, 1))
    with pytest.raises(DataError) as caught:
        Arms.read(path)
    said = str(caught.value).replace("expected temperature", "Expected temperature")
    assert words in said
    if line and "not TOML" not in words:
        assert f"ARMS.toml:{line}:" in said
    assert "ARMS.toml" in caught.value.hint


def test_saved_outputs_take_no_settings():
    said = Samples.from_rows([{"text": "a"}])
    with pytest.raises(ValidationError, match="cannot be drawn again: leave out sampling"):
        Arms(methods=[{"name": "a", "samples": said, "sampling": {"temperature": 1.0}}])
    with pytest.raises(ValidationError, match="found both"):
        Arms(methods=[{"name": "a", "samples": said, "model": said}])


# --- equal cost


def said(arm, tokens, *, prompts="pq", n=6, **more):
    return [
        {"arm": arm, "prompt_id": p, "text": f"{i}", "sample": i, "prompt_tokens": 1,
         "completion_tokens": tokens - 1, **more}
        for p in prompts for i in range(n)
    ]  # fmt: skip


def outputs(spent):
    return {(arm, p): n for arm, _, p, _, n in spent.cost.iter_rows()}


def test_the_cheapest_arm_sets_the_budget_prompt_by_prompt():
    spent = at_equal_cost(Samples.from_rows([*said("a", 5), *said("b", 10), *said("c", 29)]))
    assert spent.budget == 30
    assert outputs(spent)["a", "p"] == 6
    assert outputs(spent)["b", "q"] == 3
    assert outputs(spent)["c", "p"] == 1
    assert spent.samples.frame.filter(arm="b")["sample"].to_list() == [0, 1, 2] * 2
    assert (spent.cost["cost"] <= 30).all()


def test_a_given_budget_is_kept_and_who_has_too_little_or_too_dear_is_said():
    spent = at_equal_cost(Samples.from_rows([*said("a", 5), *said("b", 70)]), budget=60)
    assert outputs(spent) == {("a", "p"): 6, ("a", "q"): 6, ("b", "p"): 0, ("b", "q"): 0}
    assert {c.kind: c.where for c in spent.cautions} == {"unspent": "a", "unpaid": "b"}


def test_a_call_is_paid_whole_or_not_at_all():
    rows = said("set", 4, n=6)
    for row in rows:
        row["call"] = f"{row['prompt_id']}{row['sample'] // 3}"
    spent = at_equal_cost(Samples.from_rows([*rows, *said("one", 4, n=5)]))
    assert outputs(spent)["set", "p"] == 3  # 12 of 20 tokens; another call would make 24
    assert outputs(spent)["one", "p"] == 5
    calls = at_equal_cost(Samples.from_rows([*rows, *said("one", 400, n=9)]), cost="calls")
    assert calls.budget == 2
    assert outputs(calls) == {("set", "p"): 6, ("set", "q"): 6, ("one", "p"): 2, ("one", "q"): 2}


def test_the_column_cost_goes_before_the_tokens_and_planning_is_paid():
    spent = at_equal_cost(Samples.from_rows([*said("plan", 5, cost=20.0), *said("plain", 5)]))
    assert outputs(spent)["plan", "p"] == 1
    assert outputs(spent)["plain", "p"] == 6


def test_failed_draws_are_no_outputs_but_what_they_cost_counts():
    rows = said("a", 5)
    for row in rows[:6]:
        row["finish"] = "error" if row["sample"] < 2 else "stop"
    spent = at_equal_cost(Samples.from_rows([*rows, *said("b", 5)]))
    assert outputs(spent)["a", "p"] == 4
    assert spent.cost.filter(arm="a", prompt_id="p")["cost"].item() == 30


def test_seconds_come_from_the_clock_and_unknown_costs_are_refused():
    both = Samples.from_rows([*said("slow", 5), *said("fast", 5)])
    spent = at_equal_cost(both, cost="seconds", seconds={"slow": 24.0, "fast": 12.0})
    assert outputs(spent)["slow", "p"] == 3
    with pytest.raises(NotComparable, match="cost in seconds of 'fast'"):
        at_equal_cost(both, cost="seconds", seconds={"slow": 1.0})
    bare = Samples.from_rows({"arm": a, "prompt_id": "p", "text": "x"} for a in "ab")
    with pytest.raises(NotComparable, match="a column cost") as caught:
        at_equal_cost(bare)
    assert "calls" in caught.value.hint


def test_only_prompts_that_all_answered_are_compared():
    spent = at_equal_cost(Samples.from_rows([*said("a", 5, prompts="pqr"), *said("b", 5)]))
    assert set(spent.cost["prompt_id"]) == {"p", "q"}
    assert [c.kind for c in spent.cautions] == ["prompts"]
    with pytest.raises(NotComparable, match="found none"):
        at_equal_cost(Samples.from_rows([*said("a", 5, prompts="x"), *said("b", 5)]))


TWO = """
name = "two"
prompts = "lab"
model = "lab:instruct-rl"
samples_per_prompt = 4
variety = "gini_simpson"
sampling = { max_tokens = 8 }
[[methods]]
name = "temperature"
[[methods]]
name = "lattice"
sampler = { name = "arithmetic", spacing = ["1/n", "1/(n+1)"] }
[[methods]]
name = "hand-off"
beside = "lab:base"
beside_format = "raw"
together = { name = "hand_off", after = [1, 2] }
[[methods]]
name = "amateur"
beside_prompt = ""
together = { name = "contrast", beta = 0.3 }
"""


def test_samplers_and_second_contexts_are_settings_like_others(tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "ARMS.toml"
    path.write_text(TWO)
    arms = Arms.read(path)
    assert [s.arm for s in arms.settings] == [
        "temperature",
        "lattice (spacing 1/n)",
        "lattice (spacing 1/(n+1))",
        "hand-off (after 1)",
        "hand-off (after 2)",
        "amateur",
    ]
    few = [p for p in evaluation_prompts() if p.task == "lists"][:4]
    found = front(arms, prompts=few, resamples=50)
    assert found.refused.is_empty()
    said = found.samples.frame
    lattice = said.filter(pl.col("arm").str.starts_with("lattice"))
    assert not lattice["iid"].any()
    assert said.filter(arm="hand-off (after 1)")["cost"].null_count() == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('sampler = "arithmetics"', "arithmetic"),
        ('together = "handoff"', "handoff"),
        ('together = { name = "hand_off", before = 2 }', "before"),
    ],
)
def test_names_and_settings_of_samplers_that_nobody_knows_are_told(tmp_path, line, words):
    pytest.importorskip("torch")
    path = tmp_path / "ARMS.toml"
    path.write_text(
        TWO.replace('sampler = { name = "arithmetic", spacing = ["1/n", "1/(n+1)"] }', line)
    )
    with pytest.raises(UsageError, match=words):
        front(path, prompts=[p for p in evaluation_prompts() if p.task == "lists"][:2])


def test_an_endpoint_is_named_by_its_address_and_its_model(tmp_path):
    path = tmp_path / "ARMS.toml"
    path.write_text(TWO.replace('"lab:base"', '"http://127.0.0.1:9/v1#tiny"'))
    assert Arms.read(path).method("hand-off").beside.name == "tiny"
    path.write_text(TWO.replace('"lab:base"', '"http://127.0.0.1:9/v1"'))
    with pytest.raises(DataError, match="URL#NAME"):
        Arms.read(path)


@pytest.mark.fault(38)
def test_fault_38_what_an_endpoint_cannot_give_is_refused_before_any_draw(tmp_path):
    path = tmp_path / "ARMS.toml"
    path.write_text(
        TWO.replace('name = "lattice"', 'name = "lattice"\nmodel = "http://127.0.0.1:9/v1#tiny"')
    )
    found = front(
        path, prompts=[p for p in evaluation_prompts() if p.task == "lists"][:4], resamples=50
    )
    assert found.refused.filter(method="lattice")["reason"].str.contains("tier E").all()
