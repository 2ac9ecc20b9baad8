"""The words above the pictures: made from the numbers, and never more than the intervals carry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

from variegate.lineage import Trace
from variegate.report._numbers import between, count, known, level, percent, signed
from variegate.report._reading import by, ends, find, rows, tasks

__all__ = [
    "about_line",
    "with_intervals",
    "decomposition_words",
    "format_words",
    "how_sure",
    "in_words",
]


def about_line(trace: Trace) -> list[str]:
    """Say what was traced, piece by piece."""
    stages = len(trace.stages)
    names = tasks(trace.levels) or tasks(trace.per_prompt)
    frame = trace.samples.frame
    pieces = [f"{stages} stage{'s' if stages != 1 else ''}"]
    if names:
        pieces.append(f"{len(names)} task{'s' if len(names) != 1 else ''}")
    if frame.height:
        prompts = frame.select("task", "prompt_id").n_unique()
        pieces.append(f"{count(prompts)} prompts")
    n = find(trace.settings, "samples_per_prompt", "n")
    if known(n):
        pieces.append(f"{count(n)} outputs per prompt")
    formats = dict.fromkeys(stage.format for stage in trace.stages if stage.format)
    asked = [name for name in formats if name != "saved"]
    pieces += ["saved outputs"] if "saved" in formats else []
    pieces += [f"asked {' and '.join(asked)}"] if asked else []
    temperature = find(trace.settings, "temperature")
    if asked and known(temperature):
        pieces.append(f"temperature {temperature:g}")
    return pieces


def with_intervals(sentence: str) -> Markup:
    """Set the bracketed intervals of a sentence apart, so that it can be read without them.

    Example:
        >>> with_intervals("It keeps 41% [36, 46].")
        Markup('It keeps 41% <span class="interval">[36, 46]</span>.')
    """
    pieces = re.split(r"(\[[^\[\]]*\])", sentence)
    return Markup().join(
        Markup('<span class="interval">{}</span>').format(piece)
        if piece.startswith("[")
        else escape(piece)
        for piece in pieces
    )


def how_sure(trace: Trace) -> str:
    """Name the uncertainty that every picture draws."""
    resamples = find(trace.settings, "resamples")
    drawn = f", B = {count(resamples)}" if known(resamples) else ""
    return f"{percent(trace.level)} intervals, bootstrap over prompts{drawn}"


def in_words(trace: Trace) -> str:
    """Say effective numbers in words: about so many different answers in so many draws."""
    k = find(trace.settings, "k")
    for name, noun in (("distinct_at_k", "different answers"), ("vendi", "effective outputs")):
        found = by(rows(trace.levels, metric=name, task="all"), "stage")
        if name == "distinct_at_k" and not known(k):
            continue
        said: list[tuple[str, float]] = []
        for stage in dict.fromkeys([trace.stages[0], *ends(trace.stages)]):
            value = found.get(stage.name, {}).get("value")
            if known(value):
                said.append((stage.name, value))
        if len(said) < 2:
            continue
        first, *rest = said
        among = f"Among {k} draws the" if name == "distinct_at_k" else "The"
        tail = ", ".join(f"{stage} about {_round(value)}" for stage, value in rest)
        return f"{among} {first[0]} gives about {_round(first[1])} {noun}; {tail}."
    return ""


def _round(value: float) -> str:
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}".removesuffix(".0")


def decomposition_words(trace: Trace) -> list[str]:
    """Say for every end of a branch how much of the loss is narrowing, where that can be told."""
    found = by(rows(trace.decomposition, task="all"), "stage", "part")
    said = []
    for stage in ends(trace.stages):
        total = found.get((stage.name, "total"), {})
        share = found.get((stage.name, "narrowing_share"), {})
        if not known(total.get("value")):
            continue
        if not _clear(total):
            said.append(
                f"{stage.name}: no loss on matched prompts can be told from none "
                f"({level(total['value'])} {between(total)})."
            )
        elif known(share.get("value")):
            part = f"{stage.name}: {percent(share['value'])} {between(share, _whole)} of the loss"
            rest = ", the rest is wrong answers going away" if 0 <= share["value"] < 1 else ""
            said.append(f"{part} is narrowing{rest}.")
    return said


def format_words(trace: Trace) -> list[str]:
    """Say for every end of a branch what the template alone does."""
    found = by(rows(trace.formats, metric=trace.metric, task="all"), "stage", "step")
    said = []
    for stage in ends(trace.stages):
        alike = stage.format == trace.stages[0].format == "raw"
        if alike and stage.parent and (stage.name, "stage") in found:
            said.append(f"{stage.name} is asked raw: its whole change is in the weights.")
            continue
        step = found.get((stage.name, "template"), {})
        first, last = (found.get((stage.name, name), {}) for name in ("base", "stage"))
        if not all(known(row.get("value")) for row in (step, first, last)) or step["value"] == 0:
            continue
        whole = signed(last["value"] - first["value"], digits=2)
        if _clear(step):
            said.append(
                f"{stage.name}: the chat template alone moves the level by "
                f"{signed(step['value'], digits=2)} {between(step, _two)}, of {whole} in "
                "all."
            )
        else:
            said.append(
                f"{stage.name}: what the chat template does cannot be told from nothing "
                f"({signed(step['value'], digits=2)} {between(step, _two)})."
            )
    return said


def _clear(row: Mapping[str, Any]) -> bool:
    return known(row.get("low")) and known(row.get("high")) and (row["low"] > 0 or row["high"] < 0)


def _whole(value: float) -> str:
    return f"{100 * value:.0f}".replace("-", "−")


def _two(value: float) -> str:
    return signed(value, digits=2)
