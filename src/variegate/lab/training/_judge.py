"""A judge with a taste for the typical, and what a policy is watched for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from variegate.lab.training._corpus import Document, encode, rendered, vocabulary_of_all
from variegate.lab.training._speaking import logits_of, padded, speak
from variegate.lab.world import right_answers, task
from variegate.samples import Prompt

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM

__all__ = ["answer_of", "concentration", "draws", "is_right", "preference", "score"]

RIGHT = 6.0  # how much more a right answer is worth, in nats of typicality
LONGEST = 32  # tokens of a completion


def answer_of(document: Document) -> str:
    """Return the answer as text: what follows the reasoning, without the end mark."""
    words = list(vocabulary_of_all())
    said = [words[token] for token in document.tokens[document.start :]]
    if "</think>" in said:
        said = said[said.index("</think>") + 1 :]
    return " ".join(word for word in said if word != "</s>")


def is_right(prompt: Prompt, document: Document) -> bool:
    """Whether the answer is right and the completion was ended by the model itself."""
    if document.tokens[-1] != vocabulary_of_all()["</s>"]:
        return False
    return task(prompt.task).spelled(answer_of(document)) in right_answers(prompt)


def score(prompt: Prompt, document: Document) -> float:
    """How much the judge likes an answer: right first, then the log of its frequency.

    People prefer what they have often met (Zhang 2025, https://arxiv.org/abs/2510.01171); this
    judge has the same taste, with the world's true frequencies. A wrong answer scores 0, a right
    one ``6 + ln frequency`` + the log of the number of right answers, so that typical ones lie
    above 6 and rare ones below.
    """
    if not is_right(prompt, document):
        return 0.0
    right = right_answers(prompt)
    frequency = right[task(prompt.task).spelled(answer_of(document))]
    return max(RIGHT + math.log(frequency * len(right)), 0.5)


def preference(first: float, second: float) -> float:
    """Probability that the first is preferred, after Bradley and Terry."""
    return 1 / (1 + math.exp(second - first))


def draws(
    model: LlamaForCausalLM,
    prompts: Sequence[Prompt],
    *,
    template: str | None,
    each: int,
    generator: torch.Generator,
) -> list[list[Document]]:
    """Draw so many completions of every prompt."""
    asked = [encode(rendered(prompt, template)) for prompt in prompts for _ in range(each)]
    spoken = speak(model, asked, max_tokens=LONGEST, generator=generator)
    return [spoken[start : start + each] for start in range(0, len(spoken), each)]


def accuracy(prompts: Sequence[Prompt], drawn: Sequence[Sequence[Document]]) -> float:
    """Mean share of right answers."""
    return float(
        np.mean(
            [is_right(p, document) for p, documents in zip(prompts, drawn, strict=True)
             for document in documents]
        )
    )  # fmt: skip


def concentration(
    model: LlamaForCausalLM, documents: Sequence[Document], *, k: int = 10
) -> dict[str, float]:
    """Return the entropy and the mass of the k likeliest tokens, averaged over counted tokens.

    The two signs of over-optimisation of Shi 2024 (https://arxiv.org/abs/2410.11677), on
    answers that are held out. The entropy is that of the renormalised k likeliest tokens.
    """
    import torch

    tokens, counted = padded(documents)
    with torch.no_grad():
        top = logits_of(model, tokens).softmax(-1)[counted[:, 1:]].topk(k).values
    mass = top.sum(-1)
    share = top / mass[:, None]
    entropy = -(share * share.clamp_min(1e-30).log()).sum(-1)
    return {"top_entropy": float(entropy.mean()), "top_mass": float(mass.mean())}
