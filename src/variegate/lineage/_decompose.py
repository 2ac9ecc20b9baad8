"""Decompose: did only wrong answers go, or did the right ones narrow too?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from variegate.errors import DataError, NotComparable, UnknownName, UsageError
from variegate.estimate import interval, stratum_means
from variegate.judging import answer_keys
from variegate.lineage._pairs import KINDS, PairAccount, pair_account, split
from variegate.samples import Samples

__all__ = ["Decomposition", "decompose"]

Floats = NDArray[np.float64]

CHANGES = ("total", "accuracy", "narrowing")
SIDES = ("base", "post")


@dataclass(frozen=True, kw_only=True)
class Decomposition:
    """Where the fall of the mean pairwise distance between two checkpoints came from.

    Args:
        frame: task, part, value, low, high, n_matched, note; `task` is a task or ``"all"``
            (macro mean over tasks). Parts:

            - ``total`` = ``accuracy`` + ``narrowing``: the fall of the mean distance, base
              minus post (positive is a loss), and its two parts;
            - ``accuracy_share``, ``narrowing_share``: the parts over the total; NaN where the
              interval of the total holds 0, since a share of nothing means nothing;
            - ``base_right_right`` … ``post_wrong_wrong``: mean distances of the kinds of pairs;
            - ``base_share_right_right`` … ``post_share_wrong_wrong``: shares of the pairs. On
              each side, shares times distances sum exactly to the mean distance;
            - ``base_vendi_right``, ``post_vendi_right``: effective number of different right
              outputs, both sides cut to the smaller number of right outputs of the prompt.
        per_prompt: task, prompt_id, total, accuracy, narrowing, base_right, post_right.
        base: name of the earlier checkpoint.
        post: name of the later one.
        distance: ``"embedding"`` (1 - cosine) or ``"answer"`` (0 same, 1 different).
        n_prompts: prompts that both checkpoints answered.
        n_matched: those where both have at least two right outputs; only these enter.
        level: confidence level of the intervals.
        settings: embedder, seed, resamples, subsets, outputs without a verdict.
    """

    frame: pl.DataFrame
    per_prompt: pl.DataFrame
    base: str
    post: str
    distance: str
    n_prompts: int
    n_matched: int
    level: float = 0.95
    settings: Mapping[str, Any] = field(default_factory=dict)

    def value(self, part: str, *, task: str = "all") -> float:
        """One number of the frame."""
        return float(self.frame.filter(part=part, task=task)["value"].item())


def decompose(
    samples: Samples,
    *,
    base: str,
    post: str,
    distance: Literal["embedding", "answer"] = "embedding",
    embedder: Any = None,
    features: ArrayLike | None = None,
    seed: int = 0,
    resamples: int = 2000,
    level: float = 0.95,
    subsets: int = 16,
) -> Decomposition:
    """Split the fall of diversity between two checkpoints into accuracy and narrowing.

    On matched prompts (both checkpoints have at least two right outputs), pairs of outputs are
    right–right, right–wrong or wrong–wrong, and the mean distance is their exact weighted sum.
    The fall is split over both orders of changing the mix and the distances, prompt by prompt.

    Args:
        samples: outputs of both checkpoints with `correct` filled; outputs without a verdict
            are left out and counted.
        base: arm of the earlier checkpoint.
        post: arm of the later one.
        distance: ``"embedding"`` for 1 - cosine, ``"answer"`` for 0 or 1 on canonical answers
            (the normalised text where there is none).
        embedder: name or object as `variegate.embedding.embedder` takes it.
        features: (rows of samples, d) vectors instead of an embedder.
        seed: of the bootstrap and of the subsets.
        resamples: number of bootstrap resamples over matched prompts, within tasks.
        level: confidence level.
        subsets: random subsets averaged to bring the Vendi score to equal numbers.

    Returns:
        A `Decomposition`; without a matched prompt its frame is empty and n_matched is 0.

    Raises:
        DataError: no verdicts at all, or an arm that is not there.
        NotComparable: the two arms share no prompt.
        UsageError: features of another length.

    Example:
        >>> from variegate.samples import Samples
        >>> def rows(arm, answers):
        ...     return [
        ...         {"arm": arm, "prompt_id": "p", "text": a, "answer": a, "correct": a in "ab"}
        ...         for a in answers
        ...     ]
        >>> samples = Samples.from_rows(rows("base", "abcd") + rows("rl", "aabb"))
        >>> result = decompose(samples, base="base", post="rl", distance="answer")
        >>> round(result.value("total"), 3), round(result.value("narrowing"), 3)
        (0.333, 0.194)

    Reference: Karouzos 2026, section 4.3, https://arxiv.org/abs/2604.16027; the split over
    pairs is ours, see docs/design/decomposition.md.
    """
    if distance not in ("embedding", "answer"):
        raise UnknownName("distance", distance, ["embedding", "answer"])
    frame = samples.frame.with_row_index("row")
    frame = frame.filter(pl.col("arm").is_in([base, post]))
    for arm in (base, post):
        if not (frame["arm"] == arm).any():
            raise DataError(f"Expected outputs of arm {arm!r}, found none.")
    judged = frame.filter(pl.col("correct").is_not_null())
    if not judged.height:
        raise DataError(
            "Expected outputs with a verdict, found `correct` null everywhere.",
            hint="Give the prompts a verifier and judge the samples first.",
        )
    prompts, members, common = _match(judged, base=base, post=post)
    settings: dict[str, Any] = {
        "seed": seed,
        "resamples": resamples,
        "subsets": subsets,
        "unjudged": frame.height - judged.height,
    }
    if distance == "embedding":
        vectors, name = _vectors(samples, embedder=embedder, features=features)
        settings["embedder"] = name
    else:
        vectors = None
    accounts, vendis = [], []
    fewest = [min(a, b) for a, b in zip(members[0].right, members[1].right, strict=True)]
    for side, group in enumerate(members):
        apart = _distances(samples, group, vectors)
        accounts.append(pair_account(apart, group.correct, group.present))
        rng = np.random.default_rng([seed, side])
        vendis.append(_vendi_right(apart, group.correct, fewest, subsets=subsets, rng=rng))
    parts = split(*accounts) if prompts else None
    columns = {} if parts is None else {name: getattr(parts, name) for name in CHANGES}
    per_prompt = pl.DataFrame(
        {
            "task": pl.Series([task for task, _ in prompts], dtype=pl.String),
            "prompt_id": pl.Series([prompt for _, prompt in prompts], dtype=pl.String),
            **{name: pl.Series(columns.get(name, []), dtype=pl.Float64) for name in CHANGES},
            "base_right": pl.Series(members[0].right, dtype=pl.Int64),
            "post_right": pl.Series(members[1].right, dtype=pl.Int64),
        }
    )
    return Decomposition(
        frame=_table(per_prompt, accounts, vendis, resamples=resamples, level=level, seed=seed),
        per_prompt=per_prompt,
        base=base,
        post=post,
        distance=distance,
        n_prompts=common,
        n_matched=len(prompts),
        level=level,
        settings=settings,
    )


@dataclass(frozen=True)
class _Side:
    """One checkpoint's outputs on the matched prompts, padded to (P, n)."""

    rows: NDArray[np.int64]  # rows of the samples' frame
    correct: NDArray[np.bool_]
    present: NDArray[np.bool_]

    @property
    def right(self) -> list[int]:
        return [int(n) for n in self.correct.sum(axis=1)]


