"""How much variety every stage has, and how much of the root's each step took."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from variegate.lineage._losses import bootstrap_losses
from variegate.lineage._result import StageInfo
from variegate.lineage._tables import stacked, table

__all__ = ["levels_of", "losses_of"]


def levels_of(
    measured: pl.DataFrame, per_prompt: pl.DataFrame, stages: Sequence[StageInfo]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep of what was measured the stages, in their order: the tables `levels`, `per_prompt`.

    With a single task, its levels are those of all tasks too.
    """
    order = pl.DataFrame({"arm": [stage.name for stage in stages]})

    levels, values = (
        order.join(frame, on="arm", how="inner", maintain_order="left_right").rename(
            {"arm": "stage"}
        )
        for frame in (measured, per_prompt)
    )
    if levels["task"].n_unique() == 1:
        levels = pl.concat([levels, levels.with_columns(pl.lit("all").alias("task"))])
    return table("levels", levels), table("per_prompt", values)


def losses_of(
    per_prompt: pl.DataFrame,
    stages: Sequence[StageInfo],
    *,
    resamples: int,
    level: float,
    seed: int,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Change of every stage against its parent, and what is left, in percent of the root.

    Every metric that has a value by prompt at every stage is taken; all stages share the draw.

    Returns:
        The tables `losses` and `retained` of `Trace`, both with a `note` besides.
    """
    parents = {stage.name: stage.parent for stage in stages if stage.parent is not None}
    losses, retained = [], []
    for (metric,), values in per_prompt.group_by("metric", maintain_order=True):
        if not parents or values["stage"].n_unique() < len(stages):
            continue
        found = bootstrap_losses(
            values, root=stages[0].name, order=parents, resamples=resamples, level=level, seed=seed
        )
        losses.append(table("losses", found.frame, metric=str(metric)))
        retained.append(table("retained", found.retained, metric=str(metric)))
    return stacked("losses", losses), stacked("retained", retained)
