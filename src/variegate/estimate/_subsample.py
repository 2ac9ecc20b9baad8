"""Subsampling without replacement: an interval for any statistic of one set or of several."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import DataError, UsageError
from variegate.estimate._result import Estimate
from variegate.estimate._student import student

__all__ = ["subsampled"]

Floats = NDArray[np.float64]


def subsampled(
    statistic: Callable[..., Any],
    *sets: ArrayLike,
    clusters: ArrayLike | Sequence[ArrayLike] | None = None,
    share: float = 0.5,
    repeats: int = 200,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    level: float = 0.95,
    seed: int = 0,
) -> Any:
    """A statistic of one set or several, with an interval from subsamples without replacement.

    Each repeat takes the share of every set and computes the statistic of that; with m of n
    units taken, SE² = m / (n - m) times the variance of the repeats, and the ends are value ±
    t · SE. Nothing is ever drawn twice, so nearest neighbours, spectra and clusterings are not
    fooled by copies as they are under the bootstrap: of a Vendi score it makes half. It is the
    jackknife that deletes n - m at a time, which unlike the one that deletes one also serves
    statistics that are not smooth.

    A statistic that moves with n is subsampled at another n than its own; only the spread of the
    repeats is used, never their level, so the interval is about what the statistic is on
    average at the sizes at hand. Compare equal sizes.

    Args:
        statistic: from arrays like the sets to a number, a mapping of numbers, or a dataclass
            with numbers among its fields (such as `Prdc`); all share the subsamples.
        sets: (n_i, ...) arrays, one or several.
        clusters: labels of the rows, one array a set (one alone for a single set): the units are
            then clusters, e.g. prompts, and a cluster is taken out of all sets at once.
        share: m / n in (0, 1). One half needs no scaling.
        repeats: subsamples; 200 leave 5 % noise on the width.
        bounds: least and greatest the statistic can be; the ends are cut there.
        level: confidence level.
        seed: of the subsamples.

    Returns:
        An `Estimate`, or a dictionary of them by name. `n_prompts` counts the units, of the
        smallest set. Fewer than four units, or no finite repeat: no interval.

    Raises:
        UsageError: a share outside (0, 1), labels that do not fit, no set.

    Example:
        >>> import numpy as np
        >>> x = np.arange(100.0)
        >>> estimate = subsampled(np.mean, x, repeats=2000)
        >>> bool(abs(estimate.settings["standard_error"] / (x.std(ddof=1) / 10) - 1) < 0.05)
        True

    Reference: `Shao 1989 <https://doi.org/10.1214/aos/1176347263>`_ (delete-d jackknife);
    `Politis 1994 <https://doi.org/10.1214/aos/1176325770>`_ (subsampling).
    """
    if not 0 < share < 1 or repeats < 2 or not sets:
        raise UsageError(
            f"Expected a set, a share between 0 and 1 and at least 2 repeats, got {len(sets)} "
            f"sets, {share} and {repeats}."
        )
    arrays = [np.asarray(one) for one in sets]
    units = _units(arrays, clusters)
    sizes = [len(one) for one in units]
    taken = [round(share * size) for size in sizes]
    value = _numbers(statistic(*arrays))
    smallest = int(np.argmin(sizes))
    enough = min(sizes) >= 4 and min(taken) >= 1
    repeated = np.full((repeats if enough else 0, len(value)), np.nan)
    rng = np.random.default_rng(seed)
    for r in range(len(repeated)):
        parts = _part(arrays, units, taken, rng, joint=clusters is not None)
        try:
            found = _numbers(statistic(*parts))
        except (DataError, UsageError):  # too small a part has no value
            continue
        repeated[r] = [found.get(name, np.nan) for name in value]
    scale = taken[smallest] / (sizes[smallest] - taken[smallest]) if enough else np.nan
    settings = {"share": share, "repeats": repeats, "seed": seed, "clusters": clusters is not None}
    estimates = {}
    for column, (name, own) in enumerate(value.items()):
        alive = repeated[np.isfinite(repeated[:, column]), column]
        told = enough and len(alive) >= 2 and np.isfinite(own)
        error = float(np.sqrt(scale * alive.var(ddof=1))) if told else np.nan
        reach = student(level, min(sizes) - 1) * error
        estimates[name] = Estimate(
            value=own,
            low=max(own - reach, bounds[0]) if told else np.nan,
            high=min(own + reach, bounds[1]) if told else np.nan,
            n_prompts=min(sizes),
            level=level,
            method=f"{repeats} subsamples of {share:g} without replacement",
            note="" if told else "fewer than four units give no interval" if not enough
            else "no subsample has a value",
            settings={**settings, "standard_error": error},
        )  # fmt: skip
    return estimates.get("", estimates)


def _units(
    arrays: list[NDArray[Any]], clusters: ArrayLike | Sequence[ArrayLike] | None
) -> list[list[NDArray[np.intp]]]:
    """Rows of every unit of every set; with clusters the same units, in the same order."""
    if clusters is None:
        return [[np.array([row]) for row in range(len(one))] for one in arrays]
    given = [clusters] if len(arrays) == 1 else list(clusters)  # type: ignore[arg-type]
    labels = [np.asarray(one) for one in given]
    if [len(one) for one in labels] != [len(one) for one in arrays]:
        raise UsageError(
            f"Expected a label for each of {[len(one) for one in arrays]} rows, got "
            f"{[len(one) for one in labels]}."
        )
    names = np.unique(np.concatenate(labels))
    return [[np.flatnonzero(of_set == name) for name in names] for of_set in labels]


def _part(
    arrays: list[NDArray[Any]],
    units: list[list[NDArray[np.intp]]],
    taken: list[int],
    rng: np.random.Generator,
    *,
    joint: bool,
) -> list[NDArray[Any]]:
    parts, chosen = [], None
    for array, of_set, m in zip(arrays, units, taken, strict=True):
        if chosen is None or not joint:
            chosen = np.sort(rng.permutation(len(of_set))[:m])
        parts.append(array[np.concatenate([of_set[unit] for unit in chosen])])
    return parts


def _numbers(result: Any) -> dict[str, float]:
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        result = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    if isinstance(result, Mapping):
        return {
            str(name): float(value)
            for name, value in result.items()
            if isinstance(value, float | np.floating)
        }
    return {"": float(result)}