def _match(
    judged: pl.DataFrame, *, base: str, post: str
) -> tuple[list[tuple[str, str]], tuple[_Side, _Side], int]:
    """Matched prompts, both sides' rows, and how many prompts the two share."""
    grouped = judged.group_by("arm", "task", "prompt_id").agg("row", "correct")
    found = {
        arm: {
            (task, prompt): (rows, correct)
            for task, prompt, rows, correct in grouped.filter(arm=arm).drop("arm").iter_rows()
        }
        for arm in (base, post)
    }
    common = sorted(set(found[base]) & set(found[post]), key=lambda key: tuple(map(str, key)))
    if not common:
        raise NotComparable(
            f"Expected prompts that {base!r} and {post!r} both answered, found none.",
            hint="Compare outputs to the same prompts; prompts are matched by task and prompt_id.",
        )
    matched = [key for key in common if all(sum(found[arm][key][1]) >= 2 for arm in found)]
    sides = []
    for arm in (base, post):
        lists = [found[arm][key] for key in matched]
        width = max((len(rows) for rows, _ in lists), default=0)
        side = _Side(
            rows=np.zeros((len(matched), width), dtype=np.int64),
            correct=np.zeros((len(matched), width), dtype=bool),
            present=np.zeros((len(matched), width), dtype=bool),
        )
        for i, (rows, correct) in enumerate(lists):
            order = np.argsort(rows)
            side.rows[i, : len(rows)] = np.asarray(rows)[order]
            side.correct[i, : len(rows)] = np.asarray(correct)[order]
            side.present[i, : len(rows)] = True
        sides.append(side)
    return matched, (sides[0], sides[1]), len(common)


