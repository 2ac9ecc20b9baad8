"""Equal cost: of every prompt as many outputs as the same budget pays for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from variegate.errors import NotComparable
from variegate.metrics import Caution
from variegate.samples import Samples

__all__ = ["Spent", "at_equal_cost"]

_KEY = ("task", "prompt_id")
_ROUNDING = 1 + 1e-9  # shares of one call add up to it only nearly


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What the budget paid for.

    Args:
        samples: the outputs that are compared.
        cost: arm, task, prompt_id, cost, outputs: what was spent on each prompt.
        budget: of a prompt, mean over prompts.
        cautions: what the budget left out, and who did not use it up.
    """

    samples: Samples
    cost: pl.DataFrame
    budget: float
    cautions: tuple[Caution, ...]


def at_equal_cost(
    samples: Samples,
    *,
    cost: str = "tokens",
    budget: float | None = None,
    seconds: Mapping[str, float] | None = None,
) -> Spent:
    """Keep of every arm and prompt the first outputs that one budget pays for.

    Outputs are taken in their order until the budget of the prompt is spent; outputs of one call
    are taken together or not at all. Only prompts that all arms answered are kept.

    Args:
        samples: the outputs of all arms. Draws that failed are no outputs; what they cost counts.
        cost: ``"tokens"``: the column `cost`, or the tokens of prompt and completion;
            ``"calls"``: distinct values of the column `call`, or one an output; ``"seconds"``.
        budget: for each prompt; by default what the cheapest arm took for it.
        seconds: arm → seconds of all its draws, shared evenly among them.

    Returns:
        A `Spent`.

    Raises:
        NotComparable: an arm whose cost is not known, or no prompt that all arms answered.

    Example:
        >>> said = Samples.from_rows(
        ...     {"arm": arm, "prompt_id": "p", "text": "a", "prompt_tokens": 1,
        ...      "completion_tokens": tokens}
        ...     for arm, tokens in [("short", 4), ("long", 9)] for _ in range(4)
        ... )
        >>> spent = at_equal_cost(said)
        >>> spent.budget, spent.cost["outputs"].to_list()
        (20.0, [4, 2])
    """
    frame = samples.frame.with_columns(_price(samples.frame, cost, seconds or {}))
    _refuse_unknown(frame, cost)
    frame, left_out = _answered_by_all(frame)
    rank = ["arm", *_KEY]
    own_call = pl.format("own {}", pl.int_range(pl.len()))
    calls = (
        frame.with_columns(pl.coalesce(pl.col("call"), own_call).alias("_call"))
        .group_by(*rank, "_call", maintain_order=True)
        .agg(pl.col("sample").min().alias("_first"), pl.col("_price").sum().alias("_paid"))
        .sort(*rank, "_first")
        .with_columns(pl.col("_paid").cum_sum().over(rank).alias("_until"))
    )
    totals = calls.group_by(rank).agg(pl.col("_paid").sum().alias("_total"))
    budgets = totals.filter(pl.col("_total") > 0).group_by(_KEY).agg(pl.col("_total").min())
    limit = pl.lit(budget) if budget is not None else pl.col("_total")
    paid = (
        calls.join(budgets.rename({"_total": "_least"}), on=_KEY, how="left")
        .rename({"_least": "_total"})
        .filter(pl.col("_until") <= limit * _ROUNDING)
    )
    kept = (
        frame.with_columns(pl.coalesce(pl.col("call"), own_call).alias("_call"))
        .join(paid.select(*rank, "_call"), on=[*rank, "_call"], how="semi", maintain_order="left")
        .filter(pl.col("finish").fill_null("stop") != "error")
    )
    outputs = kept.group_by(rank).agg(pl.len().alias("outputs"))
    spent = (
        totals.select(rank)
        .join(paid.group_by(rank).agg(pl.col("_paid").sum().alias("cost")), on=rank, how="left")
        .join(outputs, on=rank, how="left")
        .with_columns(pl.col("cost").fill_null(0.0), pl.col("outputs").fill_null(0))
        .sort(rank)
    )
    order = frame["arm"].unique(maintain_order=True).to_list()
    spent = spent.sort(pl.col("arm").replace_strict({a: i for i, a in enumerate(order)}), *_KEY)
    whole = float(budget) if budget is not None else float(budgets["_total"].mean() or 0.0)  # type: ignore[arg-type]
    return Spent(
        samples=Samples.from_frame(kept.drop("_price", "_call"), source=samples.source),
        cost=spent,
        budget=whole,
        cautions=(*left_out, *_unspent(totals, budget, cost), *_unpaid(spent)),
    )


