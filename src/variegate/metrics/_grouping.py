"""Samples laid out for measuring: groups of one prompt's outputs, and what metrics take of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from variegate.embedding import Embedder, Encoder, embedder, similarity_floor
from variegate.errors import DataError, UsageError
from variegate.judging import answer_keys
from variegate.metrics.texts._length import common_length, truncated
from variegate.metrics.texts._words import NGrams
from variegate.samples import Samples

__all__ = ["Groups", "outputs_only"]

Ints = NDArray[np.int64]

_LARGEST = 1e300  # of a quality: ten million of them still have a sum
_DOUBTFUL = ("empty", "filter", "length")  # outputs that a policy may leave out


def outputs_only(drop: Collection[str] = ()) -> pl.Expr:
    """Rows that count as outputs: what failed does not, nor what is to be dropped.

    Raises:
        UsageError: `drop` names something other than empty, filter and length.
    """
    if unknown := [name for name in drop if name not in _DOUBTFUL]:
        raise UsageError(
            f"Expected to drop some of {', '.join(_DOUBTFUL)}, got {unknown[0]!r}.",
            hint="Outputs with finish 'error' are always left out; all others count.",
        )
    alive = pl.col("finish").ne_missing("error")
    if "empty" in drop:
        alive &= pl.col("text").fill_null("").str.strip_chars() != ""
    for finish in sorted({"filter", "length"} & set(drop)):
        alive &= pl.col("finish").ne_missing(finish)
    return alive


class Groups:
    """The outputs, prompt by prompt and arm by arm; everything is computed when first asked for.

    Rows are ordered by arm (as they come), task, prompt and sample, so the order of the source's
    lines changes nothing.

    Args:
        samples: the outputs; errors are no outputs and are left out.
        source: of the embedder, fetched only where features are asked for.
        drop: kinds of doubtful outputs to leave out too, see `outputs_only`.
    """

    def __init__(
        self,
        samples: Samples,
        *,
        source: str | Encoder | Embedder | None,
        drop: Collection[str] = (),
    ) -> None:
        self._source = source
        frame = samples.frame.with_columns(pl.col("text").fill_null(""))
        arms = frame["arm"].unique(maintain_order=True).to_list()
        tasks = frame["task"].unique(maintain_order=True).to_list()
        self.frame = frame.filter(outputs_only(drop)).sort(
            pl.col("arm").replace_strict(arms, range(len(arms)), return_dtype=pl.Int64),
            pl.col("task").replace_strict(tasks, range(len(tasks)), return_dtype=pl.Int64),
            "prompt_id",
            "sample",
            maintain_order=True,
        )
        self.keys = self.frame.group_by("arm", "task", "prompt_id", maintain_order=True).len("n")
        self.arms, self.tasks = arms, tasks
        self.arm = np.array(self.keys["arm"].to_list(), dtype=object)
        self.task = np.array(self.keys["task"].to_list(), dtype=object)
        self.n: Ints = self.keys["n"].to_numpy().astype(np.int64)
        self.ends = np.cumsum(self.n)
        self.starts = self.ends - self.n
        self.texts: list[str] = self.frame["text"].to_list()

    def __len__(self) -> int:
        return len(self.n)

    def of(self, name: str, group: int | np.integer[Any]) -> Any:
        """What a metric's argument `name` is for one group."""
        rows = slice(self.starts[group], self.ends[group])
        if name == "n":
            return int(self.scored[rows].sum())
        if name == "c":
            return int(self.right[rows].sum())
        if name == "correct":
            return self.right[rows][self.scored[rows]]
        if name in ("quality", "quality_labels"):
            known = ~np.isnan(self.quality[rows])
            return (self.quality if name == "quality" else self.label_numbers)[rows][known]
        if name in ("confidence", "outcome"):
            both = self._holding("correct")[rows] & self._holding("logprob")[rows]
            return (np.exp(self.logprob) if name == "confidence" else self.right)[rows][both]
        if name == "prompt_features":
            return self.prompt_features[group]
        if name in ("class_counts", "scored_class_counts", "class_correct", "answers_known"):
            return getattr(self, name)[group]
        return getattr(self, name)[rows]

    def has(self, need: str) -> NDArray[np.bool_]:
        """(G,) whether a group holds what a metric needs."""
        return np.asarray(self._sum(self._holding(need)) > 0)

    def outputs(self, needs: tuple[str, ...]) -> Ints:
        """(G,) outputs of a group that count for these needs: that hold all of them."""
        return self._sum(np.logical_and.reduce([self._holding(need) for need in needs]))

    def _holding(self, need: str) -> NDArray[np.bool_]:
        """Rows that hold what a metric needs; every row has a text, a class and features."""
        if need == "correct":
            return self.scored
        if need == "quality":
            return ~np.isnan(self.quality)
        if need == "logprob":
            return ~np.isnan(self.logprob)
        if need in ("token_entropies", "token_logprobs"):
            return np.array([len(one) > 0 for one in getattr(self, need)], dtype=bool)
        return np.ones(len(self.texts), dtype=bool)

    def _sum(self, rows: NDArray[np.bool_]) -> Ints:
        totals = np.concatenate([[0], np.cumsum(rows)])
        return np.asarray(totals[self.ends] - totals[self.starts], dtype=np.int64)

    @cached_property
    def embedder(self) -> Embedder:
        """What turns texts into features."""
        return embedder(self._source)

    @cached_property
    def scored(self) -> NDArray[np.bool_]:
        """Rows that are known to be right or wrong."""
        return np.asarray(self.frame["correct"].is_not_null().to_numpy())

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Rows that are right."""
        return self.frame["correct"].fill_null(False).to_numpy()

    @cached_property
    def quality(self) -> NDArray[np.float64]:
        """Quality of each row; NaN where unknown."""
        values = self.frame["quality"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        if (beyond := np.abs(values) > _LARGEST).any():
            arm, task, prompt_id, sample = self.frame.select(
                "arm", "task", "prompt_id", "sample"
            ).row(first := int(beyond.argmax()))
            raise DataError(
                f"Expected a finite quality of which sums are finite too, got {values[first]:g} "
                f"and the like for {int(beyond.sum())} outputs, first for sample {sample} of "
                f"prompt {prompt_id!r} (arm {arm!r}, task {task!r}).",
                hint="Say null where the quality of an output is unknown.",
            )
        return values

    @cached_property
    def logprob(self) -> NDArray[np.float64]:
        """Log-probability of each row; NaN where unknown."""
        values: NDArray[np.float64] = (
            self.frame["logprob"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        )
        wrong = values[np.isinf(values) | (values > 1e-6)]
        if len(wrong):
            raise DataError(
                f"Expected log-probabilities of outputs, finite and at most 0, got {wrong[0]:g}.",
                hint="Say null where it is unknown; a probability is not its logarithm.",
            )
        return np.asarray(np.minimum(values, 0.0))

    @cached_property
    def token_entropies(self) -> list[NDArray[np.float64]]:
        """Entropies along each row; empty where unknown."""
        return self._sequences("token_entropies")

    @cached_property
    def token_logprobs(self) -> list[NDArray[np.float64]]:
        """Log-probabilities of the tokens of each row; empty where unknown."""
        return self._sequences("token_logprobs")

    def _sequences(self, name: str) -> list[NDArray[np.float64]]:
        column = self.frame[name]
        lengths = column.list.len().fill_null(0).to_numpy()
        # explode gives one null for a null or empty list; dropping those leaves the true values.
        flat = column.filter(pl.Series(lengths > 0)).explode().to_numpy()
        return np.split(flat, np.cumsum(lengths)[:-1])

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """(rows, d) unit rows; see `_told_apart` for empty outputs."""
        return _told_apart(self._encoded)

    @cached_property
    def cut_features(self) -> NDArray[np.float32]:
        """Features of the outputs cut to one length; what was not cut is not embedded again."""
        cut = [row for row, text in enumerate(self.texts) if text != self.cut_texts[row]]
        rows = self._encoded.copy()
        if cut:
            rows[cut] = self.embedder.encode([self.cut_texts[row] for row in cut])
        return _told_apart(rows)

    @cached_property
    def _encoded(self) -> NDArray[np.float32]:
        return self.embedder.encode(self.texts)

    @cached_property
    def cut_texts(self) -> list[str]:
        """Outputs cut to the common length of their prompt, over all arms."""
        tokens = self.ngrams.lengths
        members: dict[tuple[str, str], list[int]] = {}
        for group, key in enumerate(zip(self.task, self.keys["prompt_id"], strict=True)):
            members.setdefault(key, []).append(group)
        cut = list(self.texts)
        for groups in members.values():
            spans = [range(self.starts[g], self.ends[g]) for g in groups]
            length = common_length(*(tokens[span.start : span.stop] for span in spans))
            for row in (row for span in spans for row in span if tokens[row] > length):
                cut[row] = truncated([self.texts[row]], length=length)[0]
        return cut

    @cached_property
    def ngrams(self) -> NGrams:
        """N-grams of all outputs."""
        return NGrams(self.texts, list(self.n))

    @cached_property
    def cut_ngrams(self) -> NGrams:
        """N-grams of the outputs cut to one length."""
        if self.cut_texts == self.texts:
            return self.ngrams
        return NGrams(self.cut_texts, list(self.n))

    @cached_property
    def labels(self) -> list[str]:
        """Class of each row: its canonical answer, or its normalised text where it has none."""
        return answer_keys(self.frame["answer"].to_list(), self.texts)

    @cached_property
    def label_numbers(self) -> Ints:
        """`labels` as whole numbers."""
        return np.unique(np.array(self.labels, dtype=object), return_inverse=True)[1]

    @cached_property
    def prompt_features(self) -> NDArray[np.float32]:
        """(G, e) features of the prompts; one without words is unlike every other."""
        prompts = self.frame["prompt"].gather(self.starts).fill_null("").to_list()
        return _told_apart(self.embedder.encode(prompts))

    @cached_property
    def answers_known(self) -> Ints:
        """(G,) different answers to the prompt of a group, over all arms."""
        seen: dict[tuple[str, str], set[str]] = {}
        keys = list(zip(self.task, self.keys["prompt_id"], strict=True))
        for key, start, end in zip(keys, self.starts, self.ends, strict=True):
            seen.setdefault(key, set()).update(self.labels[start:end])
        return np.array([len(seen[key]) for key in keys], dtype=np.int64)

    @cached_property
    def class_counts(self) -> Ints:
        """(G, C) outputs of each class, padded with zeros."""
        return self._count([(label, True) for label in self.labels])[0]

    @cached_property
    def scored_class_counts(self) -> Ints:
        """(G, C) scored outputs of each class; an answer both right and wrong is two classes."""
        return self._scored_classes[0]

    @cached_property
    def class_correct(self) -> NDArray[np.bool_]:
        """(G, C) which of `scored_class_counts` are right."""
        return self._scored_classes[1]

    @cached_property
    def _scored_classes(self) -> tuple[Ints, NDArray[np.bool_]]:
        return self._count(
            [
                (label, right) if scored else None
                for label, right, scored in zip(
                    self.labels, self.right.tolist(), self.scored.tolist(), strict=True
                )
            ]
        )

    def _count(self, labels: Sequence[tuple[str, bool] | None]) -> tuple[Ints, NDArray[np.bool_]]:
        tallies: list[dict[tuple[str, bool], int]] = []
        for start, end in zip(self.starts, self.ends, strict=True):
            tally: dict[tuple[str, bool], int] = {}
            for label in labels[start:end]:
                if label is not None:
                    tally[label] = tally.get(label, 0) + 1
            tallies.append(tally)
        counts = np.zeros((len(tallies), max(map(len, tallies), default=0)), dtype=np.int64)
        right = np.zeros(counts.shape, dtype=bool)
        for row, tally in enumerate(tallies):
            counts[row, : len(tally)] = list(tally.values())
            right[row, : len(tally)] = [label[1] for label in tally]
        return counts, right

    @cached_property
    def floor(self) -> float:
        """Mean cosine between outputs of different prompts."""
        prompts = self.frame.select(pl.struct("task", "prompt_id").rank("dense")).to_series()
        filled = np.array([bool(text.strip()) for text in self.texts], dtype=bool)
        return similarity_floor(self.features[filled], prompts.to_numpy()[filled])


def _told_apart(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give outputs without direction a dimension of their own.

    Left as zeros, two empty outputs would count as unlike each other, and a model that says
    nothing would look various.
    """
    blank = np.asarray(~rows.any(axis=1))
    if not blank.any():
        return rows
    return np.concatenate([rows, blank[:, None].astype(np.float32)], axis=1)
