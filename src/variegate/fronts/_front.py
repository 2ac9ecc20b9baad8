"""front: which ways of sampling are worth it, at equal cost and equal tuning."""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from variegate.embedding import Cached, embedder
from variegate.errors import UsageError
from variegate.fronts._arms import Arms
from variegate.fronts._budget import Spent, at_equal_cost
from variegate.fronts._cautions import (
    about_chosen,
    about_failed,
    about_halves,
    about_reference,
    about_tuning,
    failed_rows,
)
from variegate.fronts._compared import compare_methods
from variegate.fronts._cost import cost_of_pass
from variegate.fronts._gathered import (
    Gathered,
    Progress,
    choose,
    gather,
    prompts_of,
    refuse_mistakes,
    without_silent,
)
from variegate.fronts._knee import knee
from variegate.fronts._result import Front
from variegate.fronts._sources import sources_of
from variegate.fronts._values import axes_of, quality_of, values_of
from variegate.fronts._words import headline
from variegate.judging import verifier
from variegate.metrics import measure, metric
from variegate.samples import Prompt, RunDirectory, Samples, versions

__all__ = ["front"]

_KEY = ("task", "prompt_id")
_LEVELS = {
    "arm": pl.String, "task": pl.String, "metric": pl.String, "value": pl.Float64,
    "low": pl.Float64, "high": pl.Float64, "n_prompts": pl.Int64, "n_samples": pl.Int64,
    "note": pl.String,
}  # fmt: skip


