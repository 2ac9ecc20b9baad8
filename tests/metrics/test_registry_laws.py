"""The laws of docs/laws.md on every metric: said to hold, they do; said not to, they are broken.

A set of outputs is a prompt, or for a metric of a whole set a task of three prompts; one call of
`measure` gives the values of all of them.
"""

from __future__ import annotations

import math
import runpy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from variegate.metrics import Measurement, measure, metric, metric_names
from variegate.samples import Samples

ROOT = Path(__file__).resolve().parents[2]
PAGE = runpy.run_path(str(ROOT / "docs" / "laws.py"))
LAWS = PAGE["LAWS"]

Row = dict[str, Any]
Values = dict[tuple[str, ...], float]
K = 3
SEEDS = range(4)
WORDS = (  # noqa: SIM905, a list of fifty literals reads worse
    "plum oak river violin seven tax planet sleep copper anger kitchen sail winter gene brick "
    "lemon judge tiger cloud engine poem sugar north debt glass wolf radio bishop salt zero "
    "harbour knee fever garden bullet silk market ghost onion pilot thunder ink stone queen "
    "battery dance wheat prison yellow algebra"
).split()


def random_sets(seed: int) -> list[Row]:
    """Outputs of 24 tasks of 3 prompts: few and many, short and long, some said again and again."""
    rng = np.random.default_rng(seed)
    rows = []
    for task in range(24):
        vocabulary = rng.choice(WORDS, int(rng.integers(2, len(WORDS))), replace=False)
        for prompt in range(3):
            said: list[str] = []
            for sample in range(60 if task == 1 else int(rng.integers(K, 7))):
                length = int(rng.integers(100, 130) if task % 5 == 0 else rng.integers(1, 12))
                again = said and rng.random() < (0.97 if task == 1 else 0.3)
                said.append(
                    said[rng.integers(len(said))]
                    if again
                    else " ".join(rng.choice(vocabulary, length))
                )
                rows.append(
                    {
                        "arm": "base",
                        "task": f"task{task}",
                        "prompt": f"prompt {prompt} of {task}",
                        "prompt_id": f"p{prompt}",
                        "sample": sample,
                        "text": said[-1],
                        "answer": str(rng.integers(0, 3)),
                        "correct": bool(rng.integers(0, 2)),
                        "quality": float(rng.normal()),
                        "token_entropies": rng.exponential(1.0, 4).tolist(),
                        "token_logprobs": (-rng.exponential(1.0, 4)).tolist(),
                        "logprob": float(-rng.exponential(1.0)),
                    }
                )
    return rows


def by_prompt(rows: list[Row]) -> list[list[Row]]:
    prompts: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        prompts.setdefault((row["task"], row["prompt_id"]), []).append(row)
    return list(prompts.values())


def numbered(prompts: list[list[Row]]) -> list[Row]:
    return [{**row, "sample": i} for outputs in prompts for i, row in enumerate(outputs)]


def values(rows: list[Row]) -> Values:
    """Value of every metric by (metric, task) or (metric, task, prompt)."""
    result: Measurement = measure(
        Samples.from_rows(rows), metrics=metric_names(), k=K, resamples=2, seed=0
    )
    sets = [name for name in metric_names() if metric(name).level == "set"]
    of_tasks = result.frame.filter(
        (pl.col("arm") == "base") & pl.col("metric").is_in(sets) & (pl.col("task") != "all")
    )
    of_prompts = result.per_prompt.filter(pl.col("arm") == "base")
    return {
        **{(m, t): v for m, t, v in of_tasks.select("metric", "task", "value").iter_rows()},
        **{
            (m, t, p): v
            for m, t, p, v in of_prompts.select("metric", "task", "prompt_id", "value").iter_rows()
        },
    }


def reordered(rows: list[Row], rng: np.random.Generator) -> list[Row]:
    return numbered([[o[i] for i in rng.permutation(len(o))] for o in by_prompt(rows)])


def renamed(rows: list[Row], rng: np.random.Generator) -> list[Row]:
    new = {"p0": "z", "p1": "y", "p2": "x"}
    return [{**r, "prompt_id": new[r["prompt_id"]]} for r in rows]


def doubled(rows: list[Row], rng: np.random.Generator) -> list[Row]:
    return numbered([[*outputs, *outputs] for outputs in by_prompt(rows)])


