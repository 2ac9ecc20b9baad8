"""Front: everything the page and the terminal show about arms at equal cost, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from variegate.metrics import Caution
from variegate.samples import Samples, clean_text

__all__ = ["Front"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Front:
    """Methods on the plane of quality and variety, at equal cost and equal tuning.

    Intervals are at `level`, bootstrap over prompts, the same draw for all arms. What is said of a
    method rests on the half of the prompts that did not choose its setting; what is said of a
    setting rests on all of them.

    Args:
        headline: the answer in a few sentences made from the numbers.
        name: of the comparison.
        baseline: the method the others are held against.
        quality: the metric across.
        variety: the metric upwards.
        methods: one row a method: method, arm (the setting chosen), label, quality and variety
            of that setting with low and high, hypervolume of the method's tuned front with low
            and high (axes scaled to their ends), gain (that less the baseline's) with low and
            high, lead (by how much, as a share of the axes, the chosen setting must be worsened
            until some setting of the baseline, or a mix of them, covers it; below 0 it is
            covered already) with low and high, dominates and dominated (share of resamples in
            which the chosen setting is at least as good as the baseline's on both axes and better
            on one, or the reverse),
            verdict (baseline, dominates, beyond, open, covered, dominated), n_prompts, tried and
            settings (how many may be chosen, of how many), membership (chance to be on the front
            of the chosen settings), front.
        points: one row an arm: arm, method, label, tried, chosen, front, rank, membership,
            contribution (to the hypervolume), quality and variety with low and high, n_prompts,
            cost (of a prompt), outputs (of a prompt), cost_of_pass (null without verdicts).
        attainment: method, percent, quality, variety: what 5, 50 and 95 % of the resamples
            attain with the settings tried.
        frame: the long table of all metrics: arm, task, metric, value, low, high, n_prompts,
            n_samples, note.
        per_prompt: arm, task, prompt_id, metric, value.
        knee: the arm past which more quality costs much variety, None where there is none.
        refused: method, arm, reason: what could not run or be compared.
        cautions: what must be known before reading.
        metrics: for every metric shown: title, summary, low, high, direction, role, source, url.
        settings: everything that made the numbers, resolved.
        level: of the intervals.
        samples: the outputs that the budget paid for.
    """

    headline: tuple[str, ...]
    name: str
    baseline: str
    quality: str
    variety: str
    methods: pl.DataFrame
    points: pl.DataFrame
    attainment: pl.DataFrame
    frame: pl.DataFrame
    per_prompt: pl.DataFrame
    knee: str | None
    refused: pl.DataFrame
    cautions: tuple[Caution, ...]
    metrics: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    level: float = 0.95
    samples: Samples

    def __repr__(self) -> str:
        # Names come from files: nothing that moves a cursor reaches the terminal.
        lines = [f"Front of {self.name}", *self.headline]
        return clean_text("\n".join(lines))
