"""Texts that grow side by side over one key-value cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from variegate.models._protocol import Sampling
from variegate.models._stepping import Ints
from variegate.models._transformers._cache import growing_cache
from variegate.models._transformers._truncate import log_distribution

__all__ = ["TorchPrefixes", "padded", "prefill"]


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


class TorchPrefixes:
    """Rows of one model: every prompt is read once, then rows branch, advance and go."""

    @torch.inference_mode()
    def __init__(self, model: Any, prompts: Sequence[Sequence[int]]) -> None:
        self.model = model
        self.read: Sequence[int] = list(map(len, prompts))
        self.logits, self.cache, self.mask = prefill(model, prompts)
        self.position = self.mask.sum(-1)

    @torch.inference_mode()
    def distribution(self, sampling: Sampling) -> torch.Tensor:
        return log_distribution(self.logits, sampling)

    @torch.inference_mode()
    def advance(self, tokens: Ints) -> None:
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(tokens), 1)], dim=-1)
        self.logits = self.model(
            input_ids=torch.from_numpy(tokens).to(self.mask.device)[:, None],
            attention_mask=self.mask,
            position_ids=self.position[:, None],
            past_key_values=self.cache,
            use_cache=True,
        ).logits[:, -1]
        self.position = self.position + 1

    @torch.inference_mode()
    def reorder(self, rows: Ints) -> None:
        if len(rows) == len(self.mask) and (rows == np.arange(len(rows))).all():
            return
        self.read = [self.read[row] for row in rows]
        index = torch.from_numpy(rows).to(self.mask.device)
        self.logits, self.mask = self.logits[index], self.mask[index]
        self.position = self.position[index]
        self.cache.reorder_cache(index)
