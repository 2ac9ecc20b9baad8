"""TIES and DARE against slow oracles and their laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import UnknownName, UsageError
from variegate.merging import _method, dare, linear, task_arithmetic, ties

Weights = dict[str, torch.Tensor]


def models(count: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> list[Weights]:
    rng = np.random.default_rng(seed)
    return [
        {
            name: torch.from_numpy(rng.normal(scale=scale, size=shape)).to(dtype)
            for name, shape, scale in [("a", (6, 7), 1.0), ("b", (11,), 0.1), ("c", (), 1.0)]
        }
        for _ in range(count)
    ]


def flat(weights: Weights) -> np.ndarray:
    return np.concatenate([v.float().numpy().reshape(-1) for v in weights.values()])


def slow_ties(base: np.ndarray, others: list[np.ndarray], density: float) -> np.ndarray:
    """As published, by sorting, entry by entry."""
    keep = math.ceil(density * base.size - 1e-9)
    changes = []
    for other in others:
        change = other - base
        least = np.sort(np.abs(change))[::-1][keep - 1]
        changes.append(np.where(np.abs(change) >= least, change, np.float32(0)))
    total = sum(changes)
    majority = np.sign(np.sign(total).sum())
    result = base.astype(np.float64).copy()
    for place in range(base.size):
        sign = np.sign(total[place]) or majority
        agreeing = [c[place] for c in changes if np.sign(c[place]) == sign and c[place] != 0]
        if agreeing:
            result[place] += np.mean(agreeing, dtype=np.float64)
    return result


@given(st.integers(0, 10_000), st.integers(1, 4), st.floats(0.02, 1))
@settings(deadline=None, max_examples=40)
def test_ties_is_what_was_published(seed: int, count: int, density: float) -> None:
    base, *others = models(count + 1, seed)
    got = flat(ties(base, others, density=density))
    np.testing.assert_allclose(
        got, slow_ties(flat(base), [flat(o) for o in others], density), rtol=1e-5, atol=1e-6
    )


def test_ties_breaks_even_votes_by_the_majority_of_the_whole_vector() -> None:
    base = {"a": torch.zeros(3), "b": torch.zeros(2)}
    one = {"a": torch.tensor([1.0, 2, 3]), "b": torch.tensor([1.0, 1])}
    two = {"a": torch.tensor([1.0, 2, 3]), "b": torch.tensor([-1.0, 1])}
    merged = ties(base, [one, two], density=1)
    assert merged["b"].tolist() == [1, 1]
    down = ties(base, [{n: -v for n, v in m.items()} for m in (one, two)], density=1)
    assert down["b"].tolist() == [-1, -1]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("trim", ["global", "tensor"])
def test_ties_end_points(dtype: torch.dtype, trim: str) -> None:
    base, one, two = models(3, dtype=dtype)
    whole = ties(base, [one], density=1, trim=trim)
    assert all(torch.equal(whole[n], one[n]) and whole[n].dtype == dtype for n in one)
    for nothing in (
        ties(base, [one, two], density=0, trim=trim),
        ties(base, [one, two], density=0.5, weight=0, trim=trim),
    ):
        assert all(torch.equal(nothing[n], base[n]) for n in base)


def test_ties_of_one_sign_is_the_mean() -> None:
    base, one, two = models(3)
    up = [{n: base[n] + m[n].abs() for n in base} for m in (one, two)]
    merged, mean = ties(base, up, density=1), linear(up, weights=[0.5, 0.5])
    for name in base:
        torch.testing.assert_close(merged[name], mean[name])


def test_opposite_changes_of_equal_size_are_nothing() -> None:
    zero = {n: torch.zeros_like(v) for n, v in models(1)[0].items()}
    half = {n: torch.full_like(v, 0.5) for n, v in zero.items()}
    # No sum has a sign, so neither sign has a majority and nobody is elected.
    merged = ties(zero, [half, {n: -v for n, v in half.items()}], density=1)
    assert all(torch.equal(merged[n], zero[n]) for n in zero)


def test_the_threshold_of_ties_is_exact_over_many_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_method, "PIECE", 8)
    rng = np.random.default_rng(1)
    base = {"a": torch.zeros(1000), "b": torch.zeros(1000)}
    change = {n: torch.from_numpy(rng.normal(size=1000).astype(np.float32)) for n in base}
    for density in (0.001, 0.2, 0.37, 0.999):
        merged = ties(base, [change], density=density)
        kept = sum(int((v != 0).sum()) for v in merged.values())
        assert kept == round(2000 * density)
        least = min(float(v[v != 0].abs().min()) for v in merged.values() if (v != 0).any())
        dropped = [c[merged[n] == 0].abs().max() for n, c in change.items()]
        assert least > float(max(dropped))
    each = ties(base, [change], density=0.2, trim="tensor")
    assert [int((v != 0).sum()) for v in each.values()] == [200, 200]


def test_equal_changes_stay_together() -> None:
    base = {"a": torch.zeros(4)}
    merged = ties(base, [{"a": torch.tensor([1.0, -1, 1, 0.5])}], density=0.25)
    assert merged["a"].tolist() == [1, -1, 1, 0]


def test_ties_with_weights_elects_and_averages_with_them() -> None:
    base = {"a": torch.zeros(2)}
    both = [{"a": torch.tensor([1.0, 1])}, {"a": torch.tensor([-2.0, 4])}]
    assert ties(base, both, density=1)["a"].tolist() == [-2, 2.5]
    assert ties(base, both, density=1, weights=[3, 1])["a"].tolist() == [1, 1.75]


@pytest.mark.parametrize("wrong", [{"density": 1.5}, {"density": [0.5]}, {"density": -0.1}])
def test_ties_refuses_what_cannot_be(wrong: dict) -> None:
    base, one, two = models(3)
    with pytest.raises(UsageError):
        ties(base, [one, two], **wrong)
    with pytest.raises(UnknownName, match="layer"):
        ties(base, [one], density=0.5, trim="layer")


def test_dare_end_points() -> None:
    base, one, two = models(3, dtype=torch.bfloat16)
    whole = dare(base, [one], drop=0, seed=0)
    assert all(torch.equal(whole[n], one[n]) for n in one)
    nothing = dare(base, [one, two], drop=0.5, seed=0, weights=[0, 0])
    assert all(torch.equal(nothing[n], base[n]) for n in base)


def test_dare_without_drops_is_task_arithmetic() -> None:
    base, one, two = models(3)
    merged = dare(base, [one, two], drop=0, seed=3, weights=[0.3, 0.4])
    plain = task_arithmetic(base, [one, two], weights=[0.3, 0.4])
    for name in base:
        torch.testing.assert_close(merged[name], plain[name])


@pytest.mark.parametrize("drop", [0.5, 0.9])
def test_dare_keeps_the_expectation(drop: float) -> None:
    size = 400_000
    base, model = {"w": torch.zeros(size)}, {"w": torch.ones(size)}
    merged = dare(base, [model], drop=drop, seed=0)["w"]
    assert sorted(set(merged.tolist())) == pytest.approx([0, 1 / (1 - drop)])
    error = math.sqrt(drop / (1 - drop) / size)
    assert float(merged.mean()) == pytest.approx(1, abs=4 * error)


def test_dare_draws_by_place_and_seed() -> None:
    base, one, two = models(3)
    again = [dare(base, [one, two], drop=0.5, seed=1) for _ in range(2)]
    assert all(torch.equal(again[0][n], again[1][n]) for n in base)
    other = dare(base, [one, two], drop=0.5, seed=2)
    assert not torch.equal(other["a"], again[0]["a"])
    turned = dict(reversed(base.items()))
    reordered = dare(turned, [dict(reversed(m.items())) for m in (one, two)], drop=0.5, seed=1)
    assert all(torch.equal(reordered[n], again[0][n]) for n in base)
    twins = dare({"a": torch.zeros(99)}, [{"a": torch.ones(99)}] * 2, drop=0.5, seed=1)
    assert set(twins["a"].tolist()) == {0.0, 1.0, 2.0}  # members are dropped independently


def test_dare_with_election_averages_what_agrees() -> None:
    base = {"a": torch.zeros(3)}
    both = [{"a": torch.tensor([1.0, 3, -1])}, {"a": torch.tensor([3.0, -1, -3])}]
    assert dare(base, both, drop=0, seed=0, elect=True)["a"].tolist() == [2, 3, -2]


@pytest.mark.parametrize("drop", [1.0, -0.1, math.nan])
def test_dare_refuses_what_cannot_be(drop: float) -> None:
    base, one = models(2)
    with pytest.raises(UsageError):
        dare(base, [one], drop=drop, seed=0)
