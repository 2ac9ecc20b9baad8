"""Measurement and Comparison: the tables that measuring gives, and what must be known of them."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from variegate.estimate import Estimate
from variegate.samples import clean_text

__all__ = [
    "LEVELS",
    "PER_PROMPT",
    "Caution",
    "Comparison",
    "Measurement",
    "level_row",
    "rounded",
    "rows",
]

LEVELS: dict[str, Any] = {
    "arm": pl.String, "task": pl.String, "metric": pl.String, "value": pl.Float64,
    "low": pl.Float64, "high": pl.Float64, "n_prompts": pl.Int64, "n_samples": pl.Int64,
    "note": pl.String,
}  # fmt: skip
PER_PROMPT: dict[str, Any] = {
    "arm": pl.String, "task": pl.String, "prompt_id": pl.String, "metric": pl.String,
    "value": pl.Float64,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Caution:
    """One thing that must be known before the numbers are read.

    Args:
        kind: one word for what it is about: truncation, refusal, empty, error, unscored, prompts,
            unmatched, matched, unequal-n, small-n, short or floor; of a trace also failed, judge,
            low-match or weights.
        where: the arm or stage, and the task where it is about one.
        count, total: how many, of how many.
        text: what it does to the reading, one sentence.
    """

    kind: str
    where: str
    count: int
    total: int
    text: str


@dataclass(frozen=True, kw_only=True, repr=False)
class Measurement:
    """How various, how right and how long the outputs are, with intervals.

    Args:
        frame: arm, task, metric, value, low, high, n_prompts, n_samples, note. Task ``"all"``,
            there with more than one task, is the mean over tasks. NaN could not be estimated;
            the reason stands in the note.
        per_prompt: arm, task, prompt_id, metric, value; NaN where a prompt has no value.
        cautions: what must be known before the numbers are read.
        settings: all that made the numbers (embedder with its similarity floor, k, n,
            tokenizer, vocabulary, seed, ...).
    """

    frame: pl.DataFrame
    per_prompt: pl.DataFrame
    cautions: tuple[Caution, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return _text("Measurement", self.frame, self.cautions)

    def _repr_html_(self) -> str:
        return _html(self.frame, self.cautions)


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison:
    """Two arms on the same prompts, at equal numbers of outputs.

    Args:
        frame: the long table, with the levels of both arms and, as arm ``"b - a"``, their paired
            differences.
        between: likeness within and between the arms, as of `Between`.
        sentences: what each difference says, in words.
        measurement: of both arms, as they were compared.
        cautions: what must be known before the numbers are read.
        settings: as in `Measurement`, with the names of the arms.
    """

    frame: pl.DataFrame
    sentences: tuple[str, ...]
    measurement: Measurement
    between: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=LEVELS))
    cautions: tuple[Caution, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def differences(self) -> pl.DataFrame:
        """The rows of the differences alone."""
        return self.frame.filter(pl.col("arm") == self.settings["difference"])

    def __repr__(self) -> str:
        return _text("Comparison", self.differences, self.cautions)

    def _repr_html_(self) -> str:
        return _html(self.differences, self.cautions)


def rounded(value: float) -> float:
    """Ten significant digits: the last bits differ with the number of threads."""
    return float(f"{value:.10g}")


def level_row(
    arm: str, task: str, name: str, estimate: Estimate, samples: int, note: str
) -> dict[str, Any]:
    """One row of the long table."""
    return {
        "arm": arm, "task": task, "metric": name, "value": rounded(estimate.value),
        "low": rounded(estimate.low), "high": rounded(estimate.high),
        "n_prompts": estimate.n_prompts, "n_samples": samples, "note": note,
    }  # fmt: skip


def rows(result: Measurement | Comparison) -> list[dict[str, Any]]:
    """The long table as plain dictionaries, NaN as None, ready for strict JSON.

    Example:
        >>> from variegate.metrics import measure
        >>> from variegate.samples import Samples
        >>> said = Samples.from_rows({"prompt": "?", "text": text} for text in ["a", "b"])
        >>> row = rows(measure(said, metrics=["gini_simpson"]))[0]
        >>> row["metric"], row["value"], row["low"]
        ('gini_simpson', 1.0, None)
    """
    return [
        {key: None if isinstance(v, float) and math.isnan(v) else v for key, v in row.items()}
        for row in result.frame.iter_rows(named=True)
    ]


def _shown(frame: pl.DataFrame) -> pl.DataFrame:
    """The mean over tasks where there is one; metrics down."""
    whole = frame.filter(pl.col("task") == "all")
    return whole if whole.height else frame


def _cells(row: dict[str, Any]) -> list[str]:
    interval = "" if math.isnan(row["low"]) else f"[{row['low']:.3g}, {row['high']:.3g}]"
    value = "-" if math.isnan(row["value"]) else f"{row['value']:.3g}"
    return [row["arm"], row["task"], row["metric"], value, interval, str(row["n_prompts"])]


def _text(name: str, frame: pl.DataFrame, cautions: tuple[Caution, ...]) -> str:
    table = [["arm", "task", "metric", "value", "interval", "prompts"]]
    table += [_cells(row) for row in _shown(frame).iter_rows(named=True)]
    # Names come from files: nothing that moves a cursor reaches the terminal.
    table = [[clean_text(cell) for cell in row] for row in table]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in table
    ]
    lines += [f"careful: {clean_text(caution.text)}" for caution in cautions]
    return "\n".join([name, *lines])


def _html(frame: pl.DataFrame, cautions: tuple[Caution, ...]) -> str:
    def line(cells: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

    head = line(["arm", "task", "metric", "value", "interval", "prompts"], "th")
    body = "".join(line(_cells(row), "td") for row in _shown(frame).iter_rows(named=True))
    notes = "".join(f"<li>{html.escape(caution.text)}</li>" for caution in cautions)
    return f"<table>{head}{body}</table>" + (f"<ul>{notes}</ul>" if notes else "")
