"""True values, where the world is closed and somebody knows them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence

import polars as pl

from variegate.errors import UsageError
from variegate.lineage._tables import stacked, table
from variegate.models import Format, Model, Sampling
from variegate.samples import Prompt

__all__ = ["exact_function", "exact_of"]


def exact_function(hook: str) -> Callable[..., pl.DataFrame]:
    """Find the function that a lineage names in ``exact = "module:attribute"``.

    Raises:
        UsageError: there is none.
    """
    module, _, attribute = hook.partition(":")
    try:
        found: Callable[..., pl.DataFrame] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"Expected a function at exact = {hook!r}, found none: {error}.",
            hint='Write "module:attribute", or leave the key out.',
        ) from error
    return found


def exact_of(
    hook: str,
    model: Model,
    prompts: Sequence[Prompt],
    *,
    stage: str,
    format: Format,
    sampling: Sampling,
    n: int,
    k: int,
) -> pl.DataFrame:
    """Ask a function that knows the true values, and average them within each task.

    The function is called as ``function(model, prompts, format=..., sampling=..., n=..., k=...)``
    and returns a frame task, prompt_id, metric, value with what it can list. A model that reasons
    has no listable answers: the function then returns no rows.

    Args:
        hook: ``"module:attribute"``.
        model: the stage's model.
        prompts: what was asked.
        stage: its name.
        format: how it was asked.
        sampling: the settings of every draw.
        n: draws a prompt.
        k: draws among which the metrics at k count.

    Returns:
        The rows of the table `exact` of `Trace` for this stage, task ``"all"`` among them for
        every metric that all tasks have. A task has a row where all of its prompts have a value.
    """
    known = exact_function(hook)(model, prompts, format=format, sampling=sampling, n=n, k=k)
    asked = (
        pl.DataFrame({"task": [prompt.task for prompt in prompts]}).group_by("task").len("asked")
    )
    by_task = (
        known.group_by("task", "metric", maintain_order=True)
        .agg(pl.col("value").mean(), pl.col("value").count().alias("known"))
        .join(asked, on="task", maintain_order="left")
        .filter(pl.col("known") == pl.col("asked"))
    )
    tasks = asked.height
    everywhere = (
        by_task.group_by("metric", maintain_order=True)
        .agg(pl.col("value").mean(), pl.len())
        .filter(pl.col("len") == tasks)
    )
    return stacked(
        "exact",
        [
            table("exact", by_task, stage=stage),
            table("exact", everywhere, stage=stage, task="all"),
        ],
    )
