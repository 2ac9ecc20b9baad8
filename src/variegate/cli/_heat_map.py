"""A heat map of change, layers down and modules across, as one SVG that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

__all__ = ["heat_map"]

LEFT, TOP, WIDE, TALL = 60, 44, 72, 16
STYLE = (
    # A ground of its own: a page behind it may be light while the reader's system is dark.
    "svg{background:#fff}text{font:11px system-ui,sans-serif;fill:#333}"
    ".t{font-size:14px;fill:#111}rect{fill:#8a3b12}@media(prefers-color-scheme:dark){"
    "svg{background:#1b1b1b}text,.t{fill:#ddd}rect{fill:#f0a36b}}"
)


def heat_map(rows: Sequence[Mapping[str, Any]], *, title: str) -> str:
    """Draw relative norms, from nothing (clear) to the largest (full); the rest is in the hints."""
    modules = list(dict.fromkeys(row["module"] for row in rows))
    layers = sorted({row["layer"] for row in rows})
    largest = max((row["relative_norm"] or 0.0 for row in rows), default=0.0)
    cells = []
    for row in rows:
        x = LEFT + WIDE * modules.index(row["module"])
        y = TOP + TALL * layers.index(row["layer"])
        norm = row["relative_norm"] or 0.0
        about = ", ".join(
            f"{key.replace('_', ' ')} {row[key]:.4g}"
            for key in ("relative_norm", "effective_rank", "cosine", "sign_agreement")
            if row.get(key) is not None
        )
        place = f"layer {row['layer']}" if row["layer"] >= 0 else "no layer"
        said = escape(f"{place}, {row['module']}: {about}")
        cells.append(
            f'<rect x="{x}" y="{y}" width="{WIDE - 1}" height="{TALL - 1}" '
            f'fill-opacity="{0.04 + 0.96 * (norm / largest if largest else 0):.3f}">'
            f"<title>{said}</title></rect>"
        )
    names = [
        f'<text x="{LEFT + WIDE * i}" y="{TOP - 6}">{escape(str(module))}</text>'
        for i, module in enumerate(modules)
    ]
    marks = [
        f'<text x="{LEFT - 8}" y="{TOP + TALL * i + 12}" text-anchor="end">'
        f"{layer if layer >= 0 else '–'}</text>"
        for i, layer in enumerate(layers)
    ]
    width, height = LEFT + WIDE * max(len(modules), 1) + 10, TOP + TALL * len(layers) + 30
    told = f"full colour: a relative change of {largest:.3g}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style>"
        f'<text class="t" x="8" y="18">{escape(title)}</text>'
        + "".join([*names, *marks, *cells])
        + f'<text x="8" y="{height - 8}">{escape(told)}</text></svg>\n'
    )
