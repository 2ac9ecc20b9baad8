"""measure and compare: what the tables hold, what is left out, and what is said about it."""

import json
import logging
import math
import os
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from variegate.embedding import embedder
from variegate.errors import DataError, NotComparable, UnknownName, UsageError
from variegate.metrics import (
    Metric,
    compare,
    default_names,
    distinct_at_k,
    ead,
    gini_simpson,
    measure,
    metric,
    metric_names,
    pairwise_diversity,
    pass_at_k,
    rows,
    self_bleu,
    truncated,
    vendi,
)
from variegate.metrics._registry import resolve
from variegate.samples import Samples

WORDS = ["plum", "kiwi", "oak", "elm", "fir", "the", "tree", "name", "of", "and", "sweet", "old"]


def outputs(arm="base", prompts=12, n=6, seed=0, tasks=2, length=(5, 12), **more):
    rng = np.random.default_rng(seed)
    return [
        {
            "arm": arm,
            "task": f"task{p % tasks}",
            "prompt": f"prompt {p}",
            "prompt_id": f"p{p:02}",
            "sample": s,
            "text": " ".join(rng.choice(WORDS, rng.integers(*length))),
            "answer": str(rng.integers(0, 4)),
            "correct": bool(rng.integers(0, 2)),
            "quality": float(rng.normal()),
            "token_entropies": rng.exponential(1.0, 5).tolist(),
            **more,
        }
        for p in range(prompts)
        for s in range(n)
    ]


def samples(*groups):
    return Samples.from_rows(row for group in groups for row in group)


def value(result, name, *, arm="base", task="all", column="value"):
    row = result.frame.filter(
        (pl.col("arm") == arm) & (pl.col("task") == task) & (pl.col("metric") == name)
    )
    return row[column].item()


def test_every_default_metric_equals_its_function_prompt_by_prompt():
    said = samples(outputs())
    result = measure(said, k=3)
    assert result.frame["metric"].unique(maintain_order=True).to_list() == list(default_names())
    wide = result.per_prompt.pivot("metric", index="prompt_id", values="value")
    for row in wide.iter_rows(named=True):
        mine = said.frame.filter(pl.col("prompt_id") == row["prompt_id"])
        texts = mine["text"].to_list()
        features = embedder().encode(texts)
        counts = mine["answer"].value_counts()["count"].to_numpy()
        lengths = sorted(len(t.split()) for t in texts)
        cut = truncated(texts, length=lengths[int(0.25 * 5)])
        cut_features = embedder().encode(cut)
        expected = {
            "vendi": vendi(features),
            "pairwise": pairwise_diversity(features),
            "ead": ead(texts, vocab_size=50257),
            "self_bleu": self_bleu(texts),
            "distinct_at_k": distinct_at_k(counts, k=3),
            "accuracy": mine["correct"].mean(),
            "quality": mine["quality"].mean(),
            "length": np.mean(lengths),
            "token_entropy": mine["token_entropies"].explode().mean(),
            "vendi_length_controlled": vendi(cut_features),
            "pairwise_length_controlled": pairwise_diversity(cut_features),
            "ead_length_controlled": ead(cut, vocab_size=50257),
        }
        for name, number in expected.items():
            assert row[name] == pytest.approx(number, rel=1e-9, abs=1e-12), name
        assert row["branching_factor"] == pytest.approx(math.exp(row["token_entropy"]))
        assert row["pass_at_k"] >= row["accuracy"] - 1e-12


def test_levels_are_means_over_prompts_and_then_over_tasks():
    # Three prompts of one task, one of the other: the tasks weigh the same.
    said = samples(
        [r for r in outputs(prompts=6) if r["prompt_id"] in ("p00", "p02", "p04", "p01")]
    )
    result = measure(said, metrics=["gini_simpson", "pairwise_across"])
    prompts = result.per_prompt.filter(pl.col("metric") == "gini_simpson")
    means = dict(prompts.group_by("task").agg(pl.col("value").mean()).iter_rows())
    for task, mean in means.items():
        assert value(result, "gini_simpson", task=task) == pytest.approx(mean)
    assert value(result, "gini_simpson") == pytest.approx(np.mean(list(means.values())))
    assert value(result, "gini_simpson", column="n_prompts") == 4
    assert value(result, "gini_simpson", column="n_samples") == 24
    assert value(result, "gini_simpson", column="low") <= value(result, "gini_simpson")


