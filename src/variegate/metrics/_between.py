"""Between arms: is what one says what the others say, beyond what the prompt asks for."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from variegate.embedding import Embedder, Encoder
from variegate.errors import NotComparable
from variegate.estimate import Estimate, interval, resampled_means
from variegate.metrics._grouping import Groups
from variegate.metrics._result import LEVELS, level_row, rounded
from variegate.metrics.similarity._between import distinct_models, homogeneity, mean_similarities
from variegate.metrics.similarity._channels import effective_channels
from variegate.samples import Samples

__all__ = ["BETWEEN", "Between", "between", "between_groups"]

Floats = NDArray[np.float64]

ALIKE = 0.8  # the mean cosine from which the source calls a prompt's outputs alike
_DRAWS = 8  # sets of one output an arm that are averaged

BETWEEN: dict[str, str] = {
    "intra_similarity": "Mean cosine of two outputs of one arm to a prompt.",
    "inter_similarity": "Mean cosine of an output of one arm and one of the other.",
    "homogeneity": "inter over intra, both above the floor: 1 where two arms are one.",
    "share_alike": f"Share of prompts whose mean cosine is above {ALIKE}.",
    "same_answer": "Chance that two outputs give the same answer.",
    "distinct_models": "Effective number of distinct arms, by meaning: 1 where all are one.",
    "distinct_models_by_answer": "The same by answer.",
    "effective_channels": "Effective number of different outputs among one of every arm.",
    "similarity_floor": "Mean cosine of outputs to different prompts.",
}
"""What the rows of `Between` count."""


@dataclass(frozen=True, kw_only=True)
class Between:
    """Likeness within and between arms.

    Args:
        frame: the long table as of `Measurement`. Arm is one arm, ``"a × b"`` for two, or
            ``"all arms"``; metric is one of intra_similarity, inter_similarity, homogeneity,
            share_alike, same_answer, distinct_models, distinct_models_by_answer,
            effective_channels and similarity_floor.
        n_prompts: prompts to which every arm has two outputs or more; the others play no part.
        settings: all that made the numbers.
    """

    frame: pl.DataFrame
    n_prompts: int
    settings: dict[str, Any] = field(default_factory=dict)

    def value(self, metric: str, arm: str) -> float:
        """One number of the table; NaN where it is not there."""
        found = self.frame.filter((pl.col("metric") == metric) & (pl.col("arm") == arm))
        return float(found["value"].item()) if found.height else float("nan")


def between(
    samples: Samples,
    *,
    embedder: str | Encoder | Embedder | None = None,
    by_meaning: bool = True,
    drop: Sequence[str] = (),
    seed: int = 0,
    resamples: int = 2000,
    level: float = 0.95,
) -> Between:
    """Compare arms with each other: likeness within one, between two, and how many they are.

    Over the prompts that all arms answered at least twice. Likeness is the mean cosine of two
    outputs (`mean_similarities`) and the chance of the same answer; nothing is held against
    itself, so numbers of outputs may differ. Everything is a function of means over prompts, and
    intervals resample the prompts. The floor, the likeness of outputs to different prompts, is
    taken out of homogeneity and distinct_models, and held fixed.

    Args:
        samples: the outputs of two arms or more.
        embedder: as in `measure`.
        by_meaning: embed the outputs; otherwise only answers are compared.
        drop: as in `measure`.
        seed: of the bootstrap.
        resamples: of the bootstrap.
        level: of the intervals.

    Returns:
        The table. One model under two names: inter_similarity is intra_similarity, homogeneity
        and distinct_models are 1, within their intervals. Models with nothing in common:
        homogeneity 0, distinct_models the number of arms.

    Raises:
        NotComparable: fewer than two arms, or no prompt that all answered twice.

    Example:
        >>> rows = [
        ...     {"arm": arm, "prompt": p, "text": t}
        ...     for arm, said in {"a": ["oak", "elm"], "b": ["oak", "elm"], "c": ["1", "2"]}.items()
        ...     for p in ["tree?", "wood?"]
        ...     for t in said * 4
        ... ]
        >>> found = between(Samples.from_rows(rows), by_meaning=False)
        >>> round(found.value("same_answer", "a × b"), 2), found.value("same_answer", "a × c")
        (0.5, 0.0)
        >>> found.value("distinct_models_by_answer", "b × c")
        2.0

    Reference: Artificial Hivemind, `Jiang 2025 <https://arxiv.org/abs/2510.22954>`_; the number
    of models as in `Reeve 2016 <https://arxiv.org/abs/1404.6520>`_.
    """
    groups = Groups(samples, source=embedder, drop=drop)
    return between_groups(
        groups, by_meaning=by_meaning, seed=seed, resamples=resamples, level=level
    )


def between_groups(
    groups: Groups, *, by_meaning: bool, seed: int, resamples: int, level: float
) -> Between:
    """`between` of outputs that are already laid out."""
    arms = [arm for arm in groups.arms if (groups.arm == arm).any()]
    if len(arms) < 2:
        raise NotComparable(f"Expected two arms or more, got {len(arms)}.")
    places = _shared(groups, arms)
    if not len(places):
        raise NotComparable(
            "No prompt has two outputs or more of every arm.",
            hint="Likeness within an arm needs two outputs to a prompt.",
        )
    tasks = groups.task[places[:, 0]].astype(str)
    floor = rounded(groups.floor) if by_meaning else float("nan")
    above = 0.0 if np.isnan(floor) else floor
    columns = [_by_answer(groups, places)]
    if by_meaning:
        cosines = np.stack(
            [mean_similarities([groups.of("features", g) for g in row]) for row in places]
        )
        columns += [cosines, (cosines > ALIKE).astype(np.float64)]
    A, P = len(arms), len(places)
    channels = _channels(groups, places) if by_meaning else np.zeros((P, 0))
    table = np.column_stack([*(one.reshape(P, -1) for one in columns), channels])
    strata = tasks if len(set(tasks.tolist())) > 1 else None
    drawn = resampled_means(table, resamples=resamples, seed=seed, strata=strata)
    point = _macro(table, tasks)
    samples = groups.n[places].sum(axis=0)
    task = "all" if strata is not None else str(tasks[0])

    both = np.concatenate([point[None, :], drawn])  # the value first, then its resamples
    names = ("same_answer", "cosine", "share_alike")[: len(columns)]
    found = {
        name: both[:, i * A * A : (i + 1) * A * A].reshape(-1, A, A) for i, name in enumerate(names)
    }
    rows: list[dict[str, Any]] = []

    def add(arm: str, metric: str, values: Floats, outputs: int) -> None:
        low, high = interval(values[1:], level=level) if P > 1 else (np.nan, np.nan)
        note = "one prompt gives no interval" if P < 2 else ""
        if np.isnan(values[0]):
            low, high, note = np.nan, np.nan, "no more alike within an arm than the floor"
        estimate = Estimate(
            value=float(values[0]), low=float(low), high=float(high), n_prompts=P, level=level
        )
        rows.append(level_row(arm, task, metric, estimate, outputs, note))

    if by_meaning:
        ratio = homogeneity(found["cosine"], floor=above)
        for a, arm in enumerate(arms):
            add(arm, "intra_similarity", found["cosine"][:, a, a], int(samples[a]))
            add(arm, "share_alike", found["share_alike"][:, a, a], int(samples[a]))
    for a, arm in enumerate(arms):
        add(arm, "same_answer", found["same_answer"][:, a, a], int(samples[a]))
    for a, b in itertools.combinations(range(A), 2):
        label, total = f"{arms[a]} × {arms[b]}", int(samples[a] + samples[b])
        two = np.array([a, b])
        if by_meaning:
            add(label, "inter_similarity", found["cosine"][:, a, b], total)
            add(label, "share_alike", found["share_alike"][:, a, b], total)
            add(label, "homogeneity", ratio[:, a, b], total)
            models = distinct_models(found["cosine"][:, two[:, None], two], floor=above)
            add(label, "distinct_models", models, total)
        add(label, "same_answer", found["same_answer"][:, a, b], total)
        models = distinct_models(found["same_answer"][:, two[:, None], two])
        add(label, "distinct_models_by_answer", models, total)
    whole = int(samples.sum())
    if by_meaning:
        if A > 2:
            models = distinct_models(found["cosine"], floor=above)
            add("all arms", "distinct_models", models, whole)
        add("all arms", "effective_channels", both[:, -1], whole)
        nothing = Estimate(value=floor, low=np.nan, high=np.nan, n_prompts=P, level=level)
        note = "over all outputs; held fixed in the intervals of the others"
        rows.append(level_row("all arms", task, "similarity_floor", nothing, whole, note))
    if A > 2:
        models = distinct_models(found["same_answer"])
        add("all arms", "distinct_models_by_answer", models, whole)
    settings = {"seed": seed, "resamples": resamples, "level": level, "arms": arms, "floor": floor}
    return Between(frame=pl.DataFrame(rows, schema=LEVELS), n_prompts=P, settings=settings)


def _shared(groups: Groups, arms: list[str]) -> NDArray[np.intp]:
    """(P, A) the group of each arm, for the prompts that every arm answered twice."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    keys = zip(groups.task, groups.keys["prompt_id"], groups.arm, groups.n, strict=True)
    for g, (task, prompt_id, arm, n) in enumerate(keys):
        if n > 1:
            found.setdefault((task, prompt_id), {})[arm] = g
    whole = [[of_arm[arm] for arm in arms] for of_arm in found.values() if len(of_arm) == len(arms)]
    return np.array(whole, dtype=np.intp).reshape(-1, len(arms))


