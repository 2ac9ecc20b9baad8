"""The sampling loop: one prefill for all draws of a prompt, then one token a step for all rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from variegate.models._protocol import Sampling
from variegate.models._transformers._cache import growing_cache
from variegate.models._transformers._truncate import draw_tokens
from variegate.models._uniform import uniforms

__all__ = ["Drawn", "decode", "padded", "prefill"]

# Finished rows are dropped from the cache once they are this share of it: dropping copies the
# rows that stay, keeping computes the rows that go.
DROP_AT = 0.15


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What one row wrote, token by token."""

    ids: list[int]
    logprobs: list[float]
    entropies: list[float]
    stopped: bool  # by an end-of-sequence token or a stop string, not by max_tokens


def padded(rows: Sequence[Sequence[int]], *, device: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Left-pad token ids to one width; returns ids and mask, each (B, T)."""
    width = max(map(len, rows))
    ids = np.zeros((len(rows), width), dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for place, row in enumerate(rows):
        ids[place, width - len(row) :] = row
        mask[place, width - len(row) :] = 1
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)


def prefill(model: Any, prompts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, Any, torch.Tensor]:
    """Read prompts once: logits after the last token (P, V), the cache, and the mask (P, T)."""
    ids, mask = padded(prompts, device=model.device)
    out = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
        past_key_values=growing_cache(model.config),
        use_cache=True,
        logits_to_keep=1,
    )
    return out.logits[:, -1], out.past_key_values, mask


@torch.inference_mode()
def decode(
    model: Any,
    prompts: Sequence[Sequence[int]],
    which: Sequence[int],
    seeds: Sequence[int],
    *,
    sampling: Sampling,
    ends: Sequence[int],
    stops: Callable[[list[int]], bool] | None = None,
) -> list[Drawn]:
    """Draw one continuation a row.

    Args:
        model: a causal language model of transformers.
        prompts: token ids of the distinct prompts.
        which: for every row, the place of its prompt; shape (B,).
        seeds: for every row, its seed; shape (B,).
        sampling: the settings of the draws.
        ends: the token ids that end a sequence.
        stops: whether these tokens contain a stop string; None where there are none.
    """
    device = model.device
    logits, cache, mask = prefill(model, prompts)
    rows = torch.as_tensor(which, device=device)
    logits, mask = logits[rows], mask[rows]
    cache.reorder_cache(rows)
    position = mask.sum(-1)
    steps = sampling.max_tokens
    u = torch.from_numpy(uniforms(seeds, steps=steps)).to(device)
    end = torch.as_tensor(sorted(ends), device=device, dtype=torch.int64)

    size = len(which)
    ids = torch.zeros(size, steps, dtype=torch.int64, device=device)
    logprobs = torch.zeros(size, steps, dtype=torch.float64, device=device)
    entropies = torch.zeros(size, steps, dtype=torch.float64, device=device)
    lengths = torch.full((size,), steps, device=device)
    stopped = torch.zeros(size, dtype=torch.bool, device=device)
    live = torch.arange(size, device=device)  # cache row -> row of the result

    for step in range(steps):
        token, lp, entropy = draw_tokens(logits, u[live, step], sampling)
        ids[live, step], logprobs[live, step], entropies[live, step] = token, lp, entropy
        done = torch.isin(token, end) & ~stopped[live]
        if stops is not None:
            written = ids[live, : step + 1].tolist()
            done |= torch.tensor([stops(row) for row in written], device=device) & ~stopped[live]
        lengths[live[done]] = step + 1
        stopped[live[done]] = True
        going = ~stopped[live]
        count = int(going.sum())
        if count == 0 or step + 1 == steps:
            break
        if count <= (1 - DROP_AT) * len(live):
            keep = going.nonzero()[:, 0]
            live, token, position, mask = live[keep], token[keep], position[keep], mask[keep]
            cache.reorder_cache(keep)
        mask = torch.cat([mask, mask.new_ones(len(live), 1)], dim=-1)
        logits = model(
            input_ids=token[:, None],
            attention_mask=mask,
            position_ids=position[:, None],
            past_key_values=cache,
            use_cache=True,
        ).logits[:, -1]
        position = position + 1

    table = zip(
        ids.tolist(), logprobs.tolist(), entropies.tolist(), lengths.tolist(), stopped.tolist(),
        strict=True,
    )  # fmt: skip
    return [
        Drawn(ids=i[:length], logprobs=p[:length], entropies=e[:length], stopped=s)
        for i, p, e, length, s in table
    ]
