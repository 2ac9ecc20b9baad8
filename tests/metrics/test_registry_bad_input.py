"""Bad input, every case on every metric: a number within bounds, a word why there is none, or a
refusal of ours; never another exception, and never a missing number that nobody explains.
"""

from __future__ import annotations

import math
import unicodedata
from typing import Any

import polars as pl
import pytest

from variegate.errors import DataError
from variegate.metrics import Measurement, Metric, measure, metric, metric_names
from variegate.samples import Samples

NAN = float("nan")


def said(*prompts: list[str], **columns: list[Any]) -> list[dict[str, Any]]:
    """Rows of prompts with these outputs; a column gives the i-th row its i-th value, in turn."""
    rows = [
        {"prompt": f"prompt {p}", "prompt_id": f"p{p}", "sample": s, "text": text}
        for p, outputs in enumerate(prompts)
        for s, text in enumerate(outputs)
    ]
    known = {
        "correct": [True, False],
        "quality": [0.5, 0.25],
        "logprob": [-0.5, -2.0],
        "token_entropies": [[0.5, 0.0]],
        "token_logprobs": [[-0.25, -1.0, 0.0]],
    }
    for i, row in enumerate(rows):
        row |= {name: told[i % len(told)] for name, told in {**known, **columns}.items()}
    return rows


LONG = " ".join(f"word{i % 97}" for i in range(3000))
NFC, NFD = (unicodedata.normalize(form, "café naïve Ångström") for form in ("NFC", "NFD"))
ODD = {
    "composed and decomposed": [NFC, NFD, NFC.upper()],
    "emoji joined": ["👩‍👩‍👧‍👦", "👩🏽‍🚀 🏳️‍🌈", "👩‍👩‍👧‍👦"],
    "right to left": ["\u202eabc\u202c", "שלום עולם", "\u200fمرحبا\u200e"],
    "no spaces": ["我喜欢吃苹果", "私は林檎が好きです", "나는사과를좋아해"],
    "invisible": ["\u200b", "\ufeff", "\u2060\u00ad"],
    "control": ["\x00", "\x1b[31mred\x1b[0m", "a\u2028b\x85c"],
    "marks stacked": ["Z" + "\u0301" * 500, "\u0301", "Z"],
    "beyond the plane": ["𝕏𝕐 \U0010ffff", "\ue000", "\ufffd"],
}

CASES: dict[str, list[dict[str, Any]]] = {
    "nothing": [],
    "one output": said(["only one"]),
    "one output a prompt": said(["one"], ["two"], ["three"]),
    "one prompt": said(["a b c d e", "f g h i j", "a b c"]),
    "all equal": said(*[["the same words each time"] * 4] * 3),
    "all different": said(*[[f"p{p}s{s} q{p}s{s}" for s in range(5)] for p in range(3)]),
    "one word": said(*[["a"] * 3] * 3),
    "one word and no repeats": said(["a", "b", "c"], ["d", "e", "f"]),
    "blank": said(*[[""] * 3] * 3),
    "spaces": said(*[[" ", "\t\n", "\u3000"]] * 3),
    "blank among others": said(["", "a b c", "  "], ["x", "", "y z"]),
    "one prompt blank": said(["", ""], ["a b", "c d"], ["e", "f"]),
    "punctuation": said(["...", "?!", "—"], ["()", "...", "''"]),
    "no text": said(["a", "b"], ["c", "d"], text=[None], finish=["filter"]),
    "only errors": said(["a", "b"], finish=["error"]),
    "errors among others": said(["a", "b", "c"], ["d", "e", "f"], finish=["error", "stop"]),
    "nothing known": said(
        ["a", "b"],
        ["c", "d"],
        correct=[None],
        quality=[None],
        logprob=[None],
        token_entropies=[None],
        token_logprobs=[None],
    ),
    "quality NaN": said(["a", "b"], ["c", "d"], quality=[NAN]),
    "quality NaN for some": said(["a", "b"], ["c", "d"], quality=[NAN, 1.0, NAN]),
    "quality infinite": said(["a", "b"], ["c", "d"], quality=[math.inf, 1.0]),
    "quality huge": said(["a", "b"], ["c", "d"], quality=[1e200, -1e200]),
    "quality huge throughout": said(["a", "b"], ["c", "d"], quality=[1e300]),
    "quality beyond sums": said(["a", "b"], ["c", "d"], quality=[1e308]),
    "entropies NaN": said(["a", "b"], ["c", "d"], token_entropies=[[NAN, NAN]]),
    "entropies NaN for some": said(["a", "b"], ["c", "d"], token_entropies=[[NAN, 0.5], [1.0]]),
    "entropies null for some": said(["a", "b"], ["c", "d"], token_entropies=[[None, 0.5], [1.0]]),
    "entropies infinite": said(["a", "b"], ["c", "d"], token_entropies=[[math.inf, 0.5]]),
    "entropies negative": said(["a", "b"], ["c", "d"], token_entropies=[[-0.5, 0.25]]),
    "entropies empty": said(["a", "b"], ["c", "d"], token_entropies=[[]]),
    "entropies huge": said(["a", "b"], ["c", "d"], token_entropies=[[1e4, 1e4]]),
    "entropies many": said(["a", "b"], ["c", "d"], token_entropies=[[0.25] * 200_000]),
    **{
        f"logprobs {fault}": said(["a", "b"], ["c", "d"], token_logprobs=told)
        for fault, told in {
            "NaN": [[NAN, -1.0]],
            "null for some": [[None, -0.5], [-1.0]],
            "infinite": [[-math.inf, -0.5]],
            "positive": [[0.5, -0.25]],
            "huge": [[-1e4, -1e4]],
        }.items()
    },
    "logprobs empty": said(["a", "b"], ["c", "d"], token_logprobs=[[]]),
    "logprobs many": said(["a", "b"], ["c", "d"], token_logprobs=[[-0.25] * 200_000]),
    "logprob NaN": said(["a", "b"], ["c", "d"], logprob=[NAN]),
    "logprob infinite": said(["a", "b"], ["c", "d"], logprob=[-math.inf, -1.0]),
    "logprob positive": said(["a", "b"], ["c", "d"], logprob=[0.5, -1.0]),
    "logprob tiny": said(["a", "b"], ["c", "d"], logprob=[-1e6]),
    "logprob of unjudged": said(["a", "b"], ["c", "d"], correct=[True, None], logprob=[None, -1.0]),
    "scored for some": said(["a", "b", "c"], ["d", "e", "f"], correct=[None, None, None, True]),
    "ragged": said(["a b"], ["c d", "e f"], [f"word {i}" for i in range(40)]),
    "many outputs": said([f"say {i % 50}" for i in range(600)], ["a", "b"]),
    "long outputs": said([LONG, LONG[::-1]], [LONG, "short"]),
    "one endless word": said(["x" * 50_000, "y"], ["x" * 50_000, "x" * 50_000]),
    "two tasks, one of a single prompt": [
        {**row, "task": "one" if row["prompt_id"] == "p0" else "two"}
        for row in said(["a b", "c d"], ["e f", "g h"], ["i j", "k l"])
    ],
    "two tasks of a single output": [
        {**row, "task": row["prompt_id"]} for row in said(["a b"], ["c d"])
    ],
    **{f"odd: {name}": said(texts, texts[::-1], [*texts, "a"]) for name, texts in ODD.items()},
    "odd: all together": said(
        *ODD.values(), answer=[text for texts in ODD.values() for text in texts]
    ),
}


