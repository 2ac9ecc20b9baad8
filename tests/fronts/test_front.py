"""front: equal cost, equal tuning, verdicts that hold, arms that cannot run, runs that go on."""

import numpy as np
import polars as pl
import pytest

from variegate.errors import DataError, NotComparable, RunConflict, UnknownName, UsageError
from variegate.fronts import Arms, additive_epsilon, front, split_half
from variegate.models import FakeModel
from variegate.samples import Prompt, Samples

PROMPTS = tuple(
    Prompt(prompt=f"number {i}?", prompt_id=f"p{i}", verifier="choice", target="A")
    for i in range(12)
)


def planted(arms, *, prompts=40, n=12, seed=0, spread=6):
    """Outputs with a given accuracy and a given number of wordings, prompt difficulty shared."""
    rng = np.random.default_rng(seed)
    ease = rng.normal(0, 0.05, prompts)
    rows = []
    for arm, (accuracy, wordings) in arms.items():
        for p in range(prompts):
            for i in range(n):
                rows.append(
                    {
                        "arm": arm,
                        "prompt_id": f"p{p:03d}",
                        "text": f"w{rng.integers(wordings)}",
                        "sample": i,
                        "correct": bool(rng.random() < np.clip(accuracy + ease[p], 0, 1)),
                    }
                )
    return Samples.from_rows(rows)


def told(samples, **settings):
    return front(
        samples, **{"variety": "gini_simpson", "cost": "calls", "resamples": 500, **settings}
    )


def verdicts(found):
    return dict(found.methods.select("method", "verdict").iter_rows())


def test_planted_methods_get_their_verdicts():
    found = told(
        planted(
            {
                "plain": (0.6, 3),
                "better": (0.85, 8),
                "trade": (0.5, 12),
                "worse": (0.35, 2),
                "same": (0.6, 3),
            }
        )
    )
    assert verdicts(found) == {
        "plain": "baseline",
        "better": "dominates",
        "trade": "beyond",
        "worse": "dominated",
        "same": "open",
    }
    better = found.methods.filter(method="better").row(0, named=True)
    assert better["lead_low"] > 0
    assert better["gain_low"] > 0
    assert better["membership"] == 1.0
    assert found.methods.filter(method="worse")["membership"].item() == 0.0
    first, second = found.headline
    assert "better dominates plain" in first
    assert "trade reaches what no setting of plain" in first
    assert "worse is dominated by plain" in first
    assert second.startswith("Of same it cannot be told from 20 prompts")
    assert "12 calls a prompt" in first
    assert repr(found).startswith("Front of front\nAt equal cost")


def test_what_mixing_two_settings_gives_is_no_lead():
    plain = planted({"cool": (0.9, 2), "hot": (0.5, 10)}, seed=1)
    between = planted({"new": (0.7, 3)}, seed=2)
    arms = Arms(
        methods=[{"name": "plain", "samples": plain}, {"name": "new", "samples": between}],
        variety="gini_simpson",
        cost="calls",
        tries=2,
    )
    found = front(arms, resamples=500)
    places = {r["arm"]: (r["quality"], r["variety"]) for r in found.points.to_dicts()}
    coarse = additive_epsilon([places["plain (cool)"], places["plain (hot)"]], [places["new"]])
    assert coarse > 0.1  # no single setting comes near it
    assert verdicts(found)["new"] in ("open", "covered")
    assert [c.where for c in found.cautions if c.kind == "tuning"] == ["new"]


@pytest.mark.fault(10)
def test_fault_10_the_arm_that_costs_all_others_prompts_is_named():
    few = {"y": 1, "z": 1}
    said = Samples.from_rows(
        {"arm": arm, "prompt_id": p, "text": text, "correct": True}
        for arm in ("plain", "dear")
        for p in "uvwxyz"
        for text in "abca"[: few.get(p, 4) if arm == "dear" else 4]
    )
    found = front(said, variety="gini_simpson", cost="calls", budget=4)
    (caution,) = [c for c in found.cautions if c.kind == "prompts"]
    assert (caution.count, caution.total) == (2, 6)
    assert "dear has both on 4 only" in caution.text


