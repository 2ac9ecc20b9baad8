"""The sample browser's data: every prompt, its numbers, and its outputs with equal ones folded."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from markupsafe import Markup

from variegate.judging import answer_keys
from variegate.report._numbers import brief
from variegate.samples import Samples, clean_text

__all__ = ["Outputs", "embedded", "outputs"]

_LIMITS = (100_000, 8_000, 4_000, 2_000, 1_000, 500, 250, 120)
_BUDGET = 5_000_000  # bytes of text, which the fallback without scripts may double: under 12 MB
_MOST_ROWS = 60_000


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What the browser shows.

    Args:
        columns: name and colour class of every stage or arm.
        metrics: the titles of the numbers above the outputs.
        prompts: in order: task, id, prompt, numbers (a row a metric, a text a column) and
            cells (for every column its groups of equal answers).
        notes: what was cut to keep the page small, in words.
    """

    columns: tuple[tuple[str, str], ...]
    metrics: tuple[str, ...]
    prompts: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]


def outputs(
    samples: Samples,
    per_prompt: pl.DataFrame,
    *,
    arm: str,
    columns: Sequence[tuple[str, str]],
    metrics: Sequence[tuple[str, str]],
) -> Outputs:
    """Fold the outputs for reading.

    Args:
        samples: every output; columns are its arms.
        per_prompt: arm, task, prompt_id, metric, value.
        arm: what `per_prompt` calls the arm (``"stage"`` in a trace).
        columns: name and colour class of the arms to show, in order.
        metrics: name and title of the numbers to show above.
    """
    frame = samples.frame.filter(pl.col("arm").is_in([name for name, _ in columns]))
    every = frame.select("task", "prompt_id", "prompt").unique(
        ["task", "prompt_id"], maintain_order=True
    )
    notes = []
    keep = every
    if frame.height > _MOST_ROWS:
        per_task = max(
            1, math.floor(_MOST_ROWS / frame.height * every.height / every["task"].n_unique())
        )
        keep = every.group_by("task", maintain_order=True).head(per_task)
        frame = frame.join(keep.select("task", "prompt_id"), on=["task", "prompt_id"], how="semi")
        notes.append(
            f"The first {per_task} prompts of every task are shown, {keep.height:,} of "
            f"{every.height:,}; all of them are in the samples."
        )
    limit, cut = _limit(frame)
    if cut:
        notes.append(f"Texts longer than {limit:,} characters are cut here; whole in the samples.")
    groups = _groups(frame, limit)
    numbers = _numbers(per_prompt, arm, [name for name, _ in metrics])
    prompts = []
    for task, prompt_id, prompt in keep.iter_rows():
        key = (task, prompt_id)
        cells = [groups.get((name, *key), []) for name, _ in columns]
        prompts.append(
            {
                "task": _shown(task),
                "id": _shown(prompt_id),
                "prompt": _shown(prompt),
                "numbers": [
                    *_counted(cells),
                    *(
                        [brief(numbers.get((name, *key, metric))) for name, _ in columns]
                        for metric, _ in metrics
                    ),
                ],
                "cells": cells,
            }
        )
    return Outputs(
        columns=tuple((_shown(name), colour) for name, colour in columns),
        metrics=("Different", "Right", *(title for _, title in metrics)),
        prompts=tuple(prompts),
        notes=tuple(notes),
    )


def embedded(value: Any) -> Markup:
    r"""Write JSON that no HTML parser and no script engine can misread.

    Example:
        >>> embedded({"t": "</script>"})
        Markup('{"t":"\\u003c/script\\u003e"}')
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704 - every character that means something to HTML is escaped


def _counted(cells: Sequence[Sequence[Mapping[str, Any]]]) -> list[list[str]]:
    """Count, for every column, the groups of equal answers and the right outputs."""
    different, right = [], []
    for groups in cells:
        n = sum(group["n"] for group in groups)
        judged = [group for group in groups if "c" in group]
        good = sum(group["n"] for group in judged if group["c"])
        different.append(f"{len(groups)} of {n}" if n else "–")
        right.append(f"{good} of {sum(group['n'] for group in judged)}" if judged else "–")
    return [different, right]


def _shown(text: str | None) -> str:
    return clean_text(text) if text else ""


def _limit(frame: pl.DataFrame) -> tuple[int, bool]:
    texts = pl.concat([frame["text"], frame["reasoning"]]).drop_nulls()
    lengths = texts.str.len_chars().to_numpy()
    bytes_each = texts.str.len_bytes().to_numpy().sum() / max(lengths.sum(), 1)
    for limit in _LIMITS:
        if lengths.clip(max=limit).sum() * bytes_each <= _BUDGET:
            break
    return limit, bool((lengths > limit).any())


def _numbers(per_prompt: pl.DataFrame, arm: str, metrics: Iterable[str]) -> Mapping[Any, float]:
    wanted = per_prompt.filter(pl.col("metric").is_in(list(metrics)))
    columns = wanted.select(arm, "task", "prompt_id", "metric", "value").iter_rows()
    return {(a, task, prompt, metric): value for a, task, prompt, metric, value in columns}


def _groups(frame: pl.DataFrame, limit: int) -> dict[Any, list[dict[str, Any]]]:
    """Fold equal answers, as the metrics count them, of the same verdict and the same ending."""
    cells: dict[Any, dict[Any, dict[str, Any]]] = {}
    answers = answer_keys(frame["answer"].to_list(), frame["text"].to_list())
    columns = ["arm", "task", "prompt_id", "text", "correct", "finish", "reasoning"]
    for answer, (arm, task, prompt, text, correct, finish, reasoning) in zip(
        answers, frame.select(columns).iter_rows(), strict=True
    ):
        said = text or ""
        odd = finish if finish not in (None, "stop") else None
        fresh = {"n": 0, "right": correct, "end": odd, "texts": {}, "reasoning": {}}
        cell = cells.setdefault((arm, task, prompt), {})
        group = cell.setdefault((answer, correct, odd), fresh)
        group["n"] += 1
        group["texts"][said] = group["texts"].get(said, 0) + 1
        if reasoning:
            group["reasoning"][reasoning] = None
    return {
        place: [_folded(group, limit) for group in sorted(found.values(), key=lambda g: -g["n"])]
        for place, found in cells.items()
    }


def _folded(group: Mapping[str, Any], limit: int) -> dict[str, Any]:
    texts = [_cut(text, limit) for text in group["texts"]]
    folded: dict[str, Any] = {"t": texts[0], "n": group["n"]}
    if group["right"] is not None:
        folded["c"] = int(group["right"])
    if group["end"]:
        folded["f"] = _shown(group["end"])
    if texts[1:]:
        folded["o"] = texts[1:]
    if group["reasoning"]:
        folded["r"] = [_cut(text, limit) for text in group["reasoning"]]
    return folded


def _cut(text: str, limit: int) -> str:
    if len(text) > limit:
        text = f"{text[:limit]} … ({len(text) - limit:,} more characters)"
    return _shown(text)
