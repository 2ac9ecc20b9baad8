"""The page of a front: which methods beat the baseline at equal cost, and what they said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import polars as pl

from variegate.fronts import Front, robustness
from variegate.report._building import build
from variegate.report._front_plane import Faint, front_plane, method_plane
from variegate.report._looks import Look
from variegate.report._numbers import ABSENT, between, count, known, level, percent, signed
from variegate.report._outputs import embedded, outputs
from variegate.report._parts import (
    caution_groups,
    citation,
    entry,
    long_table,
    metric_rows,
    sources,
)
from variegate.report._plane import Point
from variegate.report._provenance import csv_link, flat
from variegate.report._reading import ends_of, overall
from variegate.report._sentences import with_intervals
from variegate.report._svg import around
from variegate.samples import Samples, clean_text

__all__ = ["front_about", "front_how_sure", "front_looks", "method_rows", "render_front"]

_READINGS = {
    "baseline": "what the others are held against",
    "dominates": "better than the baseline's choice",
    "beyond": "beyond the baseline's front",
    "open": "cannot be told",
    "covered": "covered by the baseline",
    "dominated": "worse than the baseline's choice",
}
_SHAPES = ("circle", "square", "triangle", "diamond")
_BEHIND = 6  # prompts whose outputs stand behind a point; the browser has all of the chosen ones


def render_front(front: Front) -> str:
    """Write the page of a front: one HTML file that loads nothing and runs without scripts.

    The plane with every setting, the chosen ones with their intervals and the baseline's band;
    each method against the baseline; the table; the settings; the outputs behind every point.

    Args:
        front: what `variegate.front` returned.

    Returns:
        The HTML, safe on hostile text as that of `render`.

    Example:
        >>> from variegate.fronts import front
        >>> from variegate.samples import Samples
        >>> said = Samples.from_rows(
        ...     {"arm": arm, "prompt_id": p, "text": text, "correct": True}
        ...     for arm, texts in [("plain", "aab"), ("varied", "abc")]
        ...     for p in "wxyz" for text in texts
        ... )
        >>> page = render_front(front(said, variety="gini_simpson", cost="calls"))
        >>> page.startswith("<!doctype html>"), "varied dominates plain" in page
        (True, True)
    """
    look = front_looks(front)
    anchors = {arm: f"said-{i}" for i, arm in enumerate(front.points["arm"])}
    titles = [entry(front.metrics, name) for name in (front.quality, front.variety)]
    spans = _spans(front)
    methods = front.methods.to_dicts()
    points = {row["method"]: _point(row, look) for row in methods}
    faint = _faint(front, look, anchors, titles)
    bands = {m: front.attainment.filter(pl.col("method") == m) for m in points}
    axes: dict[str, Any] = {
        "base": look[front.baseline].colour,
        "quality": titles[0]["title"],
        "variety": titles[1]["title"],
        "quality_span": spans[0][1],
        "variety_span": spans[1][1],
    }
    chosen = [(row["arm"], look[row["method"]].colour) for row in methods]
    shown = outputs(
        front.samples,
        front.per_prompt,
        arm="arm",
        columns=chosen,
        metrics=[(n, t["title"]) for n, t in zip(_axes(front), titles, strict=True)],
    )
    names = front.frame["metric"].unique(maintain_order=True).to_list()
    frame = overall(front.frame)
    parts: dict[str, Any] = {
        "name": clean_text(front.name),
        "about": front_about(front),
        "headline": [with_intervals(clean_text(sentence)) for sentence in front.headline],
        "baseline": clean_text(front.baseline),
        "quality_metric": titles[0],
        "lead_metric": titles[1],
        "plane": front_plane(
            list(points.values()),
            [one for ones in faint.values() for one in ones],
            bands[front.baseline],
            _mixes(front),
            links=[anchors[row["arm"]] for row in methods],
            **axes,
        ),
        "against": [
            method_plane(point, faint[name], bands[name], bands[front.baseline], **axes)
            for name, point in points.items()
            if name != front.baseline
        ],
        "zoomed": any(whole != part for whole, part in spans),
        "how_sure": front_how_sure(front),
        "told_on": front.methods["n_prompts"][0],
        "halved": front.settings.get("halved", True),
        "methods": method_rows(front, look),
        "settings_table": _setting_rows(front, look, anchors),
        "unit": str(front.settings.get("cost", "tokens")),
        "knee": clean_text(front.knee) if front.knee else "",
        "metrics": metric_rows(frame, front.metrics, [arm for arm, _ in chosen], arm="arm"),
        "columns": [(clean_text(arm), colour) for arm, colour in chosen],
        "behind": _behind(front, look, anchors),
        "refused": [
            {name: clean_text(str(value)) for name, value in row.items()}
            for row in front.refused.to_dicts()
        ],
        "outputs": shown,
        "data": embedded(asdict(shown)),
        "cautions": caution_groups(front.cautions),
        "settings": flat(front.settings),
        "csv": csv_link(long_table(frame, arm="arm")),
        "citation": citation(),
        "sources": sources(front.metrics, names),
    }
    return build("front.html", parts)


def method_rows(front: Front, look: Mapping[str, Look]) -> list[dict[str, Any]]:
    """Make a row a method for the page's table."""
    table = []
    for row in front.methods.to_dicts():
        lead = _of(row, "lead")
        table.append(
            {
                "method": clean_text(row["method"]),
                "colour": look[row["method"]].colour,
                "label": clean_text(row["label"]),
                "quality": _cell(_of(row, "quality")),
                "variety": _cell(_of(row, "variety")),
                "lead": {"value": _points(lead["value"]), "interval": between(lead, _points)},
                "told": row["verdict"] in ("dominates", "beyond", "dominated", "covered"),
                "hypervolume": _cell(_of(row, "hypervolume")),
                "gain": {
                    "value": signed(row["gain"], digits=2),
                    "interval": between(_of(row, "gain"), lambda v: signed(v, digits=2)),
                },
                "dominates": percent(row["dominates"]),
                "membership": percent(row["membership"]),
                "tried": f"{row['tried']} of {row['settings']}",
                "reading": _READINGS[row["verdict"]],
            }
        )
    return table


