"""A whole trace, of fakes whose every probability is known."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from types import SimpleNamespace

import polars as pl
import pytest

from variegate.errors import DataError, NotComparable, Refused, RunConflict, UnknownName, UsageError
from variegate.lineage import Lineage, StageInfo, load_trace, trace
from variegate.models import FakeModel
from variegate.samples import Prompt, Samples

TABLES = (
    "levels", "per_prompt", "losses", "retained", "decomposition", "formats", "positions",
    "layers", "exact",
)  # fmt: skip
PROMPTS = tuple(
    Prompt(
        prompt=f"{task} {i}",
        prompt_id=f"{task}{i}",
        task=task,
        verifier="one_of",
        target=["k", "l", "m", "n"],
    )
    for task in ("lists", "sums")
    for i in range(12)
)


@dataclass(kw_only=True)
class Templated(FakeModel):
    """A fake with a chat template and a reasoning block; the answers may know of them."""

    def formats(self):
        return ("raw", "chat", "empty-reasoning")

    def render(self, prompt, *, format):
        return prompt if f"{format}: {prompt}" not in self.answers else f"{format}: {prompt}"


def model(table, *, of=FakeModel, name="fake", **formats):
    answers = {prompt.prompt: table for prompt in PROMPTS}
    for format, other in formats.items():
        key = format.replace("_", "-")
        answers |= {f"{key}: {prompt.prompt}": other for prompt in PROMPTS}
    return of(name=name, revision=str(sorted(answers.items())), answers=answers)


WIDE = {"k": 0.15, "l": 0.15, "m": 0.15, "n": 0.15, "x": 0.1, "y": 0.1, "z": 0.1, "w": 0.1}
RIGHT = {"k": 0.25, "l": 0.25, "m": 0.25, "n": 0.25}
NARROW = {"k": 0.85, "l": 0.05, "m": 0.05, "n": 0.05}


def lineage(*stages, **settings):
    names = ["base", "sft", "dpo", "rl"]
    return Lineage(
        **{
            "name": "fakes",
            "metric": "gini_simpson",
            "distance": "answer",
            "prompts": PROMPTS,
            "samples_per_prompt": 16,
            "metrics": ("gini_simpson", "accuracy", "distinct_at_k"),
            **settings,
        },
        stages=[
            {"name": name, "parent": parent, "model": fake}
            for name, parent, fake in zip(names, [None, *names], stages, strict=False)
        ],
    )


def row(frame, **where):
    found = frame.filter(**where)
    assert found.height == 1, (where, found)
    return found.row(0, named=True)


@pytest.fixture(scope="module")
def traced():
    return trace(lineage(model(WIDE), model(RIGHT), model(NARROW)), resamples=500)


def test_levels_are_those_of_the_models(traced):
    for stage, fake in (("base", model(WIDE)), ("sft", model(RIGHT)), ("dpo", model(NARROW))):
        found = row(traced.levels, stage=stage, task="all", metric="gini_simpson")
        assert found["value"] == pytest.approx(fake.gini_simpson("lists 0"), abs=0.06)
        assert found["low"] < found["value"] < found["high"]
        assert found["n_prompts"] == len(PROMPTS)


def test_losses_along_the_line_and_100_add_up_to_what_is_retained(traced):
    for task in ("lists", "sums", "mean of ratios", "ratio of means"):
        where = {"task": task, "metric": "gini_simpson"}
        steps = [row(traced.losses, stage=stage, **where)["percent"] for stage in ("sft", "dpo")]
        kept = row(traced.retained, stage="dpo", **where)["percent"]
        assert 100 + sum(steps) == pytest.approx(kept, abs=1e-9)


def test_only_wrong_answers_went_and_nothing_narrowed(traced):
    narrowing = row(traced.decomposition, stage="sft", task="all", part="narrowing_share")
    assert narrowing["low"] <= 0 <= narrowing["high"]
    total = row(traced.decomposition, stage="sft", task="all", part="total")
    assert total["low"] > 0


def test_only_narrowing_and_no_wrong_answers():
    found = trace(lineage(model(RIGHT), model(NARROW)), resamples=200).decomposition
    assert row(found, stage="sft", task="all", part="accuracy_share")["value"] == pytest.approx(0)
    assert row(found, stage="sft", task="all", part="narrowing_share")["value"] == pytest.approx(1)
    assert row(found, stage="sft", task="all", part="total")["n_matched"] == len(PROMPTS)


def test_the_headline_is_made_of_the_numbers(traced):
    kept = row(traced.retained, stage="dpo", task="mean of ratios", metric="gini_simpson")
    assert f"{kept['percent']:.0f}% [{kept['low']:.0f}, {kept['high']:.0f}]" in traced.headline[0]
    assert 2 <= len(traced.headline) <= 4


def test_format_steps_sum_to_the_level_of_the_stage():
    tuned = model(RIGHT, of=Templated, chat=NARROW, empty_reasoning=WIDE)
    found = trace(lineage(model(WIDE), tuned), resamples=200).formats
    assert found["step"].unique(maintain_order=True).to_list() == [
        "base", "tuning", "template", "reasoning", "stage",
    ]  # fmt: skip
    wide = found.drop("stage").pivot(on="step", index=["task", "metric"], values="value")
    assert wide.height == 3 * 3
    for base, tuning, template, reasoning, stage in wide.select(
        "base", "tuning", "template", "reasoning", "stage"
    ).iter_rows():
        assert base + tuning + template + reasoning == pytest.approx(stage, abs=1e-12)
    template = row(found, task="all", metric="gini_simpson", step="template")
    assert template["low"] <= template["value"] <= template["high"]
    assert template["value"] == pytest.approx(0.87 - 0.75, abs=0.06)


def test_a_template_that_changes_nothing_makes_no_difference_at_all(tmp_path):
    same = model(NARROW, of=Templated)
    for out in (None, tmp_path / "run"):
        found = trace(lineage(model(WIDE), same), out=out, resamples=200).formats
        nothing = found.filter(pl.col("step").is_in(["template", "reasoning"]))
        assert nothing.select("value", "low", "high").unique().rows() == [(0.0, 0.0, 0.0)]


def test_a_stage_asked_raw_needs_no_other_arm_and_owes_all_to_its_weights(traced):
    steps = traced.formats.filter(task="all", metric="gini_simpson", stage="dpo")
    base, tuning, template, reasoning, stage = steps["value"]
    assert (template, reasoning) == (0, 0)
    assert base + tuning == pytest.approx(stage)
    assert traced.samples.frame["arm"].unique().sort().to_list() == ["base", "dpo", "sft"]


def test_formats_can_be_left_out():
    tuned = model(RIGHT, of=Templated, chat=NARROW)
    assert trace(lineage(model(WIDE), tuned, formats=False), resamples=50).formats.is_empty()


def test_position_0_branches_as_the_model_does(traced):
    found = row(traced.positions, stage="sft", task="all", position=0)
    assert found["branching"] == pytest.approx(4)
    assert found["n"] == len(PROMPTS) * 16


@dataclass(kw_only=True)
class Thinking(FakeModel):
    """A fake that writes three tokens: a thought, the closing tag, and its answer."""

    tag: tuple[int, ...] = (9,)

    @property
    def tokenizer(self):
        def encode(text, *, add_special_tokens):
            assert (text, add_special_tokens) == ("</think>", False)
            return {"input_ids": list(self.tag)}

        def decode(ids):
            return "".join({7: "</th", 8: "ink>", 9: "</think>"}.get(token, "?") for token in ids)

        encode.decode = decode
        return encode

    def _draw(self, request, sampling):
        tokens = (3, *self.tag, 1)
        return replace(
            super()._draw(request, sampling),
            reasoning="hm",
            token_ids=tokens,
            token_logprobs=(0.0,) * len(tokens),
            token_entropies=(*[2.0] * (len(tokens) - 1), math.log(3)),
        )


@pytest.mark.parametrize("tag", [(9,), (7, 8)])
def test_positions_count_from_the_answer_not_from_the_reasoning(tag):
    thinking = Thinking(tag=tag, answers={prompt.prompt: RIGHT for prompt in PROMPTS})
    found = trace(lineage(model(WIDE), thinking), resamples=50).positions.filter(stage="sft")
    assert found["position"].to_list() == [0] * 3
    assert found["branching"].to_list() == pytest.approx([3.0] * 3)


def assert_same(one, other):
    for name in TABLES:
        assert getattr(one, name).equals(getattr(other, name)), name
    assert one.samples.frame.equals(other.samples.frame)
    assert (one.headline, one.stages, one.cautions) == (
        other.headline,
        other.stages,
        other.cautions,
    )


def test_a_trace_comes_back_from_its_directory_as_it_was(tmp_path):
    tuned = model(RIGHT, of=Templated, chat=NARROW)
    made = trace(lineage(model(WIDE), tuned), out=tmp_path, resamples=100)
    back = load_trace(tmp_path)
    assert_same(made, back)
    assert back.metrics["gini_simpson"]["title"] == made.metrics["gini_simpson"]["title"]
    scores = pl.read_parquet(tmp_path / "scores.parquet")
    assert scores.columns == [
        "arm", "task", "metric", "value", "low", "high", "n_prompts", "n_samples", "note",
    ]  # fmt: skip


@pytest.mark.fault(40)
def test_fault_40_a_clock_that_jumps_back_makes_no_negative_duration(monkeypatch):
    jumps = iter(range(10**9, 0, -(10**6)))
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    settings = trace(of_saved(saved("pq", 3), saved("pq", 3)), resamples=50).settings
    assert 0 <= settings["seconds"] < 600
    assert settings["started"].endswith("+00:00")


def test_no_trace_no_page(tmp_path):
    with pytest.raises(DataError, match="finished trace"):
        load_trace(tmp_path)


@pytest.mark.fault(24)
@pytest.mark.parametrize("draw", [0, 1, 100, 400, 600])
def test_fault_24_a_trace_cut_short_goes_on_to_the_same_end(tmp_path, draw):
    def stages(fault):
        tuned = model(RIGHT, of=Templated, chat=NARROW)
        tuned.faults = fault
        return lineage(model(WIDE), tuned, metrics=("gini_simpson",))

    whole = trace(stages({}), out=tmp_path / "whole", resamples=50)
    with pytest.raises(Refused):
        trace(stages({draw: Refused("no more")}), out=tmp_path / "cut", resamples=50)
    assert_same(trace(stages({}), out=tmp_path / "cut", resamples=50), whole)
    assert_same(load_trace(tmp_path / "cut"), whole)


KILLED = """
import importlib.util, os, signal, sys
spec = importlib.util.spec_from_file_location("whole_traces", sys.argv[1])
tests = importlib.util.module_from_spec(spec)
sys.modules["whole_traces"] = tests
spec.loader.exec_module(tests)
def die(done, wanted, arm):
    if arm == "sft (raw)" and done >= int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
