"""What is printed: JSON that strict readers take, tables that a terminal survives, progress."""

from __future__ import annotations

import io
import json
import math
import sys

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.cli import JSON_SCHEMA_VERSION, Progress
from variegate.cli._output import (
    COLUMNS,
    complain,
    print_json,
    print_table,
    rows_of,
)

HOSTILE = "\x1b[31mred\x1b]0;owned\x07 \u202egnp.exe \x9b2J \x00 [bold red]markup[/] :smile:"


def test_json_is_one_strict_object_with_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    print_json("measure", rows=[{"value": math.nan, "low": -math.inf}], settings={"k": 5})
    payload = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert payload == {
        "schema_version": JSON_SCHEMA_VERSION,
        "command": "measure",
        "rows": [{"value": None, "low": None}],
        "settings": {"k": 5},
    }


@given(st.recursive(st.none() | st.floats() | st.text() | st.integers(), st.lists, max_leaves=9))
@settings(deadline=None, max_examples=100)
def test_any_value_becomes_strict_ascii_json(value: object) -> None:
    kept, sys.stdout = sys.stdout, io.StringIO()
    try:
        print_json("x", settings={"value": value})
        text = sys.stdout.getvalue()
    finally:
        sys.stdout = kept
    json.loads(text, parse_constant=pytest.fail)
    assert text.isascii()
    assert text.replace("\n", "").isprintable()


def test_a_missing_number_is_null_and_says_why() -> None:
    frame = pl.DataFrame(
        {"arm": ["a", "a"], "task": ["t", "t"], "metric": ["m", "n"], "value": [math.nan, None],
         "low": [math.nan, None], "high": [math.nan, None], "n_prompts": [0, 0],
         "n_samples": [0, 0], "note": ["fewer than two outputs", None]}
    )  # fmt: skip
    rows = rows_of(frame)
    assert all(tuple(row) == COLUMNS for row in rows)
    assert [row["value"] for row in rows] == [None, None]
    assert [row["note"] for row in rows] == ["fewer than two outputs", "could not be computed"]


@pytest.mark.fault(31)
def test_fault_31_hostile_text_cannot_steer_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table([HOSTILE, "b"], [[HOSTILE, "plain"]], title=HOSTILE)
    complain(HOSTILE, HOSTILE)
    print_json("x", rows=[HOSTILE])
    printed = capsys.readouterr()
    for text in (printed.out, printed.err):
        assert not set(text) & set("\x1b\x07\x9b\x00\u202e")
        assert "markup" in text
    # Square brackets and colons are text, not orders to rich.
    assert "[bold red]" in printed.out
    assert ":smile:" in printed.out


@pytest.mark.fault(33)
def test_fault_33_a_key_of_the_environment_is_never_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-0123456789")
    complain("the server said: bad key canary-0123456789", "https://me:hunter22@host/v1")
    print_json("x", settings={"url": "https://me:hunter22@host", "echo": "canary-0123456789"})
    print_table(["a"], [["canary-0123456789"]])
    printed = capsys.readouterr()
    assert "canary" not in printed.out + printed.err
    assert "hunter22" not in printed.out + printed.err


def test_a_table_in_a_pipe_is_neither_wrapped_nor_cut(capsys: pytest.CaptureFixture[str]) -> None:
    long = "word " * 100
    print_table(["a", "b"], [[long, "end"]])
    assert any(
        long.strip() in line and "end" in line for line in capsys.readouterr().out.split("\n")
    )


def test_progress_in_a_pipe_is_a_plain_line_a_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        for done in range(1001):
            progress(done, 1000, "sampling")
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert printed.out == ""
    assert len(lines) == 11
    assert lines[0].startswith("sampling 0/1000 (0%)")
    assert lines[-1].startswith("sampling 1000/1000 (100%)")


def test_quiet_progress_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(quiet=True) as progress:
        progress(1, 2, "sampling")
    assert capsys.readouterr().err == ""


def test_a_bar_is_drawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with Progress() as progress:
        progress(1, 4, "[red]sampling\x1b[0m")
        progress(3, 4, "[red]sampling\x1b[0m")
    assert "[red]sampling␛[0m" in terminal.getvalue()
    assert "3/4" in terminal.getvalue()
