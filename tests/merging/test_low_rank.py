"""Task vectors of low rank, and projections that keep adapters apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import UsageError
from variegate.merging import (
    adapter_overlap,
    layer_of,
    low_rank,
    module_of,
    resolve,
    sparse_projection,
)


def matrix(seed: int, rows: int = 8, columns: int = 6) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@given(st.integers(0, 100), st.integers(1, 6), st.floats(1e-6, 1e6))
@settings(deadline=None, max_examples=25)
def test_a_constant_fisher_is_the_plain_decomposition(seed: int, rank: int, level: float) -> None:
    delta = matrix(seed)
    plain = low_rank(delta, rank=rank)
    weighted = low_rank(delta, rank=rank, fisher=torch.full(delta.shape, level))
    torch.testing.assert_close(plain.matrix(), weighted.matrix(), rtol=1e-3, atol=1e-4)
    assert plain.kept == pytest.approx(weighted.kept, abs=1e-5)
    u, s, v = np.linalg.svd(delta.numpy())
    np.testing.assert_allclose(
        plain.matrix(), (u[:, :rank] * s[:rank]) @ v[:rank], rtol=1e-3, atol=1e-4
    )


@given(st.integers(0, 100))
@settings(deadline=None, max_examples=25)
def test_full_rank_is_exact(seed: int) -> None:
    delta = matrix(seed)
    found = low_rank(delta, rank=6, fisher=matrix(seed + 1).square())
    torch.testing.assert_close(found.matrix(), delta, rtol=1e-3, atol=1e-4)
    assert found.kept == pytest.approx(1)


def test_rows_nobody_cares_about_survive_full_rank() -> None:
    delta, fisher = matrix(0, 6, 6), torch.ones(6, 6)
    fisher[2], fisher[4] = 0, 1e-16
    found = low_rank(delta, rank=6, fisher=fisher).matrix()
    torch.testing.assert_close(found, delta, rtol=1e-5, atol=1e-6)
    assert low_rank(torch.zeros(3, 3), rank=1).kept == 1


def test_where_nobody_cares_about_anything_it_is_the_plain_decomposition() -> None:
    delta = matrix(5) * 1e-3
    plain, weighted = low_rank(delta, rank=2), low_rank(delta, rank=2, fisher=torch.zeros(8, 6))
    torch.testing.assert_close(weighted.matrix(), plain.matrix(), rtol=1e-5, atol=1e-9)
    assert weighted.kept == pytest.approx(plain.kept)


def test_no_factor_of_the_rank_is_nearer_in_what_matters() -> None:
    delta, fisher = matrix(3), matrix(4).square() * torch.logspace(-2, 2, 8)[:, None]
    rows = fisher.sum(1).sqrt()[:, None]

    def loss(product: torch.Tensor) -> float:
        return float((rows * (delta - product)).square().sum())

    best = low_rank(delta, rank=2, fisher=fisher)
    assert loss(best.matrix()) < loss(low_rank(delta, rank=2).matrix())
    assert 1 - loss(best.matrix()) / loss(torch.zeros_like(delta)) == pytest.approx(best.kept)
    for seed in range(10):
        near = best.left + 0.05 * matrix(seed, 8, 2), best.right + 0.05 * matrix(seed, 2, 6)
        assert loss(best.matrix()) < loss(near[0] @ near[1])


@pytest.mark.parametrize("wrong", [0, 7])
def test_a_rank_that_is_not_there_is_refused(wrong: int) -> None:
    with pytest.raises(UsageError):
        low_rank(matrix(0), rank=wrong)
    with pytest.raises(UsageError, match="Fisher"):
        low_rank(matrix(0), rank=1, fisher=-torch.ones(8, 6))


def test_a_projection_keeps_lengths_on_average() -> None:
    x = matrix(0, 64, 1)
    lengths = [
        float((sparse_projection(8, 64, nonzero=6, seed=seed) @ x).square().sum())
        for seed in range(2000)
    ]
    assert np.mean(lengths) == pytest.approx(float(x.square().sum()), rel=0.06)


def test_overlap_of_two_tasks_falls_with_the_width() -> None:
    def mean(width: int) -> float:
        return float(np.mean([
            adapter_overlap(sparse_projection(4, width, nonzero=width // 4, seed=2 * s),
                            sparse_projection(4, width, nonzero=width // 4, seed=2 * s + 1))
            for s in range(60)
        ]))  # fmt: skip

    overlaps = [mean(width) for width in (16, 64, 256, 1024)]
    assert overlaps == sorted(overlaps, reverse=True)
    # ‖A Bᵀ‖ / (‖A‖ ‖B‖) of independent rows is 1/√width.
    np.testing.assert_allclose(overlaps, 1 / np.sqrt([16, 64, 256, 1024]), rtol=0.15)
    a = sparse_projection(1, 64, nonzero=6, seed=0)
    assert adapter_overlap(a, 3 * a) == pytest.approx(1)


def _adapter(a: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Least squares for B of the adapter B A, with A frozen."""
    return torch.linalg.lstsq(x @ a.T, y).solution.T @ a


def test_merged_adapters_of_two_tasks_keep_both() -> None:
    """Two tasks on inputs of their own directions interfere less when each has its own A."""
    width, rank = 256, 16
    generator = torch.Generator().manual_seed(0)
    shared = sparse_projection(rank, width, nonzero=32, seed=0)
    losses = {}
    for name, projections in {
        "own": [sparse_projection(rank, width, nonzero=32, seed=k) for k in (0, 1)],
        "shared": [shared, shared],
    }.items():
        inputs = [torch.randn(300, rank, generator=generator) @ a for a in projections]
        targets = [torch.randn(300, 3, generator=generator) for _ in inputs]
        changes = [_adapter(a, x, y) for a, x, y in zip(projections, inputs, targets, strict=True)]
        both = changes[0] + changes[1]
        moved = [
            float((x @ both.T - x @ c.T).norm() / (x @ c.T).norm())
            for x, c in zip(inputs, changes, strict=True)
        ]
        losses[name] = max(moved)
    assert losses["own"] < 0.5 * losses["shared"]


def test_projections_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError):
        sparse_projection(2, 4, nonzero=5, seed=0)
    with pytest.raises(UsageError, match="width"):
        adapter_overlap(torch.ones(1, 2), torch.ones(1, 3))
    with pytest.raises(UsageError, match="zeros"):
        adapter_overlap(torch.ones(1, 2), torch.zeros(1, 2))


@pytest.mark.parametrize(
    ("name", "layer", "module"),
    [
        ("model.layers.10.self_attn.o_proj.weight", 10, "attention"),
        ("transformer.h.3.mlp.c_fc.weight", 3, "mlp"),
        ("transformer.wte.weight", None, "embedding"),
        ("model.layers.0.post_attention_layernorm.weight", 0, "norm"),
        ("gpt_neox.layers.5.attention.query_key_value.weight", 5, "attention"),
        ("lm_head.weight", None, "head"),
        ("model.norm.weight", None, "norm"),
    ],
)
def test_places_are_told_from_names(name: str, layer: int | None, module: str) -> None:
    assert (layer_of(name), module_of(name)) == (layer, module)


def test_numbers_along_the_layers_are_interpolated() -> None:
    weight = resolve([0, 1, 0], 5)
    got = [weight(f"layers.{layer}.w") for layer in range(5)]
    assert got == [0, 0.5, 1, 0.5, 0]
    assert resolve([2, 9], 5)("model.norm.weight") == 2
    assert resolve([2, 9], 1)("layers.0.w") == 9
