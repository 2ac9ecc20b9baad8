"""Paths between models: linear, task arithmetic, slerp."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import UsageError
from variegate.merging import linear, slerp, task_arithmetic

DTYPES = (torch.bfloat16, torch.float16, torch.float32, torch.float64)
share = st.floats(0, 1, allow_subnormal=False)


def model(seed: int, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "embed.weight": torch.randn(7, 5, generator=generator).to(dtype),
        "norm.weight": torch.randn(5, generator=generator).to(dtype),
        "scale": torch.randn((), generator=generator).abs().to(dtype),
        "position_ids": torch.arange(4),
    }


def same_bits(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(
        a[n].dtype == b[n].dtype and torch.equal(a[n].view(-1).view(torch.uint8),
                                                 b[n].view(-1).view(torch.uint8))
        for n in a
    )  # fmt: skip


def close(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    for name in a:
        torch.testing.assert_close(a[name], b[name])


@pytest.mark.parametrize("dtype", DTYPES)
def test_end_points_are_the_inputs_bit_for_bit(dtype: torch.dtype) -> None:
    base, a, b = (model(seed, dtype) for seed in range(3))
    assert same_bits(linear([a, b], weights=[1, 0]), a)
    assert same_bits(linear([a, b], weights=[0, 1]), b)
    assert same_bits(slerp(a, b, t=0), a)
    assert same_bits(slerp(a, b, t=1, scope="global"), b)
    assert same_bits(task_arithmetic(base, [a, b], weights=[0, 0]), base)
    assert same_bits(task_arithmetic(base, [a, b], weights=[0, 1]), b)


@pytest.mark.fault(29)
def test_fault_29_a_weight_of_zero_keeps_the_other_models_nan_out() -> None:
    a, b = model(0), model(1)
    b["norm.weight"][0] = math.nan
    assert same_bits(linear([a, b], weights=[1, 0]), a)
    assert torch.isfinite(linear([a, a, b], weights=[0.5, 0.5, 0])["norm.weight"]).all()


@given(st.integers(0, 50), share)
@settings(deadline=None, max_examples=25)
def test_linear_is_the_weighted_sum(seed: int, t: float) -> None:
    a, b = model(seed), model(seed + 1)
    merged = linear([a, b], weights=[1 - t, t])
    for name in ("embed.weight", "norm.weight"):
        want = (1 - t) * a[name].double() + t * b[name].double()
        torch.testing.assert_close(merged[name].double(), want, rtol=1e-5, atol=1e-6)


@given(share, share)
@settings(deadline=None, max_examples=25)
def test_paths_compose(s: float, t: float) -> None:
    a, b = model(0), model(1)
    first = linear([a, b], weights=[1 - s, s])
    twice = linear([first, b], weights=[1 - t, t])
    once = linear([a, b], weights=[1 - (s + t - s * t), s + t - s * t])
    close(twice, once)


@given(st.lists(st.floats(-2, 2), min_size=3, max_size=3))
@settings(deadline=None, max_examples=25)
def test_weights_are_never_normalised(weights: list[float]) -> None:
    models = [model(seed) for seed in range(3)]
    merged = linear(models, weights=weights)
    want = sum(w * m["norm.weight"].double() for w, m in zip(weights, models, strict=True))
    torch.testing.assert_close(merged["norm.weight"].double(), want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", DTYPES[:3])
@pytest.mark.parametrize("count", [2, 3, 7])
def test_equal_members_give_themselves_back(dtype: torch.dtype, count: int) -> None:
    one = model(3, dtype)
    assert same_bits(linear([one] * count, weights=[1 / count] * count), one)


def test_the_quality_and_variety_pair_is_the_path_between_two_ends_of_one_start() -> None:
    start, quality, variety = (model(seed) for seed in range(3))
    close(
        linear([quality, variety], weights=[0.7, 0.3]),
        task_arithmetic(start, [quality, variety], weights=[0.7, 0.3]),
    )


def test_negative_weights_unlearn() -> None:
    base, skill = model(0), model(1)
    forgot = task_arithmetic(base, [skill], weights=[-1])
    close({"n": forgot["norm.weight"]}, {"n": 2 * base["norm.weight"] - skill["norm.weight"]})


def test_a_weight_may_depend_on_the_tensor() -> None:
    a, b = model(0), model(1)
    merged = linear(
        [a, b],
        weights=[lambda n: float(n != "norm.weight"), lambda n: float(n == "norm.weight")],
    )
    assert torch.equal(merged["norm.weight"], b["norm.weight"])
    assert torch.equal(merged["embed.weight"], a["embed.weight"])


def test_sums_are_taken_in_float32_whatever_the_storage() -> None:
    # In bfloat16 1 + 2⁻⁹ is 1: forty small steps would go nowhere.
    base = {"w": torch.ones(3, dtype=torch.bfloat16)}
    step = {"w": torch.full((3,), 1 + 2**-7, dtype=torch.bfloat16)}
    merged = task_arithmetic(base, [step] * 40, weights=[0.05] * 40)
    assert torch.equal(merged["w"], torch.full((3,), 1 + 2**-6, dtype=torch.bfloat16))


@given(st.integers(0, 50), share)
@settings(deadline=None, max_examples=25)
def test_slerp_keeps_an_equal_norm(seed: int, t: float) -> None:
    a, b = model(seed), model(seed + 100)
    for one in (a, b):
        one["embed.weight"] /= one["embed.weight"].norm()
    norm = float(slerp(a, b, t=t)["embed.weight"].norm())
    assert norm == pytest.approx(1, abs=1e-5)


def test_slerp_moves_at_an_even_pace_along_the_arc() -> None:
    a, b = {"w": torch.tensor([1.5, 0, 0])}, {"w": torch.tensor([0.5, -1.0, 1.0])}  # equal norms
    whole = _angle(a["w"], b["w"])
    for t in (0.1, 0.5, 0.9):
        assert _angle(a["w"], slerp(a, b, t=t)["w"]) == pytest.approx(t * whole, abs=1e-5)


def _angle(a: torch.Tensor, b: torch.Tensor) -> float:
    return math.acos(float(a @ b / (a.norm() * b.norm())))


def test_slerp_of_parallel_or_zero_tensors_is_the_straight_line() -> None:
    a = {"w": torch.tensor([1.0, 2.0])}
    close(slerp(a, {"w": torch.tensor([2.0, 4.0])}, t=0.5), {"w": torch.tensor([1.5, 3.0])})
    close(slerp(a, {"w": torch.zeros(2)}, t=0.5), {"w": torch.tensor([0.5, 1.0])})


def test_one_angle_for_all_or_one_for_each() -> None:
    a = {"u": torch.tensor([1.0, 0.0]), "v": torch.tensor([1.0, 0.0])}
    b = {"u": torch.tensor([0.0, 1.0]), "v": torch.tensor([1.0, 0.0])}
    assert torch.equal(slerp(a, b, t=0.5)["v"], a["v"])
    whole = slerp(a, b, t=0.5, scope="global")
    together = math.sin(math.pi / 6) / math.sin(math.pi / 3)  # cosine 1/2 of the long vectors
    torch.testing.assert_close(whole["v"], torch.tensor([2 * together, 0.0]))


def test_opposite_directions_are_refused() -> None:
    with pytest.raises(UsageError, match="'w'"):
        slerp({"w": torch.ones(4)}, {"w": -torch.ones(4)}, t=0.5)


def test_slerp_of_near_neighbours_is_the_straight_line() -> None:
    # What the documentation says of base and post: nothing is gained along the arc.
    a = model(0)
    b = {n: v + 0.01 * torch.randn(v.shape) if v.is_floating_point() else v for n, v in a.items()}
    arc, line = slerp(a, b, t=0.5), linear([a, b], weights=[0.5, 0.5])
    gap = float((arc["embed.weight"] - line["embed.weight"]).norm())
    assert gap < 5e-3 * float((a["embed.weight"] - b["embed.weight"]).norm())


@pytest.mark.fault(29)
def test_fault_29_all_differences_are_named() -> None:
    a, b = model(0), model(1)
    b["norm.weight"] = torch.ones(6)
    b["extra"] = torch.ones(1)
    b["position_ids"] = torch.arange(4) + 1
    with pytest.raises(UsageError, match="3 differences") as error:
        linear([a, b], weights=[0.5, 0.5])
    for name in ("norm.weight", "extra", "position_ids"):
        assert name in str(error.value)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_coefficients_must_be_finite(number: float) -> None:
    a, b = {"w": torch.ones(2)}, {"w": torch.zeros(2)}
    with pytest.raises(UsageError, match="finite"):
        linear([a, b], weights=[number, 0.5])
    with pytest.raises(UsageError, match="finite"):
        slerp(a, b, t=number)


def test_as_many_weights_as_models() -> None:
    with pytest.raises(UsageError, match=r"\(2\), got 1"):
        linear([model(0), model(1)], weights=[1])
    with pytest.raises(UsageError, match="at least one"):
        linear([], weights=[])
