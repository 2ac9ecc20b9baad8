"""Where in the answer: how many ways are open at every token."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from variegate.estimate import interval, stratum_means
from variegate.lineage._tables import stacked, table

__all__ = ["answer_entropies", "positions_of"]

Floats = NDArray[np.float64]

CLOSING = "</think>"
_TAIL = 0.1  # share of the outputs below which a position speaks of odd ones out


def answer_entropies(frame: pl.DataFrame, tokenizer: Any = None) -> pl.DataFrame:
    """Cut the reasoning off the entropies of every output, so that position 0 is the answer.

    Args:
        frame: samples of one arm; `token_entropies` covers reasoning and answer.
        tokenizer: tells where the closing tag ends; without one, outputs with reasoning have no
            positions.

    Returns:
        arm, task, prompt_id, entropies (null where unknown), a row an output.
    """
    columns = ("arm", "task", "prompt_id")
    if tokenizer is None or frame["reasoning"].null_count() == frame.height:
        plain = pl.when(pl.col("reasoning").is_null()).then(pl.col("token_entropies"))
        return frame.select(*columns, plain.alias("entropies"))
    tag = tokenizer(CLOSING, add_special_tokens=False)["input_ids"]
    starts = [
        0 if reasoning is None else _after_tag(ids or [], tag, tokenizer)
        for ids, reasoning in frame.select("token_ids", "reasoning").iter_rows()
    ]
    return frame.with_columns(pl.Series("start", starts, dtype=pl.Int64)).select(
        *columns, pl.col("token_entropies").list.slice(pl.col("start")).alias("entropies")
    )


def _after_tag(ids: list[int], tag: list[int], tokenizer: Any) -> int:
    """Place of the first token after the closing tag; the end where it was never closed."""
    if len(tag) == 1:
        return ids.index(tag[0]) + 1 if tag[0] in ids else len(ids)
    # A tag of several tokens may be spelled in many ways: only the text tells where it ends.
    closed = range(len(ids) + 1)
    return bisect.bisect_left(
        closed, True, hi=len(ids), key=lambda end: CLOSING in tokenizer.decode(ids[:end])
    )


def positions_of(
    frame: pl.DataFrame,
    stages: Sequence[str],
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    at_least: int = 10,
    limit: int = 256,
) -> pl.DataFrame:
    """Mean entropy and branching factor at every token of the answer.

    At position t the entropy H(t) of the next token, in nats, is averaged over the outputs of a
    prompt that are longer than t, then over prompts; the branching factor is exp(H(t)), after
    `Yang 2025 <https://arxiv.org/abs/2506.17871>`_. Later positions speak of the longer answers
    only, so a curve ends where fewer than a tenth of the outputs are left, or than `at_least`, or
    those of a single prompt.

    Args:
        frame: arm, task, prompt_id, and `entropies`: one list an output, of its answer's tokens
            counted from 0, without the reasoning.
        stages: the arms to read, in order.
        resamples: number of resamples.
        level: of the intervals.
        seed: of the draw.
        at_least: outputs that a position must have.
        limit: positions at the most.

    Returns:
        The table `positions` of `Trace`; branching is at least 1, where the token is certain.
        Task ``"all"`` is the macro mean, as far as every task reaches. Empty without entropies.

    Example:
        >>> import math
        >>> frame = pl.DataFrame(
        ...     {
        ...         "arm": ["base"] * 20,
        ...         "task": ["lists"] * 20,
        ...         "prompt_id": ["a", "b"] * 10,
        ...         "entropies": [[math.log(8), 0.0]] * 20,
        ...     }
        ... )
        >>> positions_of(frame, ["base"]).filter(task="lists")["branching"].round(6).to_list()
        [8.0, 1.0]
    """
    tables = []
    for stage in stages:
        here = frame.filter(
            (pl.col("arm") == stage) & (pl.col("entropies").list.len() > 0)
        ).with_columns(pl.col("entropies").list.head(limit))
        if not here.is_empty():
            curves = _curves(here, resamples=resamples, level=level, seed=seed, at_least=at_least)
            tables.append(table("positions", curves, stage=stage))
    return stacked("positions", tables)


def _curves(
    frame: pl.DataFrame, *, resamples: int, level: float, seed: int, at_least: int
) -> pl.DataFrame:
    cells = (
        frame.select(
            "task", "prompt_id", "entropies",
            pl.int_ranges(0, pl.col("entropies").list.len()).alias("position"),
        )
        .explode("entropies", "position")
        .group_by("task", "prompt_id", "position")
        .agg(pl.col("entropies").mean().alias("entropy"), pl.len().alias("n"))
    )  # fmt: skip
    prompts = (
        cells.select("task", "prompt_id").unique().sort("task", "prompt_id").with_row_index("row")
    )
    cells = cells.join(prompts, on=["task", "prompt_id"])
    length = int(cells["position"].max()) + 1  # type: ignore[arg-type]
    entropy = np.full((prompts.height, length), np.nan)
    count = np.zeros((prompts.height, length), dtype=np.int64)
    where = cells["row"].to_numpy(), cells["position"].to_numpy()
    entropy[where] = cells["entropy"].to_numpy()
    count[where] = cells["n"].to_numpy()

    tasks = np.asarray(prompts["task"].to_list(), dtype=np.str_)
    names = np.unique(tasks)
    draws = stratum_means(entropy, resamples=resamples, seed=seed, strata=tasks)
    point = np.stack([_mean(entropy[tasks == task]) for task in names])
    outputs = np.stack([count[tasks == task].sum(axis=0) for task in names])
    answered = np.stack([(count[tasks == task] > 0).sum(axis=0) for task in names])
    least = np.maximum(at_least, _TAIL * outputs[:, :1])
    enough = np.asarray((outputs >= least) & (answered >= 2), dtype=np.bool_)
    low, high = interval(draws, level=level)
    rows = [
        _curve(str(task), point[t], low[t], high[t], outputs[t], enough[t, :])
        for t, task in enumerate(names)
    ]
    reached = np.asarray(enough.all(axis=0), dtype=np.bool_)
    all_low, all_high = interval(draws.mean(axis=1), level=level)
    rows.append(_curve("all", point.mean(axis=0), all_low, all_high, outputs.sum(axis=0), reached))
    return pl.concat(rows)


def _curve(
    task: str, point: Floats, low: Floats, high: Floats, n: Floats, keep: NDArray[np.bool_]
) -> pl.DataFrame:
    # A curve that stops and starts again would be read as a gap in the data: end it at the first.
    end = int(np.argmin(keep)) if not keep.all() else len(keep)
    columns = {
        "position": np.arange(end),
        "entropy": point[:end],
        "branching": np.exp(point[:end]),
        "low": np.exp(low[:end]),
        "high": np.exp(high[:end]),
        "n": n[:end],
    }
    return pl.DataFrame(columns).select(pl.lit(task).alias("task"), pl.all())


def _mean(values: Floats) -> Floats:
    finite = np.isfinite(values)
    count = finite.sum(axis=0)
    total = np.where(finite, values, 0.0).sum(axis=0)
    mean: Floats = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean
