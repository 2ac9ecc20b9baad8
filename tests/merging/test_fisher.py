"""Fisher-weighted averages, and the estimate of the Fisher information."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from variegate.errors import UsageError
from variegate.merging import estimate_fisher, fisher, linear

Weights = dict[str, torch.Tensor]


def weights(seed: int, positive: bool = False) -> Weights:
    rng = np.random.default_rng(seed)
    made = {
        "a": torch.from_numpy(rng.normal(size=(4, 3))),
        "b": torch.from_numpy(rng.normal(size=5)),
    }
    return {n: (v.abs() + 0.1 if positive else v).float() for n, v in made.items()}


def close(a: Weights, b: Weights, **within: float) -> None:
    for name in b:
        torch.testing.assert_close(a[name], b[name], **within)


@pytest.mark.parametrize("scale", [1.0, 1e-9, 1e9])
def test_equal_fishers_give_the_weighted_mean(scale: float) -> None:
    models, one = [weights(s) for s in range(3)], weights(9, positive=True)
    scaled = [{n: v * s for n, v in one.items()} for s in (1.0, scale, scale**0.5)]
    close(fisher(models, scaled, weights=[1, 2, 1]), linear(models, weights=[0.25, 0.5, 0.25]))


def test_a_dominant_fisher_returns_its_model() -> None:
    models, one = [weights(0), weights(1)], weights(9, positive=True)
    large = {n: v * 1e12 for n, v in one.items()}
    close(fisher(models, [one, large], normalise=False), models[1])


def test_a_dominant_fisher_returns_its_model_entry_by_entry() -> None:
    models = [{"w": torch.tensor([0.0, 0.0])}, {"w": torch.tensor([1.0, 1.0])}]
    fishers = [{"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([0.0, 1.0])}]
    merged = fisher(models, fishers, floor=0)
    assert merged["w"].tolist() == [0.0, 1.0]


def test_quadratic_losses_get_their_joint_minimiser() -> None:
    models, hessians = [weights(s) for s in range(3)], [weights(s + 5, True) for s in range(3)]
    shares = [0.2, 0.5, 0.3]
    merged = fisher(models, hessians, weights=shares, normalise=False, floor=0)
    moving = {n: v.clone().requires_grad_() for n, v in merged.items()}
    loss = sum(
        share * (hessian[n] * (moving[n] - model[n]) ** 2).sum()
        for share, hessian, model in zip(shares, hessians, models, strict=True)
        for n in moving
    )
    loss.backward()
    assert all(float(v.grad.abs().max()) < 1e-5 for v in moving.values())


def test_one_model_of_weight_comes_back_bit_for_bit() -> None:
    models, one = [weights(0), weights(1)], weights(9, positive=True)
    merged = fisher(models, [one, one], weights=[0, 3])
    assert all(torch.equal(merged[n], models[1][n]) for n in merged)


def test_entries_nobody_cares_about_take_the_mean() -> None:
    models = [{"w": torch.tensor([0.0, 0.0])}, {"w": torch.tensor([1.0, 1.0])}]
    fishers = [{"w": torch.tensor([0.0, 1.0])}] * 2
    assert fisher(models, fishers, floor=0)["w"].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("bad", [-1.0, float("nan")])
def test_a_fisher_that_cannot_be_is_refused(bad: float) -> None:
    models, one = [weights(0), weights(1)], weights(9, positive=True)
    wrong = {n: v.clone() for n, v in one.items()}
    wrong["a"][0, 0] = bad
    with pytest.raises(UsageError, match="'a'"):
        fisher(models, [one, wrong])
    with pytest.raises(UsageError, match="at least 0"):
        fisher(models, [one, one], weights=[-1, 2])


def softmax_regression(classes: int = 3, width: int = 2) -> torch.nn.Linear:
    model = torch.nn.Linear(width, classes, bias=False)
    torch.nn.init.normal_(model.weight, generator=torch.Generator().manual_seed(0))
    return model


def analytic(model: torch.nn.Linear, xs: list[torch.Tensor]) -> torch.Tensor:
    """E_x p_c (1 − p_c) x_d² of softmax regression."""
    total = torch.zeros_like(model.weight)
    for x in xs:
        p = model(x).softmax(-1)[0]
        total += (p * (1 - p))[:, None] * (x[0] ** 2)[None]
    return (total / len(xs)).detach()


def examples(count: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(1, 2, generator=generator) for _ in range(count)]


def predict(model: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    return model(x)


def test_the_exact_expectation_is_the_curvature() -> None:
    model, xs = softmax_regression(), examples(20)
    got = estimate_fisher(model, xs, logits=predict, draws=None)["weight"]
    torch.testing.assert_close(got, analytic(model, xs))
    assert got.dtype == torch.float32


def test_drawn_labels_come_from_the_model() -> None:
    model, xs = softmax_regression(), examples(300)
    got = estimate_fisher(model, xs, logits=predict, draws=20, seed=3)["weight"]
    torch.testing.assert_close(got, analytic(model, xs), rtol=0.06, atol=0.006)
    again = estimate_fisher(model, xs, logits=predict, draws=20, seed=3)["weight"]
    assert torch.equal(got, again)


def test_rows_of_one_example_add_up() -> None:
    model, xs = softmax_regression(), examples(6)
    together = estimate_fisher(model, [torch.cat(xs)], logits=predict, draws=None)["weight"]
    torch.testing.assert_close(together, analytic(model, xs) * 6)


def test_squares_are_per_example_not_of_the_batch() -> None:
    model, xs = softmax_regression(), examples(200)
    labels = torch.multinomial(model(torch.cat(xs)).softmax(-1), 1,
                               generator=torch.Generator().manual_seed(5))  # fmt: skip
    mean = model(torch.cat(xs)).log_softmax(-1).gather(-1, labels).mean()
    (gradient,) = torch.autograd.grad(mean, [model.weight])
    per_example = estimate_fisher(model, xs, logits=predict, draws=1)["weight"]
    assert float(gradient.square().sum()) < 0.05 * float(per_example.sum())


def test_a_causal_language_model_is_read_by_default() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=11, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
                    num_attention_heads=2)
    )  # fmt: skip
    found = estimate_fisher(model, [torch.tensor([1, 2, 3]), torch.tensor([4, 5])])
    assert found.keys() == dict(model.named_parameters()).keys()
    assert all(bool((v >= 0).all()) for v in found.values())
    assert sum(float(v.sum()) for v in found.values()) > 0


def test_an_estimate_needs_examples_and_draws() -> None:
    with pytest.raises(UsageError, match="at least one example"):
        estimate_fisher(softmax_regression(), [], logits=predict)
    with pytest.raises(UsageError, match="at least one draw"):
        estimate_fisher(softmax_regression(), examples(1), logits=predict, draws=0)
