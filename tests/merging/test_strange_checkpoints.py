"""Checkpoints and adapters as they are found: other types, other tokens, settings that lie."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.merging.conftest import TEMPLATE, WORDS, equal, read, tensors, write

from variegate.errors import CheckpointError, RunConflict, UsageError
from variegate.merging import Recipe, Source, dare, inspect_checkpoint, merge, slerp

Three = Callable[..., tuple[Path, Path, Path]]
UP = "model.layers.0.mlp.up_proj"


def mix(one: Path, two: Path, *weights: float) -> Recipe:
    given = weights or (0.5, 0.5)
    models = tuple(Source(path=p, weight=w) for p, w in zip((one, two), given, strict=True))
    return Recipe(method="linear", models=models)


def tokens(folder: Path, words: Any, added: Any = ()) -> None:
    table = {"model": {"vocab": words}, "added_tokens": list(added)}
    (folder / "tokenizer.json").write_text(json.dumps(table))


@pytest.mark.fault(29)
@pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.float8_e5m2, torch.int64])
def test_fault_29_an_end_keeps_types_that_are_not_merged(tmp_path: Path, kind: torch.dtype) -> None:
    one, two = tensors(1), tensors(2)
    for made, shift in ((one, 0), (two, 1)):
        made["kept.weight"] = (torch.arange(6) + shift).to(kind)
    a, b = write(tmp_path / "a", one), write(tmp_path / "b", two)
    with pytest.raises(CheckpointError, match=r"kept\.weight"):
        merge(mix(a, b), tmp_path / "half")
    for name, weights, want in (("first", (1, 0), one), ("second", (0, 1), two)):
        merge(mix(a, b, *weights), tmp_path / name)
        assert equal(
            {n: v.float() for n, v in read(tmp_path / name).items()},
            {n: v.float() for n, v in want.items()},
        )


@pytest.mark.fault(29)
def test_fault_29_rows_that_are_other_words_are_a_mismatch(three: Three, tmp_path: Path) -> None:
    _, one, two = three()
    tokens(two, {f"z{row}": row for row in range(8)})
    plan = merge(mix(one, two), tmp_path / "out", dry_run=True)
    assert any("8 rows are other words" in problem for problem in plan.problems)
    tokens(two, {**{w: row for w, row in WORDS.items() if w != "d"}, "<tool>": 7},
           [{"content": "<tool>", "id": 7}])  # fmt: skip
    plan = merge(mix(one, two), tmp_path / "out", dry_run=True)
    assert not plan.problems
    assert any("'d' and '<tool>'" in note for note in plan.notes)


def test_a_model_without_a_tokenizer_knows_no_tokens_and_that_is_told(
    three: Three, tmp_path: Path
) -> None:
    _, one, two = three()
    (two / "tokenizer.json").unlink()
    plan = merge(mix(one, two), tmp_path / "out", dry_run=True)
    assert any("not compared" in note for note in plan.notes)
    assert not any("unmerged" in note for note in plan.notes)


@pytest.mark.fault(28)
@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("tokenizer.json", '{"added_tokens": [{}]}'),
        ("tokenizer.json", '{"added_tokens": 5}'),
        ("tokenizer.json", '{"model": {"vocab": [1, 2]}}'),
        ("tokenizer.json", '{"model": {"vocab": [[["a"], 1]]}}'),
        ("tokenizer.json", '{"model": {"vocab": {"</s>": -3}}}'),
        ("tokenizer.json", '{"model": {"vocab": {"</s>": "x"}}}'),
    ],
)
def test_fault_28_a_tokenizer_that_is_none_is_refused(
    three: Three, tmp_path: Path, file: str, text: str
) -> None:
    _, one, two = three()
    (two / file).write_text(text)
    with pytest.raises(CheckpointError, match="vocabulary"):
        merge(mix(one, two), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.fault(28)
def test_fault_28_settings_of_other_kinds_are_no_fault_of_ours(
    three: Three, tmp_path: Path
) -> None:
    _, one, two = three()
    for number, text in enumerate(
        ('{"eos_token": ["a"]}', '{"bos_token": {"content": {}}}', '{"eos_token": 5}')
    ):
        (two / "tokenizer_config.json").write_text(text)
        merge(mix(one, two), tmp_path / str(number))
    (two / "config.json").write_text('{"architectures": 5}')
    assert inspect_checkpoint(two).architecture == "5"


@pytest.mark.fault(24)
def test_fault_24_a_template_that_changed_is_another_merge(
    three: Three, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says which rows are merged, and finished files hold the rows of before."""
    _, one, two = three()
    real, writes = os.pwrite, iter(range(4))

    def interrupted(*words: Any) -> int:
        if next(writes, None) is None:
            raise KeyboardInterrupt
        return real(*words)

    monkeypatch.setattr(os, "pwrite", interrupted)
    with pytest.raises(KeyboardInterrupt):
        merge(mix(one, two), tmp_path / "out", shard_bytes=700)
    monkeypatch.undo()
    (two / "chat_template.jinja").write_text(TEMPLATE)
    with pytest.raises(RunConflict):
        merge(mix(one, two), tmp_path / "out", shard_bytes=700)


