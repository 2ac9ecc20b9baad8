"""Trace: everything the page and the terminal show about a lineage, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from variegate.metrics import Caution
from variegate.samples import Samples

__all__ = ["StageInfo", "Trace"]


@dataclass(frozen=True, kw_only=True)
class StageInfo:
    """One checkpoint of the tree, as the page needs it."""

    name: str
    parent: str | None  # None for the root
    branch: str  # the line it is drawn on: "base", "think", "instruct", ...
    kind: str  # "base", "sft", "dpo", "rl" or free text
    format: str  # what its own level was measured in: raw, chat, empty-reasoning, or saved


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Where the variety of a lineage went.

    Every table is long; `task` is a task's name or ``"all"`` (macro mean over tasks). Intervals
    are `low`, `high` at `level`, bootstrap over prompts, paired across stages. NaN means "could
    not be estimated" and the reason stands in `note`.

    Args:
        headline: the answer in two or three sentences made from the numbers.
        name: of the lineage.
        stages: in the order they are drawn, root first.
        metric: the metric the headline, the losses and the decomposition lead with.
        levels: stage, task, metric, value, low, high, n_prompts, n_samples, note.
        per_prompt: stage, task, prompt_id, metric, value.
        losses: stage, parent, task, metric, percent, low, high, n_prompts, note; task is a task,
            ``"mean of ratios"`` or ``"ratio of means"``; percent is the signed change against
            the parent in percent of the root's level.
        retained: stage, task, metric, percent, low, high, n_prompts, note, for every stage but
            the root; same naming of averages.
        decomposition: stage, task, part, value, low, high, n_matched, note. `part` is one of
            ``total``, ``accuracy``, ``narrowing`` (total = accuracy + narrowing; all of them
            changes of the mean pairwise distance, root minus stage, so positive is a loss),
            ``accuracy_share``, ``narrowing_share``,
            ``base_right_right``, ``base_right_wrong``, ``base_wrong_wrong``, ``post_right_right``,
            ``post_right_wrong``, ``post_wrong_wrong`` (mean distances),
            ``base_share_right_right`` ... ``post_share_wrong_wrong`` (shares of pairs),
            ``base_vendi_right``, ``post_vendi_right`` (at equal numbers of right answers).
        formats: stage, task, metric, step, value, low, high, n_prompts. `step` is one of
            ``base``, ``tuning``, ``template``, ``reasoning``, ``stage``: the level of the root,
            the three differences (base raw → stage raw → stage chat with an empty reasoning
            block → stage as it is), and the level of the stage; the first four sum to the last.
        positions: stage, task, position, entropy, branching, low, high, n (low and high of
            branching; position counts answer tokens from 0).
        layers: stage, parent, layer, module, relative_norm, effective_rank, sign_agreement,
            cosine (the last two against the parent's own change, null at the first step).
        exact: stage, task, metric, value: true values where the world is closed; else empty.
        cautions: what must be known before reading.
        metrics: for every metric name shown: title, summary, low, high, direction, role, source.
        settings: everything that made the trace, resolved (sampling, n, seed, embedder with its
            similarity floor, resamples, level, versions, hashes, command, started, seconds).
        samples: every output, those that failed and those of the format arms too; the arm of a
            stage is its name, that of a format arm ``"name (raw)"``.
    """

    headline: tuple[str, ...]
    name: str
    stages: tuple[StageInfo, ...]
    metric: str
    levels: pl.DataFrame
    per_prompt: pl.DataFrame
    losses: pl.DataFrame
    retained: pl.DataFrame
    decomposition: pl.DataFrame
    formats: pl.DataFrame
    positions: pl.DataFrame
    layers: pl.DataFrame
    exact: pl.DataFrame
    cautions: tuple[Caution, ...]
    metrics: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    level: float = 0.95
    samples: Samples