def test_one_task_has_no_row_all():
    result = measure(samples(outputs(tasks=1)), metrics=["length"])
    assert result.frame["task"].to_list() == ["task0"]


def test_what_the_samples_do_not_hold_is_skipped_or_said():
    bare = Samples.from_rows({"prompt": p, "text": t} for p in "xy" for t in ["a", "b"])
    assert "accuracy" not in measure(bare).frame["metric"].to_list()
    asked = measure(bare, metrics=["accuracy", "gini_simpson"])
    row = asked.frame.filter(pl.col("metric") == "accuracy").row(0, named=True)
    assert math.isnan(row["value"])
    assert row["note"] == "2 of 2 prompts left out: no correct"


@pytest.mark.fault(7)
def test_fault_07_failures_refusals_empties_and_truncation_are_counted():
    group = outputs(prompts=2, n=6, tasks=1)
    group[0]["finish"] = "error"
    group[1]["finish"], group[2]["finish"] = "length", "filter"
    group[3]["text"] = " "
    result = measure(samples(group))
    counts = {c.kind: (c.count, c.total) for c in result.cautions}
    assert counts["error"] == counts["truncation"] == counts["refusal"] == (1, 12)
    assert counts["empty"] == (1, 11)
    assert counts["unequal-n"] == (1, 2)
    assert value(result, "length", task="task0", column="n_samples") == 11


@pytest.mark.fault(7)
@pytest.mark.parametrize(
    ("drop", "n"), [((), 11), (("empty",), 10), (("filter", "length"), 9), (("empty", "filter"), 9)]
)
def test_fault_07_what_is_no_answer_counts_or_not_as_one_says(drop, n):
    group = outputs(prompts=2, n=6, tasks=1)
    group[0]["finish"] = "error"
    group[1]["finish"], group[2]["finish"] = "length", "filter"
    group[3]["text"] = " "
    result = measure(samples(group), drop=drop)
    assert value(result, "length", task="task0", column="n_samples") == n
    assert result.settings["drop"] == sorted(drop)
    # The rates are told whether they count or not, and which of the two it is.
    told = {c.kind: c.text for c in result.cautions}
    for finish, kind in (("length", "truncation"), ("filter", "refusal"), ("empty", "empty")):
        assert ("left out" in told[kind]) == (finish in drop)
    both = compare(samples(group), samples(group), metrics=["length"], drop=drop)
    assert both.settings["n"] == {"least": n - 6, "most": 6}


@pytest.mark.fault(7)
@pytest.mark.fault(14)
def test_fault_07_14_a_model_that_says_nothing_is_not_various():
    group = outputs(prompts=2, n=6, tasks=1)
    for row in group:
        row.update(text="", answer=None)
    result = measure(samples(group))
    of = {name: value(result, name, task="task0") for name in ("vendi", "pairwise", "gini_simpson")}
    assert of == {"vendi": 1.0, "pairwise": 0.0, "gini_simpson": 0.0}


@pytest.mark.fault(8)
@pytest.mark.fault(9)
@pytest.mark.fault(37)
def test_fault_08_09_37_identical_and_all_different_outputs():
    same = outputs(arm="same", prompts=3, n=4, tasks=1)
    other = outputs(arm="other", prompts=3, n=4, tasks=1)
    for row in same:
        row.update(text="a plum tree", answer=None)
    for i, row in enumerate(other):
        row.update(text=f"{WORDS[i]} {i}", answer=None)
    result = measure(samples(same, other), k=4)
    assert result.frame.filter(pl.col("value").is_nan()).is_empty()
    for name, bottom in {
        "vendi": 1,
        "pairwise": 0,
        "distinct_at_k": 1,
        "answer_entropy": 0,
    }.items():
        assert value(result, name, arm="same", task="task0") == pytest.approx(bottom, abs=1e-9)
    assert value(result, "distinct_at_k", arm="other", task="task0") == pytest.approx(4)
    assert value(result, "gini_simpson", arm="other", task="task0") == pytest.approx(1)


