"""Stage losses: the published table, telescoping, and intervals."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import DataError, UsageError
from variegate.lineage import bootstrap_losses, stage_losses

TASKS = [
    *["TL;DR", "CNN", "XSum", "Alpaca", "IFEval", "WritingPrompts", "PRISM", "WildBench"],
    *["GSM8K", "Algebra", "Geometry", "TruthfulQA", "HumanEval", "MBPP", "CRUXEval"],
]

# Mean pairwise embedding distance per task, Table 3 of Karouzos 2026.
TABLE_3 = {
    "base": ".353 .279 .451 .319 .349 .540 .408 .335 .172 .146 .198 .353 .411 .291 .239",
    "instruct-sft": ".268 .223 .282 .170 .172 .276 .141 .129 .105 .132 .179 .327 .112 .111 .218",
    "instruct-dpo": ".202 .075 .083 .120 .154 .225 .096 .122 .141 .071 .096 .158 .095 .073 .068",
    "instruct": ".207 .072 .081 .113 .154 .202 .090 .118 .078 .057 .101 .115 .093 .069 .062",
    "think-sft": ".168 .083 .090 .141 .191 .240 .100 .160 .061 .054 .107 .119 .109 .081 .095",
    "think-dpo": ".159 .059 .064 .118 .165 .205 .089 .154 .052 .061 .114 .074 .081 .084 .076",
    "think": ".161 .091 .092 .146 .196 .199 .091 .173 .051 .062 .122 .075 .117 .089 .090",
}
LINES = {
    "think": ["think-sft", "think-dpo", "think"],
    "instruct": ["instruct-sft", "instruct-dpo", "instruct"],
}
TREE = {
    "think-sft": "base",
    "think-dpo": "think-sft",
    "think": "think-dpo",
    "instruct-sft": "base",
    "instruct-dpo": "instruct-sft",
    "instruct": "instruct-dpo",
}


def table_3() -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"task": task, "stage": stage, "value": float(value)}
            for stage, row in TABLE_3.items()
            for task, value in zip(TASKS, row.split(), strict=True)
        ]
    )


@pytest.mark.parametrize(
    ("line", "average", "losses", "retained"),
    [
        ("think", "mean of ratios", [-62.2, -4.4, 4.1], 37.5),
        ("instruct", "mean of ratios", [-37.6, -23.3, -4.6], 34.5),
        ("think", "ratio of means", [-62.9, -5.0, 4.1], 36.2),
        ("instruct", "ratio of means", [-41.3, -22.0, -3.4], 33.3),
    ],
)
@pytest.mark.parametrize("as_tree", [True, False])
def test_published_table_gives_the_published_losses(line, average, losses, retained, as_tree):
    order = TREE if as_tree else LINES[line]
    result = stage_losses(table_3(), root="base", order=order)
    frame = result.frame.filter(pl.col("stage").is_in(LINES[line]), task=average)
    assert frame["percent"].round(1).to_list() == losses
    end = result.retained.filter(stage=line, task=average)["percent"].item()
    assert end == pytest.approx(retained, abs=0.06)
    # as printed in whole percents
    if average == "mean of ratios":
        printed = {"think": [-62, -4, 4, 38], "instruct": [-38, -23, -5, 34]}[line]
        assert [round(x) for x in [*frame["percent"], end]] == pytest.approx(printed, abs=1)


@given(st.lists(st.lists(st.floats(0.05, 10), min_size=4, max_size=4), min_size=1, max_size=5))
@settings(deadline=None, max_examples=40)
def test_losses_and_100_sum_to_what_is_retained(rows):
    stages = ["base", "sft", "dpo", "rl"]
    levels = pl.DataFrame(
        [
            {"task": f"t{t}", "stage": stage, "value": row[s]}
            for t, row in enumerate(rows)
            for s, stage in enumerate(stages)
        ]
    )
    result = stage_losses(levels, root="base", order=stages)
    sums = result.frame.group_by("task").agg(pl.col("percent").sum() + 100)
    ends = result.retained.filter(stage="rl").join(sums, on="task", suffix="_sum")
    assert ends.height == len(rows) + 2
    np.testing.assert_allclose(ends["percent"], ends["percent_sum"], rtol=1e-9, atol=1e-9)


def per_prompt(values: np.ndarray, tasks: list[str], stages: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"stage": stage, "task": task, "prompt_id": f"p{p}", "value": values[p, s]}
            for p, task in enumerate(tasks)
            for s, stage in enumerate(stages)
        ]
    )


def test_intervals_are_paired():
    """Every prompt keeps exactly half: whatever is drawn, half is kept."""
    base = np.random.default_rng(0).uniform(0.1, 0.9, size=20)
    values = np.column_stack([base, base / 2, base / 4])
    frame = per_prompt(values, ["a"] * 8 + ["b"] * 12, ["base", "sft", "rl"])
    result = bootstrap_losses(frame, root="base", order=["sft", "rl"], resamples=200)
    for column in ("percent", "low", "high"):
        np.testing.assert_allclose(result.frame.filter(stage="sft")[column], -50.0)
        np.testing.assert_allclose(result.frame.filter(stage="rl")[column], -25.0)
        np.testing.assert_allclose(result.retained.filter(stage="rl")[column], 25.0)
    assert result.frame.filter(stage="rl", task="a")["n_prompts"].item() == 8
    assert result.frame.filter(stage="rl", task="mean of ratios")["n_prompts"].item() == 20


def test_point_values_are_those_of_the_level_table():
    rng = np.random.default_rng(1)
    tasks = ["a"] * 6 + ["b"] * 9
    frame = per_prompt(rng.uniform(0.2, 1, size=(15, 3)), tasks, ["base", "sft", "rl"])
    levels = frame.group_by("task", "stage").agg(pl.col("value").mean())
    keys = ["stage", "parent", "task"]
    plain = stage_losses(levels, root="base", order=["sft", "rl"]).frame.sort(keys)
    drawn = bootstrap_losses(frame, root="base", order=["sft", "rl"], resamples=300).frame
    drawn = drawn.sort(keys)
    np.testing.assert_allclose(plain["percent"], drawn["percent"])
    assert (drawn["low"] < drawn["percent"]).all()
    assert (drawn["percent"] < drawn["high"]).all()


def test_a_root_of_zero_has_no_percentage_and_leaves_the_mean_of_ratios():
    values = np.array([[0.0, 0.5], [0.0, 0.3], [0.4, 0.2], [0.6, 0.3]])
    frame = per_prompt(values, ["dead", "dead", "live", "live"], ["base", "sft"])
    result = bootstrap_losses(frame, root="base", order=["sft"], resamples=100)
    dead = result.frame.filter(task="dead")
    assert np.isnan(dead.select("percent", "low", "high").row(0)).all()
    assert "root's level is 0" in dead["note"].item()
    mean = result.frame.filter(task="mean of ratios")
    assert mean["percent"].item() == pytest.approx(-50.0)
    assert mean["note"].item() == "over 1 of 2 tasks"
    # the means themselves can still be compared: (0.4 + 0.25)/2 against (0 + 0.5)/2
    assert result.frame.filter(task="ratio of means")["percent"].item() == pytest.approx(30.0)


def test_a_root_near_zero_is_noted():
    values = np.array([[0.0, 0.2]] * 7 + [[0.1, 0.2]])
    frame = per_prompt(values, ["a"] * 8, ["base", "sft"])
    result = bootstrap_losses(frame, root="base", order=["sft"], resamples=500)
    assert "not told apart from 0" in result.frame.filter(task="a")["note"].item()


@pytest.mark.fault(10)
def test_fault_10_prompts_without_a_value_are_left_out_everywhere_and_counted():
    values = np.array([[0.4, 0.2], [np.nan, 0.9], [0.4, 0.2]])
    frame = per_prompt(values, ["a"] * 3, ["base", "sft"])
    row = bootstrap_losses(frame, root="base", order=["sft"], resamples=50).frame.filter(task="a")
    assert row["percent"].item() == pytest.approx(-50)
    assert row["n_prompts"].item() == 2
    assert "1 of 3 prompts lack a value" in row["note"].item()


def test_one_prompt_has_no_interval():
    frame = per_prompt(np.array([[0.4, 0.2]]), ["a"], ["base", "sft"])
    row = bootstrap_losses(frame, root="base", order=["sft"], resamples=50).frame.filter(task="a")
    assert row["percent"].item() == pytest.approx(-50)
    assert np.isnan([row["low"].item(), row["high"].item()]).all()


def test_orders_and_tables_that_cannot_be_are_refused():
    levels = table_3()
    with pytest.raises(UsageError, match="descend from 'base'"):
        stage_losses(levels, root="base", order={"think": "think-dpo"})
    with pytest.raises(UsageError, match="different stages"):
        stage_losses(levels, root="base", order=["think", "think"])
    with pytest.raises(DataError, match=r"none for \['rl-zero'\]"):
        stage_losses(levels, root="base", order=["rl-zero"])
    with pytest.raises(DataError, match="got 2"):
        stage_losses(pl.concat([levels, levels]), root="base", order=["think"])
    with pytest.raises(DataError, match="missing"):
        stage_losses(levels.drop("task"), root="base", order=["think"])