@pytest.mark.slow
def test_many_settings_of_nothing_are_not_a_better_method():
    """The best of twelve equal settings is not told to be better than one of them."""
    wins = 0
    for seed in range(20):
        arms = {"plain": (0.6, 4)} | {f"s{i}": (0.6, 4) for i in range(12)}
        both = planted(arms, prompts=24, n=6, seed=seed).frame
        found = front(
            Arms(
                methods=[
                    {"name": "plain", "samples": Samples.from_frame(both.filter(arm="plain"))},
                    {
                        "name": "tuned",
                        "samples": Samples.from_frame(both.filter(pl.col("arm") != "plain")),
                    },
                ],
                variety="gini_simpson",
                cost="calls",
                tries=12,
                seed=seed,
            ),
            resamples=300,
        )
        wins += verdicts(found)["tuned"] in ("dominates", "beyond")
    assert wins <= 2


def test_choice_and_report_use_different_prompts_and_equal_numbers_of_settings():
    samples = planted({"a": (0.6, 4), "b": (0.7, 4), "c": (0.5, 9)}, prompts=20)
    arms = Arms(
        methods=[
            {"name": "one", "samples": Samples.from_frame(samples.frame.filter(arm="a"))},
            {"name": "grid", "samples": samples},
        ],
        variety="gini_simpson",
        cost="calls",
    )
    found = front(arms, resamples=200)
    assert found.settings["tries"] == 1
    grid = found.methods.filter(method="grid").row(0, named=True)
    assert (grid["tried"], grid["settings"]) == (1, 3)
    assert grid["arm"] == "grid (a)"  # the first listed is the one that is always tried
    half = split_half(["default"] * 20, seed=0)
    prompts = np.array(sorted(samples.frame["prompt_id"].unique()))
    right = samples.frame.filter(
        (pl.col("arm") == "a") & pl.col("prompt_id").is_in(prompts[~half].tolist())
    )["correct"].mean()
    assert grid["quality"] == pytest.approx(right)
    assert grid["n_prompts"] == 10


def test_too_few_prompts_are_not_halved_and_said():
    found = told(planted({"a": (0.6, 4), "b": (0.7, 4)}, prompts=3))
    assert not found.settings["halved"]
    assert any("Too few prompts to halve" in c.text for c in found.cautions)
    alone = told(planted({"a": (0.6, 4), "b": (0.7, 4)}, prompts=1))
    assert set(verdicts(alone).values()) == {"baseline", "open"}


def test_quality_is_what_there_is_and_axes_must_be_axes():
    samples = planted({"a": (0.6, 4), "b": (0.7, 4)}, prompts=6)
    assert told(samples).quality == "accuracy"
    scored = Samples.from_frame(
        samples.frame.with_columns(
            pl.lit(None, dtype=pl.Boolean).alias("correct"), pl.lit(0.5).alias("quality")
        )
    )
    assert told(scored).quality == "quality"
    bare = Samples.from_frame(
        samples.frame.with_columns(pl.lit(None, dtype=pl.Boolean).alias("correct"))
    )
    with pytest.raises(UsageError, match="which outputs are good"):
        told(bare)
    with pytest.raises(UsageError, match="cannot be an axis"):
        told(samples, variety="self_bleu")
    with pytest.raises(UnknownName):
        told(samples, variety="nonsense")
    with pytest.raises(UsageError, match="no method is named"):
        told(samples, baseline="nobody")


def test_an_arm_without_values_is_left_out_with_the_reason_and_others_go_on():
    samples = planted({"a": (0.6, 4), "b": (0.7, 4)}, prompts=6).frame
    single = samples.filter((pl.col("arm") == "a") & (pl.col("sample") == 0))
    single = single.with_columns(pl.lit("single").alias("arm"), pl.lit(12.0).alias("cost"))
    both = Samples.from_frame(
        pl.concat([samples.with_columns(pl.lit(1.0).alias("cost")), single]).with_columns(
            pl.lit(None, dtype=pl.String).alias("sample_id")
        )
    )
    found = told(both, cost="tokens")
    assert found.refused["arm"].to_list() == ["single"]
    assert "fewer than 2 outputs" in found.refused["reason"].item()
    assert set(found.methods["method"]) == {"a", "b"}
    with pytest.raises(NotComparable, match="baseline 'single'"):
        told(both, cost="tokens", baseline="single")


def model(**more):
    answers = {f"number {i}?": {"A": 0.5, "B": 0.3, "(A)": 0.2} for i in range(12)}
    return FakeModel(answers=answers, **more)


