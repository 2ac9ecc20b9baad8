"""The page of merging_lab.py, from what it left in its run folder."""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import altair
import numpy as np
import polars as pl
from page import made_with, table, write

from variegate.estimate import interval
from variegate.fronts import hypervolume, nondominated, resampled_points, split_half
from variegate.lab import evaluation_prompts

AXES = ("accuracy", "gini_simpson")
MERGES = ("interpolation", "interpolation and temperature", "restoration", "blocks of layers",
          "fisher", "ties", "dare", "fitted blocks")  # fmt: skip
ENDS = ("base temperature", "temperature")
DRAWN = ("instruct-rl", "think-rl", "rl-zero")
REFERENCE = (0.0, 0.0)
RESAMPLES = 2000


@dataclass(frozen=True)
class Unit:
    """All arms around one checkpoint of one training, prompt by prompt."""

    place: Path

    @cached_property
    def about(self) -> dict[str, Any]:
        return dict(json.loads((self.place / "about.json").read_bytes()))

    @cached_property
    def methods(self) -> dict[str, dict[str, Any]]:
        return {r["method"]: r for r in pl.read_parquet(self.place / "methods.parquet").to_dicts()}

    @cached_property
    def points(self) -> list[dict[str, Any]]:
        return pl.read_parquet(self.place / "points.parquet").to_dicts()

    @cached_property
    def prompts(self) -> list[tuple[str, str]]:
        """Prompt and task, in the order of the evaluation prompts."""
        table = pl.read_parquet(self.place / "per_prompt.parquet")
        held = set(table["prompt_id"].unique())
        return [(p.prompt_id, p.task) for p in evaluation_prompts() if p.prompt_id in held]

    @cached_property
    def tasks(self) -> np.ndarray:
        return np.array([task for _, task in self.prompts])

    @cached_property
    def values(self) -> np.ndarray:
        """(P, N, 3): accuracy, chance that two differ, right answers that the budget bought."""
        table = pl.read_parquet(self.place / "per_prompt.parquet")
        known = {(a, m, p): v for a, p, m, v in
                 table.select("arm", "prompt_id", "metric", "value").iter_rows()}  # fmt: skip
        bought = {(a, p): n for a, p, n in
                  pl.read_parquet(self.place / "bought.parquet").iter_rows()}  # fmt: skip
        return np.array(
            [
                [
                    [*(known.get((arm["arm"], axis, p), np.nan) for axis in AXES),
                     bought.get((arm["arm"], p), 0)]
                    for arm in self.points
                ]
                for p, _ in self.prompts
            ],
            dtype=float,
        )  # fmt: skip

    def places(self, *methods: str) -> list[int]:
        return [i for i, arm in enumerate(self.points) if arm["method"] in methods]

    def at_one(self, method: str) -> int:
        """The arm of a parent at temperature 1."""
        (place,) = [i for i in self.places(method) if self.points[i]["label"].endswith("(T 1.0)")]
        return place


def units(run: Path, post: str) -> list[Unit]:
    found = [Unit(place) for place in sorted(run.glob(f"[0-9]-{post}"))]
    return [unit for unit in found if (unit.place / "about.json").exists()]


def means(values: np.ndarray, tasks: np.ndarray) -> np.ndarray:
    """Over prompts, then over tasks."""
    return np.mean([np.nanmean(values[tasks == t], axis=0) for t in np.unique(tasks)], axis=0)


def told(value: float, low: float, high: float) -> str:
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"


def margins(unit: Unit, places: Sequence[int], ends: Sequence[int], rows: Any) -> np.ndarray:
    """By how much each arm is above both parents on both axes, on some prompts."""
    at = means(unit.values[rows][..., :2], unit.tasks[rows])
    return np.asarray(np.min([at[places] - at[end] for end in ends], axis=(0, 2)))