@pytest.mark.fault(10)
def test_fault_10_a_single_output_is_left_out_with_the_reason():
    group = [
        r for r in outputs(prompts=3, n=4, tasks=1) if r["prompt_id"] != "p01" or r["sample"] < 1
    ]
    result = measure(samples(group), metrics=["pairwise", "vendi", "length"])
    row = result.frame.filter(pl.col("metric") == "pairwise").row(0, named=True)
    assert (row["n_prompts"], row["n_samples"]) == (2, 8)
    assert row["note"] == "1 of 3 prompts left out: fewer than 2 outputs"
    alone = result.per_prompt.filter((pl.col("prompt_id") == "p01") & (pl.col("metric") == "vendi"))
    assert math.isnan(alone["value"].item())
    assert value(result, "length", task="task0", column="n_prompts") == 3
    with pytest.raises(DataError, match="at least one output"):
        measure(Samples.from_rows([{"prompt": "p", "text": "", "finish": "error"}]))


@pytest.mark.fault(10)
def test_fault_10_one_output_a_prompt_shows_why_there_is_no_variety_to_tell():
    frame = measure(samples(outputs(prompts=3, n=1, tasks=1))).frame
    for name in ("vendi", "pairwise", "gini_simpson", "self_bleu"):
        row = frame.filter(pl.col("metric") == name).row(0, named=True)
        assert math.isnan(row["value"])
        assert row["note"] == "3 of 3 prompts left out: fewer than 2 outputs"


@pytest.mark.fault(10)
def test_fault_10_a_prompt_without_any_output_is_counted():
    group = outputs(prompts=3, n=4, tasks=1)
    for row in group[:4]:
        row.update(finish="error", text="", answer=None, correct=None)
    (caution,) = [c for c in measure(samples(group)).cautions if c.kind == "prompts"]
    assert (caution.count, caution.total) == (1, 3)


@pytest.mark.fault(3)
@pytest.mark.fault(12)
def test_fault_03_12_every_prompt_is_estimated_from_the_outputs_it_has():
    group = outputs(prompts=2, n=6, tasks=1)
    for row in group[:2]:
        row.update(finish="error", text="", answer=None, correct=None)
    here = measure(samples(group), metrics=["pass_at_k", "gini_simpson"], k=3).per_prompt
    found = {(r["prompt_id"], r["metric"]): r["value"] for r in here.iter_rows(named=True)}
    for prompt_id, rows_ in (("p00", group[2:6]), ("p01", group[6:])):
        right = sum(row["correct"] for row in rows_)
        counts = list(Counter(row["answer"] for row in rows_).values())
        expected = pass_at_k(len(rows_), right, k=3)
        assert found[prompt_id, "pass_at_k"] == pytest.approx(expected)
        assert found[prompt_id, "gini_simpson"] == pytest.approx(gini_simpson(counts))


@pytest.mark.fault(11)
def test_fault_11_k_larger_than_n_leaves_the_prompt_out():
    group = [
        r for r in outputs(prompts=2, n=6, tasks=1) if r["prompt_id"] == "p00" or r["sample"] < 3
    ]
    result = measure(samples(group), metrics=["pass_at_k"], k=5)
    row = result.frame.row(0, named=True)
    assert row["note"].startswith("k=5; 1 of 2 prompts left out: fewer than 5 outputs")
    assert measure(samples(group)).settings["k"] == 3


@pytest.mark.fault(12)
def test_fault_12_unequal_n_is_said_and_compare_takes_equal_n():
    base, tuned = outputs("base", n=12), outputs("tuned", n=5, seed=1)
    side_by_side = measure(samples(base, tuned))
    assert any("compare takes equal numbers" in c.text for c in side_by_side.cautions)
    result = compare(samples(base), samples(tuned))
    assert result.settings["n"] == {"least": 5, "most": 5}
    notes = [c for c in result.cautions if c.kind == "unequal-n"]
    assert [(c.where, c.count, c.total) for c in notes] == [("base", 12, 12)]
    again = compare(samples(base), samples(tuned))
    assert again.frame.equals(result.frame, null_equal=True)
    other = compare(samples(base), samples(tuned), seed=5)
    assert not other.frame.equals(result.frame, null_equal=True)