def asked(**more):
    return Arms(
        **{
            "name": "asked",
            "model": model(),
            "prompts": PROMPTS,
            "variety": "gini_simpson",
            "samples_per_prompt": 8,
            "methods": [
                {"name": "temperature", "sampling": {"temperature": [0.5, 1.0]}},
                {"name": "nucleus", "sampling": {"top_p": [0.5, 0.9]}},
            ],
            **more,
        }
    )


def test_arms_are_asked_judged_and_continued(tmp_path):
    calls = []
    first = front(asked(), out=tmp_path / "run", resamples=100,
                  progress=lambda *step: calls.append(step))  # fmt: skip
    assert first.points.height == 4
    assert first.quality == "accuracy"
    assert {arm for *_, arm in calls} == set(first.points["arm"])
    silent = model(faults=dict.fromkeys(range(10_000)))  # nothing comes back any more
    again = front(asked(model=silent), out=tmp_path / "run", resamples=100)
    assert again.points.equals(first.points)
    assert again.methods.equals(first.methods)
    assert again.headline == first.headline
    written = pl.read_parquet(tmp_path / "run" / "scores.parquet")
    assert written.columns == ["arm", "task", "metric", "value", "low", "high", "n_prompts",
                               "n_samples", "note"]  # fmt: skip
    assert {"accuracy", "gini_simpson", "cost_tokens"} <= set(written["metric"])
    with pytest.raises(RunConflict):
        front(asked(seed=1), out=tmp_path / "run")


