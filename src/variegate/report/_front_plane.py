"""The plane of a front: settings faint, what was chosen strong, bands of what is attained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from markupsafe import Markup

from variegate.report._looks import Look
from variegate.report._plane import HEIGHT, WIDTH, Point, along, cross, ground, place_name
from variegate.report._svg import Linear, el, mark, picture, polyline, text, ticks

__all__ = ["Faint", "front_plane", "method_plane"]


@dataclass(frozen=True, kw_only=True)
class Faint:
    """A setting that was not chosen: where it lies, how it is drawn, what its title says."""

    look: Look
    x: float
    y: float
    title: str
    link: str
    tried: bool


def front_plane(
    points: Sequence[Point],
    faint: Sequence[Faint],
    band: pl.DataFrame,
    mixes: Sequence[tuple[float, float]],
    *,
    links: Sequence[str],
    base: str,
    quality: str,
    variety: str,
    quality_span: tuple[float, float],
    variety_span: tuple[float, float],
) -> Markup:
    """Draw every method's chosen setting over all settings and the baseline's band.

    Args:
        points: the chosen settings, named after their methods.
        faint: the other settings.
        band: what the baseline attains: percent, quality, variety.
        mixes: the baseline's settings between which mixes lie, from left to right.
        links: the anchors of their outputs.
        base: the class of the baseline's colour.
        quality: title of the axis across.
        variety: title of the axis upwards.
        quality_span: ends of the axis across.
        variety_span: ends of the axis upwards.
    """
    x, y, body = ground(quality, variety, quality_span, variety_span)
    body.append(el("g", *_band(band, x, y), class_=base))
    if len(mixes) > 1:
        body.append(polyline([(x(a), y(b)) for a, b in mixes], class_="base", fill="none"))
    body += [_faint(one, x, y) for one in faint]
    spots = [(x(p.quality["value"]), y(p.variety["value"])) for p in points]
    taken = [(a - 8, b - 8, a + 8, b + 8) for a, b in spots]
    for point, (a, b), link in zip(points, spots, links, strict=True):
        row, column = point.quality, point.variety
        if row.get("low") is not None:
            taken += along((x(row["low"]), b), (x(row["high"]), b))
        if column.get("low") is not None:
            taken += along((a, y(column["low"])), (a, y(column["high"])))
        drawn = cross(point, x, y, quality=quality, variety=variety)
        body.append(el("a", drawn, href=f"#{link}"))
    body += [place_name(point, spot, taken) for point, spot in zip(points, spots, strict=True)]
    return picture(WIDTH, HEIGHT, *body, title=f"{quality} against {variety} for every method")


def method_plane(
    point: Point,
    faint: Sequence[Faint],
    band: pl.DataFrame,
    baseline: pl.DataFrame,
    *,
    base: str,
    quality: str,
    variety: str,
    quality_span: tuple[float, float],
    variety_span: tuple[float, float],
) -> Markup:
    """Draw one method's band over the baseline's, with its settings.

    Args:
        point: the chosen setting, named after its method.
        faint: the method's other settings.
        band: what the method attains: percent, quality, variety.
        baseline: what the baseline attains.
        base: the class of the baseline's colour.
        quality: title of the axis across.
        variety: title of the axis upwards.
        quality_span: ends of the axis across.
        variety_span: ends of the axis upwards.
    """
    width, height, left, right, top, bottom = 300.0, 232.0, 30.0, 296.0, 28.0, 204.0
    x, y = Linear(*quality_span, left, right), Linear(*variety_span, bottom, top)
    body = []
    for at in ticks(*quality_span, about=4):
        body.append(el("line", x1=x(at), x2=x(at), y1=top, y2=bottom, class_="grid"))
        body.append(text(x(at), bottom + 16, f"{at:g}", class_="tick", anchor="middle"))
    for at in ticks(*variety_span, about=4):
        body.append(el("line", x1=left, x2=right, y1=y(at), y2=y(at), class_="grid"))
        body.append(text(left - 6, y(at) + 4, f"{at:g}", class_="tick", anchor="end"))
    body.append(el("g", *_band(baseline, x, y), class_=base))
    body.append(el("g", *_band(band, x, y), class_=point.look.colour))
    body += [_faint(one, x, y) for one in faint]
    body.append(cross(point, x, y, quality=quality, variety=variety, size=4.5))
    name = el("g", text(left, 14, point.name, class_="name"), class_=point.look.colour)
    return picture(width, height, *body, name, title=f"{point.name} and the baseline", wide=False)


def _faint(one: Faint, x: Linear, y: Linear) -> Markup:
    drawn = mark(x(one.x), y(one.y), one.look.shape, size=3.6, hollow=not one.tried)
    group = el("g", el("title", one.title), drawn, class_=f"{one.look.colour} faint")
    return el("a", group, href=f"#{one.link}")


def _band(band: pl.DataFrame, x: Linear, y: Linear) -> list[Markup]:
    """Draw what is attained: the space between the bold and the sure staircase, and the median."""
    stairs = {p: _stairs(band.filter(pl.col("percent") == p), x, y) for p in (5.0, 50.0, 95.0)}
    drawn = []
    if stairs[5.0]:
        back = stairs[95.0] or [(x.start, y.start)]
        corner = [(stairs[5.0][-1][0], y.start), (back[-1][0], y.start)]
        outline = [*stairs[5.0], *corner, *back[::-1]]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in outline)
        drawn.append(el("polygon", points=path, class_="band"))
    if stairs[50.0]:
        end = (stairs[50.0][-1][0], y.start)
        drawn.append(polyline([*stairs[50.0], end], class_="stair"))
    return drawn


def _stairs(rows: pl.DataFrame, x: Linear, y: Linear) -> list[tuple[float, float]]:
    """Corners of a staircase from the left edge of the picture; a height holds up to its place."""
    corners: list[tuple[float, float]] = []
    before = x.start
    for quality, variety in rows.select("quality", "variety").sort("quality").iter_rows():
        at = min(max(x(quality), x.start), x.end)
        height = min(max(y(variety), y.end), y.start)
        corners += [(before, height), (at, height)]
        before = at
    return corners
