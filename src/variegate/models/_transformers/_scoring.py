"""Teacher-forced log-probabilities, with the prompt read once."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from variegate.models._protocol import Sampling
from variegate.models._transformers._prefixes import prefill
from variegate.models._transformers._truncate import log_distribution

__all__ = ["score_tokens"]


@torch.inference_mode()
def score_tokens(
    model: Any,
    prompt: Sequence[int],
    continuations: Sequence[Sequence[int]],
    *,
    sampling: Sampling,
    ends: Sequence[int],
    rows: int,
) -> npt.NDArray[np.float64]:
    """Log-probability of every continuation of one prompt, and of stopping after it.

    The prompt is read once for all. What continuations share is read with each of them: a tree
    over their tokens was tried and was slower, because every level costs a step. Stopping is any
    one of `ends`; a continuation of `max_tokens` tokens or more is cut by the limit, so nothing is
    added for it, and what lies beyond the limit cannot be drawn.
    """
    first, cache, mask = prefill(model, [prompt])
    first_lp = log_distribution(first, sampling)[0]
    scores = np.zeros(len(continuations))
    # Rows of one length together: no padding on the right, and little work for short ones.
    order = sorted(range(len(continuations)), key=lambda place: len(continuations[place]))
    for start in range(0, len(order), rows):
        places = order[start : start + rows]
        batch = [list(continuations[place]) for place in places]
        scores[places] = _score_batch(
            model, first_lp, copy.deepcopy(cache), mask, batch, sampling=sampling, ends=ends
        )
    return scores


def _score_batch(
    model: Any,
    first_lp: torch.Tensor,
    cache: Any,
    mask: torch.Tensor,
    batch: list[list[int]],
    *,
    sampling: Sampling,
    ends: Sequence[int],
) -> npt.NDArray[np.float64]:
    device, size, width = model.device, len(batch), max(map(len, batch))
    lengths = torch.tensor([len(row) for row in batch], device=device)
    lp = first_lp.expand(size, 1, -1)
    ids = torch.zeros(size, width, dtype=torch.int64)
    for place, row in enumerate(batch):
        ids[place, : len(row)] = torch.tensor(row, dtype=torch.int64)
    ids = ids.to(device)
    if width:
        cache.reorder_cache(torch.zeros(size, dtype=torch.int64, device=device))
        # Padding stands on the right, where no scored token can see it.
        logits = model(
            input_ids=ids,
            attention_mask=torch.cat([mask.expand(size, -1), torch.ones_like(ids)], dim=-1),
            position_ids=(mask.sum() + torch.arange(width, device=device)).expand(size, -1),
            past_key_values=cache,
            use_cache=True,
        ).logits
        lp = torch.cat([lp, log_distribution(logits, sampling)], dim=1)
    steps = torch.arange(width, device=device)
    said = lp[:, :width].gather(-1, ids[..., None])[..., 0]
    total = said.masked_fill(steps >= lengths[:, None], 0.0).sum(-1)
    ending = lp[torch.arange(size, device=device), lengths][:, list(ends)].logsumexp(-1)
    limit = sampling.max_tokens
    total = total + ending.masked_fill(lengths >= limit, 0.0)
    return np.asarray(total.masked_fill(lengths > limit, -torch.inf).cpu().numpy())
