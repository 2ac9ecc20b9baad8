"""Gates: the grammar of one line, what it finds, and the exit codes that follow."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.cli import Gate
from variegate.cli._gate import exit_code
from variegate.errors import UsageError

ROWS = [
    {"arm": "base", "task": "all", "metric": "vendi", "value": 4.0},
    {"arm": "sft", "task": "all", "metric": "vendi", "value": 3.7},
    {"arm": "dpo", "task": "all", "metric": "vendi", "value": 2.0},
    {"arm": "dpo", "task": "stories", "metric": "vendi", "value": None},
    {"arm": "base", "task": "stories", "metric": "vendi", "value": 3.0},
]


@pytest.mark.parametrize(
    ("text", "failing"),
    [
        ("vendi<0.9*base", ["dpo"]),
        ("vendi < base", ["sft", "dpo"]),
        ('vendi<0.4*"base"', []),
        ("vendi>=3.7", ["base", "sft"]),
        ("vendi<=2e0", ["dpo"]),
        ("vendi@all>.5*dpo", ["base", "sft"]),
    ],
)
def test_a_gate_finds_the_arms_that_break_it(text: str, failing: list[str]) -> None:
    found = Gate.parse(text).failures(ROWS)
    assert [arm for arm in ("base", "sft", "dpo") if any(f" {arm} has" in f for f in found)] == (
        failing
    )
    assert len(found) == len(failing)


def test_where_there_is_one_task_the_gate_reads_it() -> None:
    rows = [{"arm": "a", "task": "default", "metric": "vendi", "value": 1.0}]
    assert len(Gate.parse("vendi<2").failures(rows)) == 1


def test_a_missing_value_fails_the_gate_instead_of_passing_in_silence() -> None:
    assert "cannot be told for dpo" in Gate.parse("vendi@stories<1").failures(ROWS)[0]


@pytest.mark.parametrize("text", ["vendi<nobody", "unknown<1", "vendi@elsewhere<1"])
def test_a_gate_on_what_was_not_measured_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="was not measured"):
        Gate.parse(text).failures(ROWS)


@pytest.mark.parametrize(
    "text",
    ["", "vendi", "vendi<", "<0.9", "vendi=1", "vendi<0.9*", "vendi<0.9*base+1",
     "__import__('os').system('true')<1", "vendi<0.9**base", "vendi<1 or 1", "vendi<1; x"],
)  # fmt: skip
def test_what_is_no_gate_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="Expected a gate"):
        Gate.parse(text)


@given(st.text(max_size=40))
@settings(deadline=None, max_examples=200)
def test_any_text_is_a_gate_or_our_own_error(text: str) -> None:
    try:
        gate = Gate.parse(text)
    except UsageError:
        return
    assert gate.metric
    assert not math.isnan(gate.factor)


@pytest.mark.parametrize(
    ("failed", "tolerance", "code"),
    [(0, 0.0, 0), (1, 0.0, 3), (1, 0.01, 0), (2, 0.01, 3), (2, 2, 0), (3, 2, 3)],
)
def test_failed_outputs_beyond_the_tolerance_exit_with_3(
    failed: int, tolerance: float, code: int
) -> None:
    assert exit_code(ROWS, gates=[], failed=failed, total=100, tolerance=tolerance) == code


def test_a_failed_gate_outranks_failed_outputs() -> None:
    gates = [Gate.parse("vendi<0.9*base")]
    assert exit_code(ROWS, gates=gates, failed=50, total=100, tolerance=0.0) == 4
