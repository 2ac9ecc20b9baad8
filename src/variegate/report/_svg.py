"""Pictures by hand: a few functions from numbers to SVG elements.

Everything is an escaped `Markup`; colours come from the page's classes (`currentColor`), so that
one picture serves light, dark and print, and no style needs to be inlined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

__all__ = [
    "Label",
    "around",
    "Linear",
    "Log",
    "el",
    "mark",
    "picture",
    "polyline",
    "ribbon",
    "spread",
    "text",
    "ticks",
    "whisker",
    "width_of",
]


def el(name: str, *children: str, **attributes: object) -> Markup:
    """Write one element; `class_` is class, underscores become hyphens, None is left out.

    Example:
        >>> el("text", "a < b", class_="small", font_size=12.04)
        Markup('<text class="small" font-size="12">a &lt; b</text>')
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_short(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    body = "".join(escape(child) for child in children)
    return Markup(f"<{name}{written}>{body}</{name}>" if body else f"<{name}{written}/>")  # noqa: S704


def _short(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.1f}".rstrip("0").rstrip(".") if value != 0 else "0"
    return value


def picture(width: float, height: float, *body: str, title: str, wide: bool = True) -> Markup:
    """Frame a picture; `title` is what a screen reader says.

    A wide picture keeps its size and scrolls in its box on a narrow screen; others shrink.
    """
    svg = el(
        "svg",
        el("title", title),
        *body,
        class_="wide" if wide else "fit",
        viewBox=f"0 0 {_short(width)} {_short(height)}",
        width=width,
        height=height,
        role="img",
    )
    return el("div", svg, class_="scroll") if wide else svg


@dataclass(frozen=True)
class Linear:
    """A straight scale from a range of values to a range of pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Place a value."""
        span = self.high - self.low or 1.0
        return self.start + (value - self.low) / span * (self.end - self.start)


@dataclass(frozen=True)
class Log(Linear):
    """A logarithmic scale; values must be positive."""

    def __call__(self, value: float) -> float:
        """Place a value; what lies below the scale stands at its start."""
        part = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return self.start + part * (self.end - self.start)


def ticks(low: float, high: float, *, about: int = 5) -> list[float]:
    """Choose round numbers in a range.

    Example:
        >>> ticks(0, 1)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    span = high - low
    if not span > 0:
        return [low]
    rough = span / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((m * power for m in (1, 2, 2.5, 5, 10)), key=lambda s: abs(math.log(s / rough)))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 10) + 0.0 for i in range(first, last + 1)]


def around(low: float, high: float, values: Sequence[float]) -> tuple[float, float]:
    """Choose the part of a range to draw: all of it, or round ends about values that crowd.

    Never less than a tenth of the range, so that a small difference does not look large.

    Example:
        >>> around(0, 1, [0.34, 0.78]), around(0, 1, [0.1, 0.9])
        ((0.3, 0.9), (0, 1))
    """
    first, last = min(values), max(values)
    if last - first >= 0.6 * (high - low):
        return low, high
    pad = max(0.06 * (last - first), 0.1 * (high - low) - (last - first))
    first, last = first - pad, last + pad
    steps = ticks(first, last)
    step = steps[1] - steps[0] if len(steps) > 1 else (last - first)
    start, end = math.floor(first / step) * step, math.ceil(last / step) * step
    return round(max(start, low), 10), round(min(end, high), 10)


def text(x: float, y: float, content: str, *, class_: str = "", anchor: str = "start") -> Markup:
    """Write text at a baseline."""
    return el(
        "text",
        content,
        x=x,
        y=y,
        class_=class_ or None,
        text_anchor=None if anchor == "start" else anchor,
    )


_NARROW = set("fijlrt.,:;|!'()[]- Iı")
_BROAD = set("mwMW@%–—")


def width_of(content: str, size: float = 12) -> float:
    """Estimate how wide a text is drawn in the sans of the page, on the generous side."""
    ems = sum(
        0.34 if c in _NARROW else 0.9 if c in _BROAD else 0.68 if c.isupper() else 0.57
        for c in content
    )
    return ems * size


def mark(x: float, y: float, shape: str, *, size: float = 4.5, hollow: bool = False) -> Markup:
    """Draw a mark of one of four shapes, of about the same area."""
    look = "hollow" if hollow else "solid"
    s = size
    if shape == "circle":
        return el("circle", cx=x, cy=y, r=s, class_=look)
    if shape == "square":
        s *= 0.9
        return el("rect", x=x - s, y=y - s, width=2 * s, height=2 * s, class_=look)
    corners = {
        "triangle": [(0, -1.2 * s), (1.15 * s, 0.85 * s), (-1.15 * s, 0.85 * s)],
        "diamond": [(0, -1.3 * s), (1.3 * s, 0), (0, 1.3 * s), (-1.3 * s, 0)],
    }[shape]
    return el("polygon", points=_points([(x + a, y + b) for a, b in corners]), class_=look)


def whisker(
    x: float,
    low: float,
    high: float,
    *,
    flat: bool = False,
    class_: str = "whisker",
) -> Markup:
    """Draw an interval: upright at `x`, or flat at height `x`."""
    if flat:
        return el("line", x1=low, x2=high, y1=x, y2=x, class_=class_)
    return el("line", x1=x, x2=x, y1=low, y2=high, class_=class_)


def polyline(points: Sequence[tuple[float, float]], **attributes: object) -> Markup:
    """Draw a line through points."""
    return el("polyline", points=_points(points), **attributes)


def ribbon(
    xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], class_: str = "band"
) -> Markup:
    """Draw a band between two lines."""
    there = list(zip(xs, highs, strict=True))
    back = list(zip(xs, lows, strict=True))[::-1]
    return el("polygon", points=_points(there + back), class_=class_)


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{_short(float(x))},{_short(float(y))}" for x, y in points)


@dataclass(frozen=True)
class Label:
    """A text that wants to stand at a height."""

    y: float
    draw: Callable[[float], Markup]
    height: float = 15.0


def spread(labels: Sequence[Label], *, top: float, bottom: float) -> list[Markup]:
    """Draw labels near their heights without letting them touch.

    Overlapping neighbours are merged into blocks centred on where they wanted to be, as in
    isotonic regression, and blocks are kept within the picture.
    """
    blocks: list[tuple[float, float, list[Label]]] = []  # top edge, height, members
    for label in sorted(labels, key=lambda label: label.y):
        members, tall = [label], label.height
        start = _kept(label.y - tall / 2, tall, top, bottom)
        while blocks and blocks[-1][0] + blocks[-1][1] > start:
            members = [*blocks.pop()[2], *members]
            tall = sum(member.height for member in members)
            wanted, above = 0.0, 0.0
            for member in members:
                wanted += member.y - above - member.height / 2
                above += member.height
            start = _kept(wanted / len(members), tall, top, bottom)
        blocks.append((start, tall, members))
    drawn = []
    for start, _, members in blocks:
        y = start
        for member in members:
            drawn.append(member.draw(y + member.height / 2))
            y += member.height
    return drawn


def _kept(start: float, tall: float, top: float, bottom: float) -> float:
    return max(min(start, bottom - tall), top)