def against_parents(found: Sequence[Unit], kind: str, parents: Sequence[str]) -> list[str]:
    """Cells: gaps to both parents of the arm chosen on half of the prompts, over trainings."""
    gaps, wins, above, members = [], 0, 0, 0
    for unit in found:
        half, values, places = split_half(unit.tasks), unit.values[..., :2], unit.places(kind)
        ends = [unit.at_one(name) for name in parents]
        chosen = places[int(margins(unit, places, ends, half).argmax())]
        gap = np.concatenate([values[~half, chosen] - values[~half, end] for end in ends], axis=1)
        gaps.append(gap)
        wins += all(low > 0 for _, low, _ in bounds(gap, unit.tasks[~half]))
        above += int((margins(unit, places, ends, slice(None)) > 0).sum())
        members += len(places)
    rest = found[0].tasks[~split_half(found[0].tasks)]
    together = np.nanmean(gaps, axis=0)
    cells = [told(*one) for one in bounds(together, rest)]
    return [kind, *cells, f"{wins} of {len(found)}", f"{above} of {members}"]


def bounds(gap: np.ndarray, tasks: np.ndarray) -> Iterator[tuple[float, float, float]]:
    """Mean and ends of the interval of every column of (P, D) differences."""
    drawn = resampled_points(gap[:, None], strata=tasks, resamples=RESAMPLES)[:, 0]
    for column, centre in enumerate(means(gap, tasks)):
        low, high = interval(drawn[:, column], level=0.95)
        yield float(centre), float(low), float(high)


def volumes(unit: Unit, methods: Sequence[str]) -> tuple[float, np.ndarray]:
    """Hypervolume on one half of the prompts of the front chosen on the other half."""
    half, values, places = split_half(unit.tasks), unit.values[..., :2], unit.places(*methods)
    known = means(values[half], unit.tasks[half])
    kept = np.array(places)[nondominated(known[places])]
    centre = means(values[~half], unit.tasks[~half])
    drawn = resampled_points(values[~half], strata=unit.tasks[~half], resamples=RESAMPLES)
    return (float(hypervolume(centre[kept], reference=REFERENCE)),
            np.asarray(hypervolume(drawn[:, kept], reference=REFERENCE)))  # fmt: skip


def over(found: Sequence[tuple[float, float, float]], sign: str = "+") -> str:
    """Mean over trainings, and in how many the whole interval lies on one side of 0."""
    middle = np.mean([value for value, _, _ in found])
    up, down = sum(low > 0 for _, low, _ in found), sum(high < 0 for _, _, high in found)
    marks = [f"{count} {word}" for count, word in ((up, "up"), (down, "down")) if count]
    return ", ".join([f"{middle:{sign}.3f}", *marks])


def gains(found: Sequence[Unit]) -> list[str]:
    """What merges add to every way of sampling, and the reverse."""
    cells: dict[str, list[tuple[float, float, float]]] = {}
    for unit in found:
        sampling = [m for m in unit.methods if m not in MERGES]
        start, spread = volumes(unit, sampling)
        heats, _ = volumes(unit, ENDS)
        alone, loose = volumes(unit, MERGES)
        low, high = interval(loose - spread, level=0.95)
        cells.setdefault("heats", []).append((heats, 0, 0))
        cells.setdefault("sampling", []).append((start, 0, 0))
        cells.setdefault("merges", []).append((alone, 0, 0))
        cells.setdefault("less", []).append((alone - start, float(low), float(high)))
        for kind in (*MERGES, "all"):
            more, wide = volumes(unit, [*sampling, *(MERGES if kind == "all" else [kind])])
            low, high = interval(wide - spread, level=0.95)
            cells.setdefault(kind, []).append((more - start, float(low), float(high)))
    plain = [f"{np.mean([v for v, _, _ in cells[k]]):.3f}" for k in ("heats", "sampling", "merges")]
    return [*plain, *(over(cells[k]) for k in ("less", *MERGES, "all"))]


def bought(unit: Unit) -> dict[str, tuple[float, float, float]]:
    """Right answers that differ, of a method's best setting, less those of temperature."""
    half, values = split_half(unit.tasks), unit.values[..., 2]
    known = means(values[half], unit.tasks[half])

    def best(method: str) -> int:
        return max(unit.places(method), key=lambda place: float(known[place]))

    first = best("temperature")
    found = {}
    for method in unit.methods:
        place = best(method)
        gap = (values[~half, place] - values[~half, first])[:, None]
        (found[method],) = bounds(gap, unit.tasks[~half])
    level = means(values[~half][:, [first]], unit.tasks[~half])[0]
    found["temperature"] = (float(level), 0.0, 0.0)
    return found


