"""Measure: from a table of samples to a table of numbers with intervals."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from variegate.embedding import Embedder, Encoder
from variegate.errors import DataError, UsageError, VariegateError
from variegate.estimate import Estimate, bootstrap, bounded
from variegate.metrics._cautions import cautions_about
from variegate.metrics._designed import refusing
from variegate.metrics._entries import VOCABULARY
from variegate.metrics._grouping import Groups
from variegate.metrics._registry import Metric, default_names, is_ours, metric, resolve
from variegate.metrics._result import LEVELS, PER_PROMPT, Measurement, level_row, rounded
from variegate.metrics.texts._words import TOKENIZER
from variegate.samples import Samples

__all__ = ["measure"]

_log = logging.getLogger("variegate")
Floats = NDArray[np.float64]

_K = 10  # the k of distinct@k and its kin, where every prompt has that many outputs


@dataclass(frozen=True, kw_only=True)
class _Column:
    """One metric over all groups: a value each, and why the missing ones are missing."""

    metric: Metric
    values: Floats
    reasons: list[str]  # "" where there is a value


@dataclass(frozen=True, kw_only=True)
class _Plan:
    k: int
    resamples: int
    level: float
    seed: int
    asked: bool  # the metrics were named: one without data is shown with the reason


def measure(
    samples: Samples,
    *,
    metrics: Sequence[str] | None = None,
    embedder: str | Encoder | Embedder | None = None,
    k: int | None = None,
    drop: Sequence[str] = (),
    seed: int = 0,
    resamples: int = 2000,
    level: float = 0.95,
) -> Measurement:
    """Measure the variety, the correctness and the length of outputs.

    Every metric gives one value a prompt; these are averaged over the prompts of a task, and the
    tasks with equal weight. Intervals resample prompts. Arms are measured side by side; to
    say that one differs from another, use `compare`.

    Args:
        samples: the outputs. Rows with `finish` "error" are no outputs and are left out.
        metrics: names, see `metric_names`; by default those of `default_names` whose needs the
            samples hold.
        embedder: what `variegate.embedding.embedder` takes.
        k: outputs that the metrics at k count; by default 10, or the least number of outputs of
            a prompt where that is smaller (prompts with a single output aside).
        drop: kinds of outputs that are not to count: ``"empty"``, ``"filter"`` (refused or
            filtered), ``"length"`` (cut at the token limit). By default all count, the empty ones
            as one answer unlike any other; the cautions say how many there are either way.
        seed: of the bootstrap.
        resamples: of the bootstrap.
        level: of the intervals.

    Returns:
        The long table, the values of every prompt, cautions, and all settings. The same samples
        and seed give the same bytes.

    Raises:
        UnknownName: a metric that nobody registered.
        DataError: no outputs, or features that are not finite.

    Example:
        >>> samples = Samples.from_rows(
        ...     {"prompt": prompt, "text": text}
        ...     for prompt in ["Name a fruit.", "Name a tree."]
        ...     for text in ["plum", "plum", "oak"]
        ... )
        >>> result = measure(samples, metrics=["distinct_at_k"], k=2)
        >>> round(result.frame["value"].item(), 4)
        1.6667
    """
    groups = Groups(samples, source=embedder, drop=drop)
    return measured(
        samples, groups, metrics=metrics, k=k, drop=drop, seed=seed, resamples=resamples,
        level=level,
    )  # fmt: skip


def measured(
    samples: Samples,
    groups: Groups,
    *,
    metrics: Sequence[str] | None,
    k: int | None,
    drop: Sequence[str],
    seed: int,
    resamples: int,
    level: float,
) -> Measurement:
    """`measure` of outputs that are already laid out."""
    names = default_names() if metrics is None else tuple(dict.fromkeys(metrics))
    entries = [metric(name) for name in names]
    if not len(groups):
        raise DataError(
            f"Expected at least one output, got none in {len(samples)} rows.",
            hint="Look at the column 'finish': what failed or is dropped is no output.",
        )
    several = groups.n[groups.n >= 2]
    plan = _Plan(
        k=k if k is not None else min(_K, int(several.min())) if len(several) else 1,
        resamples=resamples,
        level=level,
        seed=seed,
        asked=metrics is not None,
    )
    columns = [_column(groups, entry, plan) for entry in entries if entry.level == "prompt"]
    rows: list[dict[str, Any]] = []
    for arm in groups.arms:
        levels = _levels(groups, columns, arm, plan)
        levels += [
            row
            for entry in entries
            if entry.level == "set"
            for row in _set_levels(groups, entry, arm, plan)
        ]
        # One task after the other, each with its metrics in the order asked for.
        place = {name: i for i, name in enumerate(names)}
        order = {task: i for i, task in enumerate([*groups.tasks, "all"])}
        rows += sorted(levels, key=lambda row: (order[row["task"]], place[row["metric"]]))
    embedded = any("features" in entry.needs for entry in entries)
    return Measurement(
        frame=pl.DataFrame(rows, schema=LEVELS),
        per_prompt=_per_prompt(groups, columns),
        cautions=cautions_about(samples, groups, embedded=embedded, drop=drop),
        settings=_settings(groups, names, plan, drop=drop, embedded=embedded),
    )


def _column(groups: Groups, entry: Metric, plan: _Plan) -> _Column:
    options = _options(entry, plan)
    least = max(entry.least, options.get("k", 0))
    outputs = groups.outputs(entry.needs)
    there = np.logical_and.reduce([groups.has(need) for need in entry.needs])
    dependent = refusing(entry.name, groups)
    usable = there & (outputs >= least) & ~dependent
    reasons = [
        ""
        if ok
        else "a designed set, and this needs independent draws"
        if dependent[g]
        else f"no {' and '.join(n for n in entry.needs if not groups.has(n)[g])}"
        if not there[g]
        else f"fewer than {least} output{'s' if least > 1 else ''}"
        for g, ok in enumerate(usable)
    ]
    values = np.full(len(groups), np.nan)
    try:
        places = np.flatnonzero(usable)
        found = _values(groups, entry, places, options)
        if not is_ours(entry.name) and len(places):
            _refuse_whim(found[0], _values(groups, entry, places[:1], options)[0])
        values[usable] = found
    except Exception as error:
        reasons = [_failure(entry, error)] * len(groups)
    values = np.array([rounded(value) for value in values.tolist()])
    for g in np.flatnonzero(usable & np.isnan(values)):
        reasons[g] = reasons[g] or "nothing to count"
    return _Column(metric=entry, values=values, reasons=reasons)


def _values(
    groups: Groups, entry: Metric, usable: NDArray[np.intp], options: dict[str, Any]
) -> Floats:
    function = resolve(entry.function)
    arguments = entry.arguments or entry.needs
    if not len(usable):
        return np.zeros(0)
    if entry.fast and entry.fast != "axes":
        grams = groups.cut_ngrams if "cut_texts" in arguments else groups.ngrams
        return np.asarray(resolve(entry.fast)(grams, **options))[usable]
    values = np.full(len(usable), np.nan)
    if entry.fast == "axes":
        # Sets of one size are one call with a leading axis.
        sizes = groups.outputs(entry.needs)[usable]
        for size in np.unique(sizes):
            alike = np.flatnonzero(sizes == size)
            stacks = [np.stack([groups.of(name, g) for g in usable[alike]]) for name in arguments]
            values[alike] = function(*stacks, **options)
        return values
    for i, g in enumerate(usable):
        try:
            values[i] = _number(function(*(groups.of(name, g) for name in arguments), **options))
        except DataError as error:
            arm, task, prompt_id, _ = groups.keys.row(int(g))
            where = f"Prompt {prompt_id!r} (arm {arm!r}, task {task!r})"
            raise DataError(f"{where}: {error}", hint=error.hint) from error
    return values


def _refuse_whim(first: float, again: float) -> None:
    """What another package brings is asked twice about one prompt."""
    if first != again and not (math.isnan(first) and math.isnan(again)):
        raise TypeError(f"expected the same value for the same input, got {first} and {again}")


def _failure(entry: Metric, error: Exception) -> str:
    """Give the reason in a metric's place, so that one that breaks takes no other with it.

    Raises:
        VariegateError: the samples, the disk or an extra is at fault, and not the metric.
    """
    if isinstance(error, VariegateError) and not isinstance(error, UsageError):
        raise error
    _log.warning("The metric %r failed.", entry.name, exc_info=error)
    return f"failed: {type(error).__name__}: {error}"


def _number(value: Any) -> float:
    array = np.asarray(value, dtype=np.float64)
    if array.shape != () or np.isinf(array):
        raise TypeError(f"expected one finite number or NaN a prompt, got {value!r}")
    return float(array)


def _options(entry: Metric, plan: _Plan) -> dict[str, Any]:
    return {name: plan.k if value == "$k" else value for name, value in entry.options.items()}


def _levels(groups: Groups, columns: list[_Column], arm: str, plan: _Plan) -> list[dict[str, Any]]:
    """Levels of one arm: each task, and the mean over tasks."""
    members = np.flatnonzero(groups.arm == arm)
    if not len(members) or not columns:
        return []
    values = np.stack([column.values[members] for column in columns], axis=1)
    tasks = groups.task[members]
    here = [task for task in groups.tasks if (tasks == task).any()]
    settings = {"resamples": plan.resamples, "level": plan.level, "seed": plan.seed}
    rows = []
    for task in [*here, *(["all"] if len(here) > 1 else [])]:
        of_task = tasks == task if task != "all" else np.ones(len(tasks), dtype=bool)
        strata = tasks.astype(str) if task == "all" else None
        estimates = bootstrap(values[of_task], strata=strata, **settings)  # type: ignore[arg-type]
        assert isinstance(estimates, list)
        for column, estimate in zip(columns, estimates, strict=True):
            used = members[of_task & ~np.isnan(column.values[members])]
            estimate = _near_its_bounds(groups, column, members[of_task], strata, estimate, plan)
            if len(used) or plan.asked or not _lacks_data(column, members[of_task]):
                samples = int(groups.outputs(column.metric.needs)[used].sum())
                note = _note(column, members[of_task], estimate, plan)
                rows.append(level_row(arm, task, column.metric.name, estimate, samples, note))
    return rows


def _near_its_bounds(
    groups: Groups,
    column: _Column,
    members: NDArray[np.intp],
    strata: NDArray[np.str_] | None,
    estimate: Estimate,
    plan: _Plan,
) -> Estimate:
    """The interval that knows the bounds, for a metric that has two of them."""
    entry = column.metric
    high = plan.k if entry.high == "k" else entry.high
    if entry.low is None or high is None or isinstance(high, str) or math.isnan(estimate.low):
        return estimate
    values = column.values[members]
    if np.nanmin(values) < entry.low - 1e-9 or np.nanmax(values) > high + 1e-9:
        return estimate  # its entry promises too much
    trials = groups.outputs(entry.needs)[members] if "correct" in entry.needs else None
    ends = bounded(
        values, low=entry.low, high=max(high, entry.low + 1e-9), trials=trials,
        strata=strata, level=plan.level,
    )  # fmt: skip
    return dataclasses.replace(estimate, low=ends.low, high=ends.high, method=ends.method)


def _note(column: _Column, members: NDArray[np.intp], estimate: Estimate, plan: _Plan) -> str:
    missing: dict[str, int] = {}
    for g in members:
        if reason := column.reasons[g]:
            missing[reason] = missing.get(reason, 0) + 1
    notes = [f"k={plan.k}"] if "$k" in column.metric.options.values() else []
    for reason, count in missing.items():
        if reason.startswith("failed"):
            notes.append(reason)
        else:
            notes.append(f"{count} of {len(members)} prompts left out: {reason}")
    if estimate.note and not (math.isnan(estimate.value) and missing):
        notes.append(estimate.note)
    bounds, n = (column.metric.low, column.metric.high), estimate.n_prompts
    if n > 1 and estimate.low == estimate.high == estimate.value and estimate.value in bounds:
        # Rule of three: what n prompts did not show may still hold for 3/n of all.
        notes.append(f"no prompt off {estimate.value:g} seen, up to {min(3 / n, 1):.0%} may be")
    return "; ".join(notes)


def _lacks_data(column: _Column, members: NDArray[np.intp]) -> bool:
    """Whether the samples hold nothing of what the metric needs; else its reasons are shown."""
    return all(column.reasons[g].startswith("no ") for g in members)


def _set_levels(groups: Groups, entry: Metric, arm: str, plan: _Plan) -> list[dict[str, Any]]:
    """Levels of one arm for a metric of all prompts together."""
    function, options = resolve(entry.function), _options(entry, plan)
    estimates: list[Estimate] = []
    rows = []
    for task in groups.tasks:
        members = np.flatnonzero((groups.arm == arm) & (groups.task == task))
        if not len(members):
            continue
        arguments = [[groups.of(a, g) for g in members] for a in entry.arguments or entry.needs]
        try:
            estimate = function(*arguments, level=plan.level, **options)
        except Exception as error:
            estimate = _broken(_failure(entry, error), plan)
        estimates.append(estimate)
        samples = int(groups.n[members].sum())
        rows.append(level_row(arm, task, entry.name, estimate, samples, estimate.note))
    if len(estimates) > 1:
        samples = sum(row["n_samples"] for row in rows)
        mean = _mean(estimates, plan)
        rows.append(level_row(arm, "all", entry.name, mean, samples, mean.note))
    return rows


def _mean(estimates: list[Estimate], plan: _Plan) -> Estimate:
    """Mean over tasks; their prompts are different, so squared half-widths add."""
    alive = [estimate for estimate in estimates if not math.isnan(estimate.value)]
    notes = [
        f"{count} of {len(estimates)} tasks: {note}"
        for note, count in Counter(estimate.note for estimate in estimates).items()
        if note
    ]
    if not alive:
        return _broken("; ".join(notes), plan)
    value = float(np.mean([estimate.value for estimate in alive]))
    reach = math.sqrt(sum((e.high - e.low) ** 2 for e in alive)) / (2 * len(alive))
    return Estimate(
        value=value,
        low=value - reach,
        high=value + reach,
        n_prompts=sum(estimate.n_prompts for estimate in alive),
        level=plan.level,
        note="; ".join(notes),
    )


def _broken(note: str, plan: _Plan) -> Estimate:
    nan = float("nan")
    return Estimate(value=nan, low=nan, high=nan, n_prompts=0, level=plan.level, note=note)


def _per_prompt(groups: Groups, columns: list[_Column]) -> pl.DataFrame:
    keys = groups.keys.select("arm", "task", "prompt_id")
    parts = [
        keys.with_columns(
            pl.lit(column.metric.name).alias("metric"), pl.Series("value", column.values)
        )
        for column in columns
    ]
    return pl.concat([pl.DataFrame(schema=PER_PROMPT), *parts])


def _settings(
    groups: Groups, names: tuple[str, ...], plan: _Plan, *, drop: Sequence[str], embedded: bool
) -> dict[str, Any]:
    about: dict[str, Any] | None = None
    if embedded:
        used = groups.embedder
        about = {"name": used.name, "dim": used.dim, "revision": used.revision}
        about["floor"] = rounded(groups.floor)
    return {
        "metrics": list(names),
        "k": plan.k,
        "n": {"least": int(groups.n.min()), "most": int(groups.n.max())},
        "embedder": about,
        "tokenizer": TOKENIZER,
        "vocab_size": VOCABULARY,
        "classes": "canonical answers; normalised texts where there are none",
        "drop": sorted(set(drop)),
        "seed": plan.seed,
        "resamples": plan.resamples,
        "level": plan.level,
        "interval": "over prompts: Wilson at the effective number of prompts for metrics with two "
        "bounds, percentile bootstrap for others; jackknife for metrics of a whole set",
    }
