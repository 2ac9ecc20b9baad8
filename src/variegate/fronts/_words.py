"""The headline of a front: what the resamples carry, in plain sentences, and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["headline"]

_UNITS = {"tokens": "tokens", "calls": "calls", "seconds": "seconds"}


def headline(
    methods: Sequence[Mapping[str, Any]],
    *,
    baseline: str,
    cost: str,
    budget: float,
    settings: Mapping[str, Any],
) -> tuple[str, ...]:
    """Say which methods beat the baseline at equal cost and equal tuning, and which do not.

    Args:
        methods: rows of the table `methods`.
        baseline: the method held against.
        cost: what was held equal.
        budget: of a prompt.
        settings: those of `Compared`.
    """
    others = [row for row in methods if row["verdict"] != "baseline"]
    n = methods[0]["n_prompts"]
    tries = settings["tries"]
    grid = "with one setting each" if tries == 1 else f"with up to {tries} settings tried each"
    at = f"At equal cost ({_number(budget)} {_UNITS[cost]} a prompt) and {grid}"
    if not others:
        return (f"{at}, there is only {baseline}: nothing to hold against it.",)
    by: dict[str, list[Mapping[str, Any]]] = {}
    for row in others:
        by.setdefault(row["verdict"], []).append(row)
    said = []
    if better := by.get("dominates"):
        said.append(f"{_names(better)} {_do(better, 'dominates', 'dominate')} {baseline}: "
                    "at least as good on both axes and better on one")  # fmt: skip
    if beyond := by.get("beyond"):
        leads = _listed([_share(row) for row in beyond])
        said.append(
            f"{_names(beyond)} {_do(beyond, 'reaches', 'reach')} what no setting of {baseline} "
            f"and no mix of them reaches, by {leads} of the axes"
        )
    if covered := by.get("covered"):
        said.append(
            f"{_names(covered)} {_do(covered, 'is', 'are')} covered: some setting of {baseline}, "
            "or a mix of two, is better on both axes"
        )
    if worse := by.get("dominated"):
        said.append(f"{_names(worse)} {_do(worse, 'is', 'are')} dominated by {baseline}")
    sentences = [f"{at}, {'; '.join(said)}."] if said else []
    if unsure := by.get("open"):
        about = f"of {_names(unsure)} it cannot be told from {n} prompts whether"
        start = "" if said else f"{at}, "
        text = (
            f"{start}{about} {_do(unsure, 'it lies', 'they lie')} beyond what {baseline} reaches."
        )
        sentences.append(text[0].upper() + text[1:])
    if not better:
        sentences.append(f"No method is shown to dominate {baseline}.")
    return tuple(sentences)


def _names(rows: Sequence[Mapping[str, Any]]) -> str:
    return _listed([str(row["method"]) for row in rows])


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _do(rows: Sequence[Any], one: str, several: str) -> str:
    return one if len(rows) == 1 else several


def _share(row: Mapping[str, Any]) -> str:
    low, high = 100 * row["lead_low"], 100 * row["lead_high"]
    return f"{100 * row['lead']:.0f}% [{low:.0f}, {high:.0f}]"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
