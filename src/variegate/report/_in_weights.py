"""Where in the weights: how much every module of every layer moved, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from variegate.lineage import Trace
from variegate.report._looks import Look
from variegate.report._numbers import known
from variegate.report._reading import rows
from variegate.report._svg import el, picture, text

__all__ = ["heat_maps", "heat_scale"]


def heat_maps(trace: Trace, look: Mapping[str, Look]) -> list[Markup]:
    """Draw a map a stage, layers down and modules across, all on one scale from zero."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows(trace.layers):
        if known(row["relative_norm"]):
            found.setdefault(row["stage"], []).append(row)
    if not found:
        return []
    largest = _largest(trace)
    modules = list(dict.fromkeys(r["module"] for table in found.values() for r in table))
    layers = sorted(
        {r["layer"] for table in found.values() for r in table},
        key=lambda layer: (layer is None, layer),
    )
    return [
        _map(
            stage.name, stage.parent, found[stage.name], layers, modules, largest, look[stage.name]
        )
        for stage in trace.stages
        if stage.name in found
    ]


def heat_scale(trace: Trace) -> Markup | None:
    """Draw the one scale of all maps."""
    largest = _largest(trace)
    if not largest:
        return None
    cells = [
        el(
            "rect",
            x=i * 8,
            y=0,
            width=8.2,
            height=10,
            class_="heat",
            fill_opacity=f"{(i + 1) / 24:.2f}",
        )
        for i in range(24)
    ]
    marks = [
        text(at * 192, 25, f"{at * largest:.2g}", class_="tick", anchor=anchor)
        for at, anchor in ((0, "start"), (0.5, "middle"), (1, "end"))
    ]
    return el(
        "svg",
        el("title", "The scale of the maps"),
        *cells,
        *marks,
        viewBox="0 0 194 30",
        width=194,
        height=30,
        role="img",
    )


def _largest(trace: Trace) -> float:
    return (
        max((float(v) for v in trace.layers["relative_norm"] if known(v)), default=0.0)
        if (trace.layers.height)
        else 0.0
    )


def _map(
    name: str,
    parent: str | None,
    table: list[dict[str, Any]],
    layers: list[Any],
    modules: list[str],
    largest: float,
    look: Look,
) -> Markup:
    left, top, wide = 24.0, 42.0, 30.0
    tall = max(5.0, min(18.0, 260.0 / max(len(layers), 1)))
    short = {
        module: module.removesuffix(".weight").split(".")[-1].removesuffix("_proj")
        for module in modules
    }
    if len(set(short.values())) < len(short):
        short = {module: module for module in modules}
    bottom = top + tall * len(layers)
    width = left + wide * len(modules) + 6
    body = [
        el("g", text(0, 14, name, class_="panel tinted"), class_=look.colour),
        text(0, 30, f"against {parent}" if parent else "", class_="tick"),
    ]
    step = max(1, -(-len(layers) // 16))
    for i, layer in enumerate(layers):
        if i % step == 0 or tall >= 12:
            body.append(
                text(
                    left - 6,
                    top + tall * (i + 0.5) + 4,
                    "–" if layer is None or layer < 0 else str(layer),
                    class_="tick",
                    anchor="end",
                )
            )
    for row in table:
        i, j = layers.index(row["layer"]), modules.index(row["module"])
        extra = "".join(
            f", {words} {row[key]:.2g}"
            for key, words in (
                ("effective_rank", "effective rank"),
                ("sign_agreement", "signs agreeing with the step before"),
                ("cosine", "cosine with the step before"),
            )
            if known(row.get(key))
        )
        place = f"layer {row['layer']}, " if (row["layer"] or 0) >= 0 else ""
        said = f"{place}{row['module']}: {row['relative_norm']:.3g}{extra}"
        body.append(
            el(
                "rect",
                el("title", said),
                x=left + wide * j,
                y=top + tall * i,
                width=wide - 1,
                height=tall - 1,
                class_="heat",
                fill_opacity=f"{0.04 + 0.96 * row['relative_norm'] / largest:.3f}",
            )
        )
    for j, module in enumerate(modules):
        at = left + wide * (j + 0.5)
        body.append(
            el(
                "text",
                short[module],
                x=at + 4,
                y=bottom + 10,
                class_="tick",
                text_anchor="end",
                transform=f"rotate(-50 {at + 4:.1f} {bottom + 10:.1f})",
            )
        )
    longest = max(len(s) for s in short.values())
    return picture(
        width,
        bottom + 16 + 5.2 * longest,
        *body,
        title=f"{name}: relative change of every module in every layer",
        wide=False,
    )