def test_a_run_goes_on_with_more_methods_and_a_mistake_leaves_no_trace(tmp_path):
    one = [{"name": "plain"}]
    with pytest.raises(UsageError):
        front(asked(methods=[*one, {"name": "odd", "asking": "nobody"}]), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    first = model()
    front(asked(model=first, methods=one), out=tmp_path / "run", resamples=50)
    second = model()
    more = [*one, {"name": "nucleus", "sampling": {"top_p": 0.6}}]
    found = front(asked(model=second, methods=more), out=tmp_path / "run", resamples=50)
    assert (first.draws, second.draws) == (96, 96)
    assert found.methods.height == 2


def test_equal_seconds_are_those_of_the_clock(tmp_path):
    found = front(asked(cost="seconds"), out=tmp_path / "run", resamples=50)
    cost = dict(found.points.select("arm", "cost").iter_rows())
    assert max(cost.values()) <= found.settings["budget"] * (1 + 1e-6)
    again = front(asked(cost="seconds"), out=tmp_path / "run", resamples=50)
    before, after = found.settings["seconds_by_arm"], again.settings["seconds_by_arm"]
    assert all(after[arm] >= before[arm] for arm in before)


def test_what_the_model_lacks_is_refused_before_any_draw_and_others_go_on():
    fake = model()
    arms = asked(
        model=fake,
        methods=[
            {"name": "temperature", "sampling": {"temperature": [0.5, 1.0]}},
            {"name": "top-h", "rules": [{"name": "top_h", "alpha": 0.4}]},
            {"name": "steer", "rules": ["contrast"]},
            {"name": "chat", "format": "chat"},
        ],
    )
    found = front(arms, resamples=100)
    reasons = dict(found.refused.select("method", "reason").iter_rows())
    assert set(reasons) == {"top-h", "steer", "chat"}
    assert "needs tier E" in reasons["top-h"]
    assert "several contexts" in reasons["steer"]
    assert "cannot be asked in the format 'chat'" in reasons["chat"]
    assert found.methods["method"].to_list() == ["temperature"]
    assert "nothing to hold against it" in found.headline[0]

    fake = model()
    with pytest.raises(UsageError, match="No arm can run: top-h"):
        front(
            asked(
                model=fake, methods=[{"name": "top-h", "rules": [{"name": "top_h", "alpha": 0.4}]}]
            )
        )
    assert fake.draws == 0


@pytest.mark.parametrize(
    "method",
    [
        {"rules": ["top_q"]},
        {"rules": [{"name": "top_h", "alpa": 1}]},
        {"asking": "verbalised"},
        {"choosing": "best"},
    ],
)
def test_a_name_or_parameter_nobody_knows_is_a_mistake_found_before_any_draw(method):
    fake = model()
    with pytest.raises(UsageError):
        front(asked(model=fake, methods=[{"name": "plain"}, {"name": "odd", **method}]))
    assert fake.draws == 0


def test_what_is_thrown_away_by_choosing_is_paid_for():
    arms = asked(
        methods=[
            {"name": "plain"},
            {"name": "control", "choosing": {"name": "random", "k": 4}},
            {"name": "spread", "choosing": {"name": "facility-location", "k": 4}},
        ]
    )
    found = front(arms, resamples=100)
    assert found.refused.is_empty()
    cost = dict(found.points.select("arm", "cost").iter_rows())
    assert cost["control"] == cost["plain"] == cost["spread"]
    used = dict(found.samples.frame.group_by("arm").len().iter_rows())
    assert used == {"plain": 96, "control": 48, "spread": 48}
    per_right = dict(found.points.select("arm", "cost_of_pass").iter_rows())
    assert per_right["control"] > per_right["plain"]


def test_missing_files_are_named(tmp_path):
    path = tmp_path / "ARMS.toml"
    path.write_text('[[methods]]\nname = "a"\nsamples = "gone.jsonl"\n')
    with pytest.raises(DataError, match=r"samples of a: .*gone\.jsonl"):
        front(path)
    path.write_text('prompts = "no.jsonl"\n[[methods]]\nname = "a"\nmodel = "gone"\n')
    with pytest.raises(DataError, match=r"no\.jsonl"):
        front(path)


def test_draws_that_never_come_back_are_counted():
    lost = model(faults={3: None, 40: None, 41: None} | dict.fromkeys(range(384, 1200)))
    found = front(asked(model=lost), resamples=100)
    assert found.settings["outputs"]["failed"] == 3
    assert sum(c.count for c in found.cautions if c.kind == "failed") == 3


def test_the_same_front_comes_out_twice():
    samples = planted({"a": (0.6, 4), "b": (0.7, 4)}, prompts=12)
    one, two = told(samples), told(samples)
    assert one.methods.equals(two.methods)
    assert one.points.equals(two.points)
    assert one.attainment.equals(two.attainment)


def test_two_tasks_weigh_the_same():
    many = planted({"a": (0.9, 4), "b": (0.9, 4)}, prompts=30).frame
    few = planted({"a": (0.1, 4), "b": (0.1, 4)}, prompts=6, seed=9).frame
    both = pl.concat(
        [
            many.with_columns(pl.lit("easy").alias("task")),
            few.with_columns(
                pl.lit("hard").alias("task"), pl.format("h{}", "prompt_id").alias("prompt_id")
            ),
        ]
    ).with_columns(pl.lit(None, dtype=pl.String).alias("sample_id"))
    found = told(Samples.from_frame(both))
    assert found.points["quality"][0] == pytest.approx(0.5, abs=0.08)


def test_a_way_of_asking_is_an_arm_and_pays_for_its_calls():
    arms = asked(methods=[{"name": "plain"}, {"name": "direct", "asking": "direct"}])
    found = front(arms, resamples=100)
    assert found.refused.is_empty()
    assert found.points["cost"].min() > 0
    assert set(found.samples.frame["arm"]) == {"plain", "direct"}


@pytest.mark.slow
def test_rules_run_on_a_checkpoint_of_the_lab(tmp_path):
    path = tmp_path / "ARMS.toml"
    path.write_text(
        'model = "lab:base"\nprompts = "lab"\nvariety = "gini_simpson"\nsamples_per_prompt = 4\n'
        "sampling = { max_tokens = 16 }\n"
        '[[methods]]\nname = "plain"\n'
        '[[methods]]\nname = "top-h"\nrules = [{ name = "top_h", alpha = 0.2 }]\n'
    )
    found = front(path, resamples=200)
    points = {row["arm"]: row for row in found.points.to_dicts()}
    assert points["top-h"]["quality"] > points["plain"]["quality"]
    assert points["top-h"]["variety"] < points["plain"]["variety"]
    assert found.settings["models"]["plain"]["name"] == "base"


def test_an_arm_that_hardly_answers_costs_the_others_nothing():
    samples = planted({"a": (0.6, 4), "b": (0.7, 4), "mute": (0.5, 4)}, prompts=12).frame
    lost = (pl.col("arm") == "mute") & (pl.col("prompt_id") != "p003")
    frame = samples.with_columns(
        pl.when(lost).then(pl.lit("error")).otherwise("finish").alias("finish")
    )
    found = told(Samples.from_frame(frame))
    assert found.refused.row(0) == ("mute", "mute", "answered 1 of 12 prompts")
    assert found.points["n_prompts"].to_list() == [12, 12]
