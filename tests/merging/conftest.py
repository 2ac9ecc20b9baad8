"""Small checkpoints in ordinary Hugging Face format, written without a model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

WORDS = {"<pad>": 0, "</s>": 1, "a": 2, "b": 3, "<user>": 4, "<model>": 5, "c": 6, "d": 7}
CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 3,
    "hidden_size": 8, "vocab_size": 8, "tie_word_embeddings": True, "dtype": "float32",
}  # fmt: skip
TEMPLATE = "{% for m in messages %}<user> {{ m.content }} </s>{% endfor %}<model>"


def tensors(
    seed: int, *, dtype: torch.dtype = torch.float32, long: int = 0, head: bool = False
) -> dict[str, torch.Tensor]:
    """Three layers; `long` adds a tensor of several pieces."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.from_numpy(rng.normal(scale=0.1, size=shape)).to(dtype)

    made = {"model.embed_tokens.weight": draw(8, 8)}
    for layer in range(3):
        made[f"model.layers.{layer}.self_attn.q_proj.weight"] = draw(8, 8)
        made[f"model.layers.{layer}.mlp.up_proj.weight"] = draw(12, 8)
        made[f"model.layers.{layer}.input_layernorm.weight"] = draw(8)
    made["model.norm.weight"] = draw(8)
    if long:
        made["model.layers.1.mlp.long.weight"] = draw(long, 100)
    if head:
        made["lm_head.weight"] = draw(8, 8)
    return made


def write(
    folder: Path,
    weights: Mapping[str, torch.Tensor],
    *,
    config: Mapping[str, Any] | None = None,
    template: str | None = None,
    files: int = 1,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tied = "lm_head.weight" not in weights
    told = {**CONFIG, "tie_word_embeddings": tied, **(config or {})}
    (folder / "config.json").write_text(json.dumps(told))
    tokenizer = {"model": {"type": "WordLevel", "vocab": WORDS}, "added_tokens": []}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "</s>"}))
    if template:
        (folder / "chat_template.jinja").write_text(template)
    names = list(weights)
    if files == 1:
        save_file(dict(weights), folder / "model.safetensors")
        return folder
    table = {}
    for number in range(files):
        file = f"model-{number + 1:05d}-of-{files:05d}.safetensors"
        part = {name: weights[name] for name in names[number::files]}
        save_file(part, folder / file)
        table |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    return folder


def read(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        found |= load_file(file)
    return found


def equal(a: Mapping[str, torch.Tensor], b: Mapping[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(
        a[n].dtype == b[n].dtype and torch.equal(a[n], b[n]) for n in a
    )


@pytest.fixture
def three(tmp_path: Path) -> Callable[..., tuple[Path, Path, Path]]:
    """A base and two models of it, on disk."""

    def make(files: int = 1, **settings: Any) -> tuple[Path, Path, Path]:
        base, one, two = (
            write(tmp_path / name, tensors(seed, **settings), files=files)
            for seed, name in enumerate(("base", "one", "two"))
        )
        return base, one, two

    return make
