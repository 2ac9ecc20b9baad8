"""Writing: what is read back is what was written, or the old file is intact."""

import csv
import errno
import math
import os

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from variegate.errors import RunUnwritable, UsageError
from variegate.samples import SCHEMA, Samples, read, write_atomically

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
tricky = st.sampled_from(
    ["", "'", "'=a", "''+", "=1", "@x", "\r", "\t=", '"', "\n", "\r\n", "</think>", "NaN", "null"]
)
number = st.none() | st.floats(allow_nan=True, allow_infinity=True)
row = st.fixed_dictionaries(
    {
        "arm": text.filter(bool) | tricky.filter(bool),
        "prompt": text.filter(bool) | tricky.filter(bool),
        "text": text | tricky,
        "correct": st.none() | st.booleans(),
        "quality": number,
        "logprob": number,
        "token_ids": st.none() | st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3),
        "token_logprobs": st.none() | st.lists(number, max_size=3),
        "seed": st.none() | st.integers(-(2**63), 2**63 - 1),
    }
)
exact_text = {"reasoning": st.none() | text | tricky, "answer": st.none() | text | tricky}


def same(a, b):
    """Equal in every cell, NaN equal to NaN and apart from null."""
    assert_frame_equal(a, b, check_exact=True)
    return True


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
@given(rows=st.lists(st.tuples(row, st.fixed_dictionaries(exact_text)), max_size=4))
@settings(deadline=None, max_examples=60)
def test_parquet_and_jsonl_give_back_exactly_what_was_written(tmp_path_factory, suffix, rows):
    samples = Samples.from_rows(a | b for a, b in rows)
    path = samples.write(tmp_path_factory.getbasetemp() / f"round{suffix}")
    if rows or suffix == ".parquet":  # a JSONL file without rows has no columns to tell
        assert same(read(path).frame, samples.frame)


@given(rows=st.lists(row, min_size=1, max_size=4))
@settings(deadline=None, max_examples=60)
def test_csv_gives_back_everything_but_empty_cells(tmp_path_factory, rows):
    samples = Samples.from_rows(rows)
    path = samples.write(tmp_path_factory.getbasetemp() / "round.csv")
    assert same(read(path).frame, samples.frame)


def test_what_we_wrote_is_recognised(tmp_path):
    samples = Samples.from_rows([{"prompt": "p", "text": "a</think>b"}])
    for suffix, name in (("jsonl", "JSONL"), ("csv", "CSV"), ("parquet", "Parquet")):
        again = read(samples.write(tmp_path / f"x.{suffix}"))
        assert again.detected == f"{name} written by variegate"
        assert again.frame["text"][0] == "a</think>b"


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"\.parquet, \.jsonl or \.csv, got '\.xlsx'"):
        Samples.from_rows([{"text": "a"}]).write(tmp_path / "x.xlsx")


@pytest.mark.fault(13)
@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_fault_13_nan_is_neither_zero_nor_null_after_a_round_trip(tmp_path, suffix):
    values = [math.nan, None, 0.0, math.inf, -math.inf]
    samples = Samples.from_rows(
        {"prompt": "p", "text": "a", "quality": value, "token_entropies": values}
        for value in values
    )
    path = samples.write(tmp_path / f"x.{suffix}")
    again = read(path).frame
    assert [repr(value) for value in again["quality"]] == [repr(value) for value in values]
    assert [repr(v) for v in again["token_entropies"][0]] == [repr(v) for v in values]
    if suffix == "jsonl":
        assert b'"quality":"NaN"' in path.read_bytes()  # a word that every strict reader takes


@pytest.mark.fault(32)
def test_fault_32_no_cell_of_a_csv_starts_a_formula(tmp_path):
    hostile = ["=cmd()", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "safe"]
    samples = Samples.from_rows(
        {"prompt": said, "arm": said, "text": said, "answer": said} for said in hostile
    )
    path = samples.write(tmp_path / "x.csv")
    with path.open(newline="", encoding="utf-8") as file:
        cells = [cell for cells in csv.reader(file) for cell in cells]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert read(path).frame["text"].to_list() == hostile


class Failing:
    """Counts the calls of some functions of `os` and lets one of them fail."""

    def __init__(self, monkeypatch, at):
        self.at, self.calls = at, 0
        for name in ("open", "write", "fsync", "replace"):
            monkeypatch.setattr(os, name, self.counted(getattr(os, name)))

    def counted(self, function):
        def call(*args, **kwargs):
            self.calls += 1
            if self.calls == self.at:
                raise OSError(errno.ENOSPC, "No space left on device")
            return function(*args, **kwargs)

        return call


STEPS = 4  # open, write, fsync and replace; what follows syncs the folder and may fail silently


@pytest.mark.fault(25)
@pytest.mark.parametrize("at", range(1, 8))
def test_fault_25_a_failing_disk_leaves_the_old_file_and_no_other(tmp_path, at):
    path = tmp_path / "scores.jsonl"
    write_atomically(path, "old")
    with pytest.MonkeyPatch.context() as patch:
        failing = Failing(patch, at)
        if at <= STEPS:
            with pytest.raises(RunUnwritable, match=r"scores\.jsonl: No space left") as caught:
                write_atomically(path, "new")
            assert caught.value.exit_code == 1
        else:
            write_atomically(path, "new")
        assert failing.calls >= min(at, STEPS + 2)
    assert path.read_text() == ("old" if at <= STEPS else "new")
    assert [found.name for found in tmp_path.iterdir()] == ["scores.jsonl"]


@pytest.mark.fault(25)
def test_fault_25_a_short_write_is_completed(tmp_path, monkeypatch):
    whole = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: whole(handle, bytes(data[:3])))
    path = write_atomically(tmp_path / "x", "0123456789")
    assert path.read_text() == "0123456789"


def test_every_column_of_the_schema_survives(tmp_path):
    full = {
        pl.String(): "words",
        pl.Boolean(): False,
        pl.Float64(): -0.25,
        pl.Int32(): 3,
        pl.Int64(): 2**40,
        pl.List(pl.Int32()): [1, 2],
        pl.List(pl.Float64()): [-1.5],
    }
    given_row = {name: full[dtype] for name, dtype in SCHEMA.items()} | {"finish": "stop"}
    samples = Samples.from_rows([given_row])
    assert samples.frame.row(0, named=True) == given_row
    for suffix in ("parquet", "jsonl", "csv"):
        assert same(read(samples.write(tmp_path / f"x.{suffix}")).frame, samples.frame)