tests.trace(tests.to_be_killed(), out=sys.argv[2], progress=die, resamples=50)
"""


def to_be_killed():
    tuned = model(RIGHT, of=Templated, chat=NARROW)
    return lineage(model(WIDE), tuned, metrics=("gini_simpson",))


@pytest.mark.slow
@pytest.mark.fault(24)
@pytest.mark.parametrize("draw", [0, 200])
def test_fault_24_a_killed_process_loses_nothing_that_was_finished(tmp_path, draw):
    whole = trace(to_be_killed(), out=tmp_path / "whole", resamples=50)
    command = [sys.executable, "-c", KILLED, __file__, str(tmp_path / "cut"), str(draw)]
    died = subprocess.run(command, check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    parts = len(list((tmp_path / "cut" / "samples").glob("part-*.parquet")))
    assert parts >= 2 * len(PROMPTS)
    assert_same(trace(to_be_killed(), out=tmp_path / "cut", resamples=50), whole)


@pytest.mark.fault(27)
def test_fault_27_other_settings_are_refused(tmp_path):
    trace(lineage(model(WIDE), model(RIGHT)), out=tmp_path, resamples=50)
    with pytest.raises(RunConflict, match="samples_per_prompt was 16, now 8"):
        trace(lineage(model(WIDE), model(RIGHT), samples_per_prompt=8), out=tmp_path, resamples=50)


# Saved outputs.


def saved(prompts, n, *, arm="any", text=lambda i: f"answer {i}", **columns):
    return Samples.from_rows(
        {"arm": arm, "task": "t", "prompt_id": p, "sample": i, "text": text(i), **columns}
        for p in prompts
        for i in range(n)
    )


def of_saved(base, sft, **settings):
    settings = {"metric": "gini_simpson", "metrics": ("gini_simpson",), **settings}
    return Lineage(
        stages=[
            {"name": "base", "samples": base},
            {"name": "sft", "parent": "base", "samples": sft},
        ],
        **settings,
    )


def test_saved_outputs_need_no_model():
    found = trace(of_saved(saved("pqr", 4), saved("pqr", 4, text=lambda i: "x")), resamples=50)
    assert row(found.retained, task="t", metric="gini_simpson")["percent"] == 0
    for name in ("formats", "positions", "layers", "exact", "decomposition"):
        assert getattr(found, name).is_empty()
    assert found.layers.columns == [
        "stage", "parent", "layer", "module", "relative_norm", "effective_rank",
        "sign_agreement", "cosine",
    ]  # fmt: skip
    assert found.exact.columns == ["stage", "task", "metric", "value"]
    assert found.stages[1] == StageInfo(
        name="sft", parent="base", branch="sft", kind="stage", format="saved"
    )


def test_one_file_of_many_arms_serves_every_stage(tmp_path):
    both = Samples.from_frame(
        pl.concat([saved("pq", 3, arm="base").frame, saved("pq", 3, arm="sft").frame])
    )
    both.write(tmp_path / "outputs.jsonl")
    path = tmp_path / "LINEAGE.toml"
    path.write_text(
        'metric = "gini_simpson"\n'
        '[[stages]]\nname = "base"\nsamples = "outputs.jsonl"\n'
        '[[stages]]\nname = "sft"\nparent = "base"\nsamples = "outputs.jsonl"\n'
    )
    assert trace(path, resamples=50).samples.frame["arm"].value_counts()["count"].to_list() == [
        6,
        6,
    ]
    path.write_text(path.read_text().replace('"sft"', '"dpo"'))
    with pytest.raises(DataError, match=r"outputs of 'dpo'.*the arms 'base', 'sft'"):
        trace(path, resamples=50)


@pytest.mark.fault(12)
def test_fault_12_unequal_n_is_drawn_down_and_said():
    found = trace(of_saved(saved("pqr", 8), saved("pqr", 5)), resamples=50)
    caution = next(c for c in found.cautions if c.kind == "unequal-n")
    assert (caution.count, caution.total) == (9, 39)
    assert "5" in caution.text
    assert row(found.levels, stage="base", task="t", metric="gini_simpson")["value"] == 1
    again = trace(of_saved(saved("pqr", 8), saved("pqr", 5)), resamples=50)
    assert found.levels.equals(again.levels)


@pytest.mark.fault(23)
def test_fault_23_prompts_that_not_all_have_are_left_out_and_counted():
    found = trace(of_saved(saved("pqrs", 3), saved("qrst", 3)), resamples=50)
    caution = next(c for c in found.cautions if c.kind == "prompts")
    assert (caution.count, caution.total) == (2, 5)
    assert "3 prompts" in caution.text
    assert row(found.levels, stage="base", task="t", metric="gini_simpson")["n_prompts"] == 3


@pytest.mark.fault(23)
def test_fault_23_no_prompt_in_common_is_refused():
    with pytest.raises(NotComparable, match="base 2, sft 1"):
        trace(of_saved(saved("pq", 3), saved("r", 3)), resamples=50)


@pytest.mark.fault(22)
def test_fault_22_one_id_for_two_prompts_is_refused():
    one, other = saved("pq", 3, prompt="Name a fruit."), saved("pq", 3, prompt="Name a tree.")
    with pytest.raises(DataError, match=r"prompt id 'p' .* has one text at"):
        trace(of_saved(one, other), resamples=50)


def test_a_stage_whose_draws_all_failed_is_not_passed_over():
    failed = saved("pq", 3, finish="error")
    with pytest.raises(NotComparable, match="base 2, sft 0"):
        trace(of_saved(saved("pq", 3), failed), resamples=50)


@pytest.mark.fault(7)
def test_fault_07_what_is_no_answer_is_counted_for_all_to_see():
    odd = saved("pqr", 3, text=lambda i: ["I'm sorry, but I cannot help.", "", "fine words all"][i])
    cut = saved("pqr", 3, finish="length")
    cautions = {c.kind: c for c in trace(of_saved(cut, odd), resamples=50).cautions}
    assert (cautions["truncation"].count, cautions["truncation"].where) == (9, "base: t")
    assert (cautions["refusal"].count, cautions["refusal"].total) == (3, 9)
    assert (cautions["empty"].count, cautions["empty"].where) == (3, "sft: t")


def test_few_matched_prompts_are_said():
    right = {"a": [True, True, False], "b": [False, False, False]}
    rows = [
        {"arm": arm, "task": task, "prompt_id": p, "text": f"{i}", "correct": right[task][i]}
        for arm in ("base", "sft") for task in "ab" for p in ("p", "q") for i in range(3)
    ]  # fmt: skip
    both = Samples.from_rows(rows)
    found = trace(of_saved(both, both, distance="answer"), resamples=50)
    caution = next(c for c in found.cautions if c.kind == "low-match")
    assert (caution.where, caution.count, caution.total) == ("sft: a, b", 2, 4)


@pytest.mark.fault(10)
def test_fault_10_one_output_a_prompt_is_not_a_variety_of_zero():
    found = trace(of_saved(saved("pqr", 1), saved("pqr", 1)), resamples=50)
    value = row(found.levels, stage="base", task="t", metric="gini_simpson")["value"]
    assert value is None or value != value
    assert found.headline[0].startswith("Nothing can be told")


def test_failed_draws_stay_in_the_samples_and_out_of_the_numbers():
    failed = pl.concat([
        saved("pqr", 4).frame,
        saved("pqr", 1, text=lambda i: "", finish="error").frame.with_columns(
            sample=pl.lit(9, dtype=pl.Int32)
        ),
    ])  # fmt: skip
    found = trace(of_saved(Samples.from_frame(failed), saved("pqr", 4)), resamples=50)
    assert len(found.samples) == 15 + 12
    assert [(c.kind, c.where, c.count) for c in found.cautions if c.kind == "failed"] == [
        ("failed", "base", 3)
    ]
    assert row(found.levels, stage="base", task="t", metric="gini_simpson")["value"] == 1


# Exact values.


def known(model, prompts, *, format, sampling, n, k):
    assert (sampling.temperature, n, k) == (1.0, 16, 10)
    if format != "raw":
        return pl.DataFrame(schema={"task": pl.String, "metric": pl.String, "value": pl.Float64})
    return pl.DataFrame(
        [
            {
                "task": prompt.task,
                "prompt_id": prompt.prompt_id,
                "metric": "gini_simpson",
                "value": model.gini_simpson(prompt.prompt),
            }
            for prompt in prompts
        ]
    )


def test_true_values_stand_beside_the_estimates(monkeypatch):
    monkeypatch.setitem(sys.modules, "closed_world", SimpleNamespace(known=known))
    tuned = model(RIGHT, of=Templated, chat=NARROW)
    found = trace(lineage(model(WIDE), tuned, exact="closed_world:known"), resamples=100)
    assert found.exact["stage"].unique().to_list() == ["base"]
    true = row(found.exact, stage="base", task="all", metric="gini_simpson")["value"]
    assert true == pytest.approx(model(WIDE).gini_simpson("lists 0"))


def test_a_true_value_stands_for_a_task_only_where_all_its_prompts_have_one(monkeypatch):
    def half_known(model, prompts, **settings):
        return known(model, prompts[1:], **settings)

    monkeypatch.setitem(sys.modules, "closed_world", SimpleNamespace(known=half_known))
    found = trace(lineage(model(WIDE), exact="closed_world:known"), resamples=100)
    asked = found.per_prompt.filter(stage="base", metric="gini_simpson")
    missed = asked["task"][0]
    assert set(found.exact["task"]) == set(asked["task"]) - {missed}


def test_prompts_that_are_all_alike_still_leave_room_for_others():
    found = trace(lineage(model({"same": 1.0}), metric="gini_simpson"), resamples=100)
    level = found.levels.filter((pl.col("metric") == "gini_simpson") & (pl.col("value") == 0))
    assert level.height
    assert (level["high"] > level["low"]).all()


def test_names_that_nobody_knows_are_refused_before_the_first_draw():
    base = model(WIDE)
    with pytest.raises(UnknownName):
        trace(lineage(base, metric="gini_simson"))
    with pytest.raises(UsageError, match="nowhere:nothing"):
        trace(lineage(base, exact="nowhere:nothing"))
