"""What must be known before the numbers are read."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import polars as pl
from numpy.typing import NDArray

from variegate.metrics._designed import designed_cautions
from variegate.metrics._grouping import Groups
from variegate.metrics._result import Caution
from variegate.metrics.similarity._pairwise import pairwise_diversity
from variegate.samples import Samples

__all__ = ["cautions_about"]

_SHORT = 4  # words; below this n-grams and embeddings have little to count
_FEW_PROMPTS = 10
_NEAR_FLOOR = 0.1  # cosine

_FINISHES = {
    "length": (
        "truncation",
        "were cut at the token limit; what they would have said is not counted.",
    ),
    "filter": ("refusal", "were refused or filtered; refusals resemble each other."),
    "empty": ("empty", "are empty; they count as one answer, unlike any other."),
    "error": ("error", "failed and are left out."),
}
_DROPPED = {
    "length": "were cut at the token limit and are left out.",
    "filter": "were refused or filtered and are left out.",
    "empty": "are empty and are left out.",
}
_UNKNOWN = {
    "correct": "could not be judged; accuracy and what is made of it leave them out.",
    "quality": "have no quality; its mean leaves them out.",
}


def cautions_about(
    samples: Samples, groups: Groups, *, embedded: bool, drop: Collection[str]
) -> tuple[Caution, ...]:
    """Count what could mislead, arm by arm."""
    found: list[Caution] = []
    for arm in groups.arms:
        frame, members = samples.frame.filter(pl.col("arm") == arm), groups.arm == arm
        found += _finishes(frame, arm, drop)
        found += _silent(frame, arm, int(members.sum()))
        if members.any():
            found += _counts(groups, members, arm)
            found += _short(groups, members, arm)
            found += _unread(frame, arm)
    found += designed_cautions(groups)
    found += _between_arms(groups)
    if embedded:
        found += _floor(groups)
    return tuple(found)


def _finishes(frame: pl.DataFrame, arm: str, drop: Collection[str]) -> list[Caution]:
    found = []
    answered = frame.filter(pl.col("finish").ne_missing("error"))
    for finish, (kind, kept) in _FINISHES.items():
        # Empty is what has no text, whatever it says about its end.
        alike = answered["text"].fill_null("").str.strip_chars() == ""
        count = int((alike if finish == "empty" else frame["finish"] == finish).sum())
        if count:
            consequence = _DROPPED[finish] if finish in drop else kept
            total = answered.height if finish == "empty" else frame.height
            found.append(_caution(kind, arm, count, total, f"of {arm} {consequence}"))
    for column, consequence in _UNKNOWN.items():
        # A task where nothing is known has no such number at all: nothing is left out of it.
        unknown = pl.col(column).cast(pl.Float64).fill_null(float("nan")).is_nan()
        tasks = answered.group_by("task").agg(unknown.sum().alias("unknown"), pl.len())
        tasks = tasks.filter(pl.col("unknown") < pl.col("len"))
        count = int(tasks["unknown"].sum())
        if count:
            total = int(tasks["len"].sum())
            found.append(_caution("unscored", arm, count, total, f"of {arm} {consequence}"))
    return found


def _silent(frame: pl.DataFrame, arm: str, answered: int) -> list[Caution]:
    asked = frame.select("task", "prompt_id").n_unique()
    if asked == answered:
        return []
    text = f"{asked - answered} of {asked} prompts of {arm} have no output and are left out."
    return [Caution(kind="prompts", where=arm, count=asked - answered, total=asked, text=text)]


def _counts(groups: Groups, members: NDArray[np.bool_], arm: str) -> list[Caution]:
    n, found = groups.n[members], []
    most = int(n.max())
    fewer = int((n < most).sum())
    if fewer:
        found.append(
            Caution(
                kind="unequal-n", where=arm, count=fewer, total=len(n),
                text=f"{fewer} of {len(n)} prompts of {arm} have fewer outputs than the largest, "
                f"which has {most}; metrics that grow with n are a mean over unequal n.",
            )
        )  # fmt: skip
    if len(n) < _FEW_PROMPTS:
        found.append(
            Caution(
                kind="small-n", where=arm, count=len(n), total=len(n),
                text=f"{arm} has {len(n)} prompt{'s' if len(n) > 1 else ''}; intervals over so few "
                "are rough.",
            )
        )  # fmt: skip
    return found


def _between_arms(groups: Groups) -> list[Caution]:
    most = {arm: int(groups.n[groups.arm == arm].max(initial=0)) for arm in groups.arms}
    fewer = [arm for arm, n in most.items() if n < max(most.values())]
    if not fewer:
        return []
    text = (
        f"{', '.join(fewer)} ha{'s' if len(fewer) == 1 else 've'} fewer outputs a prompt than "
        "other arms; metrics that grow with n must not be compared between them (compare takes "
        "equal numbers)."
    )
    return [
        Caution(kind="unequal-n", where="all arms", count=len(fewer), total=len(most), text=text)
    ]


def _short(groups: Groups, members: NDArray[np.bool_], arm: str) -> list[Caution]:
    lengths = groups.ngrams.lengths[np.repeat(members, groups.n)]
    short = int(((lengths > 0) & (lengths < _SHORT)).sum())
    if short <= len(lengths) / 2:
        return []
    text = (
        f"of {arm} have fewer than {_SHORT} words; n-grams and embeddings have little to count "
        "there, metrics of answers (distinct_at_k, gini_simpson) serve better."
    )
    return [_caution("short", arm, short, len(lengths), text)]


def _unread(frame: pl.DataFrame, arm: str) -> list[Caution]:
    """Warn where answers are counted by their wording, and every wording is its own."""
    said = frame.filter(pl.col("text").fill_null("").str.strip_chars() != "")
    said = said.filter(pl.len().over("task", "prompt_id") > 1)
    if not said.height or said["answer"].null_count() < said.height:
        return []
    different = said.select("task", "prompt_id", "text").n_unique()
    words = said["text"].str.count_matches(r"\S+").median()
    if different < 0.95 * said.height or not isinstance(words, float) or words < _SHORT:
        return []
    text = (
        f"of {arm} are worded like no other output of their prompt and come without an answer; "
        "metrics of answers (distinct_at_k, gini_simpson) count wordings there. Count meanings "
        "with --same, or bring answers."
    )
    return [_caution("wordings", arm, different, said.height, text)]


def _floor(groups: Groups) -> list[Caution]:
    """Warn where outputs of one prompt look hardly more alike than outputs of different ones."""
    floor = groups.floor
    within = [
        1.0 - pairwise_diversity(groups.of("features", g)) for g in np.flatnonzero(groups.n >= 2)
    ]
    if math.isnan(floor) or not within:
        return []
    near = int(np.sum(np.array(within) - floor < _NEAR_FLOOR))
    if near <= len(within) / 2:
        return []
    text = (
        f"{near} of {len(within)} prompts have outputs hardly more alike to the embedder (mean "
        f"cosine {np.mean(within):.2f}) than outputs of different prompts ({floor:.2f}); the "
        "embedding has little room left to show variety."
    )
    return [Caution(kind="floor", where="all arms", count=near, total=len(within), text=text)]


def _caution(kind: str, arm: str, count: int, total: int, rest: str) -> Caution:
    text = f"{count} of {total} outputs {rest}"
    return Caution(kind=kind, where=arm, count=count, total=total, text=text)