def measured(case: str, *names: str) -> Measurement:
    samples = Samples.from_rows(CASES[case])
    return measure(samples, metrics=names, k=_k(case), resamples=20)


def _k(case: str) -> int:
    return 1 if case in ("one output", "one output a prompt", "two tasks of a single output") else 2


def ends(entry: Metric, *, n: int, k: int, prompts: int) -> tuple[float, float]:
    """Bounds of an entry as numbers, a rounding apart; infinite where there is none."""
    formulas = {
        "n": n, "k": k, "prompts": prompts, "n/(n-1)": n / max(n - 1, 1), "ln n": math.log(n),
        "n ln 2": n * math.log(2), "V": math.inf, "ln V": math.inf, None: math.inf,
    }  # fmt: skip
    high = entry.high if isinstance(entry.high, int | float) else formulas[entry.high]
    low = -math.inf if entry.low is None else entry.low
    return low - 1e-6, high * (1 + 1e-6) + 1e-6


REFUSED = {
    "nothing": metric_names(),
    "only errors": metric_names(),
    "quality infinite": ("quality", "utility_at_k"),
    "quality beyond sums": ("quality", "utility_at_k"),
    "logprob infinite": ("ece",),
    "logprob positive": ("ece",),
    **{
        f"logprobs {fault}": ("surprise", "branching_factor_surprise", "min_k")
        for fault in ("NaN", "null for some", "infinite")
    },
    "logprobs positive": ("surprise", "branching_factor_surprise", "min_k"),
    "logprobs huge": ("surprise", "branching_factor_surprise"),
    **{
        f"entropies {fault}": ("branching_factor", "token_entropy")
        for fault in ("NaN", "NaN for some", "null for some", "infinite", "negative", "huge")
    },
}


@pytest.mark.parametrize(("case", "name"), [(c, name) for c in REFUSED for name in REFUSED[c]])
def test_what_cannot_be_measured_is_refused_with_a_word_what_to_do(case: str, name: str) -> None:
    with pytest.raises(DataError) as refusal:
        measured(case, name)
    assert str(refusal.value).startswith(("Expected", "Prompt"))
    assert refusal.value.hint


@pytest.mark.parametrize("case", [case for case in CASES if REFUSED.get(case) != metric_names()])
def test_bad_input_gives_a_number_within_bounds_or_a_word_why_not(case: str) -> None:
    names = [name for name in metric_names() if name not in REFUSED.get(case, ())]
    result = measured(case, *names)
    assert set(result.frame["metric"]) == set(names)
    for row in result.frame.iter_rows(named=True):
        assert "failed" not in row["note"], row
        for column in ("value", "low", "high"):
            assert not math.isinf(row[column]), row
            assert not math.isnan(row[column]) or row["note"], row
    noted = result.frame.filter(pl.col("note") != "")["metric"].to_list()
    missing = result.per_prompt.filter(pl.col("value").is_nan())
    assert set(missing["metric"]) <= set(noted)

    rows = pl.DataFrame({"prompt_id": [row["prompt_id"] for row in CASES[case]]})
    sizes = dict(rows.group_by("prompt_id").len().iter_rows())
    for name, prompt_id, value in result.per_prompt.select(
        "metric", "prompt_id", "value"
    ).iter_rows():
        if not math.isnan(value):
            low, high = ends(metric(name), n=sizes[prompt_id], k=_k(case), prompts=len(sizes))
            assert low <= value <= high, (name, prompt_id)
    for name, value in result.frame.select("metric", "value").iter_rows():
        if metric(name).level == "set" and not math.isnan(value):
            low, high = ends(metric(name), n=len(sizes), k=_k(case), prompts=len(sizes))
            assert low <= value <= high, name