def _vectors(
    samples: Samples, *, embedder: Any, features: ArrayLike | None
) -> tuple[NDArray[Any], str]:
    if features is not None:
        array = np.asarray(features, dtype=np.float64)
        if array.ndim != 2 or len(array) != len(samples):
            raise UsageError(f"Expected features ({len(samples)}, d), got {array.shape}.")
        if not np.isfinite(array).all():
            raise DataError("Expected finite features, got NaN or infinities.")
        lengths = np.linalg.norm(array, axis=1, keepdims=True)
        return np.divide(array, lengths, out=np.zeros_like(array), where=lengths > 0), "given"
    from variegate.embedding import embedder as find

    model = find(embedder)
    texts = samples.frame["text"].fill_null("").to_list()
    return np.asarray(model.encode(texts), dtype=np.float64), str(model.name)


def _distances(samples: Samples, side: _Side, vectors: NDArray[Any] | None) -> Floats:
    if vectors is not None:
        rows = vectors[side.rows]
        apart = np.clip(1 - rows @ rows.swapaxes(1, 2), 0.0, 2.0)
    else:
        codes = _answer_codes(samples)[side.rows]
        apart = (codes[:, :, None] != codes[:, None, :]).astype(np.float64)
    diagonal = np.arange(apart.shape[1])
    apart[:, diagonal, diagonal] = 0.0
    return np.asarray(apart, dtype=np.float64)


def _answer_codes(samples: Samples) -> NDArray[np.intp]:
    """Class of every output, as `gini_simpson` counts it."""
    said = answer_keys(samples.frame["answer"].to_list(), samples.frame["text"].to_list())
    return np.unique(np.array(said), return_inverse=True)[1]


def _vendi_right(
    apart: Floats,
    correct: NDArray[np.bool_],
    numbers: list[int],
    *,
    subsets: int,
    rng: np.random.Generator,
) -> Floats:
    """(P,) Vendi score of `numbers` right outputs, averaged over random subsets of that size."""
    from variegate.metrics import vendi

    out = np.full(len(apart), np.nan)
    chosen_size, right = np.array(numbers, dtype=int), correct.sum(axis=1)
    for size in np.unique(chosen_size):
        for whole in (True, False):
            here = np.flatnonzero((chosen_size == size) & ((right == size) == whole))
            if not here.size:
                continue
            draws = 1 if whole else subsets  # all right outputs: there is one subset
            keys = rng.random((here.size, draws, correct.shape[1]))
            keys[~np.broadcast_to(correct[here, None, :], keys.shape)] = np.inf
            picked = np.argsort(keys, axis=-1)[..., :size]
            kernel = (
                1 - apart[here[:, None, None, None], picked[..., :, None], picked[..., None, :]]
            )
            out[here] = np.asarray(vendi(kernel=kernel)).mean(axis=1)
    return out


