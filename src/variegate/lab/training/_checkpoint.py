"""Models on disk and in memory: an ordinary Llama, only small."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from variegate.lab.training._recipe import Size
from variegate.lab.training._vocabulary import build_tokenizer, vocabulary

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

__all__ = ["load", "new_model", "save"]


def new_model(size: Size, *, seed: int) -> LlamaForCausalLM:
    """Make a model with random weights that depend on the seed and on nothing else."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    words = vocabulary()
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=size.hidden,
        intermediate_size=size.feedforward,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        pad_token_id=words["<pad>"],
        eos_token_id=words["</s>"],
        bos_token_id=None,
        attn_implementation="sdpa",
    )
    model = LlamaForCausalLM(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter.fill_(1.0)
            else:
                # The two that write into the residual stream start smaller, one share a layer.
                writes = name.endswith(("o_proj.weight", "down_proj.weight"))
                scale = 0.05 / (math.sqrt(2 * size.layers) if writes else 1.0)
                parameter.normal_(0.0, scale, generator=generator)
    return model.train()


def load(folder: Path) -> LlamaForCausalLM:
    """Read a checkpoint for training: its stored half precision, worked on in single."""
    import torch
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).train()


def save(model: LlamaForCausalLM, folder: Path, *, template: str | None) -> None:
    """Write weights (half precision, safetensors), settings and tokenizer."""
    import copy

    import torch

    # What is shipped, and what the next stage starts from, is what half precision holds.
    copy.deepcopy(model).to(torch.float16).save_pretrained(folder)
    build_tokenizer(template).save_pretrained(folder)
