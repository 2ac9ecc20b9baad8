"""Merging files: the same bits as the kernels on dicts, whatever the shards and threads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.merging.conftest import TEMPLATE, equal, read, tensors, write

from variegate.errors import CheckpointError, DataError, RunConflict, UnknownName, UsageError
from variegate.merging import (
    Recipe,
    Slice,
    Source,
    dare,
    fisher,
    from_mergekit,
    linear,
    merge,
    slerp,
    task_arithmetic,
    ties,
    to_mergekit,
)
from variegate.models import checkpoint_files

Three = Callable[..., tuple[Path, Path, Path]]
DTYPES = (torch.bfloat16, torch.float16, torch.float32)


def sources(*paths: Path, **settings: Any) -> tuple[Source, ...]:
    return tuple(Source(path=path, **settings) for path in paths)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("settings", "kernel"),
    [
        ({"method": "linear"}, lambda b, m: linear(m, weights=[0.5, 0.5])),
        ({"method": "task_arithmetic", "base": True},
         lambda b, m: task_arithmetic(b, m, weights=[0.5, 0.5])),
        ({"method": "slerp", "t": 0.3}, lambda b, m: slerp(*m, t=0.3)),
        ({"method": "slerp", "t": 0.3, "scope": "global"},
         lambda b, m: slerp(*m, t=0.3, scope="global")),
        ({"method": "ties", "base": True, "weight": 0.7},
         lambda b, m: ties(b, m, density=0.3, weight=0.7)),
        ({"method": "ties", "base": True, "trim": "tensor"},
         lambda b, m: ties(b, m, density=0.3, trim="tensor")),
        ({"method": "dare", "base": True, "drop": 0.6, "seed": 4},
         lambda b, m: dare(b, m, drop=0.6, seed=4)),
        ({"method": "dare", "base": True, "drop": 0.6, "elect": True},
         lambda b, m: dare(b, m, drop=0.6, seed=0, elect=True)),
    ],
)  # fmt: skip
def test_files_give_the_bits_of_dicts(
    three: Three, tmp_path: Path, dtype: torch.dtype, settings: dict, kernel: Callable
) -> None:
    base, one, two = three(dtype=dtype, long=2700)
    density = 0.3 if settings["method"] == "ties" else None
    weight = {"ties": 1, "slerp": None}.get(settings["method"], 0.5)
    extra = {"base": Source(path=base)} if settings.get("base") else {}
    recipe = Recipe(
        **{**settings, **extra}, models=sources(one, two, weight=weight, density=density)
    )
    merge(recipe, tmp_path / "out")
    assert equal(read(tmp_path / "out"), kernel(read(base), [read(one), read(two)]))


def test_fisher_averages_from_files(three: Three, tmp_path: Path) -> None:
    _, one, two = three()
    fishers = [{n: v.abs() + 0.01 for n, v in tensors(seed).items()} for seed in (8, 9)]
    for number, table in enumerate(fishers):
        save_file(table, tmp_path / f"fisher{number}.safetensors")
    models = tuple(
        Source(path=path, weight=w, fisher=tmp_path / f"fisher{n}.safetensors")
        for n, (path, w) in enumerate([(one, 0.3), (two, 0.7)])
    )
    merge(Recipe(method="fisher", models=models), tmp_path / "out")
    want = fisher([read(one), read(two)], fishers, weights=[0.3, 0.7])
    assert equal(read(tmp_path / "out"), want)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.fault(29)
def test_fault_29_a_weight_of_1_writes_the_input_again(
    three: Three, tmp_path: Path, dtype: torch.dtype
) -> None:
    base, one, two = three(dtype=dtype)
    ends = {
        "first": (one, Recipe(method="linear", models=(Source(path=one, weight=1),
                                                       Source(path=two, weight=0)))),
        "second": (two, Recipe(method="slerp", models=sources(one, two), t=1)),
        "base": (base, Recipe(method="ties", base=Source(path=base), weight=0,
                              models=sources(one, two, density=0.2))),
    }  # fmt: skip
    for name, (source, recipe) in ends.items():
        merge(recipe, tmp_path / f"{name}-end")
        assert equal(read(tmp_path / f"{name}-end"), read(source))


def test_shards_and_threads_change_nothing(three: Three, tmp_path: Path) -> None:
    base, one, two = three(files=3, long=2700)
    recipe = Recipe(method="ties", base=Source(path=base), models=sources(one, two, density=0.4))
    merge(recipe, tmp_path / "whole", threads=1)
    merge(recipe, tmp_path / "parts", threads=3, shard_bytes=500)
    assert equal(read(tmp_path / "whole"), read(tmp_path / "parts"))
    assert len(checkpoint_files(tmp_path / "parts")) > 3
    index = json.loads((tmp_path / "parts" / "model.safetensors.index.json").read_text())
    assert index["weight_map"].keys() == read(base).keys()
    assert len(checkpoint_files(tmp_path / "whole")) == 1


def test_a_merged_lab_checkpoint_speaks(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from variegate.lab import lab_lineage

    checkpoints = lab_lineage().parent / "checkpoints"
    out = tmp_path / "middle"
    models = sources(checkpoints / "base", checkpoints / "instruct-rl", weight=0.5)
    plan = merge(Recipe(method="linear", models=models), out)
    model = AutoModelForCausalLM.from_pretrained(out)
    tokenizer = AutoTokenizer.from_pretrained(out)
    logits = model(**tokenizer("<user> 3 + 4", return_tensors="pt")).logits
    assert torch.isfinite(logits).all()
    assert (out / "chat_template.jinja").is_file()
    assert any("chat template" in note for note in plan.notes)


def test_the_recipe_lies_beside_the_result_and_makes_it_again(three: Three, tmp_path: Path) -> None:
    base, one, two = three()
    recipe = Recipe(method="dare", base=Source(path=base), models=sources(one, two), seed=7)
    merge(recipe, tmp_path / "out")
    again = Recipe.read(tmp_path / "out" / "recipe.yaml")
    merge(again, tmp_path / "again")
    assert equal(read(tmp_path / "out"), read(tmp_path / "again"))


def test_a_recipe_file_has_paths_relative_to_itself(three: Three, tmp_path: Path) -> None:
    three()
    file = tmp_path / "recipe.yaml"
    file.write_text(
        "{method: linear, models: [{path: one, weight: [0, 1]}, {path: two, weight: 0}]}"
    )
    merge(file, tmp_path / "out")
    merged, one = read(tmp_path / "out"), read(tmp_path / "one")
    name = "model.layers.1.mlp.up_proj.weight"
    torch.testing.assert_close(merged[name], one[name] * 0.5)
    assert not merged["model.layers.0.mlp.up_proj.weight"].any()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{method: average, models: [{path: one}]}", UnknownName),
        ("{method: linear, models: []}", UsageError),
        ("{method: linear, models: [{path: one, wieght: 1}]}", DataError),
        ("{method: ties, models: [{path: one}]}", UsageError),
        ("{method: slerp, t: 0.5, models: [{path: one}]}", UsageError),
        ("{method: linear, models: [{path: one, weight: heavy}]}", UsageError),
        ("{method: linear, dtype: int8, models: [{path: one}]}", UnknownName),
        ("{method: linear, models: [{path: one, weight: [{filter: mlp, value: 1}]}]}", UsageError),
        ("{method: task_arithmetic, base: one, models: [two], weight: 0.5}", UsageError),
        ("{method: linear, t: 0.5, models: [one]}", UsageError),
        ("{method: slerp, t: 0.5, models: [{path: one, weight: 1}, two]}", UsageError),
        ("{method: linear, models: [{path: one, density: 0.5}]}", UsageError),
        ("{method: passthrough, models: [one], slices: [{path: one, layers: [0, 1]}]}", UsageError),
        ("{method: passthrough, slices: [{path: one, layers: [0, 3], scale: 2}]}", DataError),
        ("{method: linear, models: [{path: one, weight: .nan}]}", UsageError),
        ("{method: linear, models: [{path: one, weight: 1e400}]}", UsageError),
        ("{method: slerp, t: .inf, models: [one, two]}", UsageError),
        (
            "{method: linear, models: [{path: one, weight: [{value: 1, layer: [0, 1]}]}]}",
            UsageError,
        ),
        ("{method: linear, models: [{path: one, weight: [{value: 1, filter: 5}]}]}", UsageError),
        ("{method: linear, models: [{path: one, weight: [{value: 1, layers: 3}]}]}", UsageError),
        ("{method: slerp, scope: 5, t: 0.5, models: [one, two]}", UnknownName),
        ("{method: ties, base: one, trim: [a], models: [two]}", UnknownName),
        ("{method: ties, base: one, models: [{path: two, density: [1, 2]}]}", UsageError),
        ("{method: ties, base: one, models: [{path: two, density: .nan}]}", UsageError),
        ("{method: dare, base: one, models: [two], drop: most}", UsageError),
        ("{method: dare, base: one, models: [two], seed: -1}", DataError),
        ("{method: dare, base: one, models: [two], elect: maybe}", DataError),
        ("{method: ties, base: [[1]], models: [one]}", DataError),
        ("{method: linear, models: [[abc]]}", DataError),
        ("{method: linear, models: abc}", DataError),
        ("{method: linear, models: {a: b}}", DataError),
        ("{method: linear, models: [{path: null}]}", DataError),
        ('{method: linear, models: ["a\\0b"]}', DataError),
        ('{method: linear, models: ["\\ud800"]}', DataError),
        ("{method: linear, models: [one], notes: a word}", DataError),
        (f"{{method: linear, models: [{{path: one, weight: {'9' * 5000}}}]}}", DataError),
        ("{method: linear, models: [one], notes: [2020-99-99]}", DataError),
        ("method: linear\nmodels: &a [*a]", DataError),
        ("{method: linear, models: [{path: one, weight: 0.3, weight: 0.7}]}", DataError),
        ("{method: linear, models: [one], models: [two]}", DataError),
        ("", DataError),
        ("method: [linear", DataError),
        ("just words", DataError),
        ("!!python/object/apply:os.system [echo]", DataError),
    ],
)
def test_a_recipe_that_cannot_be_says_why(
    three: Three, tmp_path: Path, text: str, error: type[Exception]
) -> None:
    three()
    file = tmp_path / "recipe.yaml"
    file.write_text(text)
    with pytest.raises(error):
        merge(file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.fault(28)
def test_fault_28_aliases_that_unfold_without_end_are_refused_at_once(tmp_path: Path) -> None:
    rows = ["a0: &a0 [{value: 1}, {value: 2}]"]
    for n in range(1, 40):
        rows.append(f"a{n}: &a{n} [{{value: *a{n - 1}}}, {{value: *a{n - 1}}}]")
    file = tmp_path / "recipe.yaml"
    file.write_text("\n".join([*rows, "method: linear", "models: [{path: one, weight: *a39}]"]))
    with pytest.raises(DataError, match="aliases"):
        Recipe.read(file)
    file.write_text("method: &m linear\nmodels: [&one {path: one}, *one]\nnotes: [*m]")
    assert len(Recipe.read(file).models) == 2


def test_passthrough_takes_layers_over(three: Three, tmp_path: Path) -> None:
    base, post, _ = three(dtype=torch.bfloat16)
    recipe = Recipe(
        method="passthrough",
        slices=(
            Slice(path=post, layers=(0, 1)),
            Slice(path=base, layers=(1, 2)),
            Slice(path=post, layers=(2, 3)),
        ),
    )
    merge(recipe, tmp_path / "out")
    want = {name: (read(base) if ".layers.1." in name else read(post))[name] for name in read(post)}
    assert equal(read(tmp_path / "out"), want)


def test_passthrough_may_repeat_and_drop_layers(three: Three, tmp_path: Path) -> None:
    base, post, _ = three()
    recipe = Recipe(
        method="passthrough",
        slices=(Slice(path=base, layers=(0, 2)), Slice(path=post, layers=(1, 3))),
        rest=post,
    )
    merge(recipe, tmp_path / "out")
    merged = read(tmp_path / "out")
    assert torch.equal(merged["model.layers.3.mlp.up_proj.weight"],
                       read(post)["model.layers.2.mlp.up_proj.weight"])  # fmt: skip
    assert torch.equal(merged["model.embed_tokens.weight"], read(post)["model.embed_tokens.weight"])
    assert json.loads((tmp_path / "out" / "config.json").read_text())["num_hidden_layers"] == 4
    with pytest.raises(UsageError, match="up to 3"):
        merge(
            Recipe(method="passthrough", slices=(Slice(path=base, layers=(0, 4)),)), tmp_path / "x"
        )


def test_choices_restore_a_block_and_a_kind_of_module(three: Three, tmp_path: Path) -> None:
    base, post, _ = three(dtype=torch.float16)
    block = {"layers": [1, 3], "filter": "attention"}
    recipe = Recipe(
        method="linear",
        models=(
            Source(path=base, weight=[{**block, "value": 1}, {"value": 0}]),
            Source(path=post, weight=[{**block, "value": 0}, {"value": 1}]),
        ),
    )
    merge(recipe, tmp_path / "out")
    merged, before, after = read(tmp_path / "out"), read(base), read(post)
    for name in merged:
        restored = "self_attn" in name and ".layers.0." not in name
        assert torch.equal(merged[name], (before if restored else after)[name])


def test_rows_of_tokens_that_the_base_never_saw_come_from_the_post_model(tmp_path: Path) -> None:
    base = write(tmp_path / "base", tensors(0))
    post = write(tmp_path / "post", tensors(1), template=TEMPLATE)
    models = sources(base, post, weight=0.5)
    plan = merge(Recipe(method="linear", models=models), tmp_path / "out")
    merged = read(tmp_path / "out")["model.embed_tokens.weight"]
    theirs = read(post)["model.embed_tokens.weight"]
    middle = linear([read(base), read(post)], weights=[0.5, 0.5])["model.embed_tokens.weight"]
    rows = [4, 5]  # <user> and <model>; the end of text is the base's own
    others = [row for row in range(8) if row not in rows]
    assert torch.equal(merged[rows], theirs[rows])
    assert torch.equal(merged[others], middle[others])
    assert any("2 special tokens" in note and "<user>" in note for note in plan.notes)
    merge(Recipe(method="linear", models=models, special_tokens="merge"), tmp_path / "all")
    assert torch.equal(read(tmp_path / "all")["model.embed_tokens.weight"], middle)
    ends = (Source(path=base, weight=1), Source(path=post, weight=0))
    merge(Recipe(method="linear", models=ends), tmp_path / "end")
    assert equal(read(tmp_path / "end"), read(base))


def test_tied_and_untied_heads_meet(tmp_path: Path) -> None:
    tied = write(tmp_path / "tied", tensors(0))
    free = write(tmp_path / "free", tensors(1, head=True))
    plan = merge(Recipe(method="linear", models=sources(free, tied, weight=0.5)), tmp_path / "out")
    merged = read(tmp_path / "out")
    want = 0.5 * (read(free)["lm_head.weight"] + read(tied)["model.embed_tokens.weight"])
    torch.testing.assert_close(merged["lm_head.weight"], want)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["tie_word_embeddings"] is False
    assert any("head" in note for note in plan.notes)


@pytest.mark.parametrize("tied_first", [True, False])
def test_rows_of_special_tokens_are_unmerged_in_a_head_that_one_model_ties(
    tmp_path: Path, tied_first: bool
) -> None:
    base = write(tmp_path / "base", tensors(0, head=not tied_first))
    post = write(tmp_path / "post", tensors(1, head=tied_first), template=TEMPLATE)
    merge(Recipe(method="linear", models=sources(base, post, weight=0.5)), tmp_path / "out")
    merged = read(tmp_path / "out")
    old, new = ({"lm_head.weight": found["model.embed_tokens.weight"], **found}
                for found in (read(base), read(post)))  # fmt: skip
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        assert torch.equal(merged[name][[4, 5]], new[name][[4, 5]])
        torch.testing.assert_close(merged[name][[2, 7]], (old[name] + new[name])[[2, 7]] / 2)


def test_a_wanted_type_is_stored(three: Three, tmp_path: Path) -> None:
    _, one, two = three()
    merge(
        Recipe(method="linear", models=sources(one, two, weight=0.5), dtype="bfloat16"),
        tmp_path / "out",
    )
    want = linear([read(one), read(two)], weights=[0.5, 0.5])
    merged = read(tmp_path / "out")
    assert all(torch.equal(merged[n], want[n].to(torch.bfloat16)) for n in want)
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "bfloat16"


def test_whole_numbers_must_agree_and_are_copied(tmp_path: Path) -> None:
    ids = {"model.position_ids": torch.arange(5)}
    one = write(tmp_path / "one", tensors(0) | ids)
    two = write(tmp_path / "two", tensors(1) | ids)
    merge(Recipe(method="linear", models=sources(one, two, weight=0.5)), tmp_path / "out")
    assert torch.equal(read(tmp_path / "out")["model.position_ids"], torch.arange(5))
    write(two, tensors(1) | {"model.position_ids": torch.arange(5) + 1})
    with pytest.raises(CheckpointError, match="position_ids"):
        merge(Recipe(method="linear", models=sources(one, two, weight=0.5)), tmp_path / "no")


def test_what_is_finished_is_left_alone(three: Three, tmp_path: Path) -> None:
    _, one, two = three()
    recipe = Recipe(method="linear", models=sources(one, two, weight=0.5))
    merge(recipe, tmp_path / "out")
    before = (tmp_path / "out" / "model.safetensors").stat().st_mtime_ns
    merge(recipe, tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(RunConflict):
        merge(Recipe(method="slerp", models=sources(one, two), t=0.5), tmp_path / "out")
    with pytest.raises(RunConflict):
        merge(recipe, one)


def test_progress_ends_at_the_whole(three: Three, tmp_path: Path) -> None:
    _, one, two = three(long=2700)
    seen: list[tuple[int, int, str]] = []
    recipe = Recipe(method="linear", models=sources(one, two, weight=0.5))
    plan = merge(recipe, tmp_path / "out", progress=lambda *step: seen.append(step))
    assert seen[-1] == (plan.bytes, plan.bytes, "model.safetensors")
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")  # peft's own
@pytest.mark.parametrize("scaled", [False, True])
def test_an_adapter_is_merged_as_peft_merges_it(tmp_path: Path, scaled: bool) -> None:
    peft = pytest.importorskip("peft")
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=8, hidden_size=8, intermediate_size=12, num_hidden_layers=2,
                    num_attention_heads=2, tie_word_embeddings=False)
    )  # fmt: skip
    base = tmp_path / "base"
    model.save_pretrained(base)
    config = peft.LoraConfig(
        r=4, lora_alpha=6, target_modules=["q_proj", "down_proj", "embed_tokens"],
        use_rslora=scaled, alpha_pattern={"down_proj": 3} if scaled else {},
        init_lora_weights=False,
    )  # fmt: skip
    tuned = peft.get_peft_model(model, config)
    tuned.save_pretrained(tmp_path / "adapter")
    want = tuned.merge_and_unload().state_dict()
    recipe = Recipe(
        method="linear", models=(Source(path=base, adapter=tmp_path / "adapter", weight=1),)
    )
    merge(recipe, tmp_path / "out")
    merged = read(tmp_path / "out")
    assert merged.keys() == want.keys()
    for name in merged:
        torch.testing.assert_close(merged[name], want[name])
    name = "model.layers.0.self_attn.q_proj.weight"
    before = read(base)
    assert not torch.equal(merged[name], before[name])

    # Pairs are task vectors: half the weight adds half the change.
    half = Recipe(
        method="task_arithmetic",
        base=Source(path=base),
        models=(Source(path=base, adapter=tmp_path / "adapter", weight=0.5),),
    )
    merge(half, tmp_path / "half")
    torch.testing.assert_close(
        read(tmp_path / "half")[name], (before[name] + want[name]) / 2, rtol=1e-5, atol=1e-6
    )


def test_recipes_of_mergekit_are_read_with_its_defaults(tmp_path: Path) -> None:
    text = """