def _table(
    per_prompt: pl.DataFrame,
    accounts: list[PairAccount],
    vendis: list[Floats],
    *,
    resamples: int,
    level: float,
    seed: int,
) -> pl.DataFrame:
    schema = {
        "task": pl.String,
        "part": pl.String,
        "value": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "n_matched": pl.Int64,
        "note": pl.String,
    }
    if not per_prompt.height:
        return pl.DataFrame(schema=schema)
    columns: dict[str, Floats] = {
        name: per_prompt[name].to_numpy().astype(np.float64) for name in CHANGES
    }
    for side, account, vendi in zip(SIDES, accounts, vendis, strict=True):
        for k, kind in enumerate(KINDS):
            columns[f"{side}_share_{kind}"] = account.share[:, k]
            columns[f"{side}_weighted_{kind}"] = account.weighted[:, k]
        columns[f"{side}_vendi_right"] = vendi
    stacked = np.column_stack(list(columns.values()))
    labels = per_prompt["task"].to_numpy()
    tasks = sorted(set(labels.tolist()))
    point = np.stack([stacked[labels == task].mean(axis=0) for task in tasks])
    drawn = stratum_means(stacked, strata=labels, resamples=resamples, seed=seed)
    # Tasks weigh the same in "all", so it is formed before shares and distances are.
    point = np.concatenate([point, point.mean(axis=0, keepdims=True)])
    drawn = np.concatenate([drawn, drawn.mean(axis=1, keepdims=True)], axis=1)
    values, spread = (
        _parts(dict(zip(columns, np.moveaxis(m, -1, 0), strict=True))) for m in (point, drawn)
    )
    counts = [int((labels == task).sum()) for task in tasks]
    rows = []
    for t, (task, n) in enumerate(zip([*tasks, "all"], [*counts, len(labels)], strict=True)):
        width = n > 1 if task != "all" else max(counts) > 1
        ends = {
            name: interval(part[:, t], level=level) if width else (np.nan, np.nan)
            for name, part in spread.items()
        }
        nothing = not width or bool(ends["total"][0] <= 0 <= ends["total"][1])
        for name, part in values.items():
            value, (low, high), note = float(part[t]), ends[name], ""
            if not width:
                note = "one prompt gives no interval"
            if name in ("accuracy_share", "narrowing_share") and nothing:
                value = low = high = np.nan
                note = "the total is not told apart from 0, so it has no shares"
            elif np.isnan(value):
                note = "no such pair"
            rows.append((task, name, value, float(low), float(high), n, note))
    return pl.DataFrame(rows, schema=schema, orient="row")


def _parts(means: dict[str, Floats]) -> dict[str, Floats]:
    """Every part that is shown, from means of shares and of shares times distances."""
    parts = {name: means[name] for name in CHANGES}
    for name in ("accuracy", "narrowing"):
        parts[f"{name}_share"] = _ratio(means[name], means["total"])
    for side in SIDES:
        for kind in KINDS:
            share, weighted = means[f"{side}_share_{kind}"], means[f"{side}_weighted_{kind}"]
            parts[f"{side}_{kind}"] = _ratio(weighted, share)
    for side in SIDES:
        for kind in KINDS:
            parts[f"{side}_share_{kind}"] = means[f"{side}_share_{kind}"]
    for side in SIDES:
        parts[f"{side}_vendi_right"] = means[f"{side}_vendi_right"]
    return parts


def _ratio(top: Floats, bottom: Floats) -> Floats:
    out = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom != 0)
    return out
