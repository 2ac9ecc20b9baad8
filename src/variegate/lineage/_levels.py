"""How much variety every stage has, and how much of the root's each step took."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from variegate.lineage._losses import bootstrap_losses
from variegate.lineage._result import StageInfo

__all__ = ["levels_of", "losses_of"]

LEVELS_TABLE = {
    "stage": pl.String, "task": pl.String, "metric": pl.String, "value": pl.Float64,
    "low": pl.Float64, "high": pl.Float64, "n_prompts": pl.Int64, "n_samples": pl.Int64,
    "note": pl.String,
}  # fmt: skip
PER_PROMPT_TABLE = {
    "stage": pl.String, "task": pl.String, "prompt_id": pl.String, "metric": pl.String,
    "value": pl.Float64,
}  # fmt: skip
LOSSES_TABLE = {
    "stage": pl.String, "parent": pl.String, "task": pl.String, "metric": pl.String,
    "percent": pl.Float64, "low": pl.Float64, "high": pl.Float64, "n_prompts": pl.Int64,
    "note": pl.String,
}  # fmt: skip
RETAINED_TABLE = {name: dtype for name, dtype in LOSSES_TABLE.items() if name != "parent"}


def levels_of(
    measured: pl.DataFrame, per_prompt: pl.DataFrame, stages: Sequence[StageInfo]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep of what was measured the stages, in their order: the tables `levels`, `per_prompt`."""
    order = pl.DataFrame({"arm": [stage.name for stage in stages]})

    def of_stages(frame: pl.DataFrame, columns: dict[str, type[pl.DataType]]) -> pl.DataFrame:
        kept = order.join(frame, on="arm", how="inner", maintain_order="left_right")
        return kept.rename({"arm": "stage"}).select(pl.col(c).cast(t) for c, t in columns.items())

    return of_stages(measured, LEVELS_TABLE), of_stages(per_prompt, PER_PROMPT_TABLE)


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
    losses, retained = [pl.DataFrame(schema=LOSSES_TABLE)], [pl.DataFrame(schema=RETAINED_TABLE)]
    for (metric,), values in per_prompt.group_by("metric", maintain_order=True):
        if not parents or values["stage"].n_unique() < len(stages):
            continue
        found = bootstrap_losses(
            values, root=stages[0].name, order=parents, resamples=resamples, level=level, seed=seed
        )
        named = pl.lit(metric).alias("metric")
        losses.append(found.frame.with_columns(named).select(LOSSES_TABLE))
        retained.append(found.retained.with_columns(named).select(RETAINED_TABLE))
    return pl.concat(losses), pl.concat(retained)
