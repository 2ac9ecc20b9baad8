"""The distribution a draw is made from: temperature, truncation, rules, renormalisation."""

from __future__ import annotations

import torch

from variegate.models._protocol import Sampling

__all__ = ["log_distribution"]


def log_distribution(logits: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """Turn logits (..., V) into the log-probabilities in nats that are sampled from, in float64.

    Temperature 0 is the point mass on the first largest logit.
    """
    temperature = 1.0 if sampling.temperature is None else sampling.temperature
    if temperature == 0:
        lp = torch.full(logits.shape, -torch.inf, dtype=torch.float64, device=logits.device)
        # NaN stays NaN, so that broken weights are noticed in a greedy draw too.
        peak = logits.max(-1, keepdim=True).values.double() * 0
        return lp.scatter_(-1, logits.argmax(-1, keepdim=True), peak)
    lp = logits.double()
    if temperature != 1:
        lp = lp / temperature
    lp = lp.log_softmax(-1)
    truncated = False
    if sampling.top_k is not None and sampling.top_k < lp.shape[-1]:
        least = lp.topk(sampling.top_k, dim=-1).values[..., -1:]
        lp, truncated = lp.masked_fill(lp < least, -torch.inf), True
    if sampling.top_p is not None and sampling.top_p < 1:
        if truncated:
            lp = lp.log_softmax(-1)
        ordered, order = lp.sort(dim=-1, descending=True, stable=True)
        # A token stays while the mass before it is short of top_p: the first always does.
        before = ordered.exp().cumsum(-1) - ordered.exp()
        drop = torch.zeros_like(lp, dtype=torch.bool).scatter_(-1, order, before >= sampling.top_p)
        lp, truncated = lp.masked_fill(drop, -torch.inf), True
    if sampling.min_p:
        least = lp.max(-1, keepdim=True).values + torch.log(
            torch.tensor(sampling.min_p, dtype=torch.float64)
        )
        lp, truncated = lp.masked_fill(lp < least, -torch.inf), True
    if truncated:
        lp = lp.log_softmax(-1)
    for rule in sampling.rules:
        lp = rule(lp)
    return lp