@pytest.mark.fault(12)
def test_fault_12_subsampling_does_not_bias_vendi():
    # Both arms draw from one source; with other n, plain levels differ and compared ones do not.
    base, tuned = outputs("base", prompts=60, n=16), outputs("tuned", prompts=60, n=4, seed=1)
    plain = measure(samples(base, tuned), metrics=["vendi"])
    gap = value(plain, "vendi") - value(plain, "vendi", arm="tuned")
    row = compare(samples(base), samples(tuned), metrics=["vendi"]).differences.filter(
        pl.col("task") == "all"
    )
    assert row["low"].item() <= 0 <= row["high"].item()
    assert gap > row["high"].item()


@pytest.mark.fault(23)
def test_fault_23_only_common_prompts_are_compared():
    base, tuned = outputs("base", prompts=10), outputs("tuned", prompts=14, seed=1)
    result = compare(samples(base), samples(tuned), metrics=["length"])
    assert result.differences["n_prompts"].to_list() == [5, 5, 10]
    (note,) = [c for c in result.cautions if c.kind == "unmatched"]
    assert (note.where, note.count, note.total) == ("tuned", 4, 14)
    elsewhere = [{**r, "prompt_id": f"x{r['prompt_id']}", "prompt": "?"} for r in tuned]
    with pytest.raises(NotComparable, match="no prompt in common"):
        compare(samples(base), samples(elsewhere))


@pytest.mark.fault(22)
@pytest.mark.fault(23)
def test_fault_22_23_one_id_for_two_prompts_is_not_compared():
    base = outputs("base", prompts=3)
    tuned = [{**row, "arm": "tuned", "prompt": f"other {row['prompt']}"} for row in base]
    with pytest.raises(DataError, match=r"prompt id 'p00' .*has one text at .* and another at"):
        compare(samples(base), samples(tuned))


def test_compare_is_paired_and_signed_b_minus_a():
    base = outputs("base", n=4)
    tuned = [{**r, "arm": "tuned", "quality": r["quality"] + 1} for r in base]
    result = compare(samples(base), samples(tuned), metrics=["quality", "vendi", "vendi_across"])
    of = {r["metric"]: r for r in result.differences.iter_rows(named=True) if r["task"] == "all"}
    assert of["quality"]["low"] == pytest.approx(1)  # paired: the same shift everywhere
    assert of["quality"]["high"] == pytest.approx(1)
    assert of["vendi"]["value"] == 0
    assert len(result.sentences) == 5  # with how many models the two are, by meaning and by answer
    assert "rises: +1 [+1, +1] on 12 prompts" in result.sentences[0]
    assert "no difference can be told" in result.sentences[1]
    assert set(result.frame["arm"]) == {"base", "tuned", "tuned - base"}


def test_compare_says_which_way_variety_went():
    base = outputs("base", n=4)
    tuned = [{**r, "arm": "tuned", "text": "the same plum", "answer": "1"} for r in base]
    sentences = compare(samples(base), samples(tuned), metrics=["vendi", "self_bleu"]).sentences
    assert "falls, so tuned is less various" in sentences[0]
    assert "rises, so tuned is less various" in sentences[1]


def test_compare_of_two_arms_of_one_name_and_of_several_arms():
    same = compare(samples(outputs()), samples(outputs(seed=1)), metrics=["length"])
    assert same.settings["arms"] == ["base (a)", "base (b)"]
    with pytest.raises(NotComparable, match="one arm on the first side, got 2"):
        compare(samples(outputs(), outputs("other")), samples(outputs()))


def test_length_control_sees_through_length():
    # One source of words, cut short in one arm: the raw number differs, the controlled does not.
    long = outputs("long", prompts=40, length=(30, 31))
    short = [{**r, "arm": "short", "text": " ".join(r["text"].split()[:8])} for r in long]
    result = compare(samples(long), samples(short), metrics=["ead", "ead_length_controlled"])
    of = {r["metric"]: r for r in result.differences.iter_rows(named=True) if r["task"] == "all"}
    assert of["ead"]["low"] > 0
    assert of["ead_length_controlled"]["value"] == pytest.approx(0, abs=1e-12)


