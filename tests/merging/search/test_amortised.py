"""Quadratic surrogates, and fronts found through them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import DataError, UnknownName, UsageError
from variegate.fronts import hypervolume, nondominated
from variegate.merging import amortised_front, nested_front, quadratic


def truth(rng: np.random.Generator, dimensions: int) -> tuple[np.ndarray, np.ndarray, float]:
    a = rng.normal(size=(dimensions, dimensions))
    return a + a.T, rng.normal(size=dimensions), float(rng.normal())


def value(points: np.ndarray, a: np.ndarray, b: np.ndarray, e: float) -> np.ndarray:
    return np.einsum("kt,tu,ku->k", points, a, points) / 2 + points @ b + e


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 4), st.integers(0, 10_000))
def test_a_quadratic_is_recovered_from_more_points_than_coefficients(
    dimensions: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a, b, e = truth(rng, dimensions)
    terms = (dimensions + 1) * (dimensions + 2) // 2
    points = rng.uniform(-1, 1, size=(terms + 20, dimensions))
    fit = quadratic(points, value(points, a, b, e))
    np.testing.assert_allclose(fit.curvature, a, atol=1e-7)
    np.testing.assert_allclose(fit.slope, b, atol=1e-7)
    assert fit.intercept == pytest.approx(e, abs=1e-7)
    assert fit.r2 == pytest.approx(1.0)
    assert fit.loo_r2 == pytest.approx(1.0)


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4, 8])
def test_exactly_so_many_points_of_a_simplex_lattice_recover_it(dimensions: int) -> None:
    rng = np.random.default_rng(dimensions)
    a, b, e = truth(rng, dimensions)
    eye = np.eye(dimensions)
    pairs = [(eye[i] + eye[j]) / 2 for i in range(dimensions) for j in range(i)]
    points = np.array([np.zeros(dimensions), *eye, *(eye / 2), *pairs])
    assert len(points) == (dimensions + 1) * (dimensions + 2) // 2 == {
        1: 3, 2: 6, 3: 10, 4: 15, 8: 45}[dimensions]  # fmt: skip
    fit = quadratic(points, value(points, a, b, e))
    np.testing.assert_allclose(fit.curvature, a, atol=1e-9)
    np.testing.assert_allclose(fit.slope, b, atol=1e-9)
    assert math.isnan(fit.loo_r2)
    assert math.isnan(fit.noise)


def test_leaving_out_is_what_a_fit_without_the_point_says() -> None:
    rng = np.random.default_rng(0)
    points, values = rng.random((14, 2)), rng.random(14)
    for ridge in (0.0, 0.3):
        fit = quadratic(points, values, ridge=ridge)
        for place in range(14):
            rest = np.arange(14) != place
            without = quadratic(points[rest], values[rest], ridge=ridge)
            error = values[place] - without.predict(points[[place]])[0]
            assert fit.left_out[place] == pytest.approx(error, abs=1e-9)


@pytest.mark.parametrize("link", ["logit", "log"])
def test_links_recover_what_is_quadratic_behind_them_and_stay_in_range(link: str) -> None:
    rng = np.random.default_rng(1)
    a, b, e = truth(rng, 2)
    points = rng.random((12, 2))
    inner = value(points, a, b, e)
    values = 1 / (1 + np.exp(-inner)) if link == "logit" else np.exp(inner)
    fit = quadratic(points, values, link=link)  # type: ignore[arg-type]
    np.testing.assert_allclose(fit.curvature, a, atol=1e-5)
    far = fit.predict(rng.uniform(-50, 50, size=(100, 2)))
    assert (far >= 0).all()
    assert link == "log" or (far <= 1).all()


def test_saturated_shares_are_fitted_not_dropped() -> None:
    points = np.linspace(0, 1, 7)[:, None]
    fit = quadratic(points, [1, 1, 1, 1, 0.9, 0.7, 0.0], link="logit", margin=1 / 32)
    assert np.isfinite(fit.predict(points)).all()
    assert 0.5 < fit.r2 <= 1


def test_a_constant_metric_has_no_r2() -> None:
    fit = quadratic(np.linspace(0, 1, 6)[:, None], np.full(6, 0.3))
    assert math.isnan(fit.r2)
    assert fit.predict([[0.5]])[0] == pytest.approx(0.3)


def test_what_cannot_be_fitted_is_refused() -> None:
    points = np.random.default_rng(0).random((5, 2))
    with pytest.raises(UsageError, match="at least 6 points"):
        quadratic(points, np.ones(5))
    assert np.isfinite(quadratic(points, np.arange(5.0), ridge=0.1).slope).all()
    with pytest.raises(UsageError, match="apart"):
        quadratic([[0.0], [1.0], [0.0], [1.0]], [1, 2, 1, 2])
    with pytest.raises(DataError, match="range"):
        quadratic([[0.0], [1.0], [2.0]], [0.1, 1.2, 0.3], link="logit")
    with pytest.raises(DataError, match="finite"):
        quadratic([[0.0], [1.0], [2.0]], [0.1, math.nan, 0.3])
    with pytest.raises(UnknownName):
        quadratic([[0.0], [1.0], [2.0]], [1, 2, 3], link="probit")  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        quadratic([0.0, 1.0], [1, 2])


ONE, TWO = np.array([0.2, 0.3]), np.array([0.8, 0.6])


def two_peaks(c: np.ndarray) -> list[float]:
    return [1 - float(((c - ONE) ** 2).sum()), 1 - float(((c - TWO) ** 2).sum())]


def volume(points: np.ndarray) -> float:
    return float(hypervolume(points, reference=[0, 0]))


def test_quadratic_metrics_give_the_true_front_and_no_gap() -> None:
    """Equal round hills: the front is the straight line from peak to peak."""
    found = amortised_front(
        two_peaks, dimensions=2, links=["identity"] * 2, budget=14, verify=7, ridge=0.0,
        volume=volume,
    )  # fmt: skip
    late = found.points[found.verified]
    along = (late - ONE) @ (TWO - ONE) / ((TWO - ONE) ** 2).sum()
    off = late - ONE - along[:, None] * (TWO - ONE)
    assert np.abs(off).max() < 0.01
    assert (along > -0.05).all()
    assert (along < 1.05).all()
    assert found.gap == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(found.predicted[found.verified], found.values[found.verified])
    assert all(fit.r2 == pytest.approx(1) for fit in found.surrogates)
    best = volume(np.array([two_peaks(ONE + s * (TWO - ONE)) for s in np.linspace(0, 1, 400)]))
    assert volume(found.values[found.front]) > 0.97 * best


def test_every_point_of_the_front_was_evaluated_and_is_unbeaten() -> None:
    asked: list[tuple[float, ...]] = []

    def evaluate(c: np.ndarray) -> list[float]:
        asked.append(tuple(c))
        return [*two_peaks(c)]

    found = amortised_front(evaluate, dimensions=2, links=["identity"] * 2, budget=15)
    assert asked == [tuple(point) for point in found.points]
    assert len(asked) == 15
    assert asked[:2] == [(0.0, 0.0), (1.0, 1.0)]
    assert found.front.tolist() == nondominated(found.values).tolist()
    assert len(set(asked)) == 15


def test_a_wrong_surrogate_shows_as_a_gap() -> None:
    def steps(c: np.ndarray) -> list[float]:
        return [0.5 + 0.4 * math.sin(25 * c[0]), 0.5 + 0.4 * math.cos(25 * c[0])]

    found = amortised_front(steps, dimensions=1, links=["identity"] * 2, budget=12, volume=volume)
    assert abs(found.gap) > 1e-3
    assert found.gap == found.predicted_volume - found.measured_volume
    assert min(fit.loo_r2 for fit in found.surrogates) < 0.5


def test_three_metrics_and_repeats_with_a_seed() -> None:
    def evaluate(c: np.ndarray) -> list[float]:
        return [*two_peaks(c), 0.9 - float(c.sum()) / 3]

    links = ["identity", "identity", "logit"]
    first, again = (
        amortised_front(evaluate, dimensions=2, links=links, budget=14, seed=3)  # type: ignore[arg-type]
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.points, again.points)
    assert math.isnan(first.gap)
    assert first.values.shape == (14, 3)


def test_budgets_that_cannot_pay_for_a_quadratic_are_refused() -> None:
    with pytest.raises(UsageError, match="budget"):
        amortised_front(two_peaks, dimensions=2, links=["identity"] * 2, budget=10)
    with pytest.raises(UsageError, match="metrics"):
        amortised_front(two_peaks, dimensions=2, links=["identity"], budget=12)


def test_nested_fronts_reach_a_single_peak_and_count_rounds() -> None:
    best = np.array([0.5, 0.2, 0.7, 0.4])
    found = nested_front(
        lambda w: [1 - float(((w - best) ** 2).sum())], models=4, links=["identity"], budget=14
    )
    assert len(found.rounds) == 3
    assert sorted(found.rounds[-1][0]) == [0, 1, 2, 3]
    assert found.values[0] == pytest.approx(1.0, abs=0.02)
    np.testing.assert_allclose(found.weights, best, atol=0.15)


def test_nested_with_one_preference_ends_at_that_metric() -> None:
    def evaluate(w: np.ndarray) -> list[float]:
        return [float(w[0] - w[1] / 2), float(w[1] - w[0] / 2)]

    for wanted in ([1.0, 0.0], [0.0, 1.0]):
        found = nested_front(
            evaluate, models=2, links=["identity"] * 2, budget=12, preference=wanted
        )
        np.testing.assert_allclose(found.weights, wanted, atol=1e-12)
    with pytest.raises(UsageError):
        nested_front(evaluate, models=1, links=["identity"] * 2, budget=12)


@pytest.mark.parametrize("call", [1, 12])
def test_a_point_without_a_value_is_no_point_of_a_front(call: int) -> None:
    """The last ones come after the last fit, and nothing beats NaN."""
    left = iter(range(1, 99))

    def evaluate(point: np.ndarray) -> list[float]:
        return [float("nan") if next(left) == call else point[0], 0.5]

    with pytest.raises(DataError, match="finite"):
        amortised_front(evaluate, dimensions=1, links=["identity", "logit"], budget=12)
