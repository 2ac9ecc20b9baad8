"""chooser: a way of choosing as a step from samples to samples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from variegate.choosing._best import best_of
from variegate.choosing._least_likely import least_likely
from variegate.choosing._risk import k_medoids, majority
from variegate.choosing._spread import METHODS, spread
from variegate.embedding import Embedder, embedder
from variegate.errors import UnknownName, UsageError
from variegate.samples import Samples

__all__ = ["CHOOSERS", "Chooser", "chooser"]

Ints = NDArray[np.int64]

CHOOSERS: dict[str, str] = {
    "random": "k answers by lot: the control at the same cost",
    "best-of": "the answer of highest quality",
    "majority": "the first answer that says what most say",
    "least-risk": "the answer most like all others",
    "least-likely": "the right answer the model found least likely",
    "dpp": "k answers that differ, by determinant",
    "mmr": "k answers that are good and unlike those picked before",
    "facility-location": "k answers so that every answer has one like it",
    "k-medoids": "k answers so that every answer has one like it, by exchange",
}
"""The ways of choosing, and what each keeps."""

_PARAMETERS = {
    "least-likely": {"form", "quantile", "same_length"},
    **{method: {"floor", "weight"} for method in METHODS},
}
_ONE = ("best-of", "majority", "least-risk", "least-likely")


@dataclass(frozen=True, kw_only=True)
class Chooser:
    """A way of choosing with its settings; `apply` runs it on a table."""

    name: str
    k: int = 1
    seed: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        """Everything that makes the choice what it is."""
        return {"choosing": self.name, "k": self.k, "seed": self.seed, **self.parameters}

    def apply(self, samples: Samples, *, embedder: str | Embedder | None = None) -> Samples:
        """Keep the chosen outputs of every prompt of every arm; they pay for all.

        Outputs that failed or are empty are never chosen, but their cost counts. What is kept is
        no set of independent draws any more, chance (``"random"``) excepted. A prompt where
        nothing can be chosen keeps one failed row, so that it is counted.

        Args:
            samples: the candidates, with the columns the way of choosing reads: quality, answer,
                correct, logprob.
            embedder: where likeness is read from texts.

        Raises:
            UsageError: a column that is needed is empty.
        """
        return _apply(self, samples, embedder)


def chooser(name: str, *, k: int = 1, seed: int = 0, **parameters: Any) -> Chooser:
    """Make a way of choosing by name.

    Args:
        name: one of `CHOOSERS`.
        k: answers to keep a prompt; 1 for the ways that keep one.
        seed: for ``"random"``.
        parameters: of `spread` (floor, weight) or `least_likely` (form, quantile, same_length).

    Returns:
        A `Chooser`.

    Raises:
        UnknownName: another name.
        UsageError: k < 1, k > 1 where one is kept, or a parameter it does not have.

    Example:
        >>> from variegate.samples import Samples
        >>> rows = [{"prompt": "Name a fruit.", "text": t, "quality": q, "completion_tokens": 2}
        ...         for t, q in [("apple", 0.2), ("kiwi", 0.9), ("plum", 0.5)]]
        >>> kept = chooser("best-of").apply(Samples.from_rows(rows)).frame
        >>> kept["text"].to_list(), kept["cost"].to_list()
        (['kiwi'], [6.0])
    """
    if name not in CHOOSERS:
        raise UnknownName("way of choosing", name, CHOOSERS)
    if k < 1 or (name in _ONE and k > 1):
        raise UsageError(f"Expected k {'= 1' if name in _ONE else '>= 1'} for {name}, got {k}.")
    strange = sorted(parameters.keys() - _PARAMETERS.get(name, set()))
    if strange:
        known = ", ".join(sorted(_PARAMETERS.get(name, set()))) or "none"
        raise UsageError(f"{name} has no parameter {strange[0]!r}; it has: {known}.")
    return Chooser(name=name, k=k, seed=seed, parameters=parameters)


def _apply(way: Chooser, samples: Samples, by: str | Embedder | None) -> Samples:
    frame = samples.frame.with_row_index("_row").with_columns(
        _paid=pl.coalesce(
            "cost",
            (pl.col("prompt_tokens").fill_null(0) + pl.col("completion_tokens").fill_null(0)).cast(
                pl.Float64()
            ),
        )
    )
    vectors = None
    if way.name in METHODS or (way.name == "least-risk" and frame["answer"].null_count()):
        made = by if isinstance(by, Embedder) else embedder(by)
        vectors = made.encode(frame["text"].fill_null("").to_list()).astype(np.float64)
    nothing = {name: pl.lit(None, frame.schema[name]) for name in ("correct", "quality", "answer")}
    keep: list[pl.DataFrame] = []
    groups = frame.group_by("arm", "task", "prompt_id", maintain_order=True)
    for place, (_, group) in enumerate(groups):
        usable = group.filter(
            (pl.col("finish") != "error").fill_null(True) & (pl.col("text").str.strip_chars() != "")
        )
        chosen = _choose(way, usable, vectors, place) if len(usable) else np.zeros(0, np.int64)
        if len(chosen):
            kept = usable[chosen.tolist()]
        else:
            kept = group[:1].with_columns(text=pl.lit(""), finish=pl.lit("error"), **nothing)
        keep.append(
            kept.with_columns(
                cost=pl.lit(float(group["_paid"].sum()) / len(kept)),
                iid=pl.col("iid") if way.name == "random" else pl.lit(False),
            )
        )
    if not keep:
        return samples
    found = pl.concat(keep).sort("_row").drop("_row", "_paid")
    found = found.select(samples.frame.columns).cast(samples.frame.schema)
    return Samples.from_frame(found, source=samples.source, detected=samples.detected)


def _choose(
    way: Chooser, rows: pl.DataFrame, vectors: NDArray[np.float64] | None, place: int
) -> Ints:
    if way.name == "random":
        drawn = np.random.default_rng([way.seed, place]).permutation(len(rows))
        return np.sort(drawn[: way.k])
    if way.name == "best-of":
        quality = _column(way, rows, "quality")
        return np.array([best_of(quality)])
    if way.name == "majority":
        said = rows["answer"].to_list()
        return np.array([majority(said)]) if any(a is not None for a in said) else _none()
    if way.name == "least-likely":
        found = least_likely(
            _column(way, rows, "logprob"),
            _column(way, rows, "completion_tokens"),
            rows["correct"].fill_null(False).to_numpy(),
            **way.parameters,
        )
        return _none() if found is None else np.array([found])
    if way.name == "least-risk":
        if vectors is None:
            answers = np.array(rows["answer"].to_list())
            return k_medoids((answers[:, None] == answers).astype(float), 1).indices
        own = vectors[rows["_row"].to_numpy()]
        return k_medoids(own @ own.T, 1).indices
    assert vectors is not None
    needs = way.parameters.get("weight", 0) or way.parameters.get("floor", -math.inf) > -math.inf
    return spread(
        vectors[rows["_row"].to_numpy()],
        way.k,
        method=way.name,
        quality=_column(way, rows, "quality") if needs else None,
        **way.parameters,
    )


def _column(way: Chooser, rows: pl.DataFrame, name: str) -> NDArray[np.float64]:
    column = rows[name]
    if column.null_count():
        raise UsageError(
            f"Choosing by {way.name} needs the column {name!r}; it is empty for "
            f"{column.null_count()} of {len(column)} outputs of prompt {rows['prompt_id'][0]!r}.",
            hint="Run the outputs through a verifier or a judge first, or keep log-probabilities.",
        )
    return column.cast(pl.Float64()).to_numpy()


def _none() -> Ints:
    return np.zeros(0, dtype=np.int64)
