"""Designed sets: outputs that are no independent draws, and which metrics refuse them.

A list asked for in one call, a beam, a set chosen from more: their outputs depend on each other.
What describes the set as it was delivered stays true of it. What infers something from draws
(the chance that one of k more is right, the mass of answers not yet seen) does not: three wrong
answers of one list say less about a fourth than three wrong draws do.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from variegate.metrics._grouping import Groups
from variegate.metrics._result import Caution

__all__ = ["REFUSED", "designed", "designed_cautions", "refusing"]

# Names whose formula is one of independent draws: rarefaction to k (every k-subset is taken to
# be as likely as k new draws), and corrections for what was not seen.
REFUSED = frozenset(
    {
        "pass_at_k",
        "unique_correct_at_k",
        "distinct_at_k",
        "utility_at_k",
        "answer_entropy",
        "sample_coverage",
    }
)


def designed(groups: Groups) -> NDArray[np.bool_]:
    """(G,) whether a prompt's outputs are a designed set: any of them says `iid` is false."""
    iid = groups.frame["iid"].fill_null(True).to_numpy()
    return np.array(
        [not iid[a:b].all() for a, b in zip(groups.starts, groups.ends, strict=True)], dtype=bool
    )


def refusing(name: str, groups: Groups) -> NDArray[np.bool_]:
    """(G,) which prompts a metric must leave out because its formula is one of draws."""
    return designed(groups) & (name in REFUSED)


def designed_cautions(groups: Groups) -> list[Caution]:
    """Say, arm by arm, which numbers are of sets as they were delivered."""
    found = []
    sets = designed(groups)
    alone = groups.frame["iid"].fill_null(True)
    for arm in groups.arms:
        members = groups.arm == arm
        count = int((sets & members).sum())
        if not count:
            continue
        outputs = int(groups.frame.filter(~alone & (pl.col("arm") == arm)).height)
        text = (
            f"{count} of {int(members.sum())} prompts of {arm} have designed sets ({outputs} "
            "outputs are no independent draws): their numbers describe the set as delivered, "
            "another n asks for another set, and metrics of draws leave them out."
        )
        found.append(
            Caution(kind="designed", where=arm, count=count, total=int(members.sum()), text=text)
        )
    return found
