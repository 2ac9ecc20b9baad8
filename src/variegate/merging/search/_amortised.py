"""A whole front for the price of a few evaluations: quadratics, and what they point at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import DataError, UsageError
from variegate.merging.search._surrogate import (
    Link,
    Surrogate,
    features,
    means_of,
    quadratic,
    terms_of,
)

__all__ = ["AmortisedFront", "NestedFront", "amortised_front", "nested_front"]

Floats = NDArray[np.float64]
Volume = Callable[[Floats], float]

CANDIDATES = 2000
SMALL_RIDGE = 1e-6


@dataclass(frozen=True, kw_only=True)
class AmortisedFront:
    """A front of points that were all really evaluated, and the quadratics that led there.

    Args:
        front: (K,) True for evaluated points that no other evaluated point beats.
        values: (K, M) metrics as evaluated, larger being better.
        points: (K, T) coefficients.
        predicted: (K, M) what the quadratics say of these points, each without having seen it.
            NaN for the design the first fit was made from.
        surrogates: one a metric, fitted to all but the last, verifying points.
        verified: (K,) True for the verifying points, which the final quadratics had not seen.
        predicted_volume: hypervolume of the verifying points as predicted; NaN without `volume`.
        measured_volume: of the same points as evaluated.
        settings: budget, links, ridge, bounds, seed.
    """

    front: NDArray[np.bool_]
    values: Floats
    points: Floats
    predicted: Floats
    surrogates: tuple[Surrogate, ...]
    verified: NDArray[np.bool_]
    predicted_volume: float
    measured_volume: float
    settings: dict[str, Any]

    @property
    def gap(self) -> float:
        """How much larger the front was predicted than it is: the price of trusting quadratics."""
        return self.predicted_volume - self.measured_volume


def amortised_front(
    evaluate: Callable[[Floats], ArrayLike],
    *,
    dimensions: int,
    links: Sequence[Link],
    budget: int,
    verify: int = 5,
    low: float = 0.0,
    high: float = 1.0,
    ridge: float = SMALL_RIDGE,
    margin: float = 1e-3,
    volume: Volume | None = None,
    seed: int = 0,
) -> AmortisedFront:
    """Find the front of several metrics over merging coefficients with few evaluations.

    A spread-out design first, both ends `low` and `high` in it; one quadratic a metric; then the
    point of the predicted front (one standard error in its favour) whose prediction is least
    certain, over and over; at last points spread along the predicted front are evaluated, so that
    nothing on the returned front was only predicted.

    Args:
        evaluate: from coefficients (T,) to metrics (M,), larger being better.
        dimensions: T.
        links: one a metric, see `quadratic`.
        budget: evaluations in all, verifying ones included.
        verify: of these, the last ones.
        low: least coefficient; the quadratics are not trusted outside.
        high: largest coefficient.
        ridge: of the fits.
        margin: of the links.
        volume: hypervolume of points (K, M), for instance
            `lambda points: variegate.fronts.hypervolume(points, reference=[0, 0])`.
        seed: of the candidates.

    Returns:
        All evaluated points and which are on the front.

    Raises:
        UsageError: a budget below the coefficients of a quadratic and `verify`, no metric, or
            metrics that are not one a link.
        DataError: NaN, or metrics outside of the range of their link.

    Example:
        >>> found = amortised_front(
        ...     lambda c: [1 - (c[0] - 0.2) ** 2, 1 - (c[0] - 0.8) ** 2],
        ...     dimensions=1, links=["identity", "identity"], budget=12, ridge=0.0,
        ... )
        >>> best = found.points[found.front].ravel()
        >>> bool(best.min() >= 0.19), bool(best.max() <= 0.81), len(found.values)
        (True, True, 12)

    Reference:
        `Li 2024 <https://arxiv.org/abs/2406.07529>`_: every front point is evaluated here, the fit
        is linear least squares, and the search stays within the sampled box.
    """
    terms, fitted = terms_of(dimensions), budget - verify
    if not links or verify < 0 or fitted < terms or not low < high:
        raise UsageError(
            f"Expected metrics, low < high and a budget of at least {terms} + {max(verify, 0)} "
            f"evaluations for {dimensions} coefficients, got {len(links)} links, {low} to {high} "
            f"and {budget}."
        )
    candidates = _candidates(dimensions, low, high, seed)
    points: list[Floats] = []
    values: list[Floats] = []
    predicted: list[Floats] = []

    def take(point: Floats, guess: Floats) -> None:
        found = np.asarray(evaluate(point), dtype=np.float64)
        if found.shape != (len(links),):
            raise UsageError(f"Expected {len(links)} metrics, got shape {found.shape}.")
        if not np.isfinite(found).all():
            raise DataError(f"Expected finite metrics at {point.tolist()}, got {found.tolist()}.")
        points.append(point)
        values.append(found)
        predicted.append(guess)

    def fit() -> tuple[Surrogate, ...]:
        made = np.array(values)
        return tuple(
            quadratic(np.array(points), made[:, m], link=link, ridge=ridge, margin=margin)
            for m, link in enumerate(links)
        )

    unknown = np.full(len(links), np.nan)
    for point in _design(candidates, _scaled(candidates, low, high), min(fitted, terms + 1)):
        take(point, unknown)
    while len(points) < fitted:
        fits = fit()
        place = _least_certain(fits, candidates, points)
        take(candidates[place], means_of(fits, candidates[[place]])[0])
    fits = fit()
    candidates = _refined(fits, candidates, low, high, seed)
    for place in _along(means_of(fits, candidates), verify):
        take(candidates[place], means_of(fits, candidates[[place]])[0])
    last = np.arange(len(points)) >= fitted
    measured, guessed = np.array(values), np.array(predicted)
    volumes = [
        float(volume(table[last])) if volume is not None and last.any() else float("nan")
        for table in (guessed, measured)
    ]
    return AmortisedFront(
        front=_unbeaten(measured),
        values=measured,
        points=np.array(points),
        predicted=guessed,
        surrogates=fits,
        verified=last,
        predicted_volume=volumes[0],
        measured_volume=volumes[1],
        settings={
            "budget": budget,
            "verify": verify,
            "links": list(links),
            "ridge": ridge,
            "margin": margin,
            "low": low,
            "high": high,
            "seed": seed,
        },
    )


@dataclass(frozen=True, kw_only=True)
class NestedFront:
    """Many models merged pair by pair, each pair along its own front.

    Args:
        weights: (N,) how much of every model's change is in the result.
        values: (M,) its metrics, as evaluated.
        rounds: (N - 1) which models went together, and the front it was chosen from.
    """

    weights: Floats
    values: Floats
    rounds: tuple[tuple[tuple[int, ...], AmortisedFront], ...]


def nested_front(
    evaluate: Callable[[Floats], ArrayLike],
    *,
    models: int,
    links: Sequence[Link],
    budget: int,
    verify: int = 5,
    preference: Sequence[float] | None = None,
    ridge: float = SMALL_RIDGE,
    volume: Volume | None = None,
    seed: int = 0,
) -> NestedFront:
    """Merge many models two at a time: N − 1 fronts in two coefficients instead of one in N.

    The two whose metrics are closest are merged first: `amortised_front` over their two
    coefficients, then the point of that front with the largest preferred sum of metrics (each
    brought to [0, 1] between the ends of the front) takes the place of both.

    Args:
        evaluate: from weights (N,) of all models' changes to metrics (M,), larger being better.
        models: N, at least 2.
        links: one a metric.
        budget: evaluations of each round.
        verify: of these, the verifying ones.
        preference: (M,) weights of the metrics; equal when left out.
        ridge: of the fits.
        volume: as in `amortised_front`.
        seed: of the candidates.

    Returns:
        The last point, and the fronts on the way.

    Raises:
        UsageError: fewer than two models, or what `amortised_front` refuses.

    Example:
        >>> best = np.array([0.2, 0.6, 0.4])
        >>> found = nested_front(
        ...     lambda w: [-((w - best) ** 2).sum()], models=3, links=["identity"], budget=12
        ... )
        >>> len(found.rounds), bool(found.values[0] > -0.01)
        (2, True)

    Reference:
        `Li 2024 <https://arxiv.org/abs/2406.07529>`_.
    """
    if models < 2:
        raise UsageError(f"Expected at least 2 models, got {models}.")
    wanted = np.ones(len(links)) if preference is None else np.asarray(preference, dtype=float)
    if wanted.shape != (len(links),):
        raise UsageError(f"Expected {len(links)} preferences, got {wanted.shape}.")
    left: list[tuple[tuple[int, ...], Floats]] = [
        ((n,), row) for n, row in enumerate(np.eye(models))
    ]
    known = [np.asarray(evaluate(row), dtype=np.float64) for _, row in left]
    rounds = []
    while len(left) > 1:
        scale = np.ptp(known, axis=0)
        near = np.array(known) / np.where(scale > 0, scale, 1.0)
        pairs = [(i, j) for j in range(len(left)) for i in range(j)]
        i, j = min(pairs, key=lambda ij: float(((near[ij[0]] - near[ij[1]]) ** 2).sum()))
        ends = np.stack([left[i][1], left[j][1]])
        found = amortised_front(
            lambda c, ends=ends: evaluate(c @ ends),  # type: ignore[misc]
            dimensions=2, links=links, budget=budget, verify=verify, ridge=ridge, volume=volume,
            seed=seed,
        )  # fmt: skip
        members = np.flatnonzero(found.front)
        here = found.values[members]
        span = np.ptp(here, axis=0)
        score = ((here - here.min(axis=0)) / np.where(span > 0, span, 1.0)) @ wanted
        chosen = members[int(score.argmax())]
        together = left[i][0] + left[j][0]
        rounds.append((together, found))
        keep = [n for n in range(len(left)) if n not in (i, j)]
        left = [*(left[n] for n in keep), (together, found.points[chosen] @ ends)]
        known = [*(known[n] for n in keep), found.values[chosen]]
    return NestedFront(weights=left[0][1], values=known[0], rounds=tuple(rounds))


def _candidates(dimensions: int, low: float, high: float, seed: int) -> Floats:
    """Both ends, then corners, middles and points at random, all in the box."""
    rng = np.random.default_rng(seed)
    inside = rng.random((CANDIDATES, dimensions))
    coarse = rng.integers(0, 3, size=(CANDIDATES // 4, dimensions)) / 2
    ends = np.array([np.zeros(dimensions), np.ones(dimensions)])
    found = np.unique(np.vstack([coarse, inside]), axis=0)
    found = found[~((found == 0).all(axis=1) | (found == 1).all(axis=1))]
    return np.asarray(low + (high - low) * np.vstack([ends, found]))


def _refined(
    fits: Sequence[Surrogate], candidates: Floats, low: float, high: float, seed: int
) -> Floats:
    """Candidates with more of them along the predicted front, ever closer to it."""
    rng = np.random.default_rng([seed, 1])
    for width in (0.1, 0.03, 0.01):
        front = candidates[_unbeaten(means_of(fits, candidates))]
        a, b = front[rng.integers(len(front), size=(2, CANDIDATES // 4))]
        between = a + rng.random((len(a), 1)) * (b - a)
        around = a + width * (high - low) * rng.normal(size=a.shape)
        candidates = np.vstack([candidates, np.clip(np.vstack([between, around]), low, high)])
    return candidates


def _scaled(points: Floats, low: float, high: float) -> Floats:
    return np.asarray(2 * (points - low) / (high - low) - 1)


def _design(candidates: Floats, scaled: Floats, n: int) -> Floats:
    """Both ends, then each time the candidate a quadratic knows least of."""
    x = features(scaled)
    spread = np.linalg.inv(1e-6 * np.eye(x.shape[1]))
    chosen: list[int] = []
    for step in range(n):
        unsure = np.einsum("kp,pq,kq->k", x, spread, x)
        unsure[chosen] = -np.inf
        chosen.append(step if step < 2 else int(unsure.argmax()))
        row = spread @ x[chosen[-1]]
        spread = spread - np.outer(row, row) / (1 + x[chosen[-1]] @ row)
    return candidates[chosen]


def _least_certain(fits: Sequence[Surrogate], candidates: Floats, points: Sequence[Floats]) -> int:
    leverage = fits[0].leverage(candidates)  # one design, so the same for all metrics
    error = np.sqrt(np.maximum(leverage, 0.0))
    hopeful = np.column_stack(
        [
            fit.linear(candidates) + (0.0 if np.isnan(fit.noise) else fit.noise) * error
            for fit in fits
        ]
    )
    taken = (candidates[:, None, :] == np.array(points)[None]).all(axis=2).any(axis=1)
    allowed = _unbeaten(hopeful) & ~taken
    if not allowed.any():
        allowed = ~taken
    return int(np.where(allowed, error, -np.inf).argmax())


def _along(values: Floats, n: int) -> list[int]:
    """Places of n points spread along the front, its ends first."""
    front = np.flatnonzero(_unbeaten(values))
    span = np.ptp(values[front], axis=0)
    here = values[front] / np.where(span > 0, span, 1.0)
    chosen = list(dict.fromkeys(int(place) for place in here.argmax(axis=0)))[:n]
    while len(chosen) < min(n, len(front)):
        apart = ((here[:, None] - here[chosen][None]) ** 2).sum(axis=2).min(axis=1)
        apart[chosen] = -1.0
        chosen.append(int(apart.argmax()))
    rest = [place for place in range(len(values)) if place not in set(front.tolist())]
    return [*(int(front[place]) for place in chosen), *rest[: n - len(chosen)]]


def _unbeaten(values: Floats) -> NDArray[np.bool_]:
    """Points that no other is at least as good as everywhere and better somewhere."""
    kept = np.ones(len(values), dtype=bool)
    for place, value in enumerate(values):
        if kept[place]:
            beaten = (value >= values).all(axis=1) & (value > values).any(axis=1)
            kept &= ~beaten
    return kept
