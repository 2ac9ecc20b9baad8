"""Rules inside transformers: a logits processor, and a callable for custom_generate."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from transformers import GenerationMixin, LogitsProcessor, LogitsProcessorList
from transformers.generation import logits_process

from variegate.decoding._rule import TokenRule, apply
from variegate.errors import UsageError

__all__ = ["custom_generate", "transformers_processor"]

_WARPERS = tuple(
    getattr(logits_process, name)
    for name in (
        "TemperatureLogitsWarper",
        "TopHLogitsWarper",
        "TopKLogitsWarper",
        "TopPLogitsWarper",
        "MinPLogitsWarper",
        "TypicalLogitsWarper",
        "EpsilonLogitsWarper",
        "EtaLogitsWarper",
        "LogitNormalization",
    )
    if hasattr(logits_process, name)
)


class _RulesProcessor(LogitsProcessor):
    def __init__(self, rules: Iterable[TokenRule]) -> None:
        self.rules = tuple(rules)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        return apply(scores.double().log_softmax(-1), self.rules).to(scores.dtype)


def transformers_processor(rules: Iterable[TokenRule]) -> LogitsProcessor:
    """Rules as a `LogitsProcessor` for ``generate(logits_processor=[...])``.

    transformers runs the processors a user hands it *before* its own warpers: the rules see
    scores without a temperature, and the temperature and top_k (50 in many generation configs)
    still act on what they leave. Give the temperature as the first rule and call
    ``generate(temperature=1.0, top_k=0, top_p=1.0, ...)``, or use `custom_generate`, which sets
    the warpers aside.

    Args:
        rules: from `rule`, of one context each, applied in order.

    Returns:
        A processor (B, V) to (B, V): log-probabilities in the dtype of the scores.

    Example:
        >>> import torch
        >>> from variegate.decoding import rule
        >>> from variegate.decoding.adapters import transformers_processor
        >>> processor = transformers_processor([rule("min_p", min_p=0.2)])
        >>> processor(torch.tensor([[0]]), torch.tensor([[2.0, 1.0, -3.0]])).exp()
        tensor([[0.7311, 0.2689, 0.0000]])
    """
    return _RulesProcessor(rules)


def custom_generate(rules: Iterable[TokenRule], *, seed: int | None = None) -> Any:
    """Sampling by these rules alone, for ``generate(custom_generate=...)``.

    A callable, so nothing is downloaded and no remote code is trusted. Processors that are not
    about sampling (repetition penalty, forced tokens, a minimal length) run first; the warpers
    that a generation config brings (temperature, top_k and the rest) are set aside, so what is
    drawn from is exactly what the rules give.

    Args:
        rules: from `rule`, of one context each, applied in order.
        seed: of the draws; None draws from torch's own state.

    Returns:
        A decoding loop that `generate` takes in place of its own.

    Raises:
        UsageError: when called with beams.

    Example:
        >>> from variegate.decoding import rule
        >>> from variegate.decoding.adapters import custom_generate
        >>> decode = custom_generate([rule("top_h", alpha=0.4)], seed=0)
        >>> # model.generate(**inputs, custom_generate=decode, max_new_tokens=64)
    """
    processor = _RulesProcessor(rules)

    def decode(
        model: Any,
        input_ids: torch.Tensor,
        logits_processor: LogitsProcessorList,
        stopping_criteria: Any,
        generation_config: Any,
        **model_kwargs: Any,
    ) -> Any:
        if generation_config.num_beams > 1:
            raise UsageError(
                f"Expected num_beams=1 with sampling rules, got {generation_config.num_beams}."
            )
        before = [one for one in logits_processor if not isinstance(one, _WARPERS)]
        generation_config = copy.copy(generation_config)
        generation_config.do_sample = True
        devices = [input_ids.device] if input_ids.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices, enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            return GenerationMixin._sample(
                model,
                input_ids,
                logits_processor=LogitsProcessorList([*before, processor]),
                stopping_criteria=stopping_criteria,
                generation_config=generation_config,
                **model_kwargs,
            )

    return decode
