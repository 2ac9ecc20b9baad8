"""Methods against each other: settings chosen on one half of the prompts, told on the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from variegate.errors import NotComparable
from variegate.estimate import Estimate, bootstrap, interval
from variegate.fronts._against import additive_epsilon, lead_at, leading_weight
from variegate.fronts._arms import Setting
from variegate.fronts._attainment import attainment
from variegate.fronts._hypervolume import contributions, hypervolume
from variegate.fronts._nondominated import nondominated, ranks
from variegate.fronts._resampled import membership, point_of, resampled_points, split_half

__all__ = ["Axes", "Compared", "compare_methods", "tried_settings"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_FEWEST = 4  # prompts below which no half is left to report on


@dataclass(frozen=True, kw_only=True)
class Axes:
    """The plane: metrics, the fixed point volumes are measured from, the length of each axis."""

    quality: str
    variety: str
    reference: tuple[float, float]
    spans: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The tables `methods`, `points` and `attainment` of `Front`, and how they were made."""

    methods: pl.DataFrame
    points: pl.DataFrame
    attainment: pl.DataFrame
    settings: Mapping[str, Any]


def tried_settings(
    settings: Sequence[Setting], *, tries: int | None, seed: int
) -> tuple[dict[str, list[int]], int]:
    """Which settings of every method may be chosen: as many for each.

    The first of a method is always among them, since it is the one somebody would take untuned;
    the others are drawn by lot.

    Returns:
        Method → places in `settings`, and how many a method may have.
    """
    grids: dict[str, list[int]] = {}
    for place, setting in enumerate(settings):
        grids.setdefault(setting.method, []).append(place)
    allowed = tries or min(len(grid) for grid in grids.values())
    rng = np.random.default_rng(seed)
    chosen = {}
    for method, grid in grids.items():
        rest = rng.permutation(grid[1:])[: allowed - 1]
        chosen[method] = sorted([grid[0], *(int(place) for place in rest)])
    return chosen, allowed


