"""Weights or format: the same weights asked raw, by their template, and without reasoning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import polars as pl

from variegate.estimate import interval
from variegate.lineage._cube import Cube, macro
from variegate.lineage._result import StageInfo
from variegate.lineage._tables import table
from variegate.models import Format

__all__ = ["STEPS", "formats_needed", "formats_of"]

STEPS = ("base", "tuning", "template", "reasoning", "stage")


def formats_needed(own: Format, offered: Sequence[Format]) -> tuple[Format, ...]:
    """Which formats, besides its own, a stage must be asked in to split weights from format.

    A stage measured raw needs none. One measured through its template needs raw, and with an
    empty reasoning block where its template knows one.

    Example:
        >>> formats_needed("chat", ("raw", "chat", "empty-reasoning"))
        ('raw', 'empty-reasoning')
        >>> formats_needed("chat", ("raw", "chat"))
        ('raw',)
    """
    if own == "raw":
        return ()
    wanted: tuple[Format, ...] = ("raw", "empty-reasoning") if own == "chat" else ("raw",)
    return tuple(format for format in wanted if format in offered)


def formats_of(
    cube: Cube,
    stages: Sequence[StageInfo],
    arms: Mapping[tuple[str, str], str],
    *,
    resamples: int,
    level: float,
    seed: int,
) -> pl.DataFrame:
    """Walk from the level of the root to the level of a stage in three steps that sum.

    base → (tuning: root → stage asked raw) → (template: → by its template, with an empty
    reasoning block where there is one) → (reasoning: → as the stage is) → stage. A format that a
    stage does not have is the one before it, and its step is exactly 0.

    Args:
        cube: values of all arms.
        stages: root first.
        arms: (stage, format) → the arm that holds it; the stage itself stands under its own.
        resamples: number of resamples.
        level: of the intervals.
        seed: of the draw.

    Returns:
        The table `formats` of `Trace`, for every tuned stage that was asked raw; the levels are
        means over the prompts that have a value in all four arms.
    """
    root = stages[0].name
    rows = []
    for stage in stages[1:]:
        if (stage.name, "raw") not in arms:
            continue
        raw = arms[stage.name, "raw"]
        plain = (
            raw if stage.format == "raw" else arms.get((stage.name, "empty-reasoning"), stage.name)
        )
        walk = _matched(cube, [root, raw, plain, stage.name])
        point = walk.means()
        resampled = walk.resampled(resamples=resamples, seed=seed)
        alive = np.isfinite(point[:, 0])
        counts = walk.counts(*walk.arms)
        value, draws = _steps(point), _steps(resampled)
        value = np.concatenate([value, macro(value.swapaxes(0, 1), alive)[None]])
        every = macro(draws.swapaxes(1, 2), alive)[:, None]
        low, high = interval(np.concatenate([draws, every], axis=1), level=level)
        for t, task in enumerate([*walk.task_names, "all"]):
            for m, metric in enumerate(walk.metrics):
                n = counts[:, m].sum() if task == "all" else counts[t, m]
                for s, step in enumerate(STEPS):
                    rows.append({
                        "stage": stage.name, "task": task, "metric": metric, "step": step,
                        "value": value[t, s, m], "low": low[t, s, m], "high": high[t, s, m],
                        "n_prompts": int(n),
                    })  # fmt: skip
    return table("formats", rows)


def _matched(cube: Cube, arms: list[str]) -> Cube:
    """Keep these four arms, and of them only the prompts that have a value in each."""
    values = cube.values[:, [cube.arm(arm) for arm in arms]]
    complete = np.isfinite(values).all(axis=1, keepdims=True)
    return Cube(
        values=np.where(complete, values, np.nan),
        tasks=cube.tasks,
        arms=STEPS[:4],
        metrics=cube.metrics,
    )


def _steps(means: np.ndarray) -> np.ndarray:
    """(..., 4, M) levels -> (..., 5, M): the first level, the three differences, the last level."""
    levels = [means[..., arm, :] for arm in range(4)]
    changes = [after - before for before, after in pairwise(levels)]
    return np.stack([levels[0], *changes, levels[3]], axis=-2)
