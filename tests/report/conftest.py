"""A made-up trace with realistic numbers, so that the page can be tested without a model."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from variegate.lineage import StageInfo, Trace
from variegate.metrics import Caution
from variegate.samples import Samples

STAGES = (
    ("base", None, "base", "base", "raw"),
    ("think-sft", "base", "think", "sft", "chat"),
    ("think-dpo", "think-sft", "think", "dpo", "chat"),
    ("think-rl", "think-dpo", "think", "rl", "chat"),
    ("instruct-sft", "base", "instruct", "sft", "chat"),
    ("instruct-dpo", "instruct-sft", "instruct", "dpo", "chat"),
    ("instruct-rl", "instruct-dpo", "instruct", "rl", "chat"),
    ("rl-zero", "base", "rl-zero", "rl", "raw"),
)
TASKS = ("arithmetic", "routes", "lists", "stories", "opinions")
SPREAD = {
    "base": 0.82,
    "think-sft": 0.47,
    "think-dpo": 0.36,
    "think-rl": 0.31,
    "instruct-sft": 0.66,
    "instruct-dpo": 0.55,
    "instruct-rl": 0.52,
    "rl-zero": 0.70,
}
RIGHT = {
    "base": 0.34,
    "think-sft": 0.61,
    "think-dpo": 0.67,
    "think-rl": 0.78,
    "instruct-sft": 0.52,
    "instruct-dpo": 0.58,
    "instruct-rl": 0.63,
    "rl-zero": 0.57,
}

NASTY = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "<svg onload=alert(1)>",
    "[link](javascript:alert(1))",
    "<style>body{display:none}</style>",
    "{{ 7*7 }} {% for x in y %}",
    "</noscript><script>alert(1)</script>",
    "<!-- <script>",
    "\u202egnp.exe\u2066 \x1b]0;title\x07 \x00 \u2028",
)
METRICS: dict[str, dict[str, Any]] = {
    "gini_simpson": {
        "title": "Chance of two different answers",
        "summary": "The chance that two draws give different answers: 0 when every draw says the "
        "same, 1 when no two draws agree.",
        "low": 0.0,
        "high": 1.0,
        "direction": "more",
        "role": "variety",
        "source": "Simpson 1949",
        "url": "https://doi.org/10.1038/163688a0",
    },
    "vendi": {
        "title": "Vendi score",
        "summary": "The effective number of different outputs: 1 when all are the same, n when "
        "no two resemble each other.",
        "low": 1.0,
        "high": None,
        "direction": "more",
        "role": "variety",
        "source": "Friedman 2022",
        "url": "https://arxiv.org/abs/2210.02410",
    },
    "distinct_at_k": {
        "title": "Different answers among k",
        "summary": "How many different answers stand among k draws: 1 when all agree, k when "
        "none do.",
        "low": 1.0,
        "high": 16.0,
        "direction": "more",
        "role": "variety",
        "source": "Heck 1975",
        "url": "https://doi.org/10.2307/1934716",
    },
    "accuracy": {
        "title": "Right answers",
        "summary": "The share of outputs that are right: 0 none, 1 all.",
        "low": 0.0,
        "high": 1.0,
        "direction": "more",
        "role": "quality",
        "source": "counted",
        "url": "",
    },
    "length": {
        "title": "Length",
        "summary": "Mean number of tokens in an answer.",
        "low": 0.0,
        "high": None,
        "direction": "neither",
        "role": "length",
        "source": "counted",
        "url": "",
    },
}


def _levels(rng: np.random.Generator, tasks: tuple[str, ...], prompts: int) -> pl.DataFrame:
    rows = []
    scale = {
        "gini_simpson": lambda s: SPREAD[s],
        "vendi": lambda s: 1 + 9 * SPREAD[s],
        "distinct_at_k": lambda s: 1 + 11 * SPREAD[s],
        "accuracy": lambda s: RIGHT[s],
        "length": lambda s: 14 + 20 * (s.startswith("think")),
    }
    for name, of in scale.items():
        for stage, *_ in STAGES:
            for task in (*tasks, "all"):
                tilt = 1.0 if task == "all" else float(rng.uniform(0.75, 1.15))
                value = float(of(stage)) * tilt
                if name in ("gini_simpson", "accuracy"):
                    value = min(value, 0.97)
                half = value * (0.035 if task == "all" else 0.08)
                rows.append((stage, task, name, value, value - half, value + half, prompts))
    frame = pl.DataFrame(
        rows,
        schema=["stage", "task", "metric", "value", "low", "high", "n_prompts"],
        orient="row",
    )
    return frame.with_columns(pl.lit(16 * prompts).alias("n_samples"), pl.lit("").alias("note"))


def _losses(rng: np.random.Generator, tasks: tuple[str, ...], prompts: int) -> pl.DataFrame:
    rows = []
    for stage, parent, *_ in STAGES[1:]:
        mean = 100 * (SPREAD[stage] - SPREAD[parent]) / SPREAD["base"]
        for task in (*tasks, "mean of ratios", "ratio of means"):
            value = mean * float(
                rng.uniform(0.3, 1.8) if task in tasks else rng.uniform(0.95, 1.05)
            )
            half = 9.0 if task in tasks else 4.2
            rows.append(
                (stage, parent, task, "gini_simpson", value, value - half, value + half, prompts)
            )
    return pl.DataFrame(
        rows,
        schema=["stage", "parent", "task", "metric", "percent", "low", "high", "n_prompts"],
        orient="row",
    )


def _retained(tasks: tuple[str, ...]) -> pl.DataFrame:
    rows = []
    for stage, *_ in STAGES:
        for task in (*tasks, "mean of ratios", "ratio of means"):
            value = 100 * SPREAD[stage] / SPREAD["base"]
            rows.append((stage, task, "gini_simpson", value, value - 4, min(value + 4, 100)))
    return pl.DataFrame(
        rows, schema=["stage", "task", "metric", "percent", "low", "high"], orient="row"
    )


def _decomposition(rng: np.random.Generator, tasks: tuple[str, ...]) -> pl.DataFrame:
    rows = []
    for stage, *_ in STAGES[1:]:
        for task in (*tasks, "all"):
            total = 0.8 * (SPREAD["base"] - SPREAD[stage]) * float(rng.uniform(0.7, 1.3))
            share = {"arithmetic": 0.66, "stories": 0.08, "lists": -0.12}.get(task, 0.35)
            matched = 0 if task == "opinions" else int(rng.integers(9, 38))
            gone = matched == 0
            accuracy = float("nan") if gone else total * share
            narrowing = float("nan") if gone else total * (1 - share)

            def add(part: str, value: float, half: float) -> None:
                rows.append((stage, task, part, value, value - half, value + half, matched))  # noqa: B023

            add("total", float("nan") if gone else total, 0.03)
            add("accuracy", accuracy, 0.025)
            add("narrowing", narrowing, 0.03)
            if gone:
                continue
            add("accuracy_share", share, 0.08)
            add("narrowing_share", 1 - share, 0.08)
            for side, shift in (("base", 0.0), ("post", 0.25)):
                for kind, level, part in (
                    ("right_right", 0.55, 0.16 + shift),
                    ("right_wrong", 0.95, 0.44),
                    ("wrong_wrong", 0.83, 0.40 - shift),
                ):
                    add(f"{side}_{kind}", level - (shift if kind == "right_right" else 0.02), 0.02)
                    add(f"{side}_share_{kind}", part, 0.02)
            add("base_vendi_right", 3.4, 0.2)
            add("post_vendi_right", 1.9, 0.2)
    return pl.DataFrame(
        rows,
        schema=["stage", "task", "part", "value", "low", "high", "n_matched"],
        orient="row",
    )


def _formats(tasks: tuple[str, ...], prompts: int) -> pl.DataFrame:
    rows = []
    for stage, _, branch, _, shape in STAGES[1:]:
        for task in (*tasks, "all"):
            total = SPREAD[stage] - SPREAD["base"]
            steps = {
                "tuning": total * (0.7 if shape == "chat" else 1.0),
                "template": total * 0.4 if shape == "chat" else 0.0,
                "reasoning": -total * 0.1 if branch == "think" else 0.0,
            }
            steps["tuning"] = total - steps["template"] - steps["reasoning"]
            rows.append((stage, task, "base", SPREAD["base"], 0.03))
            # A step that a stage does not have is zero without a width.
            rows.extend((stage, task, name, v, 0.03 if v else 0.0) for name, v in steps.items())
            rows.append((stage, task, "stage", SPREAD[stage], 0.03))
    return (
        pl.DataFrame(rows, schema=["stage", "task", "step", "value", "half"], orient="row")
        .with_columns(
            pl.lit("gini_simpson").alias("metric"),
            (pl.col("value") - pl.col("half")).alias("low"),
            (pl.col("value") + pl.col("half")).alias("high"),
            pl.lit(prompts).alias("n_prompts"),
        )
        .drop("half")
    )


def _positions(tasks: tuple[str, ...]) -> pl.DataFrame:
    rows = []
    for stage, *_ in STAGES:
        for task in (*tasks, "all"):
            for position in range(24):
                wave = 0.25 * np.sin(position / 2.2)
                entropy = max((2.2 * SPREAD[stage] + wave) * np.exp(-position / 16), 0.02)
                rows.append(
                    (
                        stage,
                        task,
                        position,
                        entropy,
                        np.exp(entropy),
                        np.exp(entropy * 0.9),
                        np.exp(entropy * 1.1),
                        640 - 20 * position,
                    )
                )
    return pl.DataFrame(
        rows,
        schema=["stage", "task", "position", "entropy", "branching", "low", "high", "n"],
        orient="row",
    )


def _layers(rng: np.random.Generator) -> pl.DataFrame:
    modules = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    rows = []
    for stage, parent, _, kind, _ in STAGES[1:]:
        first = parent == "base"
        for layer in range(6):
            for m, module in enumerate(modules):
                norm = {"sft": 0.12, "dpo": 0.04, "rl": 0.02}[kind] * (0.5 + layer / 6)
                norm *= float(rng.uniform(0.7, 1.3)) * (1 + 0.1 * m)
                rows.append(
                    (
                        stage,
                        parent,
                        layer,
                        module,
                        norm,
                        float(rng.uniform(4, 40)),
                        None if first else float(rng.uniform(0.4, 0.8)),
                        None if first else float(rng.uniform(-0.1, 0.5)),
                    )
                )
    return pl.DataFrame(
        rows,
        schema=[
            "stage",
            "parent",
            "layer",
            "module",
            "relative_norm",
            "effective_rank",
            "sign_agreement",
            "cosine",
        ],
        orient="row",
    )


def _samples(
    rng: np.random.Generator,
    tasks: tuple[str, ...],
    prompts: int,
    n: int,
    say: Callable[[str, str, int], str],
) -> tuple[Samples, pl.DataFrame]:
    rows, numbers = [], []
    for stage, _, branch, *_ in STAGES:
        for task in tasks:
            for p in range(prompts):
                pool = max(1, round(14 * SPREAD[stage]))
                picks = rng.integers(0, pool, n)
                for i, pick in enumerate(picks):
                    think = f"First I look at {pick} and then at {p}. " * 6
                    rows.append(
                        {
                            "arm": stage,
                            "task": task,
                            "prompt_id": f"{task}-{p:03d}",
                            "prompt": f"{task}: write a sum that makes {p + 7}.",
                            "sample": i,
                            "text": say(stage, task, int(pick)),
                            "reasoning": think if branch == "think" else None,
                            "finish": "stop",
                            "correct": None if task == "opinions" else pick % 3 != 1,
                            "answer": f"{pick} + {p}",
                            "iid": True,
                        }
                    )
                share = np.bincount(picks) / n
                numbers.append(
                    (
                        stage,
                        task,
                        f"{task}-{p:03d}",
                        "gini_simpson",
                        float((1 - (share**2).sum()) * n / (n - 1)),
                    )
                )
                numbers.append(
                    (stage, task, f"{task}-{p:03d}", "distinct_at_k", float((share > 0).sum()))
                )
    schema = ["stage", "task", "prompt_id", "metric", "value"]
    return Samples.from_rows(rows), pl.DataFrame(numbers, schema=schema, orient="row")


def make_trace(
    *,
    tasks: tuple[str, ...] = TASKS,
    prompts: int = 6,
    n: int = 8,
    seed: int = 0,
    say: Callable[[str, str, int], str] | None = None,
    empty: tuple[str, ...] = (),
    **changes: Any,
) -> Trace:
    """Make a trace; `empty` names tables to leave without rows, `changes` replaces fields."""
    rng = np.random.default_rng(seed)
    say = say or (lambda stage, task, pick: f"{pick} + {pick * 3 + 2} makes the {task} come out.")
    samples, per_prompt = _samples(rng, tasks, prompts, n, say)
    levels = _levels(rng, tasks, prompts)
    gini = levels.filter(pl.col("metric") == "gini_simpson")
    fields: dict[str, Any] = {
        "headline": (
            "The think line keeps 38% [34, 42] of the base's variety; 69% [61, 77] of the loss "
            "comes with SFT.",
            "On arithmetic two thirds of it is wrong answers going away; on stories nearly all "
            "of it is narrowing.",
            "The chat template alone accounts for 40% [31, 49] of the change.",
        ),
        "name": "lab",
        "stages": tuple(
            StageInfo(name=s, parent=p, branch=b, kind=k, format=f) for s, p, b, k, f in STAGES
        ),
        "metric": "gini_simpson",
        "levels": levels,
        "per_prompt": per_prompt,
        "losses": _losses(rng, tasks, prompts),
        "retained": _retained(tasks),
        "decomposition": _decomposition(rng, tasks),
        "formats": _formats(tasks, prompts),
        "positions": _positions(tasks),
        "layers": _layers(rng),
        "exact": gini.select(
            "stage", "task", "metric", (pl.col("value") * 1.015).clip(0, 1).alias("value")
        ),
        "cautions": (
            Caution(
                kind="truncation",
                where="think-rl, stories",
                count=31,
                total=96,
                text="Cut answers look more alike than whole ones; read these levels as "
                "lower bounds.",
            ),
            Caution(
                kind="low-match",
                where="think-sft, routes",
                count=9,
                total=40,
                text="The split between wrong answers and narrowing rests on few prompts.",
            ),
        ),
        "metrics": METRICS,
        "settings": {
            "command": "variegate demo --out runs/demo",
            "samples_per_prompt": n,
            "seed": 0,
            "resamples": 2000,
            "sampling": {"temperature": 1.0, "max_tokens": 64},
            "embedder": {"name": "wordllama", "similarity_floor": 0.18},
            "versions": {"variegate": "0.1.0", "numpy": "2.1"},
            "started": "2026-11-21T09:00:00Z",
            "seconds": 184.2,
        },
        "samples": samples,
    }
    for table in empty:
        fields[table] = fields[table].clear()
    return Trace(**{**fields, **changes})


@pytest.fixture
def trace_of() -> Callable[..., Trace]:
    """The factory itself: call it with what should differ."""
    return make_trace


@pytest.fixture
def nasty() -> tuple[str, ...]:
    """What a hostile model might say."""
    return NASTY


@pytest.fixture
def hostile() -> Callable[..., Trace]:
    """The factory, of a model that says nothing but hostile things."""

    def make(**changes: Any) -> Trace:
        turn = itertools.cycle(NASTY)
        return make_trace(say=lambda *_: next(turn), **changes)

    return make
