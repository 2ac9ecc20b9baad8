"""The diagonal Fisher information of a model, from its own labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

from variegate.errors import UsageError

__all__ = ["estimate_fisher"]


def estimate_fisher(
    model: torch.nn.Module,
    examples: Iterable[Any],
    *,
    logits: Callable[[torch.nn.Module, Any], torch.Tensor] | None = None,
    draws: int | None = 1,
    seed: int = 0,
) -> dict[str, torch.Tensor]:
    """Mean squared gradient of log p(y|x) per example, with y drawn from the model itself.

    F = E_x E_{y ~ p(·|x)} (∂ log p(y|x) / ∂θ)². Squares are taken per example: the square of a
    batch's mean gradient is something else and vanishes with the size of the batch. With labels
    of the data instead of the model's own it would be the empirical Fisher, which is not the
    curvature. For a causal language model the labels of all positions are drawn, given the real
    text before; their expectations add up.

    Args:
        model: any module; load it in float32, small gradients vanish in float16.
        examples: without the labels; rows of token ids (T,) unless `logits` reads something else.
        logits: from the model and an example to logits (..., V), one row per prediction.
        draws: labels drawn per prediction; None takes the exact expectation over all V labels,
            one backward pass for each, for small V.
        seed: of the draws.

    Returns:
        A float32 tensor of at least 0 per parameter that has a gradient, in the shape of the
        parameter; not normalised, `fisher` does that.

    Raises:
        UsageError: no examples, or no draws.

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(1, 2, bias=False)
        >>> _ = torch.nn.init.zeros_(model.weight)
        >>> x = [torch.tensor([[2.0]])]
        >>> estimate_fisher(model, x, logits=lambda model, x: model(x), draws=None)
        {'weight': tensor([[1.], [1.]])}

    Reference:
        `Matena 2022 <https://arxiv.org/abs/2111.09832>`_.
    """
    if draws is not None and draws < 1:
        raise UsageError(f"Expected at least one draw, or None for the expectation, got {draws}.")
    predict = logits or _next_tokens
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    total = {name: torch.zeros_like(p, dtype=torch.float32) for name, p in parameters.items()}
    generator, count = torch.Generator().manual_seed(seed), 0
    for example in examples:
        count += 1
        log_probs = predict(model, example).float().log_softmax(-1).flatten(0, -2)
        for value, weight in _scores(log_probs, draws, generator):
            gradients = torch.autograd.grad(
                value, list(parameters.values()), retain_graph=True, allow_unused=True
            )
            for kept, gradient in zip(total.values(), gradients, strict=True):
                if gradient is not None:
                    kept.add_(gradient.detach().float().square_(), alpha=weight)
    if not count:
        raise UsageError("Expected at least one example to estimate the Fisher information from.")
    return {name: kept.div_(count) for name, kept in total.items()}


def _scores(
    log_probs: torch.Tensor, draws: int | None, generator: torch.Generator
) -> Iterator[tuple[torch.Tensor, float]]:
    """What to take the gradient of, and what its square counts."""
    probs = log_probs.detach().exp()
    if draws is None:
        for row, weights in zip(log_probs, probs, strict=True):
            yield from zip(row, weights.tolist(), strict=True)
        return
    # Labels of different rows are independent and their scores have mean 0, so the square of the
    # summed gradient has the expectation of the sum of the squares.
    for _ in range(draws):
        labels = torch.multinomial(probs.cpu(), 1, generator=generator).to(probs.device)
        yield log_probs.gather(-1, labels).sum(), 1 / draws


def _next_tokens(model: torch.nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    output: torch.Tensor = model(input_ids=tokens[None]).logits[0]
    return output