def _price(frame: pl.DataFrame, cost: str, seconds: Mapping[str, float]) -> pl.Expr:
    if cost == "calls":
        shared = pl.len().over("arm", *_KEY, "call")
        return pl.when(pl.col("call").is_null()).then(1.0).otherwise(1.0 / shared).alias("_price")
    if cost == "seconds":
        each = {
            arm: seconds[arm] / rows
            for arm, rows in frame.group_by("arm").len().iter_rows()
            if arm in seconds
        }
        found = pl.col("arm").replace_strict(each, default=None, return_dtype=pl.Float64)
        return found.alias("_price")
    tokens = (pl.col("prompt_tokens") + pl.col("completion_tokens")).cast(pl.Float64)
    failed = pl.col("finish").fill_null("stop") == "error"
    return pl.coalesce(pl.col("cost"), tokens, pl.when(failed).then(0.0).otherwise(None)).alias(
        "_price"
    )


def _refuse_unknown(frame: pl.DataFrame, cost: str) -> None:
    unknown = frame.filter(pl.col("_price").is_null())["arm"].unique(maintain_order=True).to_list()
    if unknown:
        need = {
            "tokens": "a column cost, or prompt_tokens and completion_tokens",
            "seconds": "a model to ask, since saved outputs have no time",
        }[cost]
        raise NotComparable(
            f"The cost in {cost} of {', '.join(map(repr, unknown[:5]))} is not known; it needs "
            f"{need}.",
            hint='Compare at equal calls: cost = "calls".',
        )


def _answered_by_all(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[Caution]]:
    answered = frame.filter(pl.col("finish").fill_null("stop") != "error")
    sizes = answered.select("arm", *_KEY).unique()
    arms = frame["arm"].n_unique()
    counted = sizes.group_by(_KEY).len()
    common = counted.filter(pl.col("len") == arms).select(_KEY)
    if common.is_empty():
        by_arm = ", ".join(
            f"{a} {n}" for a, n in sizes.group_by("arm").len().sort("arm").iter_rows()
        )
        raise NotComparable(
            f"Expected prompts that all {arms} arms answered, found none (prompts by arm: "
            f"{by_arm}).",
            hint="Give the same prompt_id to the same prompt in every file.",
        )
    left = counted.height - common.height
    text = f"Not every arm answered every prompt; the {common.height} that all have are compared."
    cautions = [
        Caution(kind="prompts", where="all arms", count=left, total=counted.height, text=text)
    ]
    kept = frame.join(common, on=_KEY, how="semi", maintain_order="left")
    return kept, cautions if left else []


def _unspent(totals: pl.DataFrame, budget: float | None, cost: str) -> list[Caution]:
    if budget is None:
        return []
    text = f"The outputs cost less than the budget of {budget:g} {cost}; more draws would use it."
    return [
        Caution(kind="unspent", where=arm, count=short, total=total, text=text)
        for arm, short, total in totals.group_by("arm", maintain_order=True)
        .agg((pl.col("_total") < budget * 0.9).sum().alias("short"), pl.len().alias("all"))
        .sort("arm")
        .iter_rows()
        if short
    ]


def _unpaid(spent: pl.DataFrame) -> list[Caution]:
    text = "The first output already costs more than the budget; the prompt has none of this arm."
    return [
        Caution(kind="unpaid", where=arm, count=none, total=total, text=text)
        for arm, none, total in spent.group_by("arm", maintain_order=True)
        .agg((pl.col("outputs") == 0).sum().alias("none"), pl.len().alias("all"))
        .iter_rows()
        if none
    ]
