"""Layers back from the base: the kernel, the search by one token, the saliency."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from variegate.errors import ModelError, UnknownName, UsageError
from variegate.lab import lab_lineage
from variegate.merging import (
    Constrained,
    entropy_saliency,
    proxy_agreement,
    random_character_prompts,
    restored,
    search_intervals,
    swapped,
)
from variegate.merging.search._constrained import logits_of, questions, spread
from variegate.models import TransformersModel, transformers_model

CHECKPOINTS = lab_lineage().parent / "checkpoints"
Weights = dict[str, torch.Tensor]


def state(model: TransformersModel) -> Weights:
    return {name: tensor.clone() for name, tensor in model.model.state_dict().items()}


def bits(a: Weights, b: Weights) -> bool:
    return a.keys() == b.keys() and all(
        torch.equal(a[name].view(torch.int32), b[name].view(torch.int32)) for name in a
    )


def test_the_empty_block_is_post_and_all_layers_with_the_rest_are_the_base(
    base: TransformersModel, post: TransformersModel
) -> None:
    old, new = state(base), state(post)
    for place in range(5):
        assert bits(restored(old, new, first=place, end=place), new)
    assert bits(restored(old, new, first=0, end=4, rest="base"), old)
    whole = restored(old, new, first=0, end=4)
    assert torch.equal(whole["model.embed_tokens.weight"], new["model.embed_tokens.weight"])
    assert all(torch.equal(whole[name], old[name]) for name in whole if ".layers." in name)


def test_a_block_and_what_it_leaves_give_the_base_layers_everywhere(
    base: TransformersModel, post: TransformersModel
) -> None:
    old, new = state(base), state(post)
    part = restored(old, new, first=1, end=3)
    rest = restored(old, restored(old, part, first=0, end=1), first=3, end=4)
    assert bits(rest, restored(old, new, first=0, end=4))


def test_modules_split_a_block(base: TransformersModel, post: TransformersModel) -> None:
    old, new = state(base), state(post)
    changed = {
        kind: {
            name
            for name, tensor in restored(old, new, first=1, end=3, modules=kind).items()
            if not torch.equal(tensor, new[name])
        }
        for kind in ("all", "attention", "mlp")
    }
    assert changed["attention"]
    assert all("self_attn" in name for name in changed["attention"])
    assert changed["mlp"]
    assert all(".mlp." in name for name in changed["mlp"])
    norms = changed["all"] - changed["attention"] - changed["mlp"]
    assert all("layernorm" in name for name in norms)


def test_what_cannot_be_restored_is_refused() -> None:
    base = {"layers.0.w": torch.zeros(1)}
    with pytest.raises(UsageError, match="first"):
        restored(base, base, first=1, end=0)
    with pytest.raises(UsageError, match="same tensors"):
        restored({"layers.0.v": torch.zeros(1)}, base, first=0, end=1)
    with pytest.raises(UnknownName):
        restored(base, base, first=0, end=1, modules="heads")  # type: ignore[arg-type]


def naive(
    base: TransformersModel,
    post: TransformersModel,
    prompts: Sequence[Constrained],
    modules: str = "all",
) -> tuple[np.ndarray, np.ndarray]:
    """One forward pass of a restored model for every block."""
    asked = questions(post, prompts, format="raw")
    old, new = state(base), state(post)
    size = post.model.config.num_hidden_layers + 1
    q, h = np.full((2, size, size), np.nan)
    for i in range(size):
        for j in range(i, size):
            hybrid = restored(old, new, first=i, end=j, modules=modules)  # type: ignore[arg-type]
            with swapped(post.model, hybrid), torch.no_grad():
                found = [
                    spread(row, one)
                    for row, one in zip(logits_of(post.model, asked), asked, strict=True)
                ]
            q[i, j] = np.mean([float(mass) for mass, _ in found])
            h[i, j] = np.mean([float(entropy) for _, entropy in found])
    return q, h


@pytest.mark.parametrize("modules", ["all", "attention", "mlp"])
def test_the_cached_search_finds_what_a_pass_for_every_block_finds(
    base: TransformersModel,
    post: TransformersModel,
    asked: tuple[Constrained, ...],
    modules: str,
) -> None:
    found = search_intervals(base, post, asked, format="raw", modules=modules)  # type: ignore[arg-type]
    q, h = naive(base, post, asked, modules)
    np.testing.assert_allclose(found.validity, q, atol=1e-5)
    np.testing.assert_allclose(found.entropy, h, atol=1e-5)
    # The best by brute force, within what rounding can turn round.
    best = h[(q >= 0.9 * q[0, 0] - 1e-6) & np.isfinite(h)].max()
    assert h[found.first, found.end] == pytest.approx(best, abs=1e-5)


def test_entropy_is_bounded_the_floor_is_kept_and_entropy_never_falls(
    base: TransformersModel, post: TransformersModel, asked: tuple[Constrained, ...]
) -> None:
    for floor in (0.0, 0.5, 0.9, 1.0):
        found = search_intervals(base, post, asked, format="raw", floor=floor)
        upper = np.triu_indices(5)
        for number, one in enumerate(asked):
            values = found.entropies[number][upper]
            assert (values >= 0).all()
            assert (values <= math.log(len(one.valid)) + 1e-12).all()
        assert found.validity[found.first, found.end] >= floor * found.validity[0, 0]
        assert found.entropy[found.first, found.end] >= found.entropy[0, 0]
        assert np.isnan(found.entropy[np.tril_indices(5, -1)]).all()


def test_even_logits_give_the_log_of_the_number_of_items(
    post: TransformersModel,
) -> None:
    one = Constrained(prompt="tell me one drink :", valid=("tea", "milk", "water"))
    (question,) = questions(post, [one], format="raw")
    mass, entropy = spread(torch.zeros(306), question)
    assert float(mass) == pytest.approx(3 / 306)
    assert float(entropy) == pytest.approx(math.log(3))


def test_variants_of_an_item_are_summed() -> None:
    from variegate.merging.search._constrained import Question

    question = Question(tokens=(0,), valid=((0, 1), (2,)))
    mass, entropy = spread(torch.tensor([0.1, 0.3, 0.4, 0.2]).log(), question)
    assert float(mass) == pytest.approx(0.8)
    assert float(entropy) == pytest.approx(math.log(2))


def test_layer_passes_are_counted_and_at_least_two_and_a_half_times_fewer(
    deep: Callable[..., TransformersModel], asked: tuple[Constrained, ...]
) -> None:
    base, post = deep(0), deep(1)
    rows = 0

    def count(_: object, given: tuple[torch.Tensor, ...]) -> None:
        nonlocal rows
        rows += len(given[0])

    hooks = [
        layer.register_forward_pre_hook(count)
        for model in (base, post)
        for layer in model.model.model.layers
    ]
    found = search_intervals(base, post, asked[:3], format="raw")
    for hook in hooks:
        hook.remove()
    assert rows == 3 * found.layer_passes
    assert found.naive_passes == 16 * (1 + 16 * 17 // 2)
    assert found.naive_passes / found.layer_passes >= 2.5
    q, h = naive(base, post, asked[:3])
    np.testing.assert_allclose(found.validity, q, atol=1e-4)
    np.testing.assert_allclose(found.entropy, h, atol=1e-3)


@pytest.mark.parametrize("family", ["GPTNeoX", "GPT2", "Mistral"])
def test_the_cached_search_knows_other_families(
    post: TransformersModel, asked: tuple[Constrained, ...], family: str
) -> None:
    import transformers

    wide = {"n_embd": 32, "n_layer": 4, "n_head": 4} if family == "GPT2" else {
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4,
        "num_attention_heads": 4,
    }  # fmt: skip
    if family == "Mistral":
        wide |= {"num_key_value_heads": 2, "sliding_window": 4}
    config = getattr(transformers, f"{family}Config")(
        vocab_size=post.model.config.vocab_size, initializer_range=0.3, bos_token_id=0,
        eos_token_id=0, **wide,
    )  # fmt: skip
    models = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        made = transformers.AutoModelForCausalLM.from_config(config).eval()
        models.append(transformers_model(made, tokenizer=post.tokenizer, name=str(seed)))
    found = search_intervals(*models, asked[:3], format="raw")
    q, h = naive(*models, asked[:3])
    np.testing.assert_allclose(found.validity, q, atol=1e-5)
    np.testing.assert_allclose(found.entropy, h, atol=1e-4)


def test_a_model_that_does_not_answer_with_its_next_token_is_told(
    base: TransformersModel, post: TransformersModel, asked: tuple[Constrained, ...]
) -> None:
    reasons = transformers_model(CHECKPOINTS / "think-rl", device="cpu")
    assert "does not answer" in search_intervals(base, reasons, asked).note
    assert not search_intervals(base, post, asked).note


def test_what_cannot_be_searched_is_refused(
    base: TransformersModel, post: TransformersModel, deep: Callable[..., TransformersModel]
) -> None:
    one = Constrained(prompt="tell me one drink :", valid=("tea", "milk"))
    with pytest.raises(UsageError, match="layers"):
        search_intervals(deep(0, 2), post, [one])
    with pytest.raises(UsageError, match="floor"):
        search_intervals(base, post, [one], floor=1.5)
    with pytest.raises(UsageError, match="one token"):
        search_intervals(base, post, [Constrained(prompt="?", valid=("tea", "unheard"))])
    with pytest.raises(UsageError, match="different items"):
        search_intervals(base, post, [Constrained(prompt="?", valid=("tea", "tea"))])
    with pytest.raises(UsageError, match="at least one prompt"):
        search_intervals(base, post, [])


def test_more_than_a_norm_and_a_head_after_the_layers_is_refused(
    base: TransformersModel, deep: Callable[..., TransformersModel]
) -> None:
    odd, one = deep(0, 4), Constrained(prompt="tell me one drink :", valid=("tea", "milk"))
    plain = odd.model.forward

    def capped(*given: object, **settings: object) -> object:
        out = plain(*given, **settings)
        out.logits = 3 * torch.tanh(out.logits / 3)
        return out

    odd.model.forward = capped
    with pytest.raises(ModelError, match="norm and a head"):
        search_intervals(deep(1, 4), odd, [one], format="raw")


def test_nan_in_the_post_trained_model_is_told_and_in_the_base_never_chosen(
    deep: Callable[..., TransformersModel],
) -> None:
    one = Constrained(prompt="tell me one drink :", valid=("tea", "milk"))
    sound, broken = deep(0, 4), deep(1, 4)
    with torch.no_grad():
        broken.model.model.layers[2].mlp.up_proj.weight.fill_(math.nan)
    with pytest.raises(ModelError, match="NaN"):
        search_intervals(sound, broken, [one], format="raw")
    found = search_intervals(broken, sound, [one], format="raw", floor=0.0)
    assert not found.first <= 2 < found.end
    assert math.isnan(found.entropy[2, 3])


def test_the_prompts_name_every_item_they_allow_and_all_differ() -> None:
    prompts = random_character_prompts()
    assert len({one.prompt for one in prompts}) == len(prompts) == 40
    for one in prompts:
        assert ", ".join(one.valid) in one.prompt


def test_agreement_is_one_for_the_same_order_and_nan_for_none() -> None:
    rng = np.random.default_rng(0)
    sampled = rng.random((12, 6))
    assert proxy_agreement(sampled.mean(0), sampled).value == pytest.approx(1.0)
    assert proxy_agreement(-sampled.mean(0), sampled).value == pytest.approx(-1.0)
    assert math.isnan(proxy_agreement(np.ones(6), sampled).value)
    with pytest.raises(UsageError):
        proxy_agreement([1.0, 2.0], sampled)


def test_saliency_is_the_derivative_by_finite_differences(
    base: TransformersModel, post: TransformersModel, asked: tuple[Constrained, ...]
) -> None:
    found = entropy_saliency(base, post, asked, format="raw")
    old, new = state(base), state(post)
    wanted = questions(post, asked, format="raw")
    step = 0.01

    def entropy(layer: int | None, share: float) -> float:
        mixed = {
            name: value + share * (old[name] - value)
            if (f".layers.{layer}." in name if layer is not None else ".layers." not in name)
            else value
            for name, value in new.items()
        }
        with swapped(post.model, mixed), torch.no_grad():
            rows = logits_of(post.model, wanted)
            each = [float(spread(r, one)[1]) for r, one in zip(rows, wanted, strict=True)]
        return float(np.mean(each))

    for layer, value in [*enumerate(found.layers), (None, found.rest)]:
        difference = (entropy(layer, step) - entropy(layer, -step)) / (2 * step)
        assert value == pytest.approx(difference, rel=0.02, abs=2e-3)
    assert found.entropy == pytest.approx(entropy(0, 0.0), abs=1e-6)
    assert sum(found.tensors.values()) == pytest.approx(found.layers.sum() + found.rest)
    assert all(p.grad is None for p in post.model.parameters())


def test_saliency_beside_the_search_of_single_layers(
    base: TransformersModel, post: TransformersModel, asked: tuple[Constrained, ...]
) -> None:
    # The first step and the whole layer need not agree in size; on this pair the layer that the
    # derivative puts first is among the two that bring most entropy when restored alone.
    found = entropy_saliency(base, post, asked, format="raw")
    search = search_intervals(base, post, asked, format="raw")
    alone = [search.entropy[layer, layer + 1] - search.entropy[0, 0] for layer in range(4)]
    assert int(np.argmax(found.layers)) in np.argsort(alone)[-2:]


def test_intervals_lists_each_block_once(
    base: TransformersModel, post: TransformersModel, asked: tuple[Constrained, ...]
) -> None:
    found = search_intervals(base, post, asked[:1], format="raw")
    assert len(found.intervals) == 11 == len(set(found.intervals))
    pairs = itertools.combinations(range(5), 2)
    assert set(found.intervals) == {(0, 0), *pairs}
