"""Drawing from a model and scoring under it, in batches: the two things every loop needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from variegate.lab.training._corpus import Document

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM

__all__ = ["logits_of", "padded", "speak", "token_logprobs"]

END = 1  # the number of "</s>"
PAD = 0


def padded(documents: Sequence[Document]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return tokens (B, L), padded on the right, and which of them are learned or scored (B, L).

    No attention mask is needed: a causal model never looks at what stands to the right.
    """
    import torch

    longest = max(len(document.tokens) for document in documents)
    tokens = torch.full((len(documents), longest), PAD)
    counted = torch.zeros((len(documents), longest), dtype=torch.bool)
    for row, document in enumerate(documents):
        tokens[row, : len(document.tokens)] = torch.tensor(document.tokens)
        counted[row, document.start : len(document.tokens)] = True
    return tokens, counted


def logits_of(model: LlamaForCausalLM, tokens: torch.Tensor) -> torch.Tensor:
    """Return the logits (B, L-1, V) of every token but the first."""
    return model(input_ids=tokens[:, :-1], use_cache=False).logits


def token_logprobs(
    model: LlamaForCausalLM, documents: Sequence[Document]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return log-probabilities (B, L-1), zero where tokens are not counted, and the mask."""
    from torch.nn.functional import cross_entropy

    tokens, counted = padded(documents)
    logits = logits_of(model, tokens)
    nll = cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")
    mask = counted[:, 1:]
    return -nll * mask, mask


def speak(
    model: LlamaForCausalLM,
    prompts: Sequence[tuple[int, ...]],
    *,
    max_tokens: int,
    generator: torch.Generator,
) -> list[Document]:
    """Draw one completion a prompt at temperature 1; `start` is where the completion begins.

    Prompts of equal length are drawn together, so nothing is ever padded on the left.
    """
    import torch

    by_length: dict[int, list[int]] = {}
    for index, prompt in enumerate(prompts):
        by_length.setdefault(len(prompt), []).append(index)
    spoken: list[Document | None] = [None] * len(prompts)
    with torch.no_grad():
        for length, members in by_length.items():
            tokens = torch.tensor([prompts[index] for index in members])
            going = torch.ones(len(members), dtype=torch.bool)
            written, cache = [], None
            for _ in range(max_tokens):
                out = model(input_ids=tokens, past_key_values=cache, use_cache=True)
                cache = out.past_key_values
                p = out.logits[:, -1].softmax(-1)
                tokens = torch.multinomial(p, 1, generator=generator)
                tokens[~going] = PAD
                written.append(tokens)
                going = going & (tokens[:, 0] != END)
                if not going.any():
                    break
            for index, row in zip(members, torch.cat(written, 1).tolist(), strict=True):
                end = row.index(END) + 1 if END in row else len(row)
                spoken[index] = Document(prompts[index] + tuple(row[:end]), length)
    return [document for document in spoken if document is not None]
