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
from variegate.errors import DataError, NotComparable
from variegate.judging import verifier
from variegate.lineage._cautions import cautions_of
from variegate.lineage._cube import cube_of
from variegate.lineage._decompose import decompose
from variegate.lineage._exact import exact_function
from variegate.lineage._formats import formats_of
from variegate.lineage._headline import headline
from variegate.lineage._layers import layers_of
from variegate.lineage._levels import levels_of, losses_of
from variegate.lineage._lineage import Lineage
from variegate.lineage._outputs import Progress, gather, sources_of
from variegate.lineage._positions import positions_of
from variegate.lineage._result import StageInfo, Trace
from variegate.lineage._store import save_trace
from variegate.lineage._tables import stacked, table
from variegate.lineage._validate import missing_files, prompts_of, refuse_checkpoints
from variegate.metrics import Measurement, measure, metric
from variegate.samples import Prompt, RunDirectory, Samples, versions

__all__ = ["trace"]

_K = 10  # the k of distinct@k and its kin


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
        CheckpointError: weights that cannot or must not be loaded.
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
    _refuse_missing(lineage)
    refuse_checkpoints(lineage)
    prompts = prompts_of(lineage)
    _refuse_unknown(lineage, prompts)
    sources = sources_of(lineage, prompts)
    chance: dict[str, Any] = {"resamples": resamples, "level": level, "seed": lineage.seed}
    with _run(out, sources) as run:
        embed = _embedder(lineage, run)
        said = gather(lineage, prompts, k=_k(lineage), run=run, progress=progress)
        stages = said.stages

        measured = _measure(said.samples, lineage, embed, chance)
        levels, per_prompt = levels_of(measured.frame, measured.per_prompt, stages)
        losses, retained = losses_of(per_prompt, stages, **chance)
        decomposition = _decompositions(said.samples, stages, lineage, embed, chance)
        formats = formats_of(
            cube_of(measured.per_prompt, arms=_arms(said.samples)), stages, said.arms, **chance
        )
        positions = positions_of(said.entropies, [stage.name for stage in stages], **chance)
        layers, left_out = layers_of(lineage)

        about, n = _about(levels), measured.settings["n"]["most"]
        embedding = measured.settings["embedder"] or {}
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
                among={"distinct_at_k": measured.settings["k"], "vendi": n},
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
                    floor=embedding.get("floor"),
                ),
                *left_out,
            ),
            metrics=about,
            settings={
                **sources,
                **measured.settings,
                "samples_per_prompt": n,
                "metric": lineage.metric,
                "distance": lineage.distance,
                "models": said.models,
                "versions": versions(),
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


def _refuse_missing(lineage: Lineage) -> None:
    missing = missing_files(lineage)
    if missing:
        raise DataError(
            f"{len(missing)} of the files of lineage {lineage.name!r} are not there: "
            f"{'; '.join(missing)}.",
            hint="Paths in a LINEAGE.toml are relative to the file.",
        )


def _refuse_unknown(lineage: Lineage, prompts: Sequence[Prompt]) -> None:
    """Refuse before the first draw what would fail after the last."""
    for name in (lineage.metric, *(lineage.metrics or ())):
        metric(name)
    for name in sorted({prompt.verifier for prompt in prompts if prompt.verifier}):
        verifier(name)
    if lineage.exact:
        exact_function(lineage.exact)


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
    k = _k(lineage) if lineage.exact else None  # the true values were made for this k
    return measure(samples, metrics=wanted, embedder=embed, k=k, **chance)


def _k(lineage: Lineage) -> int:
    return min(_K, lineage.samples_per_prompt)


def _decompositions(
    samples: Samples,
    stages: Sequence[StageInfo],
    lineage: Lineage,
    embed: Embedder,
    chance: Mapping[str, Any],
) -> pl.DataFrame:
    """Split the loss of every stage against the root, where there are verdicts on both sides."""
    root = stages[0].name
    tables = []
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
        tables.append(table("decomposition", split.frame, stage=stage.name))
    return stacked("decomposition", tables)


def _arms(samples: Samples) -> list[str]:
    return samples.frame["arm"].unique(maintain_order=True).to_list()


def _about(levels: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """What the page must know of every metric shown."""
    fields = ("title", "summary", "low", "high", "direction", "role", "source", "url")
    shown = levels["metric"].unique(maintain_order=True).to_list()
    return {name: {key: getattr(metric(name), key) for key in fields} for name in shown}
