"""Are said probabilities the frequencies they claim to be?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from variegate.divergences import kl
from variegate.errors import NotComparable, UsageError
from variegate.estimate import Estimate, bootstrap, bounded
from variegate.judging import answer_keys
from variegate.samples import Samples

__all__ = ["SaidCalibration", "said_calibration", "sharpened"]

Floats = NDArray[np.float64]
_GROUP = ["task", "prompt_id"]


def sharpened(p: ArrayLike, *, rho: float) -> Floats:
    """The law of typicality bias: p^ρ, normalised.

    Where a reward adds α log p_ref to what is truly good, the best policy on answers that are
    equally good is p_ref^ρ with ρ = 1 + α/β. A temperature of ρ undoes it.

    Args:
        p: (..., V) probabilities of the reference.
        rho: 1 leaves them, more sharpens, 0 is uniform over what is possible.

    Returns:
        (..., V) probabilities.

    Example:
        >>> sharpened([0.4, 0.3, 0.2, 0.1], rho=2).round(4).tolist()
        [0.5333, 0.3, 0.1333, 0.0333]

    Reference: `Zhang 2025 <https://arxiv.org/abs/2510.01171>`_.
    """
    q = np.asarray(p, dtype=np.float64)
    if (q < 0).any() or not np.isfinite(q).all() or not (q.sum(axis=-1) > 0).all() or rho < 0:
        raise UsageError("Expected probabilities >= 0 with a positive sum, and rho >= 0.")
    with np.errstate(divide="ignore"):
        lp = np.where(q > 0, rho * np.log(q, where=q > 0, out=np.zeros_like(q)), -np.inf)
    w: Floats = np.exp(lp - lp.max(axis=-1, keepdims=True))
    normalised: Floats = w / w.sum(axis=-1, keepdims=True)
    return normalised


@dataclass(frozen=True, kw_only=True)
class SaidCalibration:
    """How far said probabilities are from frequencies.

    Args:
        error: mean |said - frequency| over the answers of a prompt, then over prompts, with its
            interval; 0 to 1. Chance alone opens a gap of about 0.8 √(f (1 - f) / m) with m draws.
        kl: mean over prompts of KL(said ‖ drawn) in nats, all answers not said as one further
            answer, and half a draw added to each; 0 and more.
        bins: one row a bin of said probability: low, high, prompts, answers, said, frequency,
            frequency_low, frequency_high. Means over prompts.
        unsaid: rows without a said probability, left out.
        settings: bins, level, draws a prompt (median).
    """

    error: Estimate
    kl: Estimate
    bins: pl.DataFrame
    unsaid: int
    settings: Mapping[str, Any] = field(default_factory=dict)


def said_calibration(
    said: Samples, drawn: Samples, *, bins: int = 10, level: float = 0.95, seed: int = 0
) -> SaidCalibration:
    """Compare what a model said its probabilities were with how often it gives those answers.

    Two rows have one answer where the column `answer` says so, or where their texts are the same
    but for case, space and punctuation. An answer said more than once counts with its mean.

    Args:
        said: rows with `said_probability`.
        drawn: independent draws for the same prompts (`Direct`).
        bins: of equal width on [0, 1].
        level: of the intervals.
        seed: of the bootstrap over prompts.

    Returns:
        `SaidCalibration`.

    Raises:
        NotComparable: no prompt with both.
        UsageError: drawn rows that are no independent draws, or bins < 1.

    Example:
        >>> said = [{"prompt": "Coin?", "text": t, "said_probability": p}
        ...         for t, p in [("heads", 0.5), ("tails", 0.5)]]
        >>> drawn = [{"prompt": "Coin?", "text": t} for t in ["heads", "tails"] * 10]
        >>> found = said_calibration(Samples.from_rows(said), Samples.from_rows(drawn))
        >>> found.error.value, found.bins["answers"].sum()
        (0.0, 2)
    """
    if bins < 1:
        raise UsageError(f"Expected at least 1 bin, got {bins}.")
    if drawn.frame["iid"].eq(False).any():
        raise UsageError(
            "Expected independent draws to compare with, got rows of a designed set.",
            hint="Draw them with the way of asking 'direct'.",
        )
    claims = _keyed(said.frame)
    spoken = claims.filter(pl.col("said_probability").is_not_null())
    listed = spoken.group_by(*_GROUP, "key", maintain_order=True).agg(
        pl.col("said_probability").mean().alias("said")
    )
    counts = _keyed(drawn.frame).group_by(*_GROUP, "key").len("count")
    totals = counts.group_by(_GROUP).agg(pl.col("count").sum().alias("draws"))
    table = (
        listed.join(totals, on=_GROUP, how="inner", maintain_order="left")
        .join(counts, on=[*_GROUP, "key"], how="left", maintain_order="left")
        .with_columns(pl.col("count").fill_null(0))
        .with_columns((pl.col("count") / pl.col("draws")).alias("frequency"))
    )
    if not table.height:
        raise NotComparable("No prompt has both said probabilities and independent draws.")
    table = table.with_columns(
        (pl.col("said") * bins).floor().clip(0, bins - 1).cast(pl.Int64).alias("bin"),
        (pl.col("said") - pl.col("frequency")).abs().alias("gap"),
    )
    prompts = table.group_by(_GROUP, maintain_order=True).agg(pl.all())
    divergences = [
        _kl(np.array(row["said"]), np.array(row["count"]), row["draws"][0])
        for row in prompts.iter_rows(named=True)
    ]
    gaps = prompts["gap"].list.mean().to_numpy()
    kls = bootstrap(divergences, level=level, seed=seed)
    assert isinstance(kls, Estimate)
    return SaidCalibration(
        error=bounded(gaps, level=level),
        kl=kls,
        bins=_binned(table, bins=bins, level=level),
        unsaid=claims.height - spoken.height,
        settings={"bins": bins, "level": level, "draws": table["draws"].median()},
    )


def _keyed(frame: pl.DataFrame) -> pl.DataFrame:
    frame = frame.filter(pl.col("finish").ne_missing("error"))
    keys = answer_keys(frame["answer"].to_list(), frame["text"].to_list())
    return frame.select(*_GROUP, "said_probability", pl.Series("key", keys, dtype=pl.String()))


def _kl(said: Floats, count: Floats, draws: int) -> float:
    """KL(said ‖ drawn), the rest of either side as one further answer."""
    total = max(float(said.sum()), 1.0)
    p = np.append(said / total, max(0.0, 1 - float(said.sum()) / total))
    q = np.append(count, draws - count.sum()) + 0.5
    return float(kl(p / p.sum(), q / q.sum()))


def _binned(table: pl.DataFrame, *, bins: int, level: float) -> pl.DataFrame:
    rows = []
    for place in range(bins):
        inside = table.filter(pl.col("bin") == place)
        if not inside.height:
            continue
        by_prompt = inside.group_by(_GROUP).agg(pl.col("said", "frequency").mean())
        seen = bounded(by_prompt["frequency"].to_numpy(), level=level)
        rows.append(
            {
                "low": place / bins,
                "high": (place + 1) / bins,
                "prompts": by_prompt.height,
                "answers": inside.height,
                "said": float(np.mean(by_prompt["said"].to_numpy())),
                "frequency": seen.value,
                "frequency_low": seen.low,
                "frequency_high": seen.high,
            }
        )
    return pl.DataFrame(rows)