def one_copied(rows: list[Row], rng: np.random.Generator) -> list[Row]:
    prompts = []
    for outputs in by_prompt(rows):
        different = list({row["text"]: row for row in outputs}.values())
        prompts.append([*outputs, different[rng.integers(len(different))]])
    return numbered(prompts)


def in_other_company(rows: list[Row], rng: np.random.Generator) -> list[Row]:
    kept = [row for row in rows if int(row["task"].removeprefix("task")) % 2 == 0]
    return kept + [{**row, "arm": "other", "text": "one word", "answer": "else"} for row in kept]


def all_equal(rows: list[Row], rng: np.random.Generator) -> list[Row]:
    said = {}
    for row in rows:
        said.setdefault(row["task"], {"text": row["text"], "answer": row["answer"]})
    return [{**row, **said[row["task"]]} for row in rows]


CHANGES: dict[str, Callable[[list[Row], np.random.Generator], list[Row]]] = {
    "order": reordered,
    "names": renamed,
    "company": in_other_company,
    "doubling": doubled,
    "copy": one_copied,
    "bounds": lambda rows, rng: rows,
    "equal": all_equal,
}
BACK = {"z": "p0", "y": "p1", "x": "p2"}


@cache
def measured(law: str, seed: int) -> tuple[Values, Values, dict[tuple[str, ...], int]]:
    """Values before and after the change of a law, and how many outputs a prompt has."""
    rows = random_sets(seed)
    changed = values(CHANGES[law](rows, np.random.default_rng(seed)))
    after = {
        (*key[:2], *(BACK.get(name, name) for name in key[2:])): value
        for key, value in changed.items()
    }
    sizes = {(o[0]["task"], o[0]["prompt_id"]): len(o) for o in by_prompt(rows)}
    before = after if law == "bounds" else measured("bounds", seed)[0]
    return before, after, sizes


def end(entry: Any, which: str, n: int) -> float:
    """An end of an entry as a number; infinite where there is none."""
    bound = entry.low if which == "low" else entry.high
    if bound is None or bound in ("V", "ln V"):
        return -math.inf if which == "low" else math.inf
    formulas = {
        "n": n, "k": K, "prompts": 3, "n/(n-1)": n / (n - 1), "ln n": math.log(n),
        "n ln 2": n * math.log(2),
    }  # fmt: skip
    return float(formulas[bound] if isinstance(bound, str) else bound)


def breaches(law: str, name: str) -> tuple[int, list[str]]:
    """How many sets were tried, and those that break the law."""
    entry, tried, found = metric(name), 0, []
    for seed in SEEDS:
        before, after, sizes = measured(law, seed)
        for key in after:
            if key[0] != name or math.isnan(before[key]) or math.isnan(after[key]):
                continue
            tried += 1
            old, new = before[key], after[key]
            slack = 1e-5 * max(1.0, abs(old))
            n = sizes[key[1:]] if entry.level == "prompt" else 3
            if law == "bounds":
                kept = end(entry, "low", n) - slack <= new <= end(entry, "high", n) + slack
            elif law == "copy":
                kept = (new - old) * (1 if entry.direction == "more" else -1) <= slack
            elif law == "equal":
                least = end(entry, "low" if entry.direction == "more" else "high", n)
                kept = abs(new - least) <= slack
            else:
                kept = abs(new - old) <= slack
            if not kept:
                found.append(f"seed {seed}, {'/'.join(key[1:])}: {old:.6g} -> {new:.6g}")
    return tried, found


CASES = [(law, name) for law in LAWS for name in metric_names() if law.asks(metric(name))]


@pytest.mark.parametrize(("law", "name"), CASES, ids=[f"{law.name}-{name}" for law, name in CASES])
def test_a_law_holds_where_it_is_said_to_and_is_broken_where_not(law: Any, name: str) -> None:
    tried, found = breaches(law.name, name)
    assert tried >= 8
    if law.holds(name):
        assert found == []
    else:
        assert found, f"nothing breaks the law, though it is said not to hold: {law.reason(name)}"


def test_what_is_excepted_is_a_metric_that_the_law_asks() -> None:
    for law in LAWS:
        named = [name for names in law.broken_by.values() for name in names]
        assert len(set(named)) == len(named)
        assert [name for name in named if not law.asks(metric(name))] == []
    assert {law.name for law in LAWS} == set(CHANGES)


def test_the_page_of_laws_is_up_to_date() -> None:
    page = (ROOT / "docs" / "laws.md").read_text(encoding="utf-8")
    assert page == PAGE["page"](), "run python docs/laws.py"
