"""Stage losses: the change at every step in percent of the root, summing exactly to the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from variegate.errors import DataError, UsageError
from variegate.estimate import interval, stratum_means

__all__ = ["MEAN_OF_RATIOS", "RATIO_OF_MEANS", "StageLosses", "bootstrap_losses", "stage_losses"]

Floats = NDArray[np.float64]

MEAN_OF_RATIOS = "mean of ratios"
RATIO_OF_MEANS = "ratio of means"

# Below this a root's level is rounding, and percent of it would be noise.
NOTHING = 1e-9


@dataclass(frozen=True, kw_only=True)
class StageLosses:
    """What every stage added or took, in percent of the root's level.

    Along any path from the root, the losses of the steps and 100 sum to what is retained:
    exactly, for every task and for both averages.

    Args:
        frame: stage, parent, task, percent, low, high, n_prompts, note. `percent` is
            100 (level - parent's level) / root's level, negative for a loss; `task` is a task,
            ``"mean of ratios"`` (mean of the tasks' percentages) or ``"ratio of means"`` (the
            percentage of the tasks' mean levels).
        retained: stage, task, percent, low, high, n_prompts, note; percent is
            100 level / root's level.
        root: the stage that counts as 100.
        level: confidence level of low and high; they are NaN without per-prompt values.
        settings: what made it.
    """

    frame: pl.DataFrame
    retained: pl.DataFrame
    root: str
    level: float = 0.95
    settings: Mapping[str, Any] = field(default_factory=dict)


def stage_losses(
    levels: pl.DataFrame, *, root: str, order: Sequence[str] | Mapping[str, str]
) -> StageLosses:
    """Stage losses from a table of levels.

    L_s = 100 (D_s - D_parent(s)) / D_root per task. Both averages are given under their names,
    because they differ: the mean of ratios weighs tasks alike, the ratio of means weighs them
    by the root's level.

    Args:
        levels: columns task, stage, value: one level (any metric) a task and stage.
        root: the stage that counts as 100.
        order: stages of one line after the root (with or without it), or, for a tree, the
            parent of every stage.

    Returns:
        Losses and retained shares without intervals. A task whose root level is 0, or which
        lacks a level at some stage, has NaN percentages with a note and enters no average
        (a root of 0 still enters the ratio of means).

    Raises:
        UsageError: an order that is not a tree under the root.
        DataError: a stage without levels, or two levels for one task and stage.

    Example:
        >>> import polars as pl
        >>> levels = pl.DataFrame({
        ...     "task": ["qa", "qa", "qa"],
        ...     "stage": ["base", "sft", "dpo"],
        ...     "value": [0.4, 0.1, 0.2],
        ... })
        >>> losses = stage_losses(levels, root="base", order=["sft", "dpo"])
        >>> losses.frame.filter(task="qa")["percent"].round(6).to_list()
        [-75.0, 25.0]
        >>> losses.retained.filter(task="qa", stage="dpo")["percent"].item()
        50.0

    Reference: Karouzos 2026, https://arxiv.org/abs/2604.16027
    """
    parents = _parents(root, order)
    tasks, table = _levels(levels, stages=[root, *parents], index=["task"])
    return _result(
        tasks=[task for (task,) in tasks],
        parents=parents,
        root=root,
        point=table,
        resampled=None,
        prompts=np.zeros(len(tasks), dtype=np.int64),
        notes={},
        level=0.95,
        settings={},
    )


def bootstrap_losses(
    per_prompt: pl.DataFrame,
    *,
    root: str,
    order: Sequence[str] | Mapping[str, str],
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> StageLosses:
    """Stage losses with intervals, paired: every stage is seen on the same drawn prompts.

    Prompts are drawn within tasks; levels, percentages and averages are computed anew in every
    resample. Only prompts with a finite value at every stage enter, so that a difference
    between stages is never one between sets of prompts.

    Args:
        per_prompt: columns stage, task, prompt_id, value; NaN where not computable.
        root: the stage that counts as 100.
        order: as in `stage_losses`.
        resamples: number of resamples.
        level: confidence level.
        seed: of the draw.

    Returns:
        As `stage_losses`, with low, high and n_prompts. Where the root's own interval reaches
        0 the percentages are kept and a note says that the root is not told apart from 0.

    Raises:
        UsageError: an order that is not a tree under the root.
        DataError: a stage without values, or two values for one prompt and stage.

    Example:
        >>> import polars as pl
        >>> per_prompt = pl.DataFrame({
        ...     "stage": ["base"] * 3 + ["sft"] * 3,
        ...     "task": ["qa"] * 6,
        ...     "prompt_id": ["a", "b", "c"] * 2,
        ...     "value": [0.4, 0.5, 0.6, 0.2, 0.25, 0.3],
        ... })
        >>> losses = bootstrap_losses(per_prompt, root="base", order=["sft"])
        >>> losses.frame.filter(task="qa").select("percent", "low", "high").row(0)
        (-50.0, -50.0, -50.0)
    """
    parents = _parents(root, order)
    stages = [root, *parents]
    keys, table = _levels(per_prompt, stages=stages, index=["task", "prompt_id"])
    labels = np.array([task for task, _ in keys])
    tasks = sorted(set(labels.tolist()))
    complete = np.isfinite(table).all(axis=1)
    notes = {}
    for task in tasks:
        here = labels == task
        if left_out := int((~complete & here).sum()):
            notes[task] = f"{left_out} of {int(here.sum())} prompts lack a value at some stage"
    kept, strata = table[complete], labels[complete]
    point = np.full((len(tasks), len(stages)), np.nan)
    resampled = np.full((resamples, len(tasks), len(stages)), np.nan)
    prompts = np.array([int((strata == task).sum()) for task in tasks])
    if len(kept):
        alive = [i for i, n in enumerate(prompts) if n]
        point[alive] = [kept[strata == tasks[i]].mean(axis=0) for i in alive]
        resampled[:, alive] = stratum_means(kept, strata=strata, resamples=resamples, seed=seed)
    low, _ = interval(resampled[:, :, 0], level=level)
    for task, lowest, n in zip(tasks, low.tolist(), prompts.tolist(), strict=True):
        if n == 1:
            notes[task] = _join(notes.get(task), "one prompt gives no interval")
        elif lowest <= NOTHING:
            notes[task] = _join(notes.get(task), "the root's level is not told apart from 0")
    return _result(
        tasks=tasks,
        parents=parents,
        root=root,
        point=point,
        resampled=resampled,
        prompts=prompts,
        notes=notes,
        level=level,
        settings={"resamples": resamples, "seed": seed},
    )


def percentages(
    levels: Floats,
    *,
    parents: Sequence[int],
    usable: NDArray[np.bool_],
    complete: NDArray[np.bool_],
) -> tuple[Floats, Floats]:
    """The arithmetic alone: losses and retained shares of levels, averages appended.

    Args:
        levels: (..., T, S) level of every task and stage; stage 0 is the root.
        parents: for stages 1 .. S-1, the index of the parent.
        usable: (T,) tasks that enter the mean of ratios.
        complete: (T,) tasks that enter the ratio of means.

    Returns:
        (..., T + 2, S - 1) losses and the same of retained shares, in percent; the last two
        rows are the mean of ratios and the ratio of means.
    """
    steps = levels[..., 1:] - levels[..., list(parents)]
    losses = _averaged(steps, levels[..., :1], usable, complete)
    return losses, _averaged(levels[..., 1:], levels[..., :1], usable, complete)


def _averaged(
    amounts: Floats, root: Floats, usable: NDArray[np.bool_], complete: NDArray[np.bool_]
) -> Floats:
    ratios = np.full(amounts.shape, np.nan)
    base = np.broadcast_to(root, amounts.shape)
    np.divide(100 * amounts, base, out=ratios, where=np.abs(base) > NOTHING)
    of_ratios = _mean(ratios[..., usable, :])
    top = _mean(amounts[..., complete, :])
    bottom = np.broadcast_to(_mean(root[..., complete, :]), top.shape)
    of_means = np.full(top.shape, np.nan)
    np.divide(100 * top, bottom, out=of_means, where=np.abs(bottom) > NOTHING)
    return np.concatenate([ratios, of_ratios, of_means], axis=-2)


def _mean(array: Floats) -> Floats:
    if array.shape[-2] == 0:
        return np.full((*array.shape[:-2], 1, array.shape[-1]), np.nan)
    mean: Floats = array.mean(axis=-2, keepdims=True)
    return mean


def _result(
    *,
    tasks: list[str],
    parents: dict[str, str],
    root: str,
    point: Floats,
    resampled: Floats | None,
    prompts: NDArray[np.int64],
    notes: dict[str, str],
    level: float,
    settings: Mapping[str, Any],
) -> StageLosses:
    stages = [root, *parents]
    indices = [stages.index(parent) for parent in parents.values()]
    complete: NDArray[np.bool_] = np.asarray(np.isfinite(point).all(axis=1))
    usable = complete & (np.abs(point[:, 0]) > NOTHING)
    # A task that lacks a stage leaves all averages, or they would not telescope.
    point = np.where(complete[:, None], point, np.nan)
    notes = dict(notes)
    for i, task in enumerate(tasks):
        if not complete[i]:
            notes[task] = _join(notes.get(task), "no level at some stage")
        elif not usable[i]:
            notes[task] = "the root's level is 0, so there is no percentage of it"
    for average, members in ((MEAN_OF_RATIOS, usable), (RATIO_OF_MEANS, complete)):
        if not members.all():
            notes[average] = f"over {int(members.sum())} of {len(tasks)} tasks"
    values = percentages(point, parents=indices, usable=usable, complete=complete)
    blank = np.full(values[0].shape, np.nan)
    ends = [(blank, blank)] * 2
    if resampled is not None:
        spread = percentages(resampled, parents=indices, usable=usable, complete=complete)
        # Where no task has two prompts nothing was drawn, and an average has no width either.
        none = np.append(prompts < 2, [(prompts < 2).all()] * 2)[:, None]
        raw = [interval(part, level=level) for part in spread]
        ends = [(np.where(none, np.nan, low), np.where(none, np.nan, high)) for low, high in raw]
    rows = [*tasks, MEAN_OF_RATIOS, RATIO_OF_MEANS]
    counts = [*prompts.tolist(), int(prompts[usable].sum()), int(prompts[complete].sum())]
    frames = []
    for part, (value, (low, high)) in enumerate(zip(values, ends, strict=True)):
        frames.append(
            pl.DataFrame(
                [
                    {
                        "stage": stage,
                        "parent": parent,
                        "task": task,
                        "percent": float(value[t, s]),
                        "low": float(low[t, s]),
                        "high": float(high[t, s]),
                        "n_prompts": counts[t],
                        "note": notes.get(task, ""),
                    }
                    for s, (stage, parent) in enumerate(parents.items())
                    for t, task in enumerate(rows)
                ],
                schema=_SCHEMA,
            )
        )
        if part == 1:
            frames[1] = frames[1].drop("parent")
    return StageLosses(
        frame=frames[0], retained=frames[1], root=root, level=level, settings=settings
    )


_SCHEMA = {
    "stage": pl.String,
    "parent": pl.String,
    "task": pl.String,
    "percent": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "n_prompts": pl.Int64,
    "note": pl.String,
}


def _join(note: str | None, more: str) -> str:
    return f"{note}; {more}" if note else more


def _parents(root: str, order: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """Parent of every stage but the root, parents before children."""
    if isinstance(order, Mapping):
        given = dict(order)
    else:
        line = [root, *order] if root not in order else list(order)
        if line[0] != root or len(set(line)) != len(line):
            raise UsageError(f"Expected a line of different stages from {root!r}, got {line}.")
        given = dict(zip(line[1:], line[:-1], strict=True))
    given.pop(root, None)
    placed: dict[str, str] = {}
    while len(placed) < len(given):
        ready = {s: p for s, p in given.items() if s not in placed and p in (root, *placed)}
        if not ready:
            lost = sorted(set(given) - set(placed))
            raise UsageError(f"Expected every stage to descend from {root!r}, {lost} do not.")
        placed.update(ready)
    return placed


def _levels(
    frame: pl.DataFrame, *, stages: list[str], index: list[str]
) -> tuple[list[tuple[Any, ...]], Floats]:
    """Keys and a (rows, stages) table from a long frame; absent entries are NaN."""
    needed = {"stage", "value", *index}
    if missing := sorted(needed - set(frame.columns)):
        raise DataError(f"Expected columns {sorted(needed)}, missing {missing}.")
    frame = frame.filter(pl.col("stage").is_in(stages))
    if absent := sorted(set(stages) - set(frame["stage"].to_list())):
        raise DataError(f"Expected levels for the stages {stages}, found none for {absent}.")
    twice = frame.filter(frame.select([*index, "stage"]).is_duplicated())
    if twice.height:
        raise DataError(f"Expected one value for {twice.select([*index, 'stage']).row(0)}, got 2.")
    wide = frame.pivot(on="stage", index=index, values="value").sort(index)
    table = wide.select(pl.col(stages).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
    return wide.select(index).rows(), np.asarray(table, dtype=np.float64)