def by_method(
    posts: Mapping[str, Sequence[Unit]],
    read: Callable[[Unit], Mapping[str, tuple[float, float, float]]],
    skip: str,
) -> list[list[str]]:
    """A row a method, a cell a checkpoint: the mean over trainings."""
    values = {post: [read(unit) for unit in found] for post, found in posts.items()}
    names = list(next(iter(posts.values()))[0].methods)
    names = [*(n for n in names if n in MERGES), *(n for n in names if n not in MERGES)]
    rows = []
    for name in names:
        if name == skip:
            continue
        cells = [[v[name] for v in several if name in v] for several in values.values()]
        rows.append([name, *(over(cell) if cell else "" for cell in cells)])
    return rows


def gained(unit: Unit, what: str = "gain") -> dict[str, tuple[float, float, float]]:
    return {
        name: (row[what], row[f"{what}_low"], row[f"{what}_high"])
        for name, row in unit.methods.items()
        if row[what] is not None
    }


def led(unit: Unit) -> dict[str, tuple[float, float, float]]:
    return gained(unit, "lead")


def calibrations(found: Sequence[Unit]) -> list[str]:
    """Debiased ECE along the line, over trainings."""
    names = ["base temperature (T 1.0)", *(f"interpolation ({s})" for s in (0.2, 0.4, 0.6, 0.8)),
             "temperature (T 1.0)", "fisher (0.4)", "fitted blocks"]  # fmt: skip
    cells = []
    for name in names:
        levels = [
            level
            for unit in found
            for arm, level in unit.about["ece"].items()
            if arm == name or (name == "fitted blocks" and arm.startswith(name))
        ]
        fair = [both[1] for both in levels]
        cells.append(f"{np.mean([both[0] for both in levels]):.2f} / {np.mean(fair):.2f}")
    return cells


def searches(found: Sequence[Unit]) -> list[str]:
    """What the proxy chose, how it ranks, and how the quadratics fit."""
    blocks = ", ".join(
        "{}–{}".format(u.about["chosen"]["all"][0], u.about["chosen"]["all"][1] - 1)
        if "all" in u.about["chosen"]
        else "none"
        for u in found
    )
    ranks = [
        ", ".join(f"{u.about[f'agreement {where}'][0]:.2f}" for u in found)
        for where in ("same tasks", "all tasks")
    ]
    salient = ", ".join(
        f"{np.corrcoef(u.about['saliency'], u.about['alone'])[0, 1]:.2f}" for u in found
    )
    fits = [
        ", ".join(f"{u.about['fits'][axis][1]:.2f}" for u in found) for axis in AXES
    ]  # fmt: skip
    off = ", ".join("{:+.3f}".format(u.about["volumes"][0] - u.about["volumes"][1]) for u in found)
    return [blocks, *ranks, salient, *fits, off]


def every_arm(posts: Mapping[str, Sequence[Unit]]) -> pl.DataFrame:
    rows = []
    for post, found in posts.items():
        for unit in found:
            right = means(unit.values[..., 2], unit.tasks)
            for arm, count in zip(unit.points, right, strict=True):
                known = unit.about["ece"].get(arm["label"], (None, None))
                rows.append({
                    "post": post, "training": unit.about["training"], "method": arm["method"],
                    "setting": arm["label"], "accuracy": arm["quality"],
                    "accuracy_low": arm["quality_low"], "accuracy_high": arm["quality_high"],
                    "gini_simpson": arm["variety"], "gini_low": arm["variety_low"],
                    "gini_high": arm["variety_high"], "outputs": arm["outputs"],
                    "tokens": arm["cost"], "different_right": float(count),
                    "ece": known[0], "ece_debiased": known[1], "on_front": arm["membership"],
                })  # fmt: skip
    return pl.DataFrame(rows).with_columns(pl.col(pl.Float64).round(5))


