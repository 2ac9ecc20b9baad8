"""A tiny random Llama in ordinary Hugging Face format, built once for this folder's tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

WORDS = ["a", "b", "c", "d", "e", "f", "g", "h", "red", "green", "blue", "Name", "one", ":", "user"]
SPECIAL = ["<pad>", "<s>", "</s>", "<unk>", "<think>", "</think>", "<|user|>", "<|model|>"]
TEMPLATE = (
    "{% for m in messages %}<|{{ 'user' if m.role == 'user' else 'model' }}|> {{ m.content }} "
    "{% endfor %}{% if add_generation_prompt %}<|model|> {% endif %}"
)


def build(
    folder: Path, *, template: str | None = TEMPLATE, seed: int = 0, scale: float = 0.5
) -> Path:
    """Write config, safetensors, tokenizer and template of a random model."""
    torch = pytest.importorskip("torch")
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    from transformers.utils import logging

    logging.disable_progress_bar()

    vocabulary = {word: place for place, word in enumerate(SPECIAL + WORDS)}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
        additional_special_tokens=SPECIAL[6:],
    )  # fmt: skip
    tokenizer.chat_template = template
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        initializer_range=scale,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    assert (folder / "model.safetensors").is_file()
    assert json.loads((folder / "config.json").read_text())["model_type"] == "llama"
    return folder


@pytest.fixture(scope="session")
def make_checkpoint() -> Callable[..., Path]:
    return build


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("tiny") / "tiny")
