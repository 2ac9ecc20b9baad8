"""Learning from documents: pretraining and supervised fine-tuning are the same loop."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from variegate.lab.training._corpus import Lesson
from variegate.lab.training._recipe import Schedule
from variegate.lab.training._speaking import token_logprobs

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM

__all__ = ["Report", "learn", "optimiser"]

# (step, what is reported): called at every point of a stage's curve.
Report = Callable[[int, dict[str, Any]], None]


def optimiser(
    model: LlamaForCausalLM, schedule: Schedule
) -> tuple[torch.optim.Optimizer, Callable[[], None]]:
    """Return AdamW and the function that makes one step of it along the schedule's rates."""
    import torch

    adam = torch.optim.AdamW(
        model.parameters(), lr=schedule.rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    warm = max(1, schedule.steps // 10)

    def share(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        done = (step - warm) / max(1, schedule.steps - warm)
        return 0.1 + 0.45 * (1 + math.cos(math.pi * done))

    rates = torch.optim.lr_scheduler.LambdaLR(adam, share)

    def step() -> None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        rates.step()
        adam.zero_grad(set_to_none=True)

    return adam, step


def learn(
    model: LlamaForCausalLM,
    lessons: Lesson,
    schedule: Schedule,
    *,
    every: int,
    watch: Callable[[], dict[str, float]],
    report: Report,
) -> None:
    """Lower the mean negative log-likelihood of the documents' counted tokens."""
    _, step_along = optimiser(model, schedule)
    recent: list[float] = []
    for step in range(1, schedule.steps + 1):
        documents = sorted(itertools.islice(lessons, schedule.batch), key=lambda d: len(d.tokens))
        tokens = sum(len(document.tokens) - document.start for document in documents)
        # Short and long documents go separately: less padding, the same gradient.
        cut = 3 * len(documents) // 4
        total = 0.0
        for part in (documents[:cut], documents[cut:]):
            logprobs, _ = token_logprobs(model, part)
            loss = -logprobs.sum() / tokens
            loss.backward()
            total += float(loss.detach())
        step_along()
        recent.append(total)
        if step % every == 0 or step == schedule.steps:
            report(step, {"loss": sum(recent) / len(recent), **watch()})
            recent.clear()
