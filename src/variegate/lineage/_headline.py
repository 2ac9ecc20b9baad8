"""The answer in two or three sentences, made from the numbers and carried by their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from variegate.lineage._losses import MEAN_OF_RATIOS
from variegate.lineage._result import StageInfo

__all__ = ["headline"]

_LINES_AT_MOST = 3


@dataclass(frozen=True)
class _Number:
    """A number with its interval and the prompts behind it."""

    value: float
    low: float
    high: float
    n: int

    @property
    def known(self) -> bool:
        return all(math.isfinite(x) for x in (self.value, self.low, self.high))

    def covers(self, point: float) -> bool:
        return not self.known or self.low <= point <= self.high

    def percent(self, *, of: float = 1.0) -> str:
        ends = (
            "no interval"
            if not self.known
            else f"{_whole(self.low * of)}, {_whole(self.high * of)}"
        )
        return f"{_whole(self.value * of)}% [{ends}]"

    def would_tell(self, point: float) -> str:
        """How many prompts would tell this value from the point: widths shrink as 1/√n."""
        away = abs(self.value - point)
        half = (self.high - self.low) / 2
        if not self.known or not self.n or away == 0:
            return "no number of prompts would tell a difference of zero"
        needed = self.n * (half / away) ** 2
        if needed > 100_000:
            return "more than 100,000 prompts would be needed to tell"
        if needed <= self.n:
            # The interval is lopsided and covers the point with its longer side.
            needed = 2 * self.n
        return f"about {_rounded(needed):,} prompts would tell"


def headline(
    *,
    stages: Sequence[StageInfo],
    metric: str,
    levels: pl.DataFrame,
    losses: pl.DataFrame,
    retained: pl.DataFrame,
    decomposition: pl.DataFrame,
    formats: pl.DataFrame,
    metrics: Mapping[str, Mapping[str, Any]] | None = None,
    among: Mapping[str, int] | None = None,
) -> tuple[str, ...]:
    """Say what the tables of a trace say, and no more than their intervals carry.

    First what every line keeps and which step took most of it; then, for the line that lost
    most, how much of the loss is wrong answers going away; then what the template does. Where an
    interval covers no effect, the sentence says that nothing can be told, and about how many
    prompts would tell it: n · (half width / effect)², since widths shrink as 1/√n.

    Args:
        stages: root first.
        metric: the metric that leads.
        levels: as in `Trace`, and so are the next four.
        losses: of every step.
        retained: at every stage.
        decomposition: of every stage against the root.
        formats: of every stage that was asked raw too.
        metrics: titles and roles by metric name.
        among: for the metrics that count answers, among how many they count them.

    Returns:
        One to four sentences of plain text.
    """
    root = stages[0]
    lines = _ends_of_lines(stages)
    if not lines:
        return (f"Only {root.name} was traced: there is nothing to compare it with.",)
    about = (metrics or {}).get(metric, {})
    title = str(about.get("title", ""))
    title = title[:1].lower() + title[1:]
    whole = f"the variety of {root.name}" + (f" ({title})" if title else "")
    if about.get("role", "variety") != "variety":
        whole = f"the {title} of {root.name}"
    kept = {stage.name: _kept(stage, retained, losses, metric) for stage in lines}
    told = [s for s in lines if kept[s.name].known]
    if not told:
        return (
            f"Nothing can be told about {metric}: it takes two prompts of a task with a value at "
            "every stage.",
        )
    told.sort(key=lambda stage: kept[stage.name].value)
    sentences = [_what_is_kept(told, kept, whole)]
    lost = [stage for stage in told if kept[stage.name].high < 100]
    if lost:
        steps = _which_step(lost[:_LINES_AT_MOST], stages, losses, metric)
        sentences[0] = f"{sentences[0]} {steps}".strip()
    counted = _in_words(told[0], root, levels, among or {}) if lost else ""
    if counted:
        sentences.append(counted)
    if lost:
        sentences += _only_wrong_answers(lost[0], decomposition)
    return (*sentences, *_weights_or_format(told[0], formats, metric, title or metric))


def _ends_of_lines(stages: Sequence[StageInfo]) -> list[StageInfo]:
    parents = {stage.parent for stage in stages}
    return [stage for stage in stages if stage.name not in parents and stage.parent is not None]


def _kept(
    stage: StageInfo,
    retained: pl.DataFrame,
    losses: pl.DataFrame,
    metric: str,
) -> _Number:
    where = {"stage": stage.name, "task": MEAN_OF_RATIOS, "metric": metric}
    n = _first(losses, where).get("n_prompts", 0)
    return _number(_first(retained, where), "percent", n)


def _what_is_kept(told: Sequence[StageInfo], kept: Mapping[str, _Number], whole: str) -> str:
    changed = [stage for stage in told if not kept[stage.name].covers(100)]
    unsure = [stage for stage in told if kept[stage.name].covers(100)]
    parts = []
    for place, stage in enumerate(changed[:_LINES_AT_MOST]):
        number = kept[stage.name]
        verb = "keeps" if number.high < 100 else "has"
        of = f" of {whole}" if place == 0 else ""
        parts.append(f"{_line(stage)} {verb} {number.percent()}{of}")
    if len(changed) > _LINES_AT_MOST:
        last = kept[changed[-1].name]
        parts.append(f"{len(changed) - _LINES_AT_MOST} more up to {last.percent()}")
    sentence = _and(parts) + "." if parts else ""
    if unsure:
        stage = unsure[0]
        number = kept[stage.name]
        rest = f" (and {len(unsure) - 1} more)" if len(unsure) > 1 else ""
        of = "" if parts else f" of {whole}"
        sentence += (
            f" For {_line(stage)}{rest} nothing can be told: {number.percent()}{of}; "
            f"{number.would_tell(100)}."
        )
    sentence = sentence.strip()
    return sentence[0].upper() + sentence[1:]


def _which_step(
    lost: Sequence[StageInfo], stages: Sequence[StageInfo], losses: pl.DataFrame, metric: str
) -> str:
    by_name = {stage.name: stage for stage in stages}
    found: dict[str, str] = {}
    unclear = []
    for end in lost:
        path, at = [], end
        while at.parent is not None:
            path.append(at)
            at = by_name[at.parent]
        steps = [
            (step, _number(row, "percent", row["n_prompts"]))
            for step in reversed(path)
            if (
                row := _first(
                    losses, {"stage": step.name, "task": MEAN_OF_RATIOS, "metric": metric}
                )
            )
        ]
        if len(steps) < 2:
            continue
        steps.sort(key=lambda pair: pair[1].value)
        (worst, most), (_, second) = steps[:2]
        if most.known and second.known and most.high < min(second.low, 0):
            found[worst.name] = f"{worst.name} ({most.percent()})"
        else:
            unclear.append(_line(end))
    parts = []
    if found:
        parts.append(f"The largest step is {_and(list(found.values()))}, in percent of the root.")
    if unclear:
        parts.append(f"Which step of {_and(unclear)} took most cannot be told.")
    return " ".join(parts)


def _in_words(
    stage: StageInfo, root: StageInfo, levels: pl.DataFrame, among: Mapping[str, int]
) -> str:
    """Say effective numbers in words, by the first metric that counts answers."""
    for metric, k in among.items():
        now, before = (
            _number(_first(levels, {"stage": s.name, "task": "all", "metric": metric}), "value", 0)
            for s in (stage, root)
        )
        if now.known and before.known:
            return (
                f"That is about {_count(now)} different answers in {k} at {stage.name}, "
                f"where {root.name} gives about {_count(before)}."
            )
    return ""


def _only_wrong_answers(stage: StageInfo, decomposition: pl.DataFrame) -> list[str]:
    here = decomposition.filter(pl.col("stage") == stage.name)
    tasks = [t for t in here["task"].unique(maintain_order=True).to_list() if t != "all"]
    if not tasks:
        return ["Whether only wrong answers went cannot be told: too few outputs are judged right."]
    clear: dict[str, list[str]] = {
        "wrong answers going away": [],
        "narrowing": [],
        "narrowing, while more wrong answers came,": [],
    }
    unsure: list[tuple[str, _Number]] = []
    for task in tasks:
        total, accuracy = (
            _number(row, "value", row.get("n_matched", 0))
            for row in (
                _first(here, {"task": task, "part": part}) for part in ("total", "accuracy_share")
            )
        )
        if not total.known or not accuracy.known or total.low <= 0:
            continue
        # On the share's own scale: the narrowing is what is left of 1.
        narrowing = _Number(1 - accuracy.value, 1 - accuracy.high, 1 - accuracy.low, accuracy.n)
        if accuracy.covers(0.5):
            unsure.append((task, accuracy))
        else:
            side, share = "wrong answers going away", accuracy
            if narrowing.value > 0.5:
                share = narrowing
                side = list(clear)[2 if narrowing.low > 1 else 1]
            clear[side].append(f"{share.percent(of=100)} on {task} ({share.n} matched prompts)")
    parts = [f"{side} is {_and(cells)}" for side, cells in clear.items() if cells]
    sentences = []
    if parts:
        sentences.append(f"Of what {stage.name} lost, {'; '.join(parts)}.")
    if unsure:
        task, share = unsure[0]
        more = f" (and {len(unsure) - 1} more tasks)" if len(unsure) > 1 else ""
        sentences.append(
            f"On {task}{more} it cannot be told whether wrong answers or narrowing weigh more: "
            f"{share.percent(of=100)} is wrong answers; {share.would_tell(0.5)}."
        )
    if not sentences:
        return [
            "Whether only wrong answers went cannot be told: on no task did the prompts with two "
            "right answers at both ends lose enough to split."
        ]
    return [" ".join(sentences)]


def _weights_or_format(
    stage: StageInfo, formats: pl.DataFrame, metric: str, title: str
) -> list[str]:
    rows = {
        row["step"]: _number(row, "value", row["n_prompts"])
        for row in formats.filter(
            (pl.col("stage") == stage.name)
            & (pl.col("task") == "all")
            & (pl.col("metric") == metric)
        ).iter_rows(named=True)
    }
    if not {"base", "stage", "tuning", "template", "reasoning"} <= rows.keys():
        return []
    total = rows["stage"].value - rows["base"].value
    said, unsure = [], []
    for step, words in (("template", "the chat template"), ("reasoning", "the reasoning")):
        number = rows[step]
        if not number.known or number.low == number.high == 0:
            continue
        if number.covers(0):
            unsure.append(f"{words} ({_signed(number)}; {number.would_tell(0)})")
        else:
            said.append(f"{words} alone makes {_signed(number)}")
    if not said and not unsure:
        return []
    sentence = ""
    if said:
        sentence = f"Of the change of {_digits(total)} in {title} at {stage.name}, {_and(said)}."
    if unsure:
        sentence += f" Nothing can be told about {_and(unsure)}."
    return [sentence.strip()]


def _first(frame: pl.DataFrame, where: Mapping[str, str]) -> dict[str, Any]:
    found = frame.filter(*(pl.col(column) == value for column, value in where.items()))
    return {} if found.is_empty() else found.row(0, named=True)


def _number(row: Mapping[str, Any], column: str, n: int | None) -> _Number:
    value, low, high = (
        math.nan if (x := row.get(name)) is None else float(x) for name in (column, "low", "high")
    )
    return _Number(value, low, high, int(n or 0))


def _line(stage: StageInfo) -> str:
    return stage.name if stage.branch == stage.name else f"the {stage.branch} line"


def _whole(value: float) -> str:
    """Percent to whole points, with a digit more where the whole would hide a side of 100."""
    text = f"{value:.1f}" if 0 < abs(value - 100) < 0.5 else f"{value:.0f}"
    return "0" if text == "-0" else text.replace("-", "−")


def _digits(value: float, *, like: float | None = None) -> str:
    """With a sign, to the decimals that tell the value, or the one it stands beside."""
    size = abs(value if like is None else like)
    decimals = max(0, 1 - math.floor(math.log10(size))) if size >= 1 or 0 < size < 0.01 else 2
    return f"{value:+.{decimals}f}".replace("-", "−")


def _signed(number: _Number) -> str:
    low, high = (_digits(end, like=number.value) for end in (number.low, number.high))
    return f"{_digits(number.value)} [{low}, {high}]"


def _count(number: _Number) -> str:
    return f"{number.value:.1f} [{number.low:.1f}, {number.high:.1f}]"


def _rounded(needed: float) -> int:
    """Round up to two figures: a plan, not a promise."""
    step = 10 ** max(math.floor(math.log10(needed)) - 1, 0)
    # The inner rounding keeps 100.00000001 from becoming 110.
    return int(math.ceil(round(needed / step, 6)) * step)


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
