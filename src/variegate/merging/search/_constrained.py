"""Prompts that ask for one random item of a listed set, and what the next token says to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from variegate.errors import UsageError
from variegate.models import Format, TransformersModel

__all__ = [
    "Constrained",
    "Question",
    "logits_of",
    "questions",
    "random_character_prompts",
    "spread",
]

LETTERS = tuple("ABCDEFGHIJKLMNOP")
DIGITS = tuple("0123456789")
# {kind} is "letter" or "digit", {listed} the set.
WORDINGS = (
    "Choose a {kind} at random from {listed}. Write it and nothing else.",
    "From the set {listed}, give me one random {kind}. Only that {kind}, please.",
    "Imagine a fair wheel marked {listed}. Spin it and write the {kind} it stops at.",
    "I need an unpredictable {kind} out of {listed}. Reply with it alone.",
    "Allowed: {listed}. Answer with exactly one of them, drawn by chance.",
    "Close your eyes and point at one {kind} in this row: {listed}. Which one is it?",
    "Each {kind} in {listed} should be equally likely. Draw one and print it.",
    "Play the part of a random number generator over {listed}. Output a single {kind}.",
    "Put {listed} into a hat, shake it, and tell me the one {kind} you pull out.",
    "Take any {kind} you like from {listed}. No explanation, just the {kind}.",
    "A lottery has the tickets {listed}. Announce the winning {kind}.",
    "Surprise me with one {kind}. The only ones that count are {listed}.",
    "Your reply must be one character. It must be in {listed}. Let chance decide.",
    "Throw a dart at a board that shows {listed}. Name the {kind} you hit.",
    "Sample uniformly from {listed} and state the result as one {kind}.",
    "Give one {kind} between quotation marks removed; candidates: {listed}; pick blindly.",
    "Without thinking, name a {kind} among {listed}.",
    "Which {kind} comes up if all of {listed} have the same chance? Draw once and say it.",
    "We are choosing a code of one {kind} from {listed}. Make it random and write it.",
    "Deal me one card from a pack marked {listed}. Say only what is on it.",
)


@dataclass(frozen=True, kw_only=True)
class Constrained:
    """A prompt whose whole answer is one of a few items, each a single token.

    Args:
        prompt: what is asked.
        valid: the items.
    """

    prompt: str
    valid: tuple[str, ...]


def random_character_prompts() -> tuple[Constrained, ...]:
    """Return prompts for one random character: 20 wordings, each for letters and for digits.

    A model without a mode of its own spreads its next token over the whole set; what
    post-training took away shows in the entropy of that one distribution, without sampling.

    Returns:
        40 prompts, with 16 letters or 10 digits to choose from.

    Example:
        >>> prompts = random_character_prompts()
        >>> len(prompts), prompts[1].valid[:3]
        (40, ('0', '1', '2'))

    Reference:
        `Selective Layer Restoration 2026 <https://arxiv.org/abs/2602.06665>`_; the wording is ours.
    """
    kinds = (("letter", LETTERS), ("digit", DIGITS))
    return tuple(
        Constrained(prompt=wording.format(kind=kind, listed=", ".join(listed)), valid=listed)
        for wording in WORDINGS
        for kind, listed in kinds
    )


@dataclass(frozen=True, kw_only=True)
class Question:
    """A prompt as tokens, and the tokens that say each valid item."""

    tokens: tuple[int, ...]
    valid: tuple[tuple[int, ...], ...]


def questions(
    model: TransformersModel, prompts: Sequence[Constrained], *, format: Format
) -> list[Question]:
    """Read prompts as a model does; an item counts with and without a space before it."""
    if not prompts:
        raise UsageError("Expected at least one prompt, got none.")
    unknown = model.tokenizer.unk_token_id
    asked = []
    for one in prompts:
        ways = []
        for item in one.valid:
            spelled = {tuple(model.encode(text)) for text in (item, f" {item}")}
            single = sorted({ids[0] for ids in spelled if len(ids) == 1} - {unknown})
            if not single:
                raise UsageError(
                    f"Expected items of one token, but {item!r} is not one for {model.name!r}."
                )
            ways.append(tuple(single))
        if len({token for way in ways for token in way}) < sum(map(len, ways)) or len(ways) < 2:
            raise UsageError(f"Expected two or more different items, got {list(one.valid)}.")
        tokens = tuple(model.encode(model.render(one.prompt, format=format)))
        asked.append(Question(tokens=tokens, valid=tuple(ways)))
    return asked


def spread(logits: torch.Tensor, question: Question) -> tuple[torch.Tensor, torch.Tensor]:
    """Validity q and entropy (nats) among valid items, for logits (..., V) of the next token."""
    logprobs = logits.double().log_softmax(-1)
    # The variants of one item are summed before anything else.
    each = torch.stack([logprobs[..., list(way)].logsumexp(-1) for way in question.valid], -1)
    mass = each.logsumexp(-1)
    among = each - mass[..., None]
    return mass.exp(), -(among.exp() * among).sum(-1)


def logits_of(model: Any, asked: Sequence[Question]) -> list[torch.Tensor]:
    """Logits (V,) of the next token of every question, prompts of one length together."""
    found: dict[int, torch.Tensor] = {}
    for members in by_length(asked):
        ids = torch.tensor([asked[i].tokens for i in members], device=model.device)
        logits = model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[:, -1]
        found |= dict(zip(members, logits, strict=True))
    return [found[i] for i in range(len(asked))]


def by_length(asked: Sequence[Question]) -> list[list[int]]:
    """Numbers of the questions, those of one length together: nothing is ever padded."""
    groups: dict[int, list[int]] = {}
    for number, question in enumerate(asked):
        groups.setdefault(len(question.tokens), []).append(number)
    return list(groups.values())
