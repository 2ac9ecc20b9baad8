"""Write into samples which outputs of a prompt are the same answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from variegate.errors import UsageError
from variegate.judging._partition import Rule, partition
from variegate.samples import Samples

__all__ = ["classify"]


def classify(
    samples: Samples,
    same: Callable[[list[str]], Any],
    *,
    rule: Rule = "components",
    orders: int = 200,
    seed: int = 0,
    replace: bool = False,
) -> Samples:
    """Fill the column `answer` with classes of outputs that are the same, prompt by prompt.

    Outputs of all arms to one prompt are parted together, so that a class means the same in
    every arm. With classes filled in, every metric that counts answers counts these.

    Args:
        samples: the outputs; empty ones and errors keep no class.
        same: from the n texts of a prompt to (n, n) symmetric booleans: `same_words`,
            `same_by_entailment` with its classifier, a threshold on features, ...; what it
            returns may also have an attribute `same` (as `JudgedPairs`).
        rule: what to do where the relation is not transitive; see `partition`.
        orders: random orders for the rule ``"average"``, whose labels are those of one order.
        seed: for the orders.
        replace: also where the samples have answers already.

    Returns:
        The samples with classes "0", "1", ... in order of first appearance within a prompt.

    Raises:
        UsageError: `same` returns something that does not fit its texts.

    Example:
        >>> from variegate.samples import Samples
        >>> rows = [{"prompt": "A colour?", "text": t} for t in ["red", "Red!", "blue"]]
        >>> found = classify(
        ...     Samples.from_rows(rows),
        ...     lambda texts: np.array([[a[0].lower() == b[0].lower() for b in texts]
        ...                             for a in texts]),
        ... )
        >>> found.frame["answer"].to_list()
        ['0', '0', '1']
    """
    frame = samples.frame
    answers: list[str | None] = frame["answer"].to_list()
    speaks = (frame["text"].str.strip_chars() != "") & ~frame["finish"].is_in(["error"]).fill_null(
        False
    )
    rows = frame.select("task", "prompt_id", "text").with_row_index("row").filter(speaks)
    for _, group in rows.group_by("task", "prompt_id", maintain_order=True):
        texts: Sequence[str] = group["text"].to_list()
        relation = same(list(texts))
        relation = np.asarray(getattr(relation, "same", relation))
        if relation.shape != (len(texts), len(texts)):
            raise UsageError(
                f"Expected `same` to return ({len(texts)}, {len(texts)}) booleans for "
                f"{len(texts)} texts, got {relation.shape}."
            )
        found = partition(relation, rule=rule, orders=orders, seed=seed)
        for row, label in zip(group["row"].to_list(), found.labels.tolist(), strict=True):
            if replace or answers[row] is None:
                answers[row] = str(label)
    column = pl.Series("answer", answers, dtype=pl.String())
    return Samples.from_frame(
        frame.with_columns(column), source=samples.source, detected=samples.detected
    )
