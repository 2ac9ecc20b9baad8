"""A trace on disk: tables as Parquet, the rest as JSON, so that it can be shown again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from variegate.errors import DataError
from variegate.lineage._result import StageInfo, Trace
from variegate.lineage._tables import TABLES
from variegate.metrics import Caution
from variegate.samples import RunDirectory, Samples, write_frame

__all__ = ["load_trace", "save_trace"]

_VERSION = 1


def save_trace(trace: Trace, run: RunDirectory) -> None:
    """Write a trace into its run directory; `trace.json` comes last and makes it whole.

    Beside the tables of `Trace` under ``trace/`` it writes ``scores.parquet``, the one long table
    of levels, losses and retained shares (arm, task, metric, value, low, high, n_prompts,
    n_samples, note).
    """
    folder = run.path / "trace"
    for name in TABLES:
        write_frame(folder / f"{name}.parquet", getattr(trace, name))
    write_frame(folder / "samples.parquet", trace.samples.frame)
    run.write_frame("scores.parquet", scores(trace))
    run.write_json(
        "trace.json",
        {
            "version": _VERSION,
            "name": trace.name,
            "headline": trace.headline,
            "metric": trace.metric,
            "level": trace.level,
            "stages": [asdict(stage) for stage in trace.stages],
            "cautions": [asdict(caution) for caution in trace.cautions],
            "metrics": trace.metrics,
            "settings": trace.settings,
        },
    )


def load_trace(out: str | Path) -> Trace:
    """Read a trace back from its run directory; no model is needed.

    Raises:
        DataError: there is no finished trace, or one of another version.
    """
    path = Path(out) / "trace.json"
    try:
        about: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"Expected a finished trace at {out}, found none.",
            hint="Run the same trace again: it goes on where it stopped.",
        ) from error
    if about.get("version") != _VERSION:
        raise DataError(
            f"{path}: expected version {_VERSION}, found {about.get('version')}.",
            hint="Trace again into a new directory.",
        )
    folder = Path(out) / "trace"
    return Trace(
        name=about["name"],
        headline=tuple(about["headline"]),
        metric=about["metric"],
        level=about["level"],
        stages=tuple(StageInfo(**stage) for stage in about["stages"]),
        cautions=tuple(Caution(**caution) for caution in about["cautions"]),
        metrics=about["metrics"],
        settings=about["settings"],
        samples=Samples(frame=pl.read_parquet(folder / "samples.parquet"), source=str(out)),
        **{name: pl.read_parquet(folder / f"{name}.parquet") for name in TABLES},
    )


def scores(trace: Trace) -> pl.DataFrame:
    """Put levels, losses and retained shares under each other: one long table to take away."""

    def shares(frame: pl.DataFrame, suffix: str) -> pl.DataFrame:
        return frame.select(
            pl.col("stage").alias("arm"),
            "task",
            (pl.col("metric") + suffix).alias("metric"),
            pl.col("percent").alias("value"),
            "low",
            "high",
            "n_prompts",
            pl.lit(None, dtype=pl.Int64).alias("n_samples"),
            "note",
        )

    return pl.concat(
        [
            trace.levels.rename({"stage": "arm"}),
            shares(trace.losses, ":change_percent"),
            shares(trace.retained, ":retained_percent"),
        ]
    )
