"""Completing a table of outputs with what can be known, and refusing its contradictions."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from variegate.errors import DataError
from variegate.samples._prompt import prompt_hash
from variegate.samples._schema import FINISHES

__all__ = ["FINISH_WORDS", "complete"]

Place = Callable[[int], str]

# How others spell the five ways an output can end.
FINISH_WORDS = {
    "stop": ("stop", "eos", "eos_token", "end_turn", "stop_sequence", "completed", "finished"),
    "length": ("length", "max_tokens", "max_length", "max_output_tokens", "model_length"),
    "filter": ("filter", "content_filter", "refusal", "safety", "blocked"),
    "empty": ("empty",),
    "error": ("error", "failed"),
}
_FINISH = {word: finish for finish, words in FINISH_WORDS.items() for word in words}

_ROW = "__row"
_PROMPT = ("task", "prompt_id")
_DRAW = ("arm", "task", "prompt_id", "sample")


def complete(frame: pl.DataFrame, place: Place) -> pl.DataFrame:
    """Fill in what can be known, and refuse what cannot be.

    Arm and task are "default" where absent; a prompt is named by its content; outputs of one
    prompt are numbered in the order they stand; an output is an independent draw unless it says
    otherwise; one without text is "empty" unless it says why it ended.

    Args:
        frame: all columns of the schema, of their types, with nulls.
        place: from a row number to words that name it in messages.

    Raises:
        DataError: an output without text or prompt, one prompt id with two texts, one draw twice.
    """
    frame = frame.with_columns(
        pl.col("arm", "task").fill_null("default"), pl.col("iid").fill_null(True)
    )
    frame = _finishes(frame, place)
    frame = _prompt_ids(frame, place)
    _refuse_reused_ids(frame, place)
    frame = _sample_indices(frame, place)
    _refuse_repeated_draws(frame, place)
    return frame


def _finishes(frame: pl.DataFrame, place: Place) -> pl.DataFrame:
    unknown = _first(frame, pl.col("finish").is_not_null() & ~_word().is_in(list(_FINISH)))
    if unknown is not None:
        raise DataError(
            f"{place(unknown)}: expected 'finish' to be one of {', '.join(FINISHES)}, "
            f"got {frame['finish'][unknown]!r}.",
            hint="Leave it empty where the reason is not known.",
        )
    finish = _word().replace_strict(_FINISH, default=None, return_dtype=pl.String())
    # A cut-off, filtered or failed output without text keeps the reason it has none.
    empty = (pl.col("text").str.strip_chars() == "") & (
        pl.col("finish").is_null() | (pl.col("finish") == "stop")
    )
    return frame.with_columns(pl.col("text").fill_null(""), finish.alias("finish")).with_columns(
        pl.when(empty).then(pl.lit("empty")).otherwise(pl.col("finish")).alias("finish")
    )


def _word() -> pl.Expr:
    return pl.col("finish").str.strip_chars().str.to_lowercase()


def _prompt_ids(frame: pl.DataFrame, place: Place) -> pl.DataFrame:
    frame = frame.with_columns(
        pl.when(pl.col("prompt_id") != "").then(pl.col("prompt_id")).alias("prompt_id")
    )
    nameless = frame["prompt_id"].is_null()
    if not nameless.any():
        return frame
    prompts = frame.filter(nameless)["prompt"].unique()
    if frame["prompt_id"].null_count() == frame.height == frame["prompt"].null_count():
        # Bare outputs, nothing else: they answer one prompt that nobody wrote down.
        return frame.with_columns(prompt_id=pl.lit("all"))
    lost = _first(frame, pl.col("prompt_id").is_null() & pl.col("prompt").is_null())
    if lost is not None:
        raise DataError(
            f"{place(lost)}: expected 'prompt' or 'prompt_id', got neither.",
            hint="Say which prompt the output answers.",
        )
    names = {prompt: prompt_hash(prompt) for prompt in prompts}
    named = pl.col("prompt").replace_strict(names, default=None, return_dtype=pl.String())
    return frame.with_columns(pl.coalesce("prompt_id", named).alias("prompt_id"))


def _sample_indices(frame: pl.DataFrame, place: Place) -> pl.DataFrame:
    negative = _first(frame, pl.col("sample") < 0)
    if negative is not None:
        raise DataError(
            f"{place(negative)}: expected 'sample' to count from 0, got "
            f"{frame['sample'][negative]}.",
            hint="Leave the column out; outputs are then numbered in the order they stand.",
        )
    if not frame["sample"].null_count():
        return frame
    group = _DRAW[:3]
    start = (pl.col("sample").max() + 1).over(group).fill_null(0)
    order = pl.col("sample").is_null().cast(pl.Int32).cum_sum().over(group) - 1
    return frame.with_columns(pl.coalesce("sample", start + order).cast(pl.Int32).alias("sample"))


def _refuse_reused_ids(frame: pl.DataFrame, place: Place) -> None:
    texts = frame.select(*_PROMPT, "prompt").with_row_index(_ROW).drop_nulls("prompt")
    firsts = texts.unique([*_PROMPT, "prompt"], keep="first", maintain_order=True)
    reused = firsts.filter(pl.struct(_PROMPT).is_duplicated())
    if reused.is_empty():
        return
    task, name = reused.row(0)[1:3]
    rows = reused.filter((pl.col("task") == task) & (pl.col("prompt_id") == name))[_ROW]
    raise DataError(
        f"The prompt id {name!r} (task {task!r}) has one text at {place(rows[0])} and another at "
        f"{place(rows[1])}.",
        hint="Give them two ids, or leave the ids out: prompts are then named by their content.",
    )


def _refuse_repeated_draws(frame: pl.DataFrame, place: Place) -> None:
    draws = frame.select(_DRAW).with_row_index(_ROW)
    repeated = draws.filter(pl.struct(_DRAW).is_duplicated())
    if repeated.is_empty():
        return
    arm, task, name, sample = repeated.row(0)[1:]
    same = (pl.col("arm") == arm) & (pl.col("task") == task) & (pl.col("prompt_id") == name)
    rows = repeated.filter(same & (pl.col("sample") == sample))[_ROW]
    raise DataError(
        f"Sample {sample} of prompt {name!r} (arm {arm!r}, task {task!r}) stands at "
        f"{place(rows[0])} and again at {place(rows[1])}.",
        hint="Remove one, or give other draws another 'sample' or another 'arm'.",
    )


def _first(frame: pl.DataFrame, predicate: pl.Expr) -> int | None:
    """Row number of the first row where the predicate holds."""
    rows = frame.select(pl.arg_where(predicate.fill_null(False))).to_series()
    return int(rows[0]) if len(rows) else None