def compare_methods(
    values: Floats,
    tasks: Sequence[str],
    settings: Sequence[Setting],
    *,
    baseline: str,
    axes: Axes,
    tries: int | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Compared:
    """Choose every method's setting on one half of the prompts and compare on the other.

    The setting chosen is the one whose point alone covers the largest hypervolume: the product
    of what it gains on both axes over the reference. What a method's tuned front covers is
    measured on the other half with the settings that were on its front in the first.

    Args:
        values: (P, N, 2) quality and variety of every prompt and arm, all finite.
        tasks: (P,) task of every prompt.
        settings: (N,) what made the arms.
        baseline: the method the others are held against.
        axes: the plane.
        tries: settings a method may be tried with; the smallest grid when None.
        resamples: of the bootstrap.
        level: of the intervals.
        seed: of the halves, the lots and the bootstrap.
    """
    if baseline not in {setting.method for setting in settings}:
        raise NotComparable(
            f"The baseline {baseline!r} has no arm that can be compared.",
            hint="Name another method as baseline, or look at what was left out.",
        )
    strata = np.asarray(tasks)
    unit = values / np.asarray(axes.spans)
    corner = np.asarray(axes.reference) / np.asarray(axes.spans)
    half = split_half(strata, seed=seed)
    if len(values) < _FEWEST or not half.any():
        # Too few to halve: chosen and told on the same prompts, and said so.
        half = np.zeros(len(values), dtype=bool)
    judge_on = ~half
    choose_on = half if half.any() else judge_on
    tried, allowed = tried_settings(settings, tries=tries, seed=seed)
    chance: dict[str, Any] = {"resamples": resamples, "seed": seed}

    first = point_of(unit[choose_on], strata[choose_on])
    alone = np.asarray(hypervolume(first[:, None, :], reference=corner))
    chosen = {m: _best(places, alone, first) for m, places in tried.items()}
    tuned = {m: [p for p, on in zip(places, nondominated(first[places]), strict=True) if on]
             for m, places in tried.items()}  # fmt: skip

    told = unit[judge_on]
    point = point_of(told, strata[judge_on])
    moved = resampled_points(told, strata=strata[judge_on], **chance)
    places = list(chosen.values())
    shares = membership(moved[:, places])
    rows = []
    for i, method in enumerate(chosen):
        rows.append(
            _method_row(
                method,
                settings,
                values[judge_on],
                strata[judge_on],
                first,
                point,
                moved,
                tried=tried,
                tuned=tuned,
                chosen=chosen,
                baseline=baseline,
                corner=corner,
                level=level,
                chance=chance,
            )
            | {
                "tried": len(tried[method]),
                "settings": sum(setting.method == method for setting in settings),
                "membership": float(shares[i]),
                "front": bool(nondominated(point[places])[i]),
            }
        )
    return Compared(
        methods=pl.DataFrame(rows, infer_schema_length=None),
        points=_points(values, strata, settings, tried, chosen, axes, level=level, chance=chance),
        attainment=_bands(values, strata, tried, chance),
        settings={
            "tries": allowed,
            "chosen_on": int(choose_on.sum()),
            "told_on": int(judge_on.sum()),
            "halved": bool(half.any()),
            "reference": list(axes.reference),
            "spans": list(axes.spans),
        },
    )


def _best(places: Sequence[int], alone: Floats, first: Floats) -> int:
    """Find the largest volume; where none covers any, the best sum of both axes."""
    return max(places, key=lambda p: (alone[p], first[p].sum(), -p))


def _method_row(
    method: str,
    settings: Sequence[Setting],
    values: Floats,
    strata: NDArray[Any],
    first: Floats,
    point: Floats,
    moved: Floats,
    *,
    tried: Mapping[str, Sequence[int]],
    tuned: Mapping[str, Sequence[int]],
    chosen: Mapping[str, int],
    baseline: str,
    corner: Floats,
    level: float,
    chance: Mapping[str, Any],
) -> dict[str, Any]:
    here, there = chosen[method], chosen[baseline]
    own, base, rivals = list(tuned[method]), list(tuned[baseline]), list(tried[baseline])
    sharp = len(values) > 1
    estimates = bootstrap(values[:, here], strata=strata, level=level, **chance)
    assert isinstance(estimates, list)
    volume = hypervolume(point[own], reference=corner)
    volumes = np.asarray(hypervolume(moved[:, own], reference=corner))
    gain = volume - hypervolume(point[base], reference=corner)
    gains = volumes - np.asarray(hypervolume(moved[:, base], reference=corner))
    # The direction of the lead is chosen on the first half too: the largest of many directions
    # looks larger than it is.
    weight = leading_weight(first[rivals], first[here])
    lead = lead_at(point[rivals], point[here], weight=weight)
    leads = lead_at(moved[:, rivals], moved[:, here], weight=weight)
    most = np.asarray(additive_epsilon(moved[:, rivals], moved[:, [here]], mixing=True))
    row: dict[str, Any] = {
        "method": method,
        "arm": settings[here].arm,
        "label": settings[here].label,
        **_spelled("quality", estimates[0]),
        **_spelled("variety", estimates[1]),
        **_measured("hypervolume", volume, volumes, level=level, sharp=sharp),
    }
    if method == baseline:
        none = dict.fromkeys(("", "_low", "_high"), None)
        row |= {f"{name}{end}": v for name in ("gain", "lead") for end, v in none.items()}
        row |= {"dominates": None, "dominated": None}
        return row | {"verdict": "baseline", "n_prompts": len(values)}
    ahead = float(_dominates(moved[:, here], moved[:, there]).mean())
    behind = float(_dominates(moved[:, there], moved[:, here]).mean())
    row |= _measured("gain", gain, gains, level=level, sharp=sharp)
    row |= _measured("lead", lead, leads, level=level, sharp=sharp)
    if sharp:
        row["lead_high"] = float(interval(most, level=level)[1])
    row |= {"dominates": ahead, "dominated": behind}
    return row | {"verdict": _verdict(row, level) if sharp else "open", "n_prompts": len(values)}


def _verdict(row: Mapping[str, Any], level: float) -> str:
    """Say what the resamples carry, the strongest that holds."""
    if row["dominates"] >= level:
        return "dominates"
    if row["dominated"] >= level:
        return "dominated"
    if row["lead_low"] > 0:
        return "beyond"
    if row["lead_high"] < 0:
        return "covered"
    return "open"


def _dominates(a: Floats, b: Floats) -> Mask:
    return np.asarray((a >= b).all(axis=-1) & (a > b).any(axis=-1))


def _spelled(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _measured(
    name: str, value: Any, resampled: Floats, *, level: float, sharp: bool
) -> dict[str, float]:
    low, high = interval(resampled, level=level) if sharp else (np.nan, np.nan)
    return {name: float(value), f"{name}_low": float(low), f"{name}_high": float(high)}


def _points(
    values: Floats,
    strata: NDArray[Any],
    settings: Sequence[Setting],
    tried: Mapping[str, Sequence[int]],
    chosen: Mapping[str, int],
    axes: Axes,
    *,
    level: float,
    chance: Mapping[str, Any],
) -> pl.DataFrame:
    """Every setting on all prompts: what was tried is shown, what was chosen is marked."""
    point = point_of(values, strata)
    shares = membership(resampled_points(values, strata=strata, **chance))
    flat = values.reshape(len(values), -1)
    estimates = bootstrap(flat, strata=strata, level=level, **chance)
    assert isinstance(estimates, list)
    alone = contributions(
        point / np.asarray(axes.spans), reference=np.asarray(axes.reference) / axes.spans
    )
    layer, front = ranks(point), nondominated(point)
    may = {place for places in tried.values() for place in places}
    return pl.DataFrame(
        [
            {
                "arm": setting.arm,
                "method": setting.method,
                "label": setting.label,
                "tried": i in may,
                "chosen": i in chosen.values(),
                "front": bool(front[i]),
                "rank": int(layer[i]),
                "membership": float(shares[i]),
                "contribution": float(alone[i]),
                **_spelled("quality", estimates[2 * i]),
                **_spelled("variety", estimates[2 * i + 1]),
                "n_prompts": len(values),
            }
            for i, setting in enumerate(settings)
        ],
        infer_schema_length=None,
    )


def _bands(
    values: Floats,
    strata: NDArray[Any],
    tried: Mapping[str, Sequence[int]],
    chance: Mapping[str, Any],
) -> pl.DataFrame:
    """What every method's tried settings attain together, on all prompts."""
    moved = resampled_points(values, strata=strata, **chance)
    tables = []
    for method, places in tried.items():
        found = attainment(moved[:, list(places)])
        for share, surface in zip(found.levels, found.surfaces, strict=True):
            tables.append(
                pl.DataFrame(
                    {
                        "method": [method] * len(found.x),
                        "percent": [share] * len(found.x),
                        "quality": found.x,
                        "variety": surface,
                    }
                ).filter(pl.col("variety").is_not_nan())
            )
    return pl.concat(tables)
