"""The terminal: the same answer in one screen, and nothing that a model wrote can act there."""

from __future__ import annotations

import io
from dataclasses import dataclass

import polars as pl
import pytest
from rich.console import Console

from variegate.report import comparison_table, measurement_table, terminal

HOSTILE = "[red]x[/red] \x1b[31m\x1b]0;t\x07\u202e[/]"


@dataclass
class Table:
    frame: pl.DataFrame


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
    assert "Careful: truncation, low-match" in shown


def test_a_trace_without_stages_to_compare_prints_no_table(trace_of):
    shown = printed(terminal(trace_of(empty=("losses", "retained"), cautions=())))
    assert "Driven by" not in shown
    assert "Careful" not in shown


@pytest.mark.fault(31)
def test_fault_31_neither_escapes_nor_markup_act_in_the_terminal(trace_of):
    shown = printed(terminal(trace_of(name=HOSTILE, headline=(HOSTILE,)), page=HOSTILE))
    assert "[red]x[/red]" in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


def test_the_measurement_reads_metric_by_metric(trace_of):
    frame = trace_of().levels.rename({"stage": "arm"})
    shown = printed(measurement_table(Table(frame)))
    assert shown.count("gini_simpson") == 1
    assert "[0.79, 0.85]" in shown
    assert "arithmetic" not in shown
    assert "arithmetic" in printed(measurement_table(Table(frame), task=None))


def test_notes_are_shown_as_text_where_there_are_any(trace_of):
    frame = trace_of().levels.rename({"stage": "arm"}).with_columns(note=pl.lit(HOSTILE))
    shown = printed(measurement_table(Table(frame)), width=160)
    assert "[red]x[/red]" in shown
    assert "\x1b" not in shown
    assert "Note" in shown


def test_differences_carry_their_sign():
    frame = pl.DataFrame({
        "task": ["all"], "metric": ["vendi"], "value": [-1.234], "low": [-2.0], "high": [-0.4],
        "n_prompts": [9], "n_samples": [90],
    })  # fmt: skip
    assert "−1.23   [−2.00, −0.40]" in printed(comparison_table(Table(frame)))
