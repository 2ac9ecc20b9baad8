"""The prompts that two sets of samples share."""

from __future__ import annotations

import polars as pl

from variegate.errors import NotComparable
from variegate.samples._samples import Samples

__all__ = ["common_prompts"]


def common_prompts(a: Samples, b: Samples, *, require_all: bool = False) -> pl.DataFrame:
    """Return the prompts that both sides answer: columns task and prompt_id, sorted.

    Args:
        a: one side.
        b: the other side.
        require_all: refuse sides that do not answer exactly the same prompts.

    Raises:
        NotComparable: no common prompt, one id that stands for two texts, or, with `require_all`,
            a prompt that only one side answers. The message gives the sizes.

    Example:
        >>> a = Samples.from_rows([{"prompt_id": name, "text": "x"} for name in "pq"])
        >>> b = Samples.from_rows([{"prompt_id": name, "text": "x"} for name in "qr"])
        >>> common_prompts(a, b).rows()
        [('default', 'q')]
    """
    key = ["task", "prompt_id"]
    left, right = (
        side.frame.group_by(key).agg(pl.col("prompt").drop_nulls().first()) for side in (a, b)
    )
    common = left.join(right, on=key, suffix="_b").sort(key)
    sizes = (
        f"{common.height} prompts in common, {left.height - common.height} only in "
        f"{a.source or 'the first'}, {right.height - common.height} only in "
        f"{b.source or 'the second'}"
    )
    if common.is_empty():
        raise NotComparable(
            f"Expected some prompts on both sides, found {sizes}.",
            hint="Check that both answer the same prompts and that their ids and tasks agree.",
        )
    if require_all and not common.height == left.height == right.height:
        raise NotComparable(
            f"Expected the same prompts on both sides, found {sizes}.",
            hint="Compare on the prompts in common, or complete the missing ones.",
        )
    reused = common.filter(pl.col("prompt") != pl.col("prompt_b"))
    if not reused.is_empty():
        task, name = reused.row(0)[:2]
        raise NotComparable(
            f"The prompt id {name!r} (task {task!r}) stands for one text in "
            f"{a.source or 'the first'} and for another in {b.source or 'the second'}.",
            hint="Give them two ids, or leave the ids out: prompts are then named by content.",
        )
    return common.select(key)