def picture(posts: Mapping[str, Sequence[Unit]]) -> altair.HConcatChart:
    """A plane a checkpoint: the line between the ends, heat, and the other merges."""
    planes = []
    for post, found in posts.items():
        arms = pl.concat(pl.DataFrame(u.points).select("method", "label", "quality", "variety")
                         for u in found)  # fmt: skip
        arms = arms.group_by("method", "label", maintain_order=True).mean()
        arms = arms.with_columns(at=pl.col("label").str.extract(r"([\d.]+)\)$").cast(pl.Float64))
        ends = [
            arms.filter(pl.col("method") == method, pl.col("at") == 1.0).with_columns(
                at=pl.lit(share)
            )
            for method, share in zip(ENDS, (0.0, 1.0), strict=True)
        ]
        shown = {
            "weights between": pl.concat([*ends, arms.filter(method="interpolation")]),
            "base, other temperatures": arms.filter(method="base temperature"),
            f"{post}, other temperatures": arms.filter(method="temperature"),
            "diverse beam": arms.filter(method="diverse beam"),
        }
        lines = pl.concat(rows.with_columns(what=pl.lit(name)) for name, rows in shown.items())
        others = arms.filter(pl.col("method").is_in(MERGES[2:]))
        x = altair.X("quality", title="right", scale=altair.Scale(domain=(0.2, 1), clamp=True))
        y = altair.Y("variety", title="two answers differ",
                     scale=altair.Scale(domain=(0.2, 1), clamp=True))  # fmt: skip
        colour = altair.Color("what", title=None, legend=altair.Legend(orient="bottom", columns=1))
        chart = altair.Chart(lines)
        planes.append(
            altair.layer(
                altair.Chart(others).mark_point(color="#999", size=14).encode(x, y),
                chart.mark_line().encode(x, y, colour, order="at"),
                chart.mark_circle(size=30, opacity=1).encode(x, y, colour),
                chart.mark_text(align="left", dx=5, dy=-4, fontSize=8).encode(
                    x, y, colour, text="at"
                ),
            ).properties(width=300, height=300, title=post)
        )
    return altair.hconcat(*planes, background="white").resolve_scale(color="independent")


