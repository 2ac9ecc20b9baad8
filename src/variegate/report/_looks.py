"""The colour and shape of every stage: the same on every picture, in light and in dark.

A branch has a colour and a mark; a stage within it a strength, growing along the branch. The
first four colours stay apart under the three common kinds of colour blindness (least distance
0.078 in Oklab); names stand at the lines, so that nothing is said by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from variegate.lineage import StageInfo

__all__ = ["DARK", "LIGHT", "Look", "looks", "tokens"]

LIGHT: Mapping[str, str] = {
    "paper": "#fcfcfa",
    "wash": "#f3f3ef",
    "rule": "#dcdcd6",
    "ink": "#1a1b1e",
    "grey": "#5a5e64",
    "link": "#1b5aa8",
    "c0": "#62666b",
    "c1": "#1b6ac9",
    "c2": "#bb4500",
    "c3": "#00563c",
    "c4": "#8c1766",
    "c5": "#7a6a17",
}
DARK: Mapping[str, str] = {
    "paper": "#14161a",
    "wash": "#1d2025",
    "rule": "#363a41",
    "ink": "#e8e8e4",
    "grey": "#a3a8af",
    "link": "#8fbcf2",
    "c0": "#b3b8be",
    "c1": "#5f9fea",
    "c2": "#f3a564",
    "c3": "#86ecc6",
    "c4": "#d868ae",
    "c5": "#b79f45",
}
_SHAPES = ("circle", "square", "triangle", "diamond")


@dataclass(frozen=True, kw_only=True)
class Look:
    """How one stage is drawn.

    Args:
        colour: the class that sets the colour (``"c0"`` is the base's grey).
        shape: the mark: circle, square, triangle or diamond.
        strength: 0 to 1, how strongly it is drawn beside its branch's other stages.
    """

    colour: str
    shape: str
    strength: float = 1.0


def looks(stages: Iterable[StageInfo]) -> dict[str, Look]:
    """Give every stage its look; the root's branch is grey.

    Example:
        >>> root = StageInfo(name="base", parent=None, branch="base", kind="base", format="raw")
        >>> looks([root])["base"].colour
        'c0'
    """
    branches: dict[str, list[str]] = {}
    for stage in stages:
        branches.setdefault(stage.branch, []).append(stage.name)
    found = {}
    for b, names in enumerate(branches.values()):
        colour = "c0" if b == 0 else f"c{(b - 1) % 5 + 1}"
        for i, name in enumerate(names):
            strength = 0.45 + 0.55 * (i + 1) / len(names) if len(names) > 1 else 1.0
            found[name] = Look(colour=colour, shape=_SHAPES[b % 4], strength=strength)
    return found


def tokens(colours: Mapping[str, str]) -> str:
    """Write colours as CSS custom properties.

    Example:
        >>> tokens({"ink": "#000"})
        '--ink:#000'
    """
    return ";".join(f"--{name}:{value}" for name, value in colours.items())
