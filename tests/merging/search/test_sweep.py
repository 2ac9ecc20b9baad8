"""Points between models in one live module."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from variegate.errors import DataError, UnknownName, UsageError
from variegate.lab import evaluation_prompts
from variegate.merging import blended, grid, knobs, linear, swapped, sweep, task_arithmetic
from variegate.models import Arm, Sampling, TransformersModel, collect, transformers_model

Weights = dict[str, torch.Tensor]


def state(model: TransformersModel) -> Weights:
    return {name: tensor.clone() for name, tensor in model.model.state_dict().items()}


def bits(a: Weights, b: Weights) -> bool:
    return all(torch.equal(a[n].view(torch.int32), b[n].view(torch.int32)) for n in a)


def test_what_stood_there_comes_back_bit_for_bit_even_after_an_exception(
    base: TransformersModel, post: TransformersModel
) -> None:
    before = state(post)
    with swapped(post.model, state(base)):
        assert bits(state(post), state(base))
    assert bits(state(post), before)
    with pytest.raises(ZeroDivisionError), swapped(post.model, state(base)):
        raise ZeroDivisionError
    assert bits(state(post), before)


def test_a_swapped_module_is_the_same_module_in_place(
    base: TransformersModel, post: TransformersModel
) -> None:
    places = [parameter.data_ptr() for parameter in post.model.parameters()]
    with swapped(post.model, state(base)):
        assert [parameter.data_ptr() for parameter in post.model.parameters()] == places
        ids = torch.tensor([[9, 10, 11]])
        assert torch.equal(post.model(ids).logits, base.model(ids).logits)


def test_the_ends_of_a_sweep_are_the_parents_and_points_are_those_of_the_kernel(
    base: TransformersModel, post: TransformersModel
) -> None:
    old, new = state(base), state(post)
    turned = knobs(list(old))
    with blended(post.model, old, [new], knobs=turned) as turn:
        turn([1.0])
        assert bits(state(post), new)
        turn([0.0])
        assert bits(state(post), old)
        turn([0.3])
        assert bits(state(post), task_arithmetic(old, [new], weights=[0.3]))
        np.testing.assert_allclose(
            state(post)["model.norm.weight"].numpy(),
            linear([old, new], weights=[0.7, 0.3])["model.norm.weight"].numpy(),
            atol=1e-6,
        )
    assert bits(state(post), new)


def test_a_point_does_not_hang_on_the_points_before_it(
    base: TransformersModel, post: TransformersModel
) -> None:
    old, new = state(base), state(post)
    with blended(post.model, old, [new], knobs=knobs(list(old), by="module")) as turn:
        turn([0.2, 0.9, 0.4])
        first = state(post)
        for point in grid(3, steps=3):
            turn(point.tolist())
        turn([0.2, 0.9, 0.4])
        assert bits(state(post), first)


def test_blocks_and_modules_turn_what_they_name(
    base: TransformersModel, post: TransformersModel
) -> None:
    old, new = state(base), state(post)
    blocks = knobs(list(old), by="block", blocks=4)
    assert blocks.names == tuple(f"post: layers {i}-{i}" for i in range(4))
    with blended(post.model, old, [new], knobs=blocks) as turn:
        turn([0, 1, 1, 0])
        here = state(post)
    for name, value in here.items():
        middle = ".layers.1." in name or ".layers.2." in name
        assert torch.equal(value, (new if middle else old)[name])
    several = knobs(list(old), models=("a", "b"), by="module")
    assert several.names[:3] == ("a: attention", "a: mlp", "a: rest")
    assert len(several.names) == 6
    assert several.of["model.embed_tokens.weight"] == (2, 5)


def test_rows_of_special_tokens_are_never_mixed(
    base: TransformersModel, post: TransformersModel
) -> None:
    old, new = state(base), state(post)
    table = "model.embed_tokens.weight"
    with blended(post.model, old, [new], knobs=knobs(list(old)), rows=[3, 4]) as turn:
        turn([0.0])
        here = state(post)[table]
    assert torch.equal(here[3:5], new[table][3:5])
    assert torch.equal(here[5:], old[table][5:])


def test_two_models_from_one_base(base: TransformersModel, post: TransformersModel) -> None:
    old, new = state(base), state(post)
    other = {name: 2 * value - old[name] for name, value in new.items()}
    with blended(post.model, old, [new, other], knobs=knobs(list(old), models="ab")) as turn:
        turn([0.5, 0.25])
        expected = task_arithmetic(old, [new, other], weights=[0.5, 0.25])
        assert bits(state(post), expected)


def test_a_merge_is_an_arm_with_an_identity_of_its_own(
    base: TransformersModel, post: TransformersModel
) -> None:
    prompts = evaluation_prompts(per_task=1)
    seen = []

    def evaluate(module: torch.nn.Module, point: np.ndarray) -> dict[str, float]:
        model = transformers_model(module, tokenizer=post.tokenizer, name="merge", device="cpu")
        arm = Arm(name="merge", model=model, format="chat", sampling=Sampling(max_tokens=8))
        said = collect(arm, prompts, n=2)
        seen.append((model.revision, tuple(said.frame["sample_id"])))
        return {"tokens": float(said.frame["completion_tokens"].mean())}  # type: ignore[arg-type]

    found = sweep(
        post.model, state(base), [state(post)], grid(1, steps=3),
        evaluate=evaluate, knobs=knobs(list(state(base))),
    )  # fmt: skip
    assert len({revision for revision, _ in seen}) == 3
    assert len({name for _, names in seen for name in names}) == 3 * 2 * len(prompts)
    assert found.frame.columns == ["post", "tokens"]
    assert found.frame.height == 3


def test_grids_hold_every_combination_once() -> None:
    points = grid(3, steps=4)
    assert points.shape == (64, 3) == np.unique(points, axis=0).shape
    assert grid(1, steps=21).ravel().tolist() == pytest.approx(np.linspace(0, 1, 21).tolist())
    for bad in ({"dimensions": 0}, {"dimensions": 1, "steps": 1}, {"dimensions": 9, "steps": 11}):
        with pytest.raises(UsageError):
            grid(**bad)


def test_what_does_not_fit_is_refused_and_changes_nothing(
    base: TransformersModel, post: TransformersModel
) -> None:
    old, new = state(base), state(post)
    with pytest.raises(UsageError, match="others"), swapped(post.model, {"w": torch.ones(1)}):
        pass
    norm = "model.norm.weight"
    with pytest.raises(UsageError, match="shape"), swapped(post.model, {norm: torch.ones(2)}):
        pass
    tied = {"lm_head.weight": old["lm_head.weight"], "model.embed_tokens.weight": new[
        "model.embed_tokens.weight"]}  # fmt: skip
    with pytest.raises(UsageError, match="one tensor"), swapped(post.model, tied):
        pass
    with (
        blended(post.model, old, [new], knobs=knobs(list(old))) as turn,
        pytest.raises(UsageError, match="coefficients"),
    ):
        turn([1.0, 2.0])
    with pytest.raises(UsageError), blended(post.model, old, [{}], knobs=knobs(list(old))):
        pass
    with pytest.raises(UnknownName):
        knobs(list(old), by="head")  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        knobs(list(old), by="block", blocks=5)
    answers = iter([{"a": 1.0}, {"b": 1.0}])
    with pytest.raises(DataError, match="metrics"):
        sweep(post.model, old, [new], grid(1, steps=2), knobs=knobs(list(old)),
              evaluate=lambda *_: next(answers))  # fmt: skip
    assert bits(state(post), new)