merge_method: ties
base_model: base
models:
  - model: base
  - model: one
    parameters: {density: 0.3, weight: 0.5}
  - model: two+lora
    parameters: {weight: 2}
parameters: {density: 0.6, lambda: 0.9}
dtype: bfloat16
"""
    recipe = from_mergekit(text, folder=tmp_path)
    assert (recipe.method, recipe.trim, recipe.weight, recipe.dtype) == (
        "ties", "tensor", 0.9, "bfloat16",
    )  # fmt: skip
    assert [one.density for one in recipe.models] == [0.3, 0.6]
    assert [one.weight for one in recipe.models] == [0.5, 2]
    assert recipe.models[1].adapter == tmp_path / "lora"
    assert any("majority" in note for note in recipe.notes)


def test_mergekits_usual_slerp_recipe_is_read(three: Three, tmp_path: Path) -> None:
    _, one, two = three()
    text = f"""
slices:
  - sources:
      - {{model: {two}, layer_range: [0, 3]}}
      - {{model: {one}, layer_range: [0, 3]}}
merge_method: slerp
base_model: {one}
parameters:
  t:
    - filter: self_attn
      value: [0, 0.5, 1]
    - value: 0.25
"""
    recipe = from_mergekit(text)
    assert [model.path for model in recipe.models] == [one, two]
    merge(recipe, tmp_path / "out")
    merged, first, second = read(tmp_path / "out"), read(one), read(two)
    attention = "model.layers.{}.self_attn.q_proj.weight"
    assert torch.equal(merged[attention.format(0)], first[attention.format(0)])
    assert torch.equal(merged[attention.format(2)], second[attention.format(2)])
    quarter = slerp(first, second, t=0.25)
    assert torch.equal(merged["model.norm.weight"], quarter["model.norm.weight"])


def test_a_slice_of_mergekit_that_leaves_layers_out_is_no_plain_merge(three: Three) -> None:
    _, one, two = three()
    for end, fits in ((3, True), (2, False)):
        models = [{"model": str(path), "layer_range": [0, end]} for path in (one, two)]
        parts = [{"sources": models, "parameters": {"t": 0.25}}]
        table = {"merge_method": "slerp", "base_model": str(two), "slices": parts}
        if fits:
            recipe = from_mergekit(table)
            assert (recipe.t, [m.path for m in recipe.models]) == (0.25, [two, one])
        else:
            with pytest.raises(UsageError, match="all layers"):
                from_mergekit(table)


def test_dare_ties_of_mergekit_sums_and_ours_says_that_it_averages() -> None:
    text = "{merge_method: dare_ties, base_model: b, models: [{model: a}]%s}"
    assert any("averaged" in note for note in from_mergekit(text % "").notes)
    told = from_mergekit(text % ", parameters: {normalize: true}").notes
    assert not any("averaged" in note for note in told)


@pytest.mark.parametrize("value", ["[{sources: 3}]", "3", "[{sources: [{model: a}, {model: b}]}]"])
def test_what_is_no_recipe_of_mergekit_is_said(value: str) -> None:
    for method in ("passthrough", "linear"):
        with pytest.raises((DataError, UsageError)):
            from_mergekit(f"{{merge_method: {method}, slices: {value}}}")


@pytest.mark.parametrize(
    "settings",
    [
        {"method": "linear", "weights": [0.3, 0.9]},
        {"method": "slerp", "t": [0, 0.5, 1]},
        {"method": "task_arithmetic", "based": True, "weights": [0.3, -0.9]},
        {"method": "ties", "based": True, "trim": "tensor", "density": 0.3, "weight": 0.8},
        {"method": "dare", "based": True, "drop": 0.75, "weights": [0.3, 0.9], "elect": True},
    ],
)
def test_what_is_written_for_mergekit_is_read_back(three: Three, settings: dict) -> None:
    base, one, two = three()
    weights = settings.pop("weights", [None, None])
    density = settings.pop("density", None)
    based = {"base": Source(path=base)} if settings.pop("based", False) else {}
    models = tuple(
        Source(path=p, weight=w, density=density) for p, w in zip((one, two), weights, strict=True)
    )
    recipe = Recipe(**settings, **based, models=models)
    back = from_mergekit(to_mergekit(recipe))
    for field in ("method", "t", "trim", "elect", "base"):
        assert getattr(back, field) == getattr(recipe, field)
    assert back.drop == pytest.approx(recipe.drop)
    assert [m.path for m in back.models] == [one, two]
    if weights[0] is not None:
        assert [m.weight for m in back.models] == weights


@pytest.mark.parametrize(
    "text",
    [
        "{merge_method: model_stock, models: [{model: a}]}",
        "{merge_method: linear, models: [{model: a}], tokenizer_source: union}",
        "{merge_method: linear, models: [{model: a}], modules: {x: 1}}",
        "{merge_method: ties, base_model: b, models: [{model: a}], parameters: {normalize: false}}",
        "{merge_method: linear, models: [{model: a}], chat_template: auto}",
        "{merge_method: linear, models: [{model: a}], parameters: {normalize: perhaps}}",
        "{merge_method: linear, models: [{model: a}], tokenizer: {source: a}}",
        "{merge_method: linear, models: [{model: a}], parameters: {wieght: 1}}",
        "{merge_method: linear, models: [{model: a, parameters: {density: 1}}]}",
        "{merge_method: linear, models: [{model: a, weight: 1}]}",
        "{merge_method: slerp, models: [{model: a}, {model: b}], base_model: a}",
        "{merge_method: slerp, models: [{model: a}, {model: b}], base_model: c, "
        "parameters: {t: 1}}",
        "{merge_method: slerp, models: [{model: a, parameters: {t: 0}}, {model: b}], "
        "parameters: {t: 1}}",
        "{merge_method: ties, base_model: b, models: [{model: a}], parameters: {rescale: true}}",
        "{merge_method: dare_linear, base_model: b, models: [{model: a}], "
        "parameters: {rescale: false}}",
        "{merge_method: dare_ties, base_model: b, models: [{model: a}], parameters: {lambda: 0.5}}",
        "{merge_method: dare_ties, base_model: b, models: [{model: a}], "
        "parameters: {normalize: false}}",
        "{merge_method: ties, base_model: b, models: [{model: a, parameters: {density: [0, 1]}}]}",
        "{merge_method: passthrough, slices: [{residual_weight: 1, "
        "sources: [{model: a, layer_range: [0, 1]}]}]}",
        "{merge_method: passthrough, parameters: {scale: 0.5}, "
        "slices: [{sources: [{model: a, layer_range: [0, 1]}]}]}",
    ],
)
def test_what_we_do_not_have_of_mergekit_is_said(text: str) -> None:
    with pytest.raises(UsageError):
        from_mergekit(text)


def test_choices_by_layer_cannot_be_told_to_mergekit(tmp_path: Path) -> None:
    models = (Source(path=tmp_path, weight=[{"layers": [0, 1], "value": 1}, {"value": 0}]),)
    with pytest.raises(UsageError, match="by layer"):
        to_mergekit(Recipe(method="linear", models=models))
    with pytest.raises(DataError):
        from_mergekit("{merge_method: linear}")


def test_numbers_that_yaml_reads_as_text_are_numbers(three: Three, tmp_path: Path) -> None:
    three()
    file = tmp_path / "recipe.yaml"
    file.write_text("{method: linear, models: [{path: one, weight: 1e-3}]}")
    merge(file, tmp_path / "out")
    name = "model.norm.weight"
    np.testing.assert_allclose(
        read(tmp_path / "out")[name], read(tmp_path / "one")[name] * 1e-3, rtol=1e-6
    )


def test_lengths_have_the_same_bits_on_any_number_of_cores() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (
        {"w": torch.randn(700, 611, generator=generator), "v": torch.randn(5, generator=generator)}
        for _ in range(2)
    )
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 4):
            torch.set_num_threads(count)
            found.append(
                (slerp(a, b, t=0.3, scope="global"), fisher([a, b], [_squares(a), _squares(b)]))
            )
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            assert all(torch.equal(one[name], two[name]) for name in one)


def _squares(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.square() for name, tensor in tensors.items()}