def page(settings: argparse.Namespace) -> None:
    from merging_lab import PAIRS

    posts = {post: units(settings.run, post) for post in settings.posts}
    posts = {post: found for post, found in posts.items() if found}
    names = ["+".join(pair) for pair in PAIRS]
    pairs = {name: units(settings.run, name) for name in names}
    pairs = {name: found for name, found in pairs.items() if found}
    first = next(iter(posts.values()))
    about = {name: [u.about["budget"] for u in found] for name, found in posts.items()}
    prompts, trainings = len(first[0].prompts), len(first)
    lines = [
        "# Variety bought back in the weights",
        "",
        f"Made {datetime.datetime.now(datetime.UTC):%Y-%m-%d} by `python runs/merging_lab.py "
        f"--checkpoints …`, {trainings} trainings of the lab from nothing (`variegate lab train "
        f"--seed 0`, 1, 2; the first ships with the package), seeds of the draws likewise; "
        f"{made_with()}.",
        "",
        f"{prompts} prompts that no stage was trained on, up to {settings.draws} draws of each "
        f"({2 * settings.draws} of merges and parents where a checkpoint reasons), as many as the "
        "tokens of the cheapest arm pay for (prompts count; "
        f"{min(min(b) for b in about.values()):.0f} to {max(max(b) for b in about.values()):.0f} "
        "tokens a prompt). At temperature 1 where nothing else is said; means over tasks; 95% "
        "intervals over prompts (bootstrap within tasks). Every merge is asked as its post-trained "
        "parent is, the base raw; rows of special tokens come from the post-trained parent. Every "
        "arm: [merging.csv](merging.csv).",
        "",
        "![right answers across, the chance that two differ upwards](merging.svg)",
        "",
        "Means over trainings. Grey: the other merges.",
        "",
        "## Does a point in between beat both parents?",
        "",
        "Of each kind, the arm that beats both parents most on half of the prompts, chosen in "
        "every training for itself, and its differences on the other half: means over trainings, "
        "paired by prompt. Beats both: trainings in which all four intervals lie above 0. Above "
        "both: arms above both parents on both axes in the mean of all prompts, chance included.",
        "",
    ]
    for post, found in posts.items():
        rows = [against_parents(found, kind, ENDS) for kind in MERGES]
        header = ["kind", "accuracy − base", "variety − base", "accuracy − post", "variety − post",
                  "beats both", "above both"]  # fmt: skip
        lines += [f"### {post}", "", *table(header, rows)]
    lines += [
        "## On one front with every way of sampling",
        "",
        "By how much of both axes the chosen setting must be worsened until the post-trained "
        "checkpoint at one of four temperatures, or a mix of two, is as good; below 0 it is "
        "already. At equal tokens, four settings a method, chosen on half of the prompts and told "
        "on the other; mean over trainings, and in how many of them the interval lies above 0 (up) "
        "or below (down). Blocks of layers are four of the ten, by lot: what the search for "
        "restoration is held against.",
        "",
        *table(["method", *posts], by_method(posts, led, "temperature")),
        "Hypervolume of the front of all four settings (accuracy across, chance that two answers "
        "differ upwards), less that of temperature. A method whose settings lie close together, as "
        "merges at one temperature do, has little volume however good they are.",
        "",
        *table(["method", *posts], by_method(posts, gained, "temperature")),
        "## What merges add to sampling, and sampling to merges",
        "",
        "Hypervolume of the front over all settings: of both parents at four temperatures, of "
        "every way of sampling (these included), of every merge; the latter less the "
        "former; and what each kind of merge adds to every way of sampling.",
        "",
        *table(
            ["checkpoint", "temperatures", "sampling", "merges", "merges − sampling",
             *(f"+ {kind}" for kind in MERGES), "+ all merges"],
            [[post, *gains(found)] for post, found in posts.items()],
        ),
        "## Different right answers that a budget buys",
        "",
        "Temperature: how many a prompt, the other rows: more than that. Settings chosen as above, "
        "by this count.",
        "",
        *table(["method", *posts], bought_rows(posts)),
        "## Calibration",
        "",
        "ECE, plain / debiased, of the share of a model's favourite answer against how often the "
        "world gives that answer; means over trainings (fitted blocks: over their points too). "
        "Shares of few draws look surer than they are: compare within a row.",
        "",
        *table(
            ["checkpoint", "base", "0.2", "0.4", "0.6", "0.8", "post", "fisher 0.4",
             "fitted blocks"],
            [[post, *calibrations(found)] for post, found in posts.items()],
        ),
        "## What the searches say",
        "",
        "One value a training. The block that the one-token proxy takes back; rank correlation of "
        "its ranking of the 11 blocks with sampled variety, on the tasks it asks from and on all; "
        "correlation of the first step of every layer with the whole layer alone; the quadratics "
        "of the front in two blocks, R² leaving one out; hypervolume of the verifying points, "
        "predicted less measured.",
        "",
        *table(
            ["checkpoint", "block", "ranks, its tasks", "ranks, all tasks", "first step",
             "R² accuracy", "R² variety", "volume"],
            [[post, *searches(found)] for post, found in posts.items()],
        ),
        "## Two post-trained checkpoints in one",
        "",
        "As above, the second parent in place of the base; both asked as each wants to be.",
        "",
    ]  # fmt: skip
    for name, found in pairs.items():
        one, two = name.split("+")
        kinds = [m for m in found[0].methods if not m.endswith("temperature")]
        rows = [against_parents(found, kind, (f"{two} temperature", "temperature"))
                for kind in kinds]  # fmt: skip
        header = ["kind", f"accuracy − {two}", f"variety − {two}", f"accuracy − {one}",
                  f"variety − {one}", "beats both", "above both"]  # fmt: skip
        lines += [f"### {one} with {two}", "", *table(header, rows)]
        told_ = by_method({name: found}, gained, "temperature")
        lines += [*table(["method", f"gain over {one}'s temperatures"], told_)]
    write(lines, settings.out)
    if settings.out:
        every_arm({**posts, **pairs}).write_csv(settings.out.with_suffix(".csv"))
        drawn = {post: found for post, found in posts.items() if post in DRAWN}
        picture(drawn).save(settings.out.with_suffix(".svg"))


def bought_rows(posts: Mapping[str, Sequence[Unit]]) -> list[list[str]]:
    rows = by_method(posts, bought, "")
    first = next(row for row in rows if row[0] == "temperature")
    first[1:] = [cell.lstrip("+") for cell in first[1:]]
    return [first, *(row for row in rows if row is not first)]
