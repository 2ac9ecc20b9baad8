"""Direct preference optimisation against the judge, with its warning lights on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from variegate.lab.training._corpus import Document
from variegate.lab.training._judge import accuracy, concentration, draws, preference, score
from variegate.lab.training._recipe import Schedule
from variegate.lab.training._speaking import token_logprobs
from variegate.lab.training._supervised import Report, optimiser
from variegate.samples import Prompt

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM

WATCHED = 16  # samples a monitored prompt at every point of the curve

__all__ = ["Pair", "pairs_from", "prefer"]


@dataclass(frozen=True)
class Pair:
    """Two completions of one prompt, the preferred one first."""

    chosen: Document
    rejected: Document


def pairs_from(
    prompts: Sequence[Prompt], drawn: Sequence[Sequence[Document]], rng: np.random.Generator
) -> list[Pair]:
    """Pair up each prompt's completions at random and let the judge prefer one of each pair.

    A pair of equal completions teaches nothing and is left out.
    """
    pairs = []
    for prompt, documents in zip(prompts, drawn, strict=True):
        scores = [score(prompt, document) for document in documents]
        order = rng.permutation(len(documents)).tolist()
        for a, b in zip(order[::2], order[1::2], strict=False):
            if documents[a] == documents[b]:
                continue
            if rng.random() >= preference(scores[a], scores[b]):
                a, b = b, a
            pairs.append(Pair(documents[a], documents[b]))
    return pairs


def prefer(
    model: LlamaForCausalLM,
    reference: LlamaForCausalLM,
    prompts: Sequence[Prompt],
    monitored: Sequence[Prompt],
    schedule: Schedule,
    *,
    template: str,
    beta: float,
    drawn: int,
    every: int,
    rng: np.random.Generator,
    generator: torch.Generator,
    report: Report,
) -> None:
    """Train on pairs drawn from the reference; watch held-out answers and the win rate."""
    import torch

    from variegate.objectives import dpo_loss

    spoken = draws(reference, prompts, template=template, each=drawn, generator=generator)
    pairs = pairs_from(prompts, spoken, rng)
    rivals = draws(reference, monitored, template=template, each=WATCHED, generator=generator)
    held_out = [pair.chosen for pair in pairs_from(monitored, rivals, rng)]

    def watch(step: int, losses: list[float], margins: list[float]) -> None:
        own = draws(model, monitored, template=template, each=WATCHED, generator=generator)
        wins = [
            preference(score(prompt, mine), score(prompt, other))
            for prompt, ours, theirs in zip(monitored, own, rivals, strict=True)
            for mine, other in zip(ours, theirs, strict=True)
        ]
        with torch.no_grad():
            likelihood, _ = token_logprobs(model, held_out)
        report(
            step,
            {
                "loss": float(np.mean(losses)) if losses else float(np.log(2)),
                "margin": float(np.mean(margins)) if margins else 0.0,
                "win_rate": float(np.mean(wins)),
                "accuracy": accuracy(monitored, own),
                "chosen_logprob": float(likelihood.sum(1).mean()),
                **concentration(model, held_out),
            },
        )

    _, step_along = optimiser(model, schedule)
    watch(0, [], [])
    losses: list[float] = []
    margins: list[float] = []
    for step in range(1, schedule.steps + 1):
        chosen = rng.choice(len(pairs), size=min(schedule.batch, len(pairs)), replace=False)
        batch = [pairs[index] for index in chosen.tolist()]
        both = [pair.chosen for pair in batch] + [pair.rejected for pair in batch]
        logprobs = token_logprobs(model, both)[0].sum(1)
        with torch.no_grad():
            anchor = token_logprobs(reference, both)[0].sum(1)
        half = len(batch)
        loss = dpo_loss(
            logprobs[:half], logprobs[half:], anchor[:half], anchor[half:],
            beta=beta, divergence="reverse-kl",
        )  # fmt: skip
        loss.backward()
        step_along()
        losses.append(float(loss.detach()))
        gain = (logprobs - anchor).detach()
        margins.append(beta * float((gain[:half] - gain[half:]).mean()))
        if step % every == 0 or step == schedule.steps:
            watch(step, losses, margins)
            losses.clear()
            margins.clear()
