"""What must be known before the numbers are read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import polars as pl

from variegate.lineage._result import StageInfo
from variegate.metrics import Caution
from variegate.samples import Prompt

__all__ = ["cautions_of"]

_RARE = 0.02  # below this share an odd kind of output moves no mean that is shown
_FEW_MATCHED = 10
_SHORT_WORDS = 2

_REFUSAL = (
    r"(?i)^\s*(i['’]?m sorry|sorry[,.]|i apologi[sz]e|as an ai\b"
    r"|i (can['’]?t|cannot|can not|won['’]?t) (help|assist|answer|provide|comply|do that))"
)

_ODD_OUTPUTS = {
    "truncation": "Cut off at max_tokens: the endings are missing, so length and variety are "
    "those of the beginnings.",
    "refusal": "Refusals are near copies of each other: they lower the variety and are no answer.",
    "empty": "Empty outputs count as equal to each other and as different from everything else.",
}


def cautions_of(
    samples: pl.DataFrame,
    prompts: Sequence[Prompt],
    stages: Sequence[StageInfo],
    *,
    levels: pl.DataFrame,
    decomposition: pl.DataFrame,
    metric: str,
    floor: float | None,
) -> tuple[Caution, ...]:
    """Look for everything that bends the reading of a trace.

    Args:
        samples: every output of the stages, judged.
        prompts: what was asked; empty where only saved outputs are traced.
        stages: root first.
        levels: as in `Trace`.
        decomposition: as in `Trace`.
        metric: the metric that leads.
        floor: mean cosine between outputs of different prompts; None where nothing was embedded.
    """
    names = [stage.name for stage in stages]
    frame = samples.filter(pl.col("arm").is_in(names))
    found = [*_odd_outputs(frame, names), *_short(frame, metric), *_unjudged(frame, prompts)]
    return (
        *found,
        *_low_match(frame, decomposition, names[1:]),
        *_near_floor(levels, metric, floor),
    )


def _odd_outputs(frame: pl.DataFrame, names: Sequence[str]) -> Iterator[Caution]:
    text, finish = pl.col("text").fill_null(""), pl.col("finish").fill_null("stop")
    counted = frame.group_by("arm", "task").agg(
        pl.len().alias("total"),
        (finish == "length").sum().alias("truncation"),
        ((finish == "filter") | text.str.contains(_REFUSAL)).sum().alias("refusal"),
        (text.str.strip_chars() == "").sum().alias("empty"),
    )
    for kind, words in _ODD_OUTPUTS.items():
        for name in names:
            here = counted.filter(
                (pl.col("arm") == name) & (pl.col(kind) >= _RARE * pl.col("total"))
                & (pl.col(kind) > 0)
            ).sort("task")  # fmt: skip
            if not here.is_empty():
                yield Caution(
                    kind=kind,
                    where=f"{name}: {', '.join(here['task'])}",
                    count=int(here[kind].sum()),
                    total=int(here["total"].sum()),
                    text=words,
                )


def _short(frame: pl.DataFrame, metric: str) -> Iterator[Caution]:
    words = pl.col("text").fill_null("").str.count_matches(r"\S+")
    counted = frame.group_by("task").agg(
        pl.len().alias("total"), (words <= _SHORT_WORDS).sum().alias("count")
    )
    for task, total, count in counted.sort("task").iter_rows():
        if count * 2 > total and metric != "gini_simpson":
            yield Caution(
                kind="short",
                where=task,
                count=count,
                total=total,
                text=f"Answers of at most {_SHORT_WORDS} words: embeddings tell them apart "
                "coarsely, so read a metric that counts answers beside this one.",
            )


def _unjudged(frame: pl.DataFrame, prompts: Sequence[Prompt]) -> Iterator[Caution]:
    checked = [p.prompt_id for p in prompts if p.verifier is not None]
    asked = frame.filter(pl.col("prompt_id").is_in(checked))
    failed = asked.filter(pl.col("correct").is_null())
    for (task,), rows in failed.group_by("task", maintain_order=True):
        yield Caution(
            kind="judge",
            where=str(task),
            count=rows.height,
            total=asked.filter(pl.col("task") == task).height,
            text="The verifier gave no verdict; these outputs count neither as right nor as wrong.",
        )


def _low_match(
    frame: pl.DataFrame, decomposition: pl.DataFrame, tuned: Sequence[str]
) -> Iterator[Caution]:
    judged = frame.filter(pl.col("correct").is_not_null())
    prompts = judged.group_by("task").agg(pl.col("prompt_id").n_unique().alias("prompts"))
    totals = decomposition.filter(pl.col("part") == "total").select("stage", "task", "n_matched")
    for name in tuned:
        # A task without a single matched prompt has no row at all.
        matched = prompts.join(totals.filter(stage=name), on="task", how="left").with_columns(
            pl.col("n_matched").fill_null(0)
        )
        few = matched.filter(pl.col("n_matched") < _FEW_MATCHED).sort("task")
        if not few.is_empty():
            yield Caution(
                kind="low-match",
                where=f"{name}: {', '.join(few['task'])}",
                count=int(few["n_matched"].sum()),
                total=int(few["prompts"].sum()),
                text="Few prompts have two right answers at both ends: the split into wrong "
                "answers and narrowing rests on those alone.",
            )


def _near_floor(levels: pl.DataFrame, metric: str, floor: float | None) -> Iterator[Caution]:
    if floor is None or math.isnan(floor) or metric != "pairwise":
        return
    unrelated = 1 - floor  # the pairwise diversity of outputs that answer different prompts
    near = levels.filter(
        (pl.col("metric") == metric) & (pl.col("task") != "all")
        & (pl.col("value") > 0.9 * unrelated)
    )  # fmt: skip
    shown = levels.filter((pl.col("metric") == metric) & (pl.col("task") != "all"))
    if not near.is_empty():
        yield Caution(
            kind="floor",
            where=", ".join(f"{s} on {t}" for s, t in near.select("stage", "task").iter_rows()),
            count=near.height,
            total=shown.height,
            text=f"The level is within a tenth of {unrelated:.2f}, that of answers to different "
            "prompts: this embedder cannot show more variety.",
        )