def _setting_rows(
    front: Front, look: Mapping[str, Look], anchors: Mapping[str, str]
) -> list[dict[str, Any]]:
    return [
        {
            "arm": clean_text(row["arm"]),
            "anchor": anchors[row["arm"]],
            "colour": look[row["method"]].colour,
            "role": "chosen" if row["chosen"] else "" if row["tried"] else "not tried",
            "quality": _cell(_of(row, "quality")),
            "variety": _cell(_of(row, "variety")),
            "membership": percent(row["membership"]),
            "cost": level(row["cost"]),
            "outputs": level(row["outputs"]),
            "pass": level(row["cost_of_pass"]) if row["cost_of_pass"] != float("inf") else "∞",
        }
        for row in front.points.to_dicts()
    ]


def _behind(
    front: Front, look: Mapping[str, Look], anchors: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Fold the outputs behind every point: the first prompts of every task, in turn."""
    frame = front.samples.frame
    every = frame.select("task", "prompt_id").unique(maintain_order=True)
    each = max(1, _BEHIND // max(every["task"].n_unique(), 1))
    few = every.group_by("task", maintain_order=True).head(each).head(_BEHIND)
    kept = Samples.from_frame(frame.join(few, on=["task", "prompt_id"], how="semi"))
    arms = front.points.select("arm", "method").rows()
    columns = [(arm, look[method].colour) for arm, method in arms]
    shown = outputs(kept, front.per_prompt, arm="arm", columns=columns, metrics=[])
    return [
        {
            "arm": clean_text(arm),
            "anchor": anchors[arm],
            "colour": colour,
            "prompts": [
                {"prompt": p["prompt"] or p["id"], "task": p["task"], "groups": p["cells"][i]}
                for p in shown.prompts
            ],
        }
        for i, (arm, colour) in enumerate(columns)
    ]


def front_looks(front: Front) -> dict[str, Look]:
    """Grey for the baseline, the colours in turn for the others."""
    found = {front.baseline: Look(colour="c0", shape="circle")}
    others = [m for m in front.methods["method"] if m != front.baseline]
    for i, method in enumerate(others):
        found[method] = Look(colour=f"c{i % 5 + 1}", shape=_SHAPES[(i + 1) % 4])
    return found


def _point(row: Mapping[str, Any], look: Mapping[str, Look]) -> Point:
    return Point(
        name=clean_text(row["method"]),
        look=look[row["method"]],
        quality=_of(row, "quality"),
        variety=_of(row, "variety"),
    )


def _faint(
    front: Front,
    look: Mapping[str, Look],
    anchors: Mapping[str, str],
    titles: list[dict[str, str]],
) -> dict[str, list[Faint]]:
    found: dict[str, list[Faint]] = {method: [] for method in front.methods["method"]}
    for row in front.points.to_dicts():
        if row["chosen"]:
            continue
        told = ", ".join(
            f"{title['title']} {level(row[axis])} {between(_of(row, axis))}"
            for axis, title in zip(("quality", "variety"), titles, strict=True)
        )
        found[row["method"]].append(
            Faint(
                look=look[row["method"]],
                x=row["quality"],
                y=row["variety"],
                title=f"{clean_text(row['arm'])}: {told}",
                link=anchors[row["arm"]],
                tried=row["tried"],
            )
        )
    return found


def _mixes(front: Front) -> list[tuple[float, float]]:
    """The settings of the baseline that are best for some weights of the axes."""
    tried = front.points.filter((pl.col("method") == front.baseline) & pl.col("tried"))
    places = tried.select("quality", "variety").to_numpy()
    best = places[robustness(places / front.settings["spans"]) > 0]
    return sorted((float(a), float(b)) for a, b in best)


def _spans(front: Front) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """The whole of each axis, and the part that is drawn."""
    found = []
    reference, lengths = front.settings["reference"], front.settings["spans"]
    for axis, low, length in zip(("quality", "variety"), reference, lengths, strict=True):
        shown = [*front.points.to_dicts(), *front.methods.to_dicts()]
        values = ends_of([_of(row, axis) for row in shown])
        whole = (min(low, *values), max(low + length, *values))
        found.append((whole, around(*whole, values)))
    return found


def _of(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {"value": row[name], "low": row[f"{name}_low"], "high": row[f"{name}_high"]}


def _cell(row: Mapping[str, Any]) -> dict[str, str]:
    return {"value": level(row["value"]), "interval": between(row)}


def _points(share: float | None) -> str:
    return ABSENT if share is None or not known(share) else signed(100 * share, digits=0)


def _axes(front: Front) -> tuple[str, str]:
    return front.quality, front.variety


def front_about(front: Front) -> list[str]:
    """Say how much was compared, in a few pieces."""
    frame, budget = front.samples.frame, front.settings.get("budget")
    methods, arms = front.methods.height, front.points.height
    pieces = [
        f"{methods} method{'s' if methods != 1 else ''}",
        f"{arms} setting{'s' if arms != 1 else ''}",
        f"{count(frame.select('task', 'prompt_id').n_unique())} prompts",
        f"{count(frame.height)} outputs",
    ]
    if known(budget):
        pieces.append(f"{level(budget)} {front.settings.get('cost', 'tokens')} a prompt")
    return pieces


def front_how_sure(front: Front) -> str:
    """Say what the intervals are."""
    resamples = front.settings.get("resamples")
    drawn = f", B = {count(resamples)}" if known(resamples) else ""
    return f"{percent(front.level)} intervals, bootstrap over prompts{drawn}"
