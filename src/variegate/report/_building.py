"""From parts to one file: templates, style and script, and the policy that binds them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from variegate.report._looks import DARK, LIGHT, tokens
from variegate.samples import clean_text

__all__ = ["build"]

_SANS = '-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,system-ui,sans-serif'
_SERIF = '"Iowan Old Style",Charter,"Source Serif 4",Georgia,"Liberation Serif",serif'
_MONO = 'ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace'
_FONTS = f"--sans:{_SANS};--serif:{_SERIF};--mono:{_MONO}"


def build(template: str, parts: Mapping[str, Any]) -> str:
    """Fill a template and bind it: only the page's own style and script may run, nothing loads.

    The whole page goes through `clean_text`, so that names of tasks and stages cannot reorder it
    either.
    """
    style, script = _style(), _read("page.js")
    policy = "; ".join(
        [
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    own = {"policy": policy, "style": Markup(style), "script": Markup(script)}  # noqa: S704
    page = _environment().get_template(template).render({**parts, **own})
    return clean_text(page.encode("utf-8", "replace").decode("utf-8"))


@cache
def _environment() -> Environment:
    names = ("parts.html", "trace.html", "measurement.html", "front.html")
    return Environment(
        loader=DictLoader({name: _read(name) for name in names}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _style() -> str:
    light = f":root{{color-scheme:light dark;{_FONTS};--heat:#8a2d04;{tokens(LIGHT)}}}"
    dark = (
        f"@media screen and (prefers-color-scheme:dark){{:root{{--heat:#ffb27a;{tokens(DARK)}}}}}"
    )
    return f"{light}\n{dark}\n{_read('page.css')}"


def _read(name: str) -> str:
    return (files("variegate.report") / "page" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")
