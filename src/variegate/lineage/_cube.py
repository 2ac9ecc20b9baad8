"""The per-prompt values of all arms as one array, so that everything is resampled together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from variegate.estimate import stratum_means

__all__ = ["Cube", "cube_of", "macro"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Cube:
    """Values of every prompt, arm and metric.

    Args:
        values: (P, A, M); NaN where a prompt has no value.
        tasks: (P,) task of every prompt.
        arms: A names.
        metrics: M names.
    """

    values: Floats
    tasks: NDArray[np.str_]
    arms: tuple[str, ...]
    metrics: tuple[str, ...]

    @cached_property
    def task_names(self) -> tuple[str, ...]:
        """The T tasks in sorted order."""
        return tuple(np.unique(self.tasks).tolist())

    def arm(self, name: str) -> int:
        """Place of an arm along the second axis."""
        return self.arms.index(name)

    def means(self) -> Floats:
        """(T, A, M) mean over the prompts of every task that have a value."""
        finite = np.isfinite(self.values)
        filled = np.where(finite, self.values, 0.0)
        out = np.full((len(self.task_names), *self.values.shape[1:]), np.nan)
        for t, task in enumerate(self.task_names):
            rows = np.flatnonzero(self.tasks == task)
            count = finite[rows].sum(axis=0)
            np.divide(filled[rows].sum(axis=0), count, out=out[t], where=count > 0)
        return out

    def resampled(self, *, resamples: int, seed: int) -> Floats:
        """(B, T, A, M) the same means in every resample of the prompts, one draw for all arms."""
        flat = self.values.reshape(len(self.values), -1)
        means = stratum_means(flat, resamples=resamples, seed=seed, strata=self.tasks)
        return means.reshape(resamples, len(self.task_names), *self.values.shape[1:])

    def counts(self, *arms: str) -> NDArray[np.int64]:
        """(T, M) prompts of every task that have a value in all these arms."""
        held = self.values[:, [self.arm(arm) for arm in arms]]
        there = np.asarray(np.isfinite(held).all(axis=1))
        rows = [np.flatnonzero(self.tasks == task) for task in self.task_names]
        return np.stack([there[place].sum(axis=0) for place in rows])


def cube_of(per_prompt: pl.DataFrame, *, arms: Sequence[str]) -> Cube:
    """Lay out the long table arm, task, prompt_id, metric, value as a `Cube`.

    Prompts are those of any of the arms; metrics keep the order in which they first appear.
    """
    rows = per_prompt.filter(pl.col("arm").is_in(list(arms)))
    prompts = rows.select("task", "prompt_id").unique().sort("task", "prompt_id")
    metrics = tuple(rows["metric"].unique(maintain_order=True).to_list())
    places = (
        rows.join(prompts.with_row_index("_p"), on=["task", "prompt_id"], nulls_equal=True)
        .join(pl.DataFrame({"arm": list(arms)}).with_row_index("_a"), on="arm")
        .join(
            pl.DataFrame({"metric": metrics}, schema={"metric": pl.String}).with_row_index("_m"),
            on="metric",
        )
    )
    values = np.full((prompts.height, len(arms), len(metrics)), np.nan)
    where = tuple(places[axis].to_numpy().astype(np.intp) for axis in ("_p", "_a", "_m"))
    values[where] = places["value"].fill_null(float("nan")).to_numpy()
    return Cube(
        values=values,
        tasks=np.asarray(prompts["task"].to_list(), dtype=np.str_),
        arms=tuple(arms),
        metrics=metrics,
    )


def macro(values: Floats, alive: NDArray[np.bool_]) -> Floats:
    """Mean over the task axis (..., T, M) of the tasks that are alive (T, M); NaN where none is."""
    count = alive.sum(axis=0)
    total = np.where(alive, values, 0.0).sum(axis=-2)
    out = np.full(total.shape, np.nan)
    np.divide(total, count, out=out, where=np.broadcast_to(count > 0, total.shape))
    return out
