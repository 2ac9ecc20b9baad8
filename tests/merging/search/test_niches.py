"""Evolution in niches, preferences without training, ranges and masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from variegate.errors import DataError, UsageError
from variegate.merging import (
    attraction,
    crossover,
    evolve,
    masked_gradients,
    module_range,
    preferred_region,
    shared_fitness,
)

WORKED = [[1, 1, 0, 0], [0, 0, 1, 0], [1, 1, 1, 0]]
tables = arrays(np.float64, st.tuples(st.integers(2, 6), st.integers(1, 8)),
                elements=st.sampled_from([0.0, 1.0]))  # fmt: skip


def test_the_worked_case() -> None:
    assert shared_fitness(WORKED).tolist() == [1.0, 0.5, 1.5]
    assert attraction(WORKED, to=0).tolist() == [0.0, 0.5, 0.5]
    assert shared_fitness(WORKED, alpha=0).tolist() == [2.0, 1.0, 3.0]


@settings(deadline=None, max_examples=60)
@given(tables)
def test_total_fitness_is_the_number_of_prompts_that_anybody_solves(scores: np.ndarray) -> None:
    solved = (scores > 0).any(axis=0).sum()
    assert shared_fitness(scores).sum() == pytest.approx(solved)
    assert (shared_fitness(scores, alpha=0) == scores.sum(axis=1)).all()


@settings(deadline=None, max_examples=30)
@given(tables, st.integers(2, 5))
def test_twins_share_what_one_had(scores: np.ndarray, copies: int) -> None:
    # On prompts that only the first solves.
    scores[1:, scores[0] > 0] = 0
    alone = shared_fitness(scores)[0]
    twins = shared_fitness(np.vstack([scores[[0] * copies], scores[1:]]))
    assert twins[:copies].sum() == pytest.approx(alone)


def test_a_complement_is_chosen_over_an_all_round_twin() -> None:
    scores = [[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [0, 0, 0, 1, 1]]
    pull = attraction(scores, to=0)
    assert pull[1] == 0
    assert pull[2] > 0
    assert pull[0] == 0


def test_nobody_complements_and_nobody_earns_anything() -> None:
    twins = [[1.0, 0.0], [1.0, 0.0]]
    assert attraction(twins, to=0).tolist() == [0.0, 0.0]
    for scores in (twins[0], [0.0, 0.0]):
        found = evolve(
            ["a", "b"],
            evaluate=lambda _, scores=scores: scores,  # type: ignore[misc]
            cross=lambda a, b, rng: a + b,
            steps=5,
        )
        assert len(found.population) == 2
        assert np.isfinite(found.fitness).all()
        assert found.accepted == 0  # a child that is no better does not stay


def test_specialists_are_joined_and_nothing_solved_is_lost_on_the_way() -> None:
    """Each layer knows one half; a child that takes one layer from each parent knows both."""

    def model(first: float, second: float) -> dict[str, torch.Tensor]:
        return {"layers.0.w": torch.tensor([first, 1.0]), "layers.1.w": torch.tensor([second, 1.0])}

    def evaluate(weights: dict[str, torch.Tensor]) -> list[float]:
        good = [float(tensor[0]) > 0.9 for tensor in weights.values()]
        return [float(good[0])] * 3 + [float(good[1])] * 3

    def cross(
        a: dict[str, torch.Tensor], b: dict[str, torch.Tensor], rng: np.random.Generator
    ) -> dict[str, torch.Tensor]:
        return crossover(a, b, split=int(rng.integers(3)), t=float(rng.integers(2)))

    start = [model(1, 0), model(0, 1), model(1, 0), model(0, 1)]
    found = evolve(start, evaluate=evaluate, cross=cross, steps=30, seed=1)
    assert found.scores.sum(axis=1).max() == 6
    assert (np.diff(found.solved) >= 0).all()
    assert found.solved[-1] == 6


def test_scores_that_are_none_are_refused() -> None:
    for bad in ([[1.0, -1.0]], [[np.nan]]):
        with pytest.raises(DataError):
            shared_fitness(bad)
    with pytest.raises(UsageError):
        shared_fitness([1.0])
    with pytest.raises(UsageError):
        attraction(WORKED, to=3)
    with pytest.raises(UsageError):
        evolve(["a"], evaluate=lambda _: [1.0], cross=lambda a, b, rng: a, steps=1)


def gaussians(seed: int) -> tuple[list[dict[str, torch.Tensor]], list[dict[str, torch.Tensor]]]:
    generator = torch.Generator().manual_seed(seed)
    means = [{"w": torch.randn(40, 50, generator=generator)} for _ in range(3)]
    sigmas = [{"w": torch.rand(40, 50, generator=generator) + 0.1} for _ in range(3)]
    return means, sigmas


def test_a_preference_for_one_task_is_that_tasks_model() -> None:
    means, sigmas = gaussians(0)
    region = preferred_region(means, sigmas, preference=[0, 1, 0])
    assert torch.equal(region.mean["w"], means[1]["w"])


@pytest.mark.parametrize("alpha", [0.01, 0.1, 0.5])
def test_the_region_holds_one_minus_alpha_of_the_posterior(alpha: float) -> None:
    means, sigmas = gaussians(1)
    weights = [0.2, 0.5, 0.3]
    region = preferred_region(means, sigmas, preference=weights, alpha=alpha)
    mean = sum(w * one["w"] for w, one in zip(weights, means, strict=True))
    sigma = sum(w * one["w"] for w, one in zip(weights, sigmas, strict=True))
    normal = torch.distributions.Normal(mean.double(), sigma.double())  # type: ignore[union-attr]
    mass = normal.cdf(region.high["w"].double()) - normal.cdf(region.low["w"].double())
    assert float((mass - (1 - alpha)).abs().max()) < 1e-4
    generator = torch.Generator().manual_seed(2)
    drawn = mean + sigma * torch.randn(200, 40, 50, generator=generator)
    inside = ((drawn >= region.low["w"]) & (drawn <= region.high["w"])).double().mean()
    assert float(inside) == pytest.approx(1 - alpha, abs=0.005)
    model = region.draw(seed=0)["w"]
    assert bool(((model >= region.low["w"]) & (model <= region.high["w"])).all())
    # Entries are drawn on their own, not by one number a tensor.
    assert float(((model - mean) / sigma).std()) > 0.2
    assert torch.equal(model, region.draw(seed=0)["w"])


def test_preferences_that_are_none_are_refused() -> None:
    means, sigmas = gaussians(0)
    for preference in ([0.5, 0.5, 0.5], [1.5, -0.5, 0.0], [1.0]):
        with pytest.raises(UsageError):
            preferred_region(means, sigmas, preference=preference)
    with pytest.raises(UsageError):
        preferred_region(means, sigmas, preference=[1, 0, 0], alpha=0)
    with pytest.raises(UsageError):
        preferred_region(means, means, preference=[1, 0, 0])


def test_importance_zero_is_plain_tuning_and_one_freezes() -> None:
    torch.manual_seed(0)
    start = torch.nn.Linear(3, 2)
    kept = {name: p.detach().clone() for name, p in start.named_parameters()}

    def tuned(importance: float) -> dict[str, torch.Tensor]:
        model = torch.nn.Linear(3, 2)
        model.load_state_dict(kept)
        loss = model(torch.ones(4, 3)).square().sum()
        parameters = dict(model.named_parameters())
        gradients = dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())),
                             strict=True))  # fmt: skip
        mask = {name: torch.full_like(p, importance) for name, p in kept.items()}
        held = masked_gradients(gradients, mask)
        if importance == 0:
            assert all(torch.equal(held[name], gradients[name]) for name in held)
        return {name: p.detach() - 0.1 * held[name] for name, p in parameters.items()}

    assert all(torch.equal(tuned(1.0)[name], kept[name]) for name in kept)
    half, full = tuned(0.5), tuned(0.0)
    for name in kept:
        assert not torch.equal(full[name], kept[name])
        torch.testing.assert_close(half[name], (full[name] + kept[name]) / 2)
    with pytest.raises(UsageError):
        masked_gradients(kept, {})
    with pytest.raises(UsageError):
        masked_gradients(kept, {name: p + 9 for name, p in kept.items()})


@pytest.mark.parametrize("importance", [0.5, 1.0])
def test_an_adaptive_optimiser_undoes_a_mask_on_gradients_but_not_one_on_its_updates(
    importance: float,
) -> None:
    """Adam divides by the size of past gradients; and its weight decay moves what is frozen."""

    def tuned(on: str) -> torch.Tensor:
        weight = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
        mask = {"w": torch.full((3,), importance)}
        adam = torch.optim.AdamW([weight], lr=0.1, weight_decay=0.1)
        for _ in range(5):
            before = weight.detach().clone()
            (weight.square().sum() / 2).backward()
            assert weight.grad is not None
            if on == "gradients":
                weight.grad = masked_gradients({"w": weight.grad}, mask)["w"]
            adam.step()
            adam.zero_grad()
            if on == "updates":
                held = masked_gradients({"w": weight.detach() - before}, mask)["w"]
                weight.data.copy_(before + held)
        return weight.detach() - torch.tensor([1.0, -2.0, 3.0])

    plain, gradients, updates = tuned("nothing"), tuned("gradients"), tuned("updates")
    if importance == 1:
        assert torch.equal(updates, torch.zeros(3))
        assert not torch.equal(gradients, torch.zeros(3))
    else:
        torch.testing.assert_close(gradients, plain, rtol=0.02, atol=0)
        torch.testing.assert_close(updates, plain / 2, rtol=0.1, atol=0)


def test_a_tree_search_finds_the_planted_range_and_module() -> None:
    wanted = set(range(8, 12))

    def score(first: int, end: int, modules: str) -> float:
        block = set(range(first, end))
        return len(block & wanted) / len(block | wanted) + (0.1 if modules == "mlp" else 0)

    found = module_range(score, layers=32)
    assert (found.first, found.end, found.modules) == (8, 12, "mlp")
    assert len(found.evaluated) < 20
    with pytest.raises(UsageError):
        module_range(score, layers=0)