def adapter(folder: Path, config: dict[str, Any], weights: dict[str, torch.Tensor]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", **config}))
    save_file(weights, folder / "adapter_model.safetensors")
    return folder


def pair(a: tuple[int, ...] = (2, 8), b: tuple[int, ...] = (12, 2)) -> dict[str, torch.Tensor]:
    module = f"base_model.model.{UP}"
    return {f"{module}.lora_A.weight": torch.ones(a), f"{module}.lora_B.weight": torch.ones(b)}


@pytest.mark.fault(28)
@pytest.mark.parametrize(
    ("config", "weights"),
    [
        ({}, pair(b=(12, 3))),
        ({}, pair((0, 8), (12, 0))),
        ({}, pair((8,), (12,))),
        ({}, pair((2, 8, 1), (12, 2, 1))),
        ({}, pair((), ())),
        ({}, {n: v * float("nan") for n, v in pair().items()}),
        ({"lora_alpha": "x"}, pair()),
        ({"lora_alpha": None}, pair()),
        ({"lora_alpha": float("inf")}, pair()),
        ({"alpha_pattern": [1]}, pair()),
        ({"alpha_pattern": {"up_proj": "x"}}, pair()),
        ({"alpha_pattern": {"(": 3}}, pair()),
    ],
)
def test_fault_28_an_adapter_that_cannot_be_is_refused(
    three: Three, tmp_path: Path, config: dict[str, Any], weights: dict[str, torch.Tensor]
) -> None:
    base, _, _ = three()
    folder = adapter(tmp_path / "adapter", config, weights)
    source = Source(path=base, adapter=folder, weight=1)
    with pytest.raises(CheckpointError, match="adapter"):
        merge(Recipe(method="linear", models=(source,)), tmp_path / "out")


def test_an_adapter_of_quantised_weights_is_not_left_out_in_silence(tmp_path: Path) -> None:
    weights = tensors(0) | {f"{UP}.weight": torch.ones(12, 8, dtype=torch.int8)}
    base = write(tmp_path / "base", weights)
    source = Source(path=base, adapter=adapter(tmp_path / "adapter", {}, pair()), weight=1)
    with pytest.raises(CheckpointError, match="stored as I8"):
        merge(Recipe(method="linear", models=(source,)), tmp_path / "out")


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize(
    "pattern", [r"layers\.[01]\.self_attn\.q_proj", "^model.layers.1.mlp.up_proj", ".*up_proj"]
)
def test_patterns_of_alpha_are_those_of_peft(tmp_path: Path, pattern: str) -> None:
    peft = pytest.importorskip("peft")
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=16, hidden_size=8, intermediate_size=12, num_hidden_layers=2,
                         num_attention_heads=2)  # fmt: skip
    model = LlamaForCausalLM(config)
    model.save_pretrained(tmp_path / "base")
    settings = peft.LoraConfig(
        r=2, lora_alpha=4, target_modules=["q_proj", "up_proj"], init_lora_weights=False,
        alpha_pattern={pattern: 64}, task_type="CAUSAL_LM",
    )  # fmt: skip
    tuned = peft.get_peft_model(copy.deepcopy(model), settings)
    tuned.save_pretrained(tmp_path / "adapter")
    want = tuned.merge_and_unload().state_dict()
    source = Source(path=tmp_path / "base", adapter=tmp_path / "adapter", weight=1)
    merge(Recipe(method="linear", models=(source,)), tmp_path / "out")
    for name, tensor in read(tmp_path / "out").items():
        torch.testing.assert_close(tensor, want[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("t", [-0.1, 1.1])
def test_an_arc_ends_at_its_models(t: float) -> None:
    with pytest.raises(UsageError, match=r"\[0, 1\]"):
        slerp({"w": torch.ones(2)}, {"w": torch.zeros(2)}, t=t)


def test_dare_keeps_its_share_where_24_bits_are_too_coarse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Last:
        """The largest number below 1 that the asked type has."""

        def random(self, n: int, dtype: Any) -> np.ndarray:
            return np.full(n, np.nextafter(dtype(1), dtype(0)), dtype=dtype)

    monkeypatch.setattr(np.random, "default_rng", lambda _: Last())
    for drop in (0.5, 0.9, 0.99, 0.9999999, 1 - 1e-9):
        kept = dare({"w": torch.zeros(3)}, [{"w": torch.ones(3)}], drop=drop, seed=0)["w"]
        torch.testing.assert_close(kept, torch.full((3,), 1 / (1 - drop)))