def _by_answer(groups: Groups, places: NDArray[np.intp]) -> Floats:
    """(P, A, A) chance that two outputs give the same answer, none held against itself."""
    found = np.empty((len(places), places.shape[1], places.shape[1]))
    for p, row in enumerate(places):
        numbers = [groups.of("label_numbers", g) for g in row]
        kinds = {number: i for i, number in enumerate(np.unique(np.concatenate(numbers)))}
        counts = np.zeros((len(row), len(kinds)))
        for a, of_arm in enumerate(numbers):
            np.add.at(counts[a], [kinds[number] for number in of_arm], 1.0)
        n = counts.sum(axis=1)
        found[p] = counts @ counts.T / (n[:, None] * n[None, :])
        same = (counts * (counts - 1)).sum(axis=1) / (n * (n - 1))
        found[p][np.diag_indices(len(row))] = same
    return found


def _channels(groups: Groups, places: NDArray[np.intp]) -> Floats:
    """(P, 1) `effective_channels` of one output an arm, averaged over the first outputs."""
    draws = min(_DRAWS, int(groups.n[places].min()))
    first = groups.starts[places]
    each = [effective_channels(groups.features[first + j]) for j in range(draws)]
    return np.asarray(np.mean(each, axis=0))[:, None]


def _macro(table: Floats, tasks: NDArray[np.str_]) -> Floats:
    return np.asarray(
        np.mean([table[tasks == task].mean(axis=0) for task in sorted(set(tasks.tolist()))], axis=0)
    )
