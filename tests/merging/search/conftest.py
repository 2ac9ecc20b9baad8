"""Two checkpoints of the lab, and deeper untrained ones of the same kind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from variegate.lab import evaluation_prompts, lab_lineage, right_answers, world
from variegate.merging import Constrained
from variegate.models import TransformersModel, transformers_model

CHECKPOINTS = lab_lineage().parent / "checkpoints"


@pytest.fixture(scope="session")
def base() -> TransformersModel:
    return transformers_model(CHECKPOINTS / "base", device="cpu")


@pytest.fixture(scope="session")
def post() -> TransformersModel:
    return transformers_model(CHECKPOINTS / "instruct-rl", device="cpu")


@pytest.fixture(scope="session")
def asked() -> tuple[Constrained, ...]:
    """Prompts of the lab that one word answers, with everything the task could say as valid."""
    return tuple(
        Constrained(
            prompt=one.prompt,
            valid=tuple(right_answers(one) if one.task == "lists" else world.OPINIONS),
        )
        for one in evaluation_prompts(per_task=6)
        if one.task in ("lists", "opinions")
    )


@pytest.fixture(scope="session")
def deep(post: TransformersModel) -> Callable[..., TransformersModel]:
    """An untrained model with the lab's vocabulary and any number of layers."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    def make(seed: int, layers: int = 16, **settings: object) -> TransformersModel:
        torch.manual_seed(seed)
        given = {"num_hidden_layers": layers, "hidden_size": 24, "intermediate_size": 32,
                 "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 12,
                 "initializer_range": 0.3, **settings}  # fmt: skip
        config = LlamaConfig(**{**post.model.config.to_dict(), **given})
        model = LlamaForCausalLM(config)
        return transformers_model(model, tokenizer=post.tokenizer, name=str(seed), device="cpu")

    return make
