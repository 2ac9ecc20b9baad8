"""Sets of draws inside transformers: a callable for custom_generate."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from transformers.generation import logits_process

from variegate.errors import UsageError
from variegate.models import Completion, Format, Model, Request, Sampling, Turn
from variegate.models._stepping import Drawn, Stepping, Stops, independent
from variegate.models._tiers import EVERY_TIER
from variegate.models._transformers._prefixes import TorchPrefixes

__all__ = ["generator"]

# What `Sampling` says in its own words; any other processor would be left out silently.
_SAID = tuple(
    getattr(logits_process, f"{name}LogitsWarper")
    for name in ("Temperature", "TopK", "TopP", "MinP")
)


def generator(make: Callable[[Stepping], Model], *, seed: int = 0) -> Any:
    """A way of drawing sets for ``generate(custom_generate=...)``.

    A callable, so nothing is downloaded and no remote code is trusted. Every prompt is read once,
    however many sequences are asked for; its `num_return_sequences` are one set. Temperature,
    top_k (50 in many generation configs), top_p and min_p of the call apply; other processors
    are refused, and of the stopping criteria the length and the end tokens count.

    Args:
        make: puts a way of drawing in front of a model, such as
            ``lambda model: arithmetic(model, n=16)``.
        seed: another seed, other sets.

    Returns:
        A decoding loop that `generate` takes in place of its own and that returns ids, padded.

    Raises:
        UsageError: when called with beams or with a processor that is not one of the four.

    Example:
        >>> from variegate.decoding.sequences import arithmetic, generator
        >>> decode = generator(lambda model: arithmetic(model, n=16), seed=0)
        >>> # model.generate(**inputs, custom_generate=decode, do_sample=True,
        >>> #                num_return_sequences=16, max_new_tokens=64)
    """

    def decode(
        model: Any,
        input_ids: torch.Tensor,
        logits_processor: Sequence[Any],
        stopping_criteria: Any,
        generation_config: Any,
        **model_kwargs: Any,
    ) -> torch.Tensor:
        del stopping_criteria
        config, width = generation_config, input_ids.shape[1]
        if config.num_beams > 1:
            raise UsageError(f"Expected num_beams=1, got {config.num_beams}.")
        for processor in logits_processor:
            if not isinstance(processor, _SAID):
                raise UsageError(f"{type(processor).__name__} cannot be part of a set of draws.")
        mask = model_kwargs.get("attention_mask", torch.ones_like(input_ids))
        speaker = make(Bare(model, ends=config.eos_token_id))
        n = config.num_return_sequences
        requests = [
            Request(
                key=str(row),
                rendered=json.dumps(ids[kept.bool()].tolist()),
                index=row % n,
                seed=(seed * 1_000_003 + row) % 2**63,
                group=(seed * 1_000_003 + row // n) % 2**63,
            )
            for row, (ids, kept) in enumerate(zip(input_ids, mask, strict=True))
        ]
        limit = config.max_length - width
        sampling = Sampling(max_tokens=limit)
        if config.do_sample:
            sampling = Sampling(
                temperature=config.temperature,
                top_k=config.top_k or None,
                top_p=config.top_p,
                min_p=config.min_p,
                max_tokens=limit,
            )
        batches = speaker.sample(requests, sampling=sampling)
        done = {completion.key: completion.token_ids for batch in batches for completion in batch}
        rows = [done[request.key] for request in requests]
        pad = config.pad_token_id if config.pad_token_id is not None else 0
        written = torch.full((len(rows), max(map(len, rows))), int(pad), dtype=input_ids.dtype)
        for place, ids in enumerate(rows):
            written[place, : len(ids)] = torch.tensor(ids, dtype=input_ids.dtype)
        return torch.cat([input_ids, written.to(input_ids.device)], dim=-1)

    return decode


class Bare:
    """A model of transformers without a tokenizer: prompts are token ids, as JSON."""

    def __init__(self, model: Any, *, ends: int | Sequence[int] | None) -> None:
        self.model = model
        self.name, self.revision, self.tiers = type(model).__name__, "", EVERY_TIER
        self.ends = [ends] if isinstance(ends, int) else list(ends or ())

    def formats(self) -> tuple[Format, ...]:
        return ("raw",)

    def render(self, prompt: str | Sequence[Turn], *, format: Format) -> str:
        del format
        return str(prompt)

    def sample(
        self, requests: Sequence[Request], *, sampling: Sampling
    ) -> Iterator[list[Completion]]:
        return independent(self, requests, sampling=sampling)

    def score(self, rendered: str, continuations: Sequence[Any], *, sampling: Sampling) -> Any:
        del rendered, continuations, sampling
        raise UsageError("A set inside generate draws and does not score.")

    def resolved(self, sampling: Sampling) -> Sampling:
        return sampling

    def vocabulary(self) -> Mapping[str, int]:
        return {str(token): token for token in range(self.model.config.vocab_size)}

    def start(self, rendered: Sequence[str]) -> TorchPrefixes:
        return TorchPrefixes(self.model, [json.loads(text) for text in rendered])

    def width(self, rendered: str) -> int:
        return len(json.loads(rendered))

    def fitting(self, width: int, *, sampling: Sampling) -> int:
        del width, sampling
        return 2**31  # whoever calls generate has chosen the batch

    def encode(self, text: str) -> list[int]:
        return [int(token) for token in text.split()]

    def stops(self, words: tuple[str, ...]) -> Stops | None:
        del words
        return None

    def completed(
        self, request: Request, drawn: Drawn, *, sampling: Sampling, **about: Any
    ) -> Completion:
        del sampling
        return Completion(
            key=request.key,
            text=" ".join(map(str, drawn.ids)),
            reasoning=None,
            finish="stop" if drawn.stopped else "length",
            token_ids=tuple(drawn.ids),
            token_logprobs=tuple(drawn.logprobs),
            token_entropies=tuple(drawn.entropies),
            prompt_tokens=drawn.read,
            completion_tokens=len(drawn.ids),
            **about,
        )
