"""The terminal: the same answer in one screen, and nothing that a model wrote can act there."""

from __future__ import annotations

import io

import polars as pl
import pytest
from rich.console import Console

from variegate.metrics import compare, measure
from variegate.report import comparison_table, measurement_table, terminal
from variegate.samples import Samples

HOSTILE = "[red]x[/red] \x1b[31m\x1b]0;t\x07\u202e[/]"


def printed(renderable, *, width=100) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None, force_terminal=False).print(renderable)
    return out.getvalue()


def test_one_screen_says_the_sentences_the_stages_and_the_page(trace_of):
    trace = trace_of()
    shown = printed(terminal(trace, page="runs/demo/report.html"))
    assert len(shown.splitlines()) <= 40
    assert "The chat template alone accounts for 40% [31, 49]" in shown
    assert all(stage.name in shown for stage in trace.stages)
    assert "runs/demo/report.html" in shown
    assert "Careful: cut answers, few matched prompts" in shown


def test_a_trace_without_stages_to_compare_prints_no_table(trace_of):
    shown = printed(terminal(trace_of(empty=("losses", "retained"), cautions=())))
    assert "Driven by" not in shown
    assert "Careful" not in shown


@pytest.mark.fault(31)
def test_fault_31_neither_escapes_nor_markup_act_in_the_terminal(trace_of):
    shown = printed(terminal(trace_of(name=HOSTILE, headline=(HOSTILE,)), page=HOSTILE))
    assert "[red]x[/red]" in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


def outputs(arms=("a", "b"), tasks=("sums", "names"), *, answer=None) -> Samples:
    """Two arms, of which the second says fewer things."""
    return Samples.from_rows(
        {"arm": arm, "task": task, "prompt_id": f"{task}{p}", "prompt": "?", "sample": i,
         "text": answer or f"word{i % (4 - 3 * a)}"}
        for a, arm in enumerate(arms) for task in tasks for p in range(4) for i in range(4)
    )  # fmt: skip


def test_the_measurement_reads_metric_by_metric():
    found = measure(outputs(), metrics=["gini_simpson", "length"])
    shown = printed(measurement_table(found))
    assert shown.count("gini_simpson") == 1
    assert shown.index("gini_simpson") < shown.index("length")
    assert " a " in shown
    assert "1.00   [1.00, 1.00]" in shown
    assert printed(measurement_table(found, task="sums")).count("32") == 0
    assert printed(measurement_table(found, task="nowhere")).count("gini_simpson") == 0


def test_one_task_is_its_own_mean():
    found = measure(outputs(arms=("a",), tasks=("sums",)), metrics=["gini_simpson"])
    shown = printed(measurement_table(found))
    assert "gini_simpson" in shown
    assert "Arm" not in shown


@pytest.mark.fault(31)
def test_fault_31_names_of_arms_cannot_act_in_the_tables():
    found = measure(outputs(arms=(HOSTILE, "b")), metrics=["gini_simpson"])
    shown = printed(measurement_table(found), width=160)
    assert "[red]x[/red]" in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


def test_a_comparison_says_both_levels_and_the_signed_difference():
    said = outputs()
    one, other = (Samples.from_frame(said.frame.filter(pl.col("arm") == arm)) for arm in "ab")
    shown = printed(comparison_table(compare(one, other, metrics=["gini_simpson"])))
    line = next(line for line in shown.splitlines() if "gini_simpson" in line)
    assert line.split()[1:4] == ["1.00", "0.00", "−1.00"]
    assert "[−1.00, −1.00]" in line