def front(
    arms: Arms | Samples | str | Path,
    *,
    prompts: Sequence[Prompt] | None = None,
    quality: str | None = None,
    variety: str | None = None,
    cost: str | None = None,
    budget: float | None = None,
    baseline: str | None = None,
    tries: int | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    resamples: int = 2000,
    level: float = 0.95,
) -> Front:
    """Put ways of sampling on the plane of quality and variety, at equal cost and equal tuning.

    Every arm is asked the same prompts, or its saved outputs are read. Of each prompt as many
    outputs are used as one budget pays for. Every method may be tried with the same number of
    settings; the best is chosen on one half of the prompts and reported on the other, since the
    best of many looks better than it is. Intervals resample prompts, one draw for all arms.

    Args:
        arms: `Arms`, the path of a TOML file, or saved `Samples`, whose arms are then methods of
            one setting each.
        prompts: in place of those of the arms.
        quality: metric across; accuracy where there are verdicts, else quality.
        variety: metric upwards; ``pairwise`` when left out.
        cost: ``"tokens"``, ``"calls"`` or ``"seconds"``.
        budget: of that, for every prompt; what the cheapest arm took for it when left out.
        baseline: the method the others are held against; the first when left out.
        tries: settings every method may be tried with.
        out: run directory. A run that was killed goes on there. None keeps nothing.
        progress: called with draws made, draws wanted, and the arm that is asked.
        resamples: number of bootstrap resamples.
        level: of the intervals.

    Returns:
        A `Front`. Arms whose model lacks what they need are in `refused`, with the reason; the
        others go on.

    Raises:
        DataError: a file is missing or is not what it should be.
        NotComparable: no prompt in common, a cost that is not known, or a baseline without a
            value.
        UsageError: no arm can run, or a metric that cannot be an axis.

    Example:
        >>> from variegate.samples import Samples
        >>> said = Samples.from_rows(
        ...     {"arm": arm, "prompt_id": p, "text": text, "correct": True}
        ...     for arm, texts in [("plain", "aab"), ("varied", "abc")]
        ...     for p in "wxyz" for text in texts
        ... )
        >>> found = front(said, variety="gini_simpson", cost="calls")
        >>> print(found.headline[0])
        At equal cost (3 calls a prompt) and with one setting each, varied dominates plain: at
        least as good on both axes and better on one.
    """
    begun, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    given = {"prompts": prompts, "quality": quality, "variety": variety, "cost": cost,
             "budget": budget, "baseline": baseline, "tries": tries}  # fmt: skip
    arms = _arms(arms, {name: value for name, value in given.items() if value is not None})
    refuse_mistakes(arms)
    asked = prompts_of(arms)
    _refuse_unknown(arms, asked)
    with _run(out, arms, asked) as run:
        said = gather(arms, asked, run=run, progress=progress)
        said, silent = without_silent(said)
        axis = arms.quality or quality_of(said.samples)
        spent = at_equal_cost(
            said.samples, cost=arms.cost, budget=arms.budget, seconds=said.seconds
        )
        embed = embedder(arms.embedder)
        if run is not None:
            embed = Cached(embed, run.cache("embeddings"))
        kept, unchosen = choose(spent.samples, said.settings, embedder=embed, seed=arms.seed)
        spent = replace(spent, samples=kept)
        measured = measure(
            spent.samples,
            metrics=tuple(dict.fromkeys([axis, arms.variety, *arms.metrics])),
            embedder=embed,
            seed=arms.seed,
            resamples=resamples,
            level=level,
        )
        could = [s for s in said.settings if s.arm not in {arm for _, arm, _ in unchosen}]
        values, tasks, settings, weak, notes = values_of(measured, could, axis, arms.variety)
        axes = axes_of(arms, axis, measured)
        compared = compare_methods(
            values,
            tasks,
            settings,
            baseline=arms.baseline_method,
            axes=axes,
            tries=arms.tries,
            resamples=resamples,
            level=level,
            seed=arms.seed,
        )
        points = _with_cost(compared.points, spent)
        bend = knee(points.select("quality", "variety").to_numpy())
        found = Front(
            headline=headline(
                compared.methods.to_dicts(),
                baseline=arms.baseline_method,
                cost=arms.cost,
                budget=spent.budget,
                settings=compared.settings,
            ),
            name=arms.name,
            baseline=arms.baseline_method,
            quality=axis,
            variety=arms.variety,
            methods=compared.methods,
            points=points,
            attainment=compared.attainment,
            frame=pl.concat([measured.frame, _cost_rows(spent, arms.cost)]),
            per_prompt=measured.per_prompt,
            knee=None if bend is None else points["arm"][bend],
            refused=_refused(said, [*silent, *unchosen, *weak]),
            cautions=(
                *about_failed(said.samples), *spent.cautions, *notes,
                *about_halves(compared.settings),
                *about_reference(points, axes), *about_tuning(compared.methods, compared.settings),
                *about_chosen(measured.cautions, compared.methods),
            ),
            metrics=_about(measured.frame),
            settings={
                **sources_of(arms, asked),
                **compared.settings,
                "budget": spent.budget,
                "measured": measured.settings,
                "outputs": {
                    "asked": len(said.samples),
                    "failed": failed_rows(said.samples).height,
                    "used": len(spent.samples),
                },
                "models": said.models,
                "seconds_by_arm": said.seconds,
                "resamples": resamples,
                "level": level,
                "versions": versions(),
                "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
                "started": started,
                "seconds": round(time.monotonic() - begun, 1),
            },
            level=level,
            samples=spent.samples,
        )  # fmt: skip
        if run is not None:
            run.write_frame("scores.parquet", found.frame)
            run.write_json("front.json", _tables(found))
    return found


def _arms(arms: Arms | Samples | str | Path, given: Mapping[str, Any]) -> Arms:
    if isinstance(arms, Samples):
        names = arms.frame["arm"].unique(maintain_order=True).to_list()
        parts = [
            {"name": name, "samples": Samples.from_frame(arms.frame.filter(pl.col("arm") == name))}
            for name in names
        ]
        arms = Arms(name=Path(arms.source or "front").stem, methods=parts)  # type: ignore[arg-type]
    elif not isinstance(arms, Arms):
        arms = Arms.read(arms)
    if not given:
        return arms
    from pydantic import ValidationError

    fields = {name: getattr(arms, name) for name in Arms.model_fields}
    try:
        return Arms(**{**fields, **given})
    except ValidationError as error:
        raise UsageError(error.errors(include_url=False)[0]["msg"] + ".") from None


