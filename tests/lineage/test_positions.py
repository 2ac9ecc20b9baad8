"""Branching along the answer: known where every token is uniform, and cut where few are left."""

from __future__ import annotations

import math

import polars as pl
import pytest

from variegate.lineage import positions_of
from variegate.models import Arm, Sampling, UniformModel, collect
from variegate.samples import Prompt


def rows(arm="base", task="t", prompts=6, outputs=4, entropies=(0.5, 0.2)):
    return pl.DataFrame(
        [
            {"arm": arm, "task": task, "prompt_id": f"{task}{p}", "entropies": list(entropies)}
            for p in range(prompts)
            for _ in range(outputs)
        ],
        schema_overrides={"entropies": pl.List(pl.Float64)},
    )


def test_a_uniform_model_branches_as_often_as_it_has_tokens():
    model = UniformModel(branching=7, length=5)
    prompts = [Prompt(prompt=f"p{i}") for i in range(4)]
    said = collect(Arm(name="base", model=model, sampling=Sampling()), prompts, n=4).frame
    frame = said.select("arm", "task", "prompt_id", entropies="token_entropies")
    found = positions_of(frame, ["base"]).filter(task="all")
    assert found["position"].to_list() == [0, 1, 2, 3, 4]
    for column in ("branching", "low", "high"):
        assert found[column].to_list() == pytest.approx([7.0] * 5)
    assert found["n"].to_list() == [16] * 5


def test_the_mean_is_over_prompts_not_over_outputs():
    few = rows(prompts=1, outputs=2, entropies=[1.0])
    many = rows(prompts=1, outputs=18, entropies=[0.0]).with_columns(prompt_id=pl.lit("other"))
    found = positions_of(pl.concat([few, many]), ["base"]).filter(task="t")
    assert found["entropy"].item() == pytest.approx(0.5)
    assert found["branching"].item() == pytest.approx(math.exp(0.5))
    assert found["low"].item() <= found["branching"].item() <= found["high"].item()


def test_a_curve_ends_where_few_outputs_are_left():
    long = rows(prompts=6, outputs=4, entropies=[0.1, 0.1])
    longer = rows(prompts=2, outputs=2, entropies=[0.1] * 5)
    found = positions_of(pl.concat([long, longer]), ["base"], at_least=10).filter(task="t")
    assert found["position"].to_list() == [0, 1]


def test_the_last_tenth_of_the_outputs_is_no_curve():
    most, odd = rows(prompts=30, outputs=4), rows(prompts=3, outputs=4, entropies=[0.1] * 5)
    found = positions_of(pl.concat([most, odd]), ["base"]).filter(task="t")
    assert found["n"].to_list() == [132, 132]


def test_all_tasks_together_end_with_the_shortest():
    frame = pl.concat([rows(task="a", entropies=[0.3]), rows(task="b", entropies=[0.1, 0.1])])
    found = positions_of(frame, ["base"])
    assert found.filter(task="b").height == 2
    assert found.filter(task="all")["entropy"].to_list() == pytest.approx([0.2])


def test_without_entropies_the_table_is_empty_and_has_its_columns():
    nothing = rows().with_columns(pl.lit(None, dtype=pl.List(pl.Float64)).alias("entropies"))
    found = positions_of(nothing, ["base"])
    assert found.is_empty()
    assert found.columns == [
        "stage", "task", "position", "entropy", "branching", "low", "high", "n",
    ]  # fmt: skip


def test_the_same_seed_gives_the_same_bands():
    frame = pl.concat([rows(entropies=[0.1 * i, 0.3]).head(4).with_columns(
        prompt_id=pl.lit(str(i))) for i in range(5)])  # fmt: skip
    assert positions_of(frame, ["base"], seed=3).equals(positions_of(frame, ["base"], seed=3))
