"""Compare: two arms on the same prompts, at equal numbers of outputs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from variegate.embedding import Embedder, Encoder
from variegate.errors import NotComparable
from variegate.estimate import Estimate, bootstrap
from variegate.metrics._between import between_groups
from variegate.metrics._grouping import Groups, outputs_only
from variegate.metrics._matching import Matched, matched_outputs
from variegate.metrics._measure import measured as measured_groups
from variegate.metrics._registry import metric
from variegate.metrics._result import LEVELS, Caution, Comparison, Measurement, level_row
from variegate.samples import Samples

__all__ = ["compare"]

_KEY = ("task", "prompt_id")


def compare(
    a: Samples,
    b: Samples,
    *,
    metrics: Sequence[str] | None = None,
    embedder: str | Encoder | Embedder | None = None,
    k: int | None = None,
    drop: Sequence[str] = (),
    match: Sequence[Matched] = (),
    caliper: float = 0.2,
    seed: int = 0,
    resamples: int = 2000,
    level: float = 0.95,
) -> Comparison:
    """Compare two arms, paired prompt by prompt.

    Only prompts that both answered enter. Where one arm has more outputs to a prompt, a random
    subset of the size of the other is taken, since most metrics of variety grow with n. The
    difference is b - a; its interval resamples prompts, with the same draw for both arms.

    A model that became terse, or good, may look less various for that alone. With `match`, only
    outputs enter that have a partner of about the same length or quality in the other arm,
    within the prompt and without replacement; the cautions say how many are left.

    Args:
        a: the one arm (the base); one arm only.
        b: the other.
        metrics: as in `measure`.
        embedder: as in `measure`.
        k: as in `measure`.
        drop: as in `measure`.
        match: ``"length"`` (words), ``"quality"``, or both.
        caliper: how far partners may be apart, in standard deviations of ln(1 + words) or of
            the quality over all outputs of both arms.
        seed: of the subsets and the bootstrap.
        resamples: of the bootstrap.
        level: of the intervals.

    Returns:
        Levels and differences as one long table, likeness within and between the arms as
        another (`between`), a sentence for each difference, cautions.

    Raises:
        NotComparable: more than one arm on a side, no prompt in common, or no partners.

    Example:
        >>> def said(arm, texts):
        ...     return Samples.from_rows(
        ...         {"arm": arm, "prompt": p, "text": t} for p in ["tree?", "fruit?"] for t in texts
        ...     )
        >>> result = compare(
        ...     said("base", ["oak", "elm", "fir"]), said("dpo", ["oak", "oak", "oak"]),
        ...     metrics=["distinct_at_k"],
        ... )
        >>> result.differences["value"].item()
        -2.0
    """
    names = _names(a, b)
    frames = [
        side.frame.with_columns(pl.lit(name).alias("arm"))
        for side, name in zip((a, b), names, strict=True)
    ]
    counts = outputs_only(drop)
    frames, notes = _matched(frames, names, counts)
    if match:
        frames, more = matched_outputs(frames, names, counts, by=match, caliper=caliper)
    else:
        frames, more = _equalised(frames, names, counts, seed=seed)
    both = Samples.from_frame(pl.concat(frames).with_columns(pl.lit(None).alias("sample_id")))
    groups = Groups(both, source=embedder, drop=drop)
    resampling: dict[str, Any] = {"seed": seed, "resamples": resamples, "level": level}
    measured = measured_groups(both, groups, metrics=metrics, k=k, drop=drop, **resampling)
    embedded = any("features" in metric(name).needs for name in measured.settings["metrics"])
    try:
        across = between_groups(groups, by_meaning=embedded, **resampling).frame
    except NotComparable:  # a single output to every prompt: nothing to hold likeness against
        across = pl.DataFrame(schema=LEVELS)
    label = f"{names[1]} - {names[0]}"
    rows = _differences(measured, names, label, **resampling)
    return Comparison(
        frame=pl.concat([measured.frame, pl.DataFrame(rows, schema=LEVELS)]),
        between=across,
        sentences=(
            *(_sentence(row, names, measured) for row in _whole(rows)),
            *_likeness(across, names),
        ),
        measurement=measured,
        cautions=(*notes, *more, *measured.cautions),
        settings={
            **measured.settings,
            "arms": list(names),
            "difference": label,
            "match": {"by": list(match), "caliper": caliper} if match else None,
        },
    )


def _names(a: Samples, b: Samples) -> tuple[str, str]:
    found = []
    for side, samples in (("first", a), ("second", b)):
        arms = samples.frame["arm"].unique(maintain_order=True).to_list()
        if len(arms) != 1:
            raise NotComparable(
                f"Expected one arm on the {side} side, got {len(arms)}: {', '.join(arms[:5])}.",
                hint="Filter the samples to the arm that is meant.",
            )
        found.append(arms[0])
    first, second = found
    return (first, second) if first != second else (f"{first} (a)", f"{second} (b)")


def _matched(
    frames: list[pl.DataFrame], names: tuple[str, str], counts: pl.Expr
) -> tuple[list[pl.DataFrame], list[Caution]]:
    """Rows of the prompts that both sides have."""
    keys = [f.filter(counts).select(_KEY).unique() for f in frames]
    common = keys[0].join(keys[1], on=_KEY, how="inner")
    if common.is_empty():
        raise NotComparable(
            f"{names[0]} and {names[1]} have no prompt in common.",
            hint="Prompts are matched by task and prompt_id; see that both sides name them alike.",
        )
    notes = []
    for name, key in zip(names, keys, strict=True):
        only = key.height - common.height
        if only:
            text = (
                f"{only} of {key.height} prompts stand only in {name} and are left out; "
                f"{common.height} are compared."
            )
            notes.append(
                Caution(kind="unmatched", where=name, count=only, total=key.height, text=text)
            )
    return [f.join(common, on=_KEY, how="semi", maintain_order="left") for f in frames], notes


def _equalised(
    frames: list[pl.DataFrame], names: tuple[str, str], counts: pl.Expr, *, seed: int
) -> tuple[list[pl.DataFrame], list[Caution]]:
    """Equal numbers of outputs, prompt by prompt, by a seeded random subset of the larger side."""
    kept = [f.filter(counts) for f in frames]
    sizes = [dict(((t, p), n) for t, p, n in f.group_by(_KEY).len().iter_rows()) for f in kept]
    rng = np.random.default_rng(seed)
    equal, notes = [], []
    for side, (frame, name) in enumerate(zip(kept, names, strict=True)):
        frame = frame.sort(*_KEY, "sample")
        groups = frame.group_by(_KEY, maintain_order=True).agg(pl.len().alias("n"))
        rows, cut, start = [], 0, 0
        for task, prompt_id, n in groups.iter_rows():
            target = min(n, sizes[1 - side][task, prompt_id])
            chosen = np.sort(rng.permutation(n)[:target]) if target < n else np.arange(n)
            rows.append(start + chosen)
            start += n
            cut += target < n
        if cut:
            text = (
                f"{cut} of {groups.height} prompts have more outputs from {name} than from "
                f"{names[1 - side]}; a random subset of equal size is compared."
            )
            notes.append(
                Caution(kind="unequal-n", where=name, count=cut, total=groups.height, text=text)
            )
        equal.append(frame[np.concatenate(rows)] if cut else frame)
    # What does not count as an output is kept for the cautions, which count it.
    others = [f.filter(counts.not_()) for f in frames]
    return [pl.concat(pair) for pair in zip(equal, others, strict=True)], notes


def _differences(
    measured: Measurement,
    names: tuple[str, str],
    label: str,
    **settings: Any,
) -> list[dict[str, Any]]:
    rows = []
    keys = ["task", "prompt_id", "metric"]
    sides = [measured.per_prompt.filter(pl.col("arm") == name).drop("arm") for name in names]
    joined = sides[0].join(sides[1], on=keys, suffix="_b", maintain_order="left")
    levels = {(r["arm"], r["task"], r["metric"]): r for r in measured.frame.iter_rows(named=True)}
    for arm, task, name in list(levels):
        other = levels.get((names[1], task, name))
        if arm != names[0] or other is None:
            continue
        first = levels[arm, task, name]
        if metric(name).level == "set":
            estimate = _independent(first, other, settings["level"])
        else:
            here = joined.filter(pl.col("metric") == name)
            here = here if task == "all" else here.filter(pl.col("task") == task)
            strata = np.array(here["task"].to_list()) if task == "all" else None
            change = (here["value_b"] - here["value"]).to_numpy()
            found = bootstrap(change, strata=strata, **settings)
            assert isinstance(found, Estimate)
            estimate = found
            if estimate.n_prompts > 1 and estimate.low == estimate.high == 0:
                # Rule of three: what n prompts did not show may still hold for 3/n of all.
                most = min(3 / estimate.n_prompts, 1)
                said = f"no prompt differs, up to {most:.0%} may"
                estimate = dataclasses.replace(estimate, note=said)
        # What is true of both levels is said once.
        said = "; ".join(note for note in (first["note"], other["note"], estimate.note) if note)
        notes = dict.fromkeys(said.split("; ") if said else ())
        samples = first["n_samples"] + other["n_samples"]
        rows.append(level_row(label, task, name, estimate, samples, "; ".join(notes)))
    return rows


def _independent(first: dict[str, Any], other: dict[str, Any], level: float) -> Estimate:
    """Difference of two metrics of a whole set; their intervals are added as if unrelated."""
    value = other["value"] - first["value"]
    reach = math.hypot(other["high"] - other["low"], first["high"] - first["low"]) / 2
    return Estimate(
        value=value,
        low=value - reach,
        high=value + reach,
        n_prompts=first["n_prompts"],
        level=level,
        note="interval as if the arms were unrelated",
    )


def _whole(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["task"] == "all"] or rows


def _likeness(across: pl.DataFrame, names: tuple[str, str]) -> list[str]:
    """Say whether the arms say the same, as far as the interval tells."""
    found = {
        row["metric"]: row
        for row in across.filter(pl.col("arm") == " × ".join(names)).iter_rows(named=True)
    }
    said = []
    for name, by in (("distinct_models", "meaning"), ("distinct_models_by_answer", "answer")):
        row = found.get(name)
        if row is None or math.isnan(row["value"]):
            continue
        count = f"{names[0]} and {names[1]} count as {row['value']:.3g} models by {by}"
        if math.isnan(row["low"]):
            said.append(f"{count}.")
            continue
        ends = f"[{row['low']:.3g}, {row['high']:.3g}]"
        same = row["low"] <= 1 <= row["high"]
        verdict = (
            "one cannot be told from the other"
            if same
            else (
                "they say different things"
                if row["value"] > 1
                else "each is more like the other than like itself"
            )
        )
        said.append(f"{count} {ends} (1: the same, 2: nothing in common): {verdict}.")
    return said


def _sentence(row: dict[str, Any], names: tuple[str, str], measured: Measurement) -> str:
    """Say what a difference says, and no more than its interval allows."""
    entry = metric(row["metric"])
    levels = {
        r["arm"]: r["value"]
        for r in measured.frame.iter_rows(named=True)
        if (r["task"], r["metric"]) == (row["task"], row["metric"])
    }
    about = f"{entry.title} ({entry.name})"
    if math.isnan(row["value"]):
        return f"{about}: no prompt has a value on both sides."
    before, after = levels[names[0]], levels[names[1]]
    numbers = f"{names[0]} {before:.3g}, {names[1]} {after:.3g}"
    prompts = f"{row['n_prompts']} prompt{'s' if row['n_prompts'] != 1 else ''}"
    if math.isnan(row["low"]):
        return f"{about}: {numbers} on {prompts}; too few for an interval."
    change = f"{row['value']:+.3g} [{row['low']:+.3g}, {row['high']:+.3g}]"
    if row["low"] <= 0 <= row["high"]:
        return f"{about}: {numbers}; no difference can be told, {change} on {prompts}."
    verdict = "rises" if row["value"] > 0 else "falls"
    if entry.role == "variety" and entry.direction != "neither":
        more = (row["value"] > 0) == (entry.direction == "more")
        verdict = f"{verdict}, so {names[1]} is {'more' if more else 'less'} various"
    return f"{about}: {numbers}; it {verdict}: {change} on {prompts}."