@pytest.mark.fault(36)
def test_fault_36_the_same_bytes_whatever_the_hash_seed_threads_or_order_of_rows():
    code = (
        "import sys, json, random\n"
        "from variegate.metrics import measure, metric_names, rows\n"
        "from variegate.samples import Samples\n"
        "rng = random.Random(1)\n"
        "data = [dict(arm='a', task=f't{p % 2}', prompt=f'p{p}', sample=s,\n"
        "             text=' '.join(rng.choices('plum kiwi oak elm fir the'.split(), k=6)))\n"
        "        for p in range(9) for s in range(5)]\n"
        "head, rest = data[:5] + data[5:10], data[10:]\n"
        "random.Random(sys.argv[1]).shuffle(rest)\n"
        "result = measure(Samples.from_rows(head + rest), metrics=list(metric_names()))\n"
        "print(json.dumps([rows(result), result.settings, [c.text for c in result.cautions]]))\n"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code, seed],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads},
        ).stdout
        for seed, threads in (("0", "1"), ("7", "2"))
    }
    assert len(seen) == 1


def _plugin(monkeypatch, **functions):
    """Register metrics as another package would."""
    from variegate.metrics import _registry

    class Entry:
        value = "theirs:METRIC"

        def __init__(self, name):
            self.name = name

        def load(self):
            if self.name == "unloadable":
                raise ImportError("no such module")
            return Metric(
                name=self.name, title="Theirs", summary="Counts.", needs=("texts",), low=0,
                high=None, n_dependence="unknown", source="Nobody 2026", url="",
                function=f"theirs:{functions[self.name]}",
            )  # fmt: skip

    monkeypatch.setattr(_registry, "_registered", lambda: {n: Entry(n) for n in functions})
    monkeypatch.setitem(sys.modules, "theirs", SimpleNamespace(**globals()))


def count_texts(texts):
    return len(texts)


def break_down(texts):
    raise RuntimeError("theirs is broken")


def two_numbers(texts):
    return [1.0, 2.0]


@pytest.mark.fault(39)
def test_fault_39_a_broken_plugin_is_marked_failed_and_the_others_finish(monkeypatch, caplog):
    _plugin(monkeypatch, good="count_texts", bad="break_down", shape="two_numbers")
    with caplog.at_level(logging.WARNING, logger="variegate"):
        result = measure(samples(outputs()), metrics=["good", "bad", "shape", "length"])
    assert value(result, "good") == 6
    assert value(result, "bad", column="note") == "failed: RuntimeError: theirs is broken"
    assert math.isnan(value(result, "bad"))
    assert value(result, "shape", column="note").startswith("failed: TypeError: expected one")
    assert value(result, "length") > 0
    assert "Traceback" in caplog.text
    assert "theirs is broken" in caplog.text


_calls = iter(range(1000))


def count_calls(texts):
    return next(_calls)


@pytest.mark.fault(39)
def test_fault_39_a_plugin_of_two_minds_is_marked_failed(monkeypatch):
    _plugin(monkeypatch, whim="count_calls", good="count_texts")
    result = measure(samples(outputs()), metrics=["whim", "good"])
    assert "expected the same value for the same input, got 0.0 and" in value(
        result, "whim", column="note"
    )
    assert math.isnan(value(result, "whim"))
    assert value(result, "good") == 6


@pytest.mark.fault(39)
def test_fault_39_a_plugin_that_cannot_be_loaded_is_named(monkeypatch):
    _plugin(monkeypatch, unloadable="count_texts")
    with pytest.raises(UsageError, match=r"'unloadable'.*cannot be loaded"):
        measure(samples(outputs()), metrics=["unloadable"])


def test_the_table_of_metrics_is_whole():
    from variegate.metrics import _registry

    for name in metric_names():
        entry = metric(name)
        assert callable(resolve(entry.function))
        if entry.fast not in (None, "axes"):
            assert callable(resolve(entry.fast))
        assert entry.summary.endswith(".")
        assert len(entry.title) < 70
        assert entry.url.startswith("https://") or name == "quality"
        assert entry.needs
    assert set(_registry.default_names()) <= set(metric_names())
    with pytest.raises(UnknownName) as caught:
        metric("vendy")
    assert "vendi" in caught.value.hint


