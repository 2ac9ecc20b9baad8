"""trace: where along a lineage did the variety go."""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from variegate.embedding import Cached, Embedder, embedder
from variegate.errors import DataError, NotComparable, UnknownName
from variegate.lineage._cautions import cautions_of
from variegate.lineage._cube import cube_of
from variegate.lineage._decompose import decompose
from variegate.lineage._formats import formats_of
from variegate.lineage._headline import headline
from variegate.lineage._layers import layers_of
from variegate.lineage._levels import levels_of, losses_of
from variegate.lineage._lineage import Lineage
from variegate.lineage._outputs import Progress, gather, sources_of
from variegate.lineage._positions import positions_of
from variegate.lineage._result import StageInfo, Trace
from variegate.lineage._store import save_trace
from variegate.lineage._validate import missing_files, prompts_of
from variegate.metrics import Measurement, measure, metric, metric_names
from variegate.samples import RunDirectory, Samples

__all__ = ["trace"]

DECOMPOSITION_TABLE = {
    "stage": pl.String, "task": pl.String, "part": pl.String, "value": pl.Float64,
    "low": pl.Float64, "high": pl.Float64, "n_matched": pl.Int64, "note": pl.String,
}  # fmt: skip


def trace(
    lineage: Lineage | str | Path,
    *,
    out: str | Path | None = None,
    progress: Progress | None = None,
    resamples: int = 2000,
    level: float = 0.95,
) -> Trace:
    """Trace where the variety of a lineage went.

    Every stage is asked the same prompts under the same settings (or its saved outputs are read),
    on the prompts that all have and at the same number of outputs. Levels, the loss at every
    step, the split into wrong answers and narrowing, weights against format, positions and
    layers follow, each with an interval where there is chance in it: a bootstrap over prompts,
    one draw for all stages.

    Args:
        lineage: a `Lineage`, or the path of a TOML file.
        out: run directory. A run that was killed goes on there, and ends in the same tables as
            one that was not; `load_trace` reads it back without models. None keeps nothing.
        progress: called with draws made, draws wanted, and the arm that is asked.
        resamples: number of bootstrap resamples.
        level: of the intervals.

    Returns:
        A `Trace`. Tables that need a model (formats, positions, layers, exact) are empty where
        there is none.

    Raises:
        DataError: a file of the lineage is missing or is not what it should be.
        NotComparable: the stages have no prompt in common.
        UnknownName: a metric, an embedder or a verifier that nobody registered.
        RunError: the run directory cannot be used.

    Example:
        >>> from variegate.lineage import Lineage, trace
        >>> from variegate.samples import Samples
        >>> def said(*texts):
        ...     return Samples.from_rows(
        ...         {"prompt_id": p, "text": f"{text} {p}"} for p in "abc" for text in texts
        ...     )
        >>> fruit = Lineage(metric="gini_simpson", stages=[
        ...     {"name": "base", "samples": said("apple", "kiwi", "plum", "fig")},
        ...     {"name": "sft", "parent": "base", "samples": said("fig", "fig", "kiwi", "kiwi")},
        ... ])
        >>> traced = trace(fruit)
        >>> traced.retained.filter(metric="gini_simpson", task="default")["percent"].item()
        66.6...
    """
    begun, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    lineage = lineage if isinstance(lineage, Lineage) else Lineage.read(lineage)
    _refuse_unknown(lineage)
    prompts = prompts_of(lineage)
    sources = sources_of(lineage, prompts)
    chance: dict[str, Any] = {"resamples": resamples, "level": level, "seed": lineage.seed}
    with _run(out, sources) as run:
        said = gather(lineage, prompts, run=run, progress=progress)
        stages = said.stages
        embed = _embedder(lineage, run)

        measured = _measure(said.samples, lineage, embed, chance)
        levels, per_prompt = levels_of(measured.frame, measured.per_prompt, stages)
        losses, retained = losses_of(per_prompt, stages, **chance)
        decomposition = _decompositions(said.samples, stages, lineage, embed, chance)
        formats = formats_of(
            cube_of(measured.per_prompt, arms=_arms(said.samples)), stages, said.arms, **chance
        )
        positions = positions_of(said.entropies, [stage.name for stage in stages], **chance)
        layers, left_out = layers_of(lineage)

        about = _about(levels)
        found = Trace(
            name=lineage.name,
            stages=stages,
            metric=lineage.metric,
            headline=headline(
                stages=stages,
                metric=lineage.metric,
                levels=levels,
                losses=losses,
                retained=retained,
                decomposition=decomposition,
                formats=formats,
                metrics=about,
                k=lineage.samples_per_prompt,
            ),
            levels=levels,
            per_prompt=per_prompt,
            losses=losses,
            retained=retained,
            decomposition=decomposition,
            formats=formats,
            positions=positions,
            layers=layers,
            exact=said.exact,
            cautions=(
                *said.cautions,
                *cautions_of(
                    said.samples.frame,
                    prompts,
                    stages,
                    levels=levels,
                    decomposition=decomposition,
                    metric=lineage.metric,
                    floor=measured.settings.get("similarity_floor"),
                ),
                *left_out,
            ),
            metrics=about,
            settings={
                **sources,
                **chance,
                "metric": lineage.metric,
                "distance": lineage.distance,
                "measure": dict(measured.settings),
                "models": said.models,
                "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
                "started": started,
                "seconds": round(time.monotonic() - begun, 1),
            },
            level=level,
            samples=said.everything,
        )
        if run is not None:
            save_trace(found, run)
    return found