def _refuse_unknown(arms: Arms, prompts: Sequence[Prompt]) -> None:
    """Refuse before the first draw what would fail after the last."""
    for name in (arms.quality, arms.variety, *arms.metrics):
        if name is not None:
            metric(name)
    for name in filter(None, (arms.quality, arms.variety)):
        about = metric(name)
        if about.level != "prompt" or about.direction == "less":
            why = "one value for all prompts" if about.level != "prompt" else "less being better"
            raise UsageError(
                f"The metric {name!r} cannot be an axis: it has {why}.",
                hint="Take one with a value a prompt, more being better, like 'pairwise'.",
            )
    for name in sorted({prompt.verifier for prompt in prompts if prompt.verifier}):
        verifier(name)


def _with_cost(points: pl.DataFrame, spent: Spent) -> pl.DataFrame:
    paid = spent.cost.group_by("arm").agg(
        pl.col("cost").mean(),
        pl.col("outputs").cast(pl.Float64).mean(),
        pl.col("cost").sum().alias("_sum"),
    )
    right = spent.samples.frame.group_by("arm").agg(
        pl.col("correct").sum().alias("_right"), pl.col("correct").count().alias("_judged")
    )
    joined = points.join(paid, on="arm", how="left", maintain_order="left").join(
        right, on="arm", how="left", maintain_order="left"
    )
    passes = [
        None if not judged else float(cost_of_pass(total / judged, good / judged))
        for total, good, judged in joined.select("_sum", "_right", "_judged").iter_rows()
    ]
    return joined.drop("_sum", "_right", "_judged").with_columns(
        pl.Series("cost_of_pass", passes, dtype=pl.Float64)
    )


def _cost_rows(spent: Spent, unit: str) -> pl.DataFrame:
    """What was spent, as rows of the long table."""
    rows = []
    groups = spent.cost.group_by("arm", "task", maintain_order=True).agg(
        pl.col("cost").mean(), pl.col("outputs").sum(), pl.len()
    )
    for arm, task, paid, outputs, prompts in groups.iter_rows():
        row = {"arm": arm, "task": task, "metric": f"cost_{unit}", "value": paid, "low": None}
        rows.append(row | {"high": None, "n_prompts": prompts, "n_samples": outputs, "note": ""})
    frame = pl.DataFrame(rows, schema=_LEVELS)
    return frame.with_columns(pl.col("low", "high").fill_null(float("nan")))


def _refused(said: Gathered, weak: Sequence[tuple[str, str, str]]) -> pl.DataFrame:
    columns = {"method": pl.String, "arm": pl.String, "reason": pl.String}
    return pl.DataFrame([*said.refused, *weak], schema=columns, orient="row")


def _about(frame: pl.DataFrame) -> dict[str, dict[str, Any]]:
    fields = ("title", "summary", "low", "high", "direction", "role", "source", "url")
    shown = frame["metric"].unique(maintain_order=True).to_list()
    return {name: {key: getattr(metric(name), key) for key in fields} for name in shown}


@contextlib.contextmanager
def _run(
    out: str | Path | None, arms: Arms, prompts: Sequence[Prompt]
) -> Iterator[RunDirectory | None]:
    if out is None:
        yield None
    else:
        # Every draw has its own identity, so methods and settings may be added to a run.
        shared = {name: sources_of(arms, prompts)[name] for name in ("front", "prompts", "seed")}
        with RunDirectory.open(out, settings=shared, kind="front") as run:
            yield run


def _tables(found: Front) -> dict[str, Any]:
    return {
        "headline": found.headline,
        "name": found.name,
        "baseline": found.baseline,
        "quality": found.quality,
        "variety": found.variety,
        "methods": found.methods.to_dicts(),
        "points": found.points.to_dicts(),
        "knee": found.knee,
        "refused": found.refused.to_dicts(),
        "settings": found.settings,
    }
