"""Quality against variety: every arm a point with an interval on both axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from variegate.fronts import nondominated
from variegate.report._looks import Look
from variegate.report._numbers import between, known, level
from variegate.report._svg import Linear, el, mark, picture, text, ticks, whisker, width_of

__all__ = ["Point", "along", "cross", "ground", "place_name", "plane"]

WIDTH, HEIGHT = 1040.0, 500.0
LEFT, RIGHT, TOP, BOTTOM = 36.0, 1026.0, 34.0, 450.0


@dataclass(frozen=True, kw_only=True)
class Point:
    """One arm on the plane: rows with value, low and high for either axis."""

    name: str
    look: Look
    quality: Mapping[str, Any]
    variety: Mapping[str, Any]
    parent: str | None = None

    @property
    def known(self) -> bool:
        """Whether it can be drawn."""
        return known(self.quality.get("value")) and known(self.variety.get("value"))


def plane(
    points: Sequence[Point],
    *,
    quality: str,
    variety: str,
    quality_span: tuple[float, float],
    variety_span: tuple[float, float],
) -> Markup | None:
    """Draw the points, their intervals, the walk from parent to child and the front."""
    points = [point for point in points if point.known]
    if not points:
        return None
    x, y, body = ground(quality, variety, quality_span, variety_span)
    spots = {p.name: (x(p.quality["value"]), y(p.variety["value"])) for p in points}
    places = [(p.quality["value"], p.variety["value"]) for p in points]
    kept = nondominated(places)
    front = sorted(spot for spot, best in zip(spots.values(), kept, strict=True) if best)
    if len(front) > 1:
        path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in front)
        body.append(el("path", d=path, class_="front"))
    taken = [box for pair in pairwise(front) for box in along(*pair)]
    taken += [(a - 8, b - 8, a + 8, b + 8) for a, b in spots.values()]
    for point in points:
        a, b = spots[point.name]
        if point.parent in spots:
            taken += along(spots[point.parent or ""], (a, b))
            body.append(
                el("g", _arrow(spots[point.parent or ""], (a, b)), class_=point.look.colour)
            )
        body.append(cross(point, x, y, quality=quality, variety=variety))
    for point in points:
        body.append(place_name(point, spots[point.name], taken))
    return picture(WIDTH, HEIGHT, *body, title=f"{quality} against {variety} for every arm")


def ground(
    quality: str,
    variety: str,
    quality_span: tuple[float, float],
    variety_span: tuple[float, float],
) -> tuple[Linear, Linear, list[Markup]]:
    """Lay out the plane: its two scales, and the grid with its numbers and titles."""
    x, y = Linear(*quality_span, LEFT, RIGHT), Linear(*variety_span, BOTTOM, TOP)
    body = []
    for at in ticks(*quality_span, about=8):
        body.append(el("line", x1=x(at), x2=x(at), y1=TOP, y2=BOTTOM, class_="grid"))
        body.append(text(x(at), BOTTOM + 20, f"{at:g}", class_="tick", anchor="middle"))
    for at in ticks(*variety_span):
        body.append(el("line", x1=LEFT, x2=RIGHT, y1=y(at), y2=y(at), class_="grid"))
        body.append(text(LEFT - 8, y(at) + 4, f"{at:g}", class_="tick", anchor="end"))
    body.append(text(0, 15, f"↑ {variety}", class_="axis"))
    body.append(text(RIGHT, BOTTOM + 42, f"{quality} →", class_="axis", anchor="end"))
    return x, y, body


def cross(
    point: Point, x: Linear, y: Linear, *, quality: str, variety: str, size: float = 5.5
) -> Markup:
    """Draw a point with its interval on either axis; its numbers stand in the title."""
    a, b = x(point.quality["value"]), y(point.variety["value"])
    says = (
        f"{point.name}: {quality} {level(point.quality['value'])} {between(point.quality)}, "
        f"{variety} {level(point.variety['value'])} {between(point.variety)}"
    )
    drawn = [el("title", says)]
    if known(point.quality.get("low")):
        drawn.append(whisker(b, x(point.quality["low"]), x(point.quality["high"]), flat=True))
    if known(point.variety.get("low")):
        drawn.append(whisker(a, y(point.variety["low"]), y(point.variety["high"])))
    drawn.append(mark(a, b, point.look.shape, size=size))
    return el("g", *drawn, class_=point.look.colour)


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> Markup:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = (dx * dx + dy * dy) ** 0.5
    if length < 24:
        return Markup()
    ux, uy = dx / length, dy / length
    tip = (end[0] - 9 * ux, end[1] - 9 * uy)
    tail = (start[0] + 9 * ux, start[1] + 9 * uy)
    wings = [
        (tip[0] - 8 * ux + side * 3.4 * uy, tip[1] - 8 * uy - side * 3.4 * ux) for side in (1, -1)
    ]
    head = " ".join(f"{a:.1f},{b:.1f}" for a, b in [tip, *wings])
    return el(
        "g",
        el("line", x1=tail[0], y1=tail[1], x2=tip[0], y2=tip[1], class_="walk"),
        el("polygon", points=head, class_="solid"),
    )


def along(
    start: tuple[float, float],
    end: tuple[float, float],
) -> list[tuple[float, float, float, float]]:
    steps = max(int(max(abs(end[0] - start[0]), abs(end[1] - start[1])) / 12), 1)
    spots = [
        (start[0] + (end[0] - start[0]) * i / steps, start[1] + (end[1] - start[1]) * i / steps)
        for i in range(steps + 1)
    ]
    return [(a - 2, b - 2, a + 2, b + 2) for a, b in spots]


def place_name(
    point: Point, spot: tuple[float, float], taken: list[tuple[float, float, float, float]]
) -> Markup:
    """Put a name at the first free of eight places around its point."""
    wide = width_of(point.name, 13)
    a, b = spot
    places = [
        (a + 10, b - 9),
        (a + 10, b + 18),
        (a - 10 - wide, b - 9),
        (a - 10 - wide, b + 18),
        (a + 10, b - 24),
        (a - 10 - wide, b - 24),
        (a + 10, b + 33),
        (a - wide / 2, b - 40),
    ]

    def cost(place: tuple[float, float]) -> float:
        box = (place[0], place[1] - 11, place[0] + wide, place[1] + 3)
        outside = box[0] < LEFT or box[2] > RIGHT or box[1] < TOP or box[3] > BOTTOM
        touched = sum(
            box[0] < t[2] and t[0] < box[2] and box[1] < t[3] and t[1] < box[3] for t in taken
        )
        return 10 * outside + touched

    at = min(places, key=cost)
    taken.append((at[0], at[1] - 11, at[0] + wide, at[1] + 3))
    return el("g", text(at[0], at[1], point.name, class_="name halo"), class_=point.look.colour)