def test_settings_carry_what_made_the_numbers():
    settings = measure(samples(outputs()), k=2, seed=3).settings
    assert settings["embedder"]["name"] == "wordllama"
    assert -1 <= settings["embedder"]["floor"] <= 1
    assert (settings["k"], settings["seed"], settings["vocab_size"]) == (2, 3, 50257)
    assert measure(samples(outputs()), metrics=["length"]).settings["embedder"] is None
    json.dumps(settings)


def test_short_answers_and_a_high_floor_are_said():
    blind = type("Blind", (), {"encode": lambda self, t: np.array([[9.0, len(x)] for x in t])})()
    group = [{**r, "text": r["text"].split()[0]} for r in outputs()]
    kinds = {c.kind for c in measure(samples(group), embedder=blind).cautions}
    assert {"short", "floor"} <= kinds


@pytest.mark.fault(13)
def test_fault_13_rows_have_no_nan_and_are_strict_json():
    bare = Samples.from_rows({"prompt": p, "text": t} for p in "xy" for t in ["a", "b"])
    table = rows(measure(bare, metrics=["accuracy", "length"]))
    assert table[0]["value"] is None
    json.dumps(table, allow_nan=False)


@pytest.mark.fault(13)
def test_fault_13_a_number_that_is_none_is_refused_with_its_prompt_or_counted():
    group = outputs(prompts=3, n=4, tasks=1)
    group[5]["token_entropies"] = [1.0, float("nan")]
    with pytest.raises(DataError, match=r"Prompt 'p01' .*NaN or Inf in 1 of them, first at"):
        measure(samples(group))
    group = outputs(prompts=3, n=4, tasks=1)
    group[5]["quality"] = float("inf")
    with pytest.raises(DataError, match=r"for 1 outputs, first for sample 1 of prompt 'p01'"):
        measure(samples(group))
    group[5]["quality"], group[6]["quality"], group[0]["correct"] = float("nan"), None, None
    result = measure(samples(group))
    mean = np.mean([group[4]["quality"], group[7]["quality"]])
    (of_one,) = result.per_prompt.filter(prompt_id="p01", metric="quality")["value"]
    assert of_one == pytest.approx(mean)
    assert value(result, "quality", task="task0", column="n_samples") == 10
    unscored = [(c.count, c.total) for c in result.cautions if c.kind == "unscored"]
    assert unscored == [(1, 12), (2, 12)]


@pytest.mark.fault(30)
@pytest.mark.fault(31)
def test_fault_30_31_hostile_names_are_shown_as_text():
    group = outputs("<script>alert(1)</script>\x1b[2J", prompts=2)
    result = measure(samples(group), metrics=["length"])
    assert "<script>" not in result._repr_html_()
    assert "&lt;script&gt;" in result._repr_html_()
    assert "\x1b" not in repr(result)
    assert repr(result).splitlines()[0] == "Measurement"


def test_measuring_loads_neither_torch_nor_scipy():
    code = (
        "import sys\n"
        "from variegate.metrics import measure\n"
        "from variegate.samples import Samples\n"
        "measure(Samples.from_rows({'prompt': p, 'text': t} for p in 'xy' for t in 'abc'))\n"
        "print([m for m in ('torch', 'scipy', 'sklearn', 'transformers') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_wrong_arguments_are_refused():
    with pytest.raises(UsageError, match="Expected to drop some of empty, filter, length"):
        measure(samples(outputs()), drop=["stop"])
    with pytest.raises(UnknownName):
        measure(samples(outputs()), metrics=["variety"])


def test_at_a_bound_the_interval_says_what_may_have_been_missed():
    rows = [
        {"prompt": f"p{p}", "text": "a b", "correct": True} for p in range(20) for _ in range(4)
    ]
    frame = measure(Samples.from_rows(rows), metrics=["accuracy", "pass_at_k"]).frame
    assert frame["high"].to_list() == [1.0, 1.0]
    assert all(0.75 < low < 0.85 for low in frame["low"])
    # Without two bounds there is no such interval, and a note says so.
    row = measure(Samples.from_rows(rows), metrics=["vendi"]).frame.row(0, named=True)
    assert row["low"] == row["high"] == 1.0
    assert "no prompt off 1 seen, up to 15% may be" in row["note"]
    rows[0]["text"] = "c d"
    frame = measure(Samples.from_rows(rows), metrics=["vendi"]).frame
    assert frame["note"].to_list() == [""]
