"""Changes of weights: nothing moved is 0, a planted change shows where it was planted."""

from __future__ import annotations

import json

import polars as pl
import pytest

from variegate.errors import CheckpointError
from variegate.lineage import Lineage, layers_of

torch = pytest.importorskip("torch")
from safetensors.torch import save_file  # noqa: E402

WIDTH, LAYERS, WORDS = 16, 3, 20


def weights(seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"model.embed_tokens.weight": (WORDS, WIDTH), "lm_head.weight": (WORDS, WIDTH)}
    shapes["model.norm.weight"] = (WIDTH,)
    for layer in range(LAYERS):
        for part in (
            "self_attn.q_proj",
            "self_attn.k_proj",
            "self_attn.v_proj",
            "self_attn.o_proj",
        ):
            shapes[f"model.layers.{layer}.{part}.weight"] = (WIDTH, WIDTH)
        for part in ("mlp.gate_proj", "mlp.up_proj"):
            shapes[f"model.layers.{layer}.{part}.weight"] = (2 * WIDTH, WIDTH)
        shapes[f"model.layers.{layer}.mlp.down_proj.weight"] = (WIDTH, 2 * WIDTH)
        shapes[f"model.layers.{layer}.input_layernorm.weight"] = (WIDTH,)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def saved(folder, tensors, **config):
    folder.mkdir(parents=True)
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def line(tmp_path, *checkpoints, **config):
    """A lineage of one line, and its table of layers."""
    names = ["base", "sft", "dpo"][: len(checkpoints)]
    stages = [
        {"name": name, "parent": parent, "model": saved(tmp_path / name, tensors, **config)}
        for name, parent, tensors in zip(names, [None, *names], checkpoints, strict=False)
    ]
    return layers_of(Lineage(stages=stages, prompts=tmp_path / "unused.jsonl"))


def test_identical_checkpoints_have_not_moved(tmp_path):
    table, cautions = line(tmp_path, weights(), weights())
    assert table["relative_norm"].to_list() == [0.0] * table.height
    assert set(table["effective_rank"].drop_nulls()) == {0.0}
    assert cautions == ()


def test_a_planted_change_of_rank_one_shows_in_its_layer_and_nowhere_else(tmp_path):
    after = weights()
    name = "model.layers.1.self_attn.k_proj.weight"
    after[name] = after[name] + torch.outer(torch.arange(WIDTH) - 7.0, torch.ones(WIDTH))
    table, _ = line(tmp_path, weights(), after)
    moved = table.filter(pl.col("relative_norm") > 0)
    assert moved.select("layer", "module").rows() == [(1, "k")]
    assert moved["effective_rank"].item() == pytest.approx(1.0, abs=1e-3)
    change, before = (after[name] - weights()[name]).norm(), weights()[name].norm()
    assert moved["relative_norm"].item() == pytest.approx(float(change / before), rel=1e-5)


@pytest.mark.parametrize("rank", [2, 5])
def test_equal_orthogonal_directions_count_as_their_number(tmp_path, rank):
    after = weights()
    name = "model.layers.0.mlp.up_proj.weight"
    after[name][:rank, :rank] += torch.eye(rank)
    table, _ = line(tmp_path, weights(), after)
    found = table.filter(layer=0, module="up")["effective_rank"].item()
    assert found == pytest.approx(rank, rel=1e-3)


def test_against_the_parents_own_change(tmp_path):
    base, step = weights(0), weights(1)
    sft = {name: tensor + step[name] for name, tensor in base.items()}
    further = {name: tensor + 0.5 * step[name] for name, tensor in sft.items()}
    table, _ = line(tmp_path / "on", base, sft, further)
    first, second = table.filter(stage="sft"), table.filter(stage="dpo")
    assert first["cosine"].null_count() == first["sign_agreement"].null_count() == first.height
    assert second["cosine"].to_list() == pytest.approx([1.0] * second.height, abs=1e-5)
    assert second["sign_agreement"].to_list() == [1.0] * second.height
    back = {name: tensor - 0.5 * step[name] for name, tensor in sft.items()}
    table, _ = line(tmp_path / "back", base, sft, back)
    second = table.filter(stage="dpo")
    assert second["cosine"].to_list() == pytest.approx([-1.0] * second.height, abs=1e-5)
    assert second["sign_agreement"].to_list() == [0.0] * second.height


def test_every_module_has_its_name_and_order(tmp_path):
    table, _ = line(tmp_path, weights(0), weights(1))
    first = table.filter(layer=0)["module"].to_list()
    assert first == ["q", "k", "v", "o", "gate", "up", "down", "norm"]
    assert table.filter(layer=-1)["module"].to_list() == ["embedding", "norm", "head"]


def test_a_tied_head_is_counted_once(tmp_path):
    table, cautions = line(tmp_path, weights(0), weights(1), tie_word_embeddings=True)
    assert "head" not in table["module"]
    assert cautions == ()


def test_fault_29_other_shapes_are_a_caution_and_not_a_crash(tmp_path):
    after = weights(1)
    after["model.embed_tokens.weight"] = torch.zeros(WORDS + 4, WIDTH)
    after["extra.weight"] = torch.zeros(2)
    table, cautions = line(tmp_path, weights(0), after)
    assert "embedding" not in table["module"]
    assert [(c.kind, c.where, c.count) for c in cautions] == [("weights", "sft", 1)] * 2


def test_half_precision_is_compared_in_single(tmp_path):
    half = {name: tensor.to(torch.bfloat16) for name, tensor in weights().items()}
    table, _ = line(tmp_path, half, {name: t.float() for name, t in half.items()})
    assert table["relative_norm"].to_list() == [0.0] * table.height


@pytest.mark.fault(28)
def test_fault_28_a_broken_file_is_refused(tmp_path):
    lineage = Lineage(
        prompts=tmp_path / "unused.jsonl",
        stages=[
            {"name": "base", "model": saved(tmp_path / "base", weights())},
            {"name": "sft", "parent": "base", "model": tmp_path / "sft"},
        ],
    )
    (tmp_path / "sft").mkdir()
    with pytest.raises(CheckpointError, match=r"config\.json"):
        layers_of(lineage)
    (tmp_path / "sft" / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="Expected weights as safetensors"):
        layers_of(lineage)
    (tmp_path / "sft" / "model.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(CheckpointError):
        layers_of(lineage)
    (tmp_path / "sft" / "model.safetensors").unlink()
    index = tmp_path / "sft" / "model.safetensors.index.json"
    for content in ("{", "[]", "{}", '{"weight_map": []}', '{"weight_map": {"w": "../x.bin"}}'):
        index.write_text(content)
        with pytest.raises(CheckpointError, match="index"):
            layers_of(lineage)
    index.write_text('{"weight_map": {"w": "model-00001-of-00002.safetensors"}}')
    with pytest.raises(CheckpointError, match="model-00001-of-00002"):
        layers_of(lineage)
