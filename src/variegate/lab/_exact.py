"""Exact mode: true values of a model's metrics, from the probability of every answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from variegate.errors import UsageError
from variegate.lab.world import TASKS, task
from variegate.models import Format, Sampling
from variegate.samples import Prompt

__all__ = ["Scorer", "exact_metrics", "truth"]

# A value is called exact where its bounds lie closer than this: far below any interval.
TOLERANCE = 1e-4


class Scorer(Protocol):
    """What exact mode asks of a model: to render a prompt and to score answers to it."""

    def formats(self) -> tuple[Format, ...]:
        """Which formats the model can be asked in."""
        ...

    def render(self, prompt: str, *, format: Format) -> str:
        """Return the prompt as the model reads it."""
        ...

    def score(
        self, rendered: str, continuations: Sequence[str], *, sampling: Sampling
    ) -> npt.NDArray[np.float64]:
        """Return the log-probability of each continuation, its end included."""
        ...


def exact_metrics(
    model: Scorer,
    prompts: Sequence[Prompt],
    *,
    sampling: Sampling,
    n: int,
    k: int,
    format: Format = "raw",
    tasks: Sequence[str] = ("arithmetic", "routes", "lists", "opinions"),
    most: int = 400,
) -> pl.DataFrame:
    """Work out the true values of a model's metrics on prompts of the lab.

    Every right answer is one string of tokens, and its probability is found by scoring it.
    Answers that say the same thing ("5 + 7", "7 + 5") are added up. Where a task has at most
    `most` well-formed answers, the wrong ones are scored too (lists and opinions by default: any
    word of the world); what mass is then left, u, bounds the metrics over all answers. See
    `truth` for the formulas.

    Args:
        model: anything with `render` and `score`.
        prompts: prompts of the lab; those of other tasks are passed over.
        sampling: the settings of the draws, which are those of the scores.
        n: draws a prompt of the estimates that stand beside these values.
        k: draws among which distinct answers are counted, at most n.
        format: how the model is asked.
        tasks: which tasks; "stories" can be named too (960 right answers a prompt to be scored).
        most: with 1200, arithmetic's metrics over all answers are exact too, at ten times the
            work.

    Returns:
        A frame task, prompt_id, metric, value. There are no rows for a model that reasons before
        it answers, because the sum over its reasonings cannot be listed: that is every model
        whose template opens a reasoning block, unless it is asked with the block closed. A
        metric over all answers has no row where its bounds are further apart than 1e-4.

    Raises:
        UsageError: k outside of 1 to n.
    """
    if not 1 <= k <= n:
        raise UsageError(f"Expected k between 1 and n = {n}, got {k}.")
    rows: list[dict[str, object]] = []
    # The closing mark of a block could stand in any raw completion of such a model too.
    if "empty-reasoning" not in model.formats() or format == "empty-reasoning":
        for prompt in prompts:
            if prompt.task in tasks:
                known = _of_prompt(model, prompt, sampling=sampling, k=k, format=format, most=most)
                about = {"task": prompt.task, "prompt_id": prompt.prompt_id}
                rows += [about | {"metric": name, "value": value} for name, value in known.items()]
    schema = {"task": pl.String, "prompt_id": pl.String, "metric": pl.String, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema)


def _of_prompt(
    model: Scorer, prompt: Prompt, *, sampling: Sampling, k: int, format: Format, most: int
) -> dict[str, float]:
    about = task(prompt.task)
    right = list(about.right_answers(prompt.target))
    listed = about.every_answer()
    if listed and not any(" " in answer for answer in listed):
        # One word answers it, so any word of the world can be said; that covers most slips too.
        listed = sorted({word for other in TASKS for word in other.vocabulary()})
    wrong = sorted(set(listed) - set(right)) if len(listed) <= most else []
    logprobs = model.score(
        model.render(prompt.prompt, format=format), right + wrong, sampling=sampling
    )
    by_class: tuple[dict[str, float], dict[str, float]] = ({}, {})
    for index, (answer, probability) in enumerate(
        zip(right + wrong, np.exp(logprobs).tolist(), strict=True)
    ):
        classes = by_class[index >= len(right)]
        name = about.canonical(answer)
        classes[name] = classes.get(name, 0.0) + probability
    return truth(*by_class, k=k, longest=sampling.max_tokens)


def truth(
    right: Mapping[str, float], wrong: Mapping[str, float], *, k: int, longest: int = 32
) -> dict[str, float]:
    """Return the true metrics of a model with these probabilities of answers.

    With p_c the probability of the answer c and a = sum of p_c over right ones:
    accuracy = a, pass_at_k = 1 - (1 - a)^k, unique_correct_at_k = sum over right c of
    1 - (1 - p_c)^k. Over all answers gini_simpson = 1 - sum p_c^2, distinct_at_k =
    sum 1 - (1 - p_c)^k, answer_entropy = -sum p_c ln p_c. The mass u that is in no listed answer
    adds to sum p_c^2 between 0 and u^2; to distinct_at_k between 1 - (1 - u)^k and k u; and to
    the entropy between -u ln u and that plus u times the log of the number of texts there are.

    Args:
        right: probability of every right answer.
        wrong: probability of the wrong answers that are listed.
        k: draws.
        longest: tokens of a completion, for the number of texts.

    Returns:
        Metric name -> value. The last three only where their bounds are within 1e-4.

    Example:
        >>> known = truth({"apple": 0.5, "pear": 0.25}, {"drum": 0.25}, k=2)
        >>> known["accuracy"], known["unique_correct_at_k"], known["gini_simpson"]
        (0.75, 1.1875, 0.625)
    """
    p_right = np.array(list(right.values()))
    p = np.concatenate([p_right, list(wrong.values())])
    accuracy = min(float(p_right.sum()), 1.0)
    known = {
        "accuracy": accuracy,
        "pass_at_k": 1 - (1 - accuracy) ** k,
        "unique_correct_at_k": float((1 - (1 - p_right) ** k).sum()),
    }
    u = max(0.0, 1 - float(p.sum()))
    surprise = -u * math.log(u) if u > 0 else 0.0
    texts = longest * math.log(1000)  # log of the number of texts of a thousand words, at most
    said = p[p > 0]
    bounds = {
        "gini_simpson": (1 - float((p**2).sum()) - u**2, 1 - float((p**2).sum())),
        "distinct_at_k": tuple(
            float((1 - (1 - p) ** k).sum()) + more for more in (1 - (1 - u) ** k, k * u)
        ),
        "answer_entropy": tuple(
            float(-(said * np.log(said)).sum()) + more for more in (surprise, surprise + u * texts)
        ),
    }
    for name, (low, high) in bounds.items():
        if high - low <= TOLERANCE:
            known[name] = (low + high) / 2
    return known