def _refuse_unknown(lineage: Lineage) -> None:
    """Refuse before the first draw what would fail after the last."""
    missing = missing_files(lineage)
    if missing:
        raise DataError(
            f"{len(missing)} of the files of lineage {lineage.name!r} are not there: "
            f"{'; '.join(missing)}.",
            hint="Paths in a LINEAGE.toml are relative to the file.",
        )
    for name in (lineage.metric, *(lineage.metrics or ())):
        if name not in metric_names():
            raise UnknownName("metric", name, metric_names())


@contextlib.contextmanager
def _run(out: str | Path | None, sources: Mapping[str, Any]) -> Iterator[RunDirectory | None]:
    if out is None:
        yield None
    else:
        with RunDirectory.open(out, settings=sources, kind="trace") as run:
            yield run


def _embedder(lineage: Lineage, run: RunDirectory | None) -> Embedder:
    found = embedder(lineage.embedder)
    return found if run is None else Cached(found, run.cache("embeddings"))


def _measure(
    samples: Samples, lineage: Lineage, embed: Embedder, chance: Mapping[str, Any]
) -> Measurement:
    wanted = lineage.metrics
    if wanted is not None:
        wanted = tuple(dict.fromkeys([lineage.metric, *wanted]))
    return measure(samples, metrics=wanted, embedder=embed, **chance)


def _decompositions(
    samples: Samples,
    stages: Sequence[StageInfo],
    lineage: Lineage,
    embed: Embedder,
    chance: Mapping[str, Any],
) -> pl.DataFrame:
    """Split the loss of every stage against the root, where there are verdicts on both sides."""
    root = stages[0].name
    tables = [pl.DataFrame(schema=DECOMPOSITION_TABLE)]
    for stage in stages[1:]:
        both = samples.frame.filter(pl.col("arm").is_in([root, stage.name]))
        try:
            split = decompose(
                Samples.from_frame(both),
                base=root,
                post=stage.name,
                distance=lineage.distance,
                embedder=embed,
                **chance,
            )
        except (DataError, NotComparable):
            continue  # nobody judged these outputs: the headline says that it cannot be told
        named = split.frame.with_columns(pl.lit(stage.name).alias("stage"))
        tables.append(named.select(pl.col(c).cast(t) for c, t in DECOMPOSITION_TABLE.items()))
    return pl.concat(tables)


def _arms(samples: Samples) -> list[str]:
    return samples.frame["arm"].unique(maintain_order=True).to_list()


def _about(levels: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """What the page must know of every metric shown."""
    fields = ("title", "summary", "low", "high", "direction", "role", "source", "url")
    shown = levels["metric"].unique(maintain_order=True).to_list()
    return {name: {key: getattr(metric(name), key) for key in fields} for name in shown}
