"""Group-relative policy optimisation on one bit: is the answer right?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from variegate.lab.training._judge import accuracy, draws, is_right
from variegate.lab.training._recipe import Schedule
from variegate.lab.training._speaking import token_logprobs
from variegate.lab.training._supervised import Report, optimiser
from variegate.samples import Prompt

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM

__all__ = ["reinforce"]


def reinforce(
    model: LlamaForCausalLM,
    prompts: Sequence[Prompt],
    monitored: Sequence[Prompt],
    schedule: Schedule,
    *,
    template: str | None,
    group: int,
    every: int,
    rng: np.random.Generator,
    generator: torch.Generator,
    report: Report,
) -> None:
    """Draw a group a prompt, reward the right ones, make one on-policy update; repeat."""
    import torch

    from variegate.objectives import group_advantages, policy_gradient_loss

    # Watching has a stream of its own: how often one looks must not change what is learned.
    watching = torch.Generator().manual_seed(generator.initial_seed() + 1)

    def watch(step: int, rewards: list[float], entropies: list[float]) -> None:
        own = draws(model, monitored, template=template, each=group, generator=watching)
        report(
            step,
            {
                "reward": float(np.mean(rewards)) if rewards else accuracy(monitored, own),
                "surprise": float(np.mean(entropies)) if entropies else None,
                "accuracy": accuracy(monitored, own),
            },
        )

    _, step_along = optimiser(model, schedule)
    watch(0, [], [])
    recent: list[float] = []
    surprise: list[float] = []
    for step in range(1, schedule.steps + 1):
        size = min(schedule.batch, len(prompts))
        asked = [prompts[i] for i in rng.choice(len(prompts), size=size, replace=False).tolist()]
        groups = draws(model, asked, template=template, each=group, generator=generator)
        rewards = torch.tensor(
            [
                float(is_right(prompt, document))
                for prompt, documents in zip(asked, groups, strict=True)
                for document in documents
            ]
        )
        members = torch.arange(size).repeat_interleave(group)
        advantages = group_advantages(rewards, members, scale="group")
        logprobs, mask = token_logprobs(model, [document for g in groups for document in g])
        loss = policy_gradient_loss(logprobs, logprobs.detach(), advantages, mask)
        loss.backward()
        step_along()
        recent.append(float(rewards.mean()))
        surprise.append(float(-logprobs.detach().sum() / mask.sum()))
        if step % every == 0 or step == schedule.steps:
            watch(step, recent, surprise)
            recent.clear()
            surprise.clear()
