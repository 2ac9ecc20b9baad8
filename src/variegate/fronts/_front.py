"""front: which ways of sampling are worth it, at equal cost and equal tuning."""

from __future__ import annotations

import contextlib
import hashlib
import math
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from variegate.embedding import Cached, embedder
from variegate.errors import NotComparable, UsageError
from variegate.fronts._arms import Arms, Setting
from variegate.fronts._budget import Spent, at_equal_cost
from variegate.fronts._compared import Axes, compare_methods
from variegate.fronts._cost import cost_of_pass
from variegate.fronts._gathered import Gathered, Progress, choose, gather, prompts_of
from variegate.fronts._knee import knee
from variegate.fronts._result import Front
from variegate.fronts._words import headline
from variegate.judging import verifier
from variegate.metrics import Caution, Measurement, measure, metric
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
    asked = prompts_of(arms)
    _refuse_unknown(arms, asked)
    with _run(out, arms, asked) as run:
        said = gather(arms, asked, run=run, progress=progress)
        axis = arms.quality or _quality_of(said.samples)
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
        values, tasks, settings, weak, notes = _valued(measured, could, axis, arms.variety)
        axes = _axes(arms, axis, measured)
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
            refused=_refused(said, [*unchosen, *weak]),
            cautions=(
                *_about_failed(said.samples), *spent.cautions, *notes,
                *_about_halves(compared.settings),
                *_below(points, axes), *_untuned(compared.methods, compared.settings),
                *_about_chosen(measured.cautions, compared.methods),
            ),
            metrics=_about(measured.frame),
            settings={
                **_sources(arms, asked),
                **compared.settings,
                "budget": spent.budget,
                "measured": measured.settings,
                "outputs": {
                    "asked": len(said.samples),
                    "failed": _failed(said.samples).height,
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


def _quality_of(samples: Samples) -> str:
    for name, column in (("accuracy", "correct"), ("quality", "quality")):
        if samples.frame[column].null_count() < samples.frame.height:
            return name
    raise UsageError(
        "Nothing says which outputs are good.",
        hint="Give prompts with a verifier, or outputs with a column 'correct' or 'quality'.",
    )


def _valued(
    measured: Measurement, settings: Sequence[Setting], quality: str, variety: str
) -> tuple[
    NDArray[np.float64], list[str], tuple[Setting, ...], list[tuple[str, str, str]], list[Caution]
]:
    """(P, N, 2) on the prompts where every arm has both values; arms that have few are left out."""
    wide = measured.per_prompt.filter(pl.col("metric").is_in([quality, variety])).pivot(
        on="metric", index=["arm", *_KEY], values="value", aggregate_function="first"
    )
    both = wide.filter(pl.col(quality).is_not_nan() & pl.col(variety).is_not_nan())
    every = wide.select(_KEY).unique().height
    having = dict(both.group_by("arm").len().iter_rows())
    notes = {(r["arm"], r["metric"]): r["note"] for r in measured.frame.iter_rows(named=True)}
    weak = []
    for setting in settings:
        if having.get(setting.arm, 0) * 2 <= every:
            why = "; ".join(
                f"{name}: {note}"
                for name in (quality, variety)
                if (note := notes.get((setting.arm, name)))
            )
            words = f"has both values on {having.get(setting.arm, 0)} of {every} prompts"
            weak.append((setting.method, setting.arm, f"{words} ({why})" if why else words))
    kept = tuple(s for s in settings if s.arm not in {arm for _, arm, _ in weak})
    if not kept:
        raise NotComparable(
            f"No arm has both {quality} and {variety}; {weak[0][1]} {weak[0][2]}.",
            hint="Raise the budget, or choose a metric that fits the outputs.",
        )
    names = [setting.arm for setting in kept]
    common = (
        both.filter(pl.col("arm").is_in(names))
        .group_by(_KEY)
        .len()
        .filter(pl.col("len") == len(names))
        .select(_KEY)
        .sort(_KEY)
    )
    if common.is_empty():
        raise NotComparable("No prompt has a value of every arm on both axes.")
    columns = [
        common.join(both.filter(pl.col("arm") == name), on=_KEY, how="left", maintain_order="left")
        .select(quality, variety)
        .to_numpy()
        for name in names
    ]
    left = every - common.height
    text = "Some arm has no value there; the plane is drawn on the other prompts."
    cautions = [Caution(kind="prompts", where="all arms", count=left, total=every, text=text)]
    return np.stack(columns, axis=1), common["task"].to_list(), kept, weak, cautions if left else []


def _axes(arms: Arms, quality: str, measured: Measurement) -> Axes:
    ends = [_ends(name, measured.settings) for name in (quality, arms.variety)]
    spans = [high - low for low, high in ends]
    return Axes(
        quality=quality,
        variety=arms.variety,
        reference=arms.reference or (ends[0][0], ends[1][0]),
        spans=(spans[0], spans[1]),
    )


def _ends(name: str, settings: Mapping[str, Any]) -> tuple[float, float]:
    """The published ends of an axis; an end that is not known makes the axis one unit long."""
    about = metric(name)
    low = float(about.low or 0.0)
    known = {
        "n": settings["n"]["most"],
        "k": settings["k"],
        "ln n": math.log(settings["n"]["most"]),
    }
    high = known.get(about.high, about.high) if isinstance(about.high, str) else about.high
    high = float(high) if isinstance(high, int | float) and high > low else low + 1.0
    return low, high


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


def _about_halves(settings: Mapping[str, Any]) -> list[Caution]:
    if settings["halved"]:
        return []
    n = settings["told_on"]
    text = "Too few prompts to halve: settings were chosen on the prompts they are reported on."
    return [Caution(kind="small-n", where="all arms", count=n, total=n, text=text)]


def _failed(samples: Samples) -> pl.DataFrame:
    return samples.frame.filter(pl.col("finish").fill_null("stop") == "error")


def _about_failed(samples: Samples) -> list[Caution]:
    text = "Draws that never came back; the prompt has fewer outputs."
    totals = dict(samples.frame.group_by("arm").len().iter_rows())
    return [
        Caution(kind="failed", where=arm, count=n, total=totals[arm], text=text)
        for arm, n in _failed(samples).group_by("arm", maintain_order=True).len().iter_rows()
    ]


def _about_chosen(cautions: Sequence[Caution], methods: pl.DataFrame) -> list[Caution]:
    """Keep what is about a chosen setting, or about all; unequal n is what equal cost gives."""
    arms = methods["arm"].to_list()
    return [
        caution
        for caution in cautions
        if caution.kind != "unequal-n"
        and (not caution.where or any(caution.where.startswith(arm) for arm in arms))
    ]


def _below(points: pl.DataFrame, axes: Axes) -> list[Caution]:
    quality, variety = axes.reference
    low = points.filter((pl.col("quality") < quality) | (pl.col("variety") < variety))
    if low.is_empty():
        return []
    text = f"Arms below the reference ({quality:g}, {variety:g}) cover nothing of the plane."
    return [
        Caution(kind="reference", where=", ".join(low["arm"][:5]), count=low.height,
                total=points.height, text=text)
    ]  # fmt: skip


def _untuned(methods: pl.DataFrame, settings: Mapping[str, Any]) -> list[Caution]:
    text = "The method has fewer settings than the others were tried with."
    return [
        Caution(kind="tuning", where=name, count=tried, total=settings["tries"], text=text)
        for name, tried in methods.select("method", "tried").iter_rows()
        if tried < settings["tries"]
    ]


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
        with RunDirectory.open(out, settings=_sources(arms, prompts), kind="front") as run:
            yield run


def _sources(arms: Arms, prompts: Sequence[Prompt]) -> dict[str, Any]:
    """Everything that makes the outputs what they are, for `run.json`."""
    methods = []
    for name in (method.name for method in arms.methods):
        method = arms.method(name)
        source = method.model if method.samples is None else method.samples
        methods.append(
            {
                "name": name,
                "source": _source(source),
                "format": method.format,
                "samples_per_prompt": method.samples_per_prompt or arms.samples_per_prompt,
                "settings": [
                    setting.model_dump(exclude={"method"}, exclude_defaults=True)
                    for setting in (method.settings(arms.sampling) if not method.samples else ())
                ],
            }
        )
    return {
        "front": arms.name,
        "prompts": [len(prompts), _hash_of(repr(list(prompts)))],
        "seed": arms.seed,
        "cost": arms.cost,
        "methods": methods,
    }


def _source(source: Any) -> str:
    if isinstance(source, Samples):
        return _hash_of(repr(source.frame.select("arm", *_KEY, "sample", "text").rows()))
    if isinstance(source, Path):
        return f"{source.name}@{_hash_of(source.read_bytes())}" if source.is_file() else source.name
    return f"{source.name}@{source.revision}"


def _hash_of(content: str | bytes) -> str:
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    return hashlib.sha256(data).hexdigest()[:16]


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
