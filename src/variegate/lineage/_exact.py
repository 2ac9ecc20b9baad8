"""True values, where the world is closed and somebody knows them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import polars as pl

from variegate.errors import UsageError
from variegate.models import Format, Model, Sampling
from variegate.samples import Prompt

__all__ = ["EXACT_TABLE", "exact_of"]

EXACT_TABLE = {
    "stage": pl.String, "task": pl.String, "metric": pl.String, "value": pl.Float64,
}  # fmt: skip


def exact_of(
    hook: str,
    model: Model,
    prompts: Sequence[Prompt],
    *,
    stage: str,
    format: Format,
    sampling: Sampling,
    n: int,
) -> pl.DataFrame:
    """Ask a function that knows the true values, and average them within each task.

    The function is called as ``function(model, prompts, format=..., sampling=..., n=..., k=...)``
    and returns a frame task, prompt_id, metric, value with the prompts it can list; n and k are
    the draws a prompt. A model that reasons has no listable answers: the function then returns no
    rows.

    Args:
        hook: ``"module:attribute"``.
        model: the stage's model.
        prompts: what was asked.
        stage: its name.
        format: how it was asked.
        sampling: the settings of every draw.
        n: draws a prompt.

    Returns:
        The rows of the table `exact` of `Trace` for this stage, task ``"all"`` among them for
        every metric that all tasks have.

    Raises:
        UsageError: there is no such function.
    """
    module, _, attribute = hook.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"Expected a function at exact = {hook!r}, found none: {error}.",
            hint='Write "module:attribute", or leave the key out.',
        ) from error
    known: pl.DataFrame = function(model, prompts, format=format, sampling=sampling, n=n, k=n)
    by_task = (
        known.group_by("task", "metric", maintain_order=True)
        .agg(pl.col("value").mean())
        .select(pl.lit(stage).alias("stage"), "task", "metric", "value")
    )
    tasks = len({prompt.task for prompt in prompts})
    everywhere = (
        by_task.group_by("stage", "metric", maintain_order=True)
        .agg(pl.col("value").mean(), pl.len())
        .filter(pl.col("len") == tasks)
        .select("stage", pl.lit("all").alias("task"), "metric", "value")
    )
    return pl.concat([by_task, everywhere]).select(
        pl.col(c).cast(t) for c, t in EXACT_TABLE.items()
    )
