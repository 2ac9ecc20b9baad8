"""Averages over runs: soups, DiWA, Ratatouille, and the account of why they help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from variegate.errors import UsageError
from variegate.merging._linear import linear
from variegate.merging._method import Weights

__all__ = [
    "FineTune", "Soup", "SoupError", "diwa", "greedy_soup", "ratatouille", "ratio_error",
    "soup_error", "uniform_soup",
]  # fmt: skip


class FineTune(Protocol):
    """Training on the target task, from given weights, with its own randomness from a seed."""

    def __call__(self, start: Weights, /, *, seed: int) -> Weights: ...


@dataclass(frozen=True, kw_only=True)
class Soup:
    """An average of some of the models, chosen on a validation set.

    Args:
        score: of the average.
        weights: the average.
        members: places of the models in it, in the order in which they were added.
        scores: of each model alone.
    """

    score: float
    weights: dict[str, torch.Tensor]
    members: tuple[int, ...]
    scores: tuple[float, ...]


def uniform_soup(models: Sequence[Weights]) -> dict[str, torch.Tensor]:
    """Average models with equal weights.

    Args:
        models: dicts of tensors with the same names and shapes, fine-tuned from one start.

    Returns:
        The mean, computed in float32. Equal members give themselves back bit for bit.

    Raises:
        UsageError: no models, other names or shapes.

    Example:
        >>> import torch
        >>> uniform_soup([{"w": torch.zeros(2)}, {"w": torch.ones(2)}])
        {'w': tensor([0.5000, 0.5000])}

    Reference:
        `Wortsman 2022b <https://arxiv.org/abs/2203.05482>`_.
    """
    return linear(models, weights=[1 / max(len(models), 1)] * len(models))


def greedy_soup(
    models: Sequence[Weights], evaluate: Callable[[Weights], float], *, tolerance: float = 0.0
) -> Soup:
    """Add models to an average, best first, as long as it does not get worse.

    Args:
        models: dicts of tensors with the same names and shapes, fine-tuned from one start.
        evaluate: the score of weights on a validation set, higher is better; measure the result
            on other data, the choice was made on these.
        tolerance: how far the score may fall when a model is added.

    Returns:
        The soup. Its score is never below that of the best model, at tolerance 0.

    Raises:
        UsageError: no models, other names or shapes.

    Example:
        >>> import torch
        >>> models = [{"w": torch.tensor([x])} for x in (3.0, -1.0, 9.0)]
        >>> greedy_soup(models, lambda model: -abs(float(model["w"]) - 1)).members
        (0, 1)

    Reference:
        `Wortsman 2022b <https://arxiv.org/abs/2203.05482>`_.
    """
    if not models:
        raise UsageError("Expected at least one model for a soup, got none.")
    scores = [float(evaluate(model)) for model in models]
    order = sorted(range(len(models)), key=lambda place: -scores[place])
    members, score = [order[0]], scores[order[0]]
    for place in order[1:]:
        reached = float(evaluate(uniform_soup([models[m] for m in [*members, place]])))
        if reached >= score - tolerance:
            members.append(place)
            score = reached
    return Soup(
        score=score,
        weights=uniform_soup([models[m] for m in members]),
        members=tuple(members),
        scores=tuple(scores),
    )


def diwa(
    start: Weights, fine_tune: FineTune, *, runs: int, seed: int = 0
) -> dict[str, torch.Tensor]:
    """Fine-tune one start several times independently, and average the runs.

    Args:
        start: what every run starts from.
        fine_tune: one run, from weights and a seed to weights; let it draw its hyperparameters
            from the seed too, so that runs differ in what they get wrong.
        runs: how many.
        seed: run i gets seed + i.

    Returns:
        The mean of the runs.

    Raises:
        UsageError: no runs.

    Example:
        >>> import torch
        >>> step = lambda start, seed: {"w": start["w"] + seed}
        >>> diwa({"w": torch.zeros(1)}, step, runs=3)
        {'w': tensor([1.])}

    Reference:
        `Rame 2022 <https://arxiv.org/abs/2205.09739>`_.
    """
    return ratatouille([start] * runs, fine_tune, seed=seed)


def ratatouille(
    starts: Sequence[Weights], fine_tune: FineTune, *, seed: int = 0
) -> dict[str, torch.Tensor]:
    """Recycle fine-tunings on auxiliary tasks: fine-tune each on the target, and average.

    Args:
        starts: the same model fine-tuned on different auxiliary tasks.
        fine_tune: one run on the target task, from weights and a seed to weights.
        seed: the run from start i gets seed + i.

    Returns:
        The mean of the runs. Equal starts give `diwa`.

    Raises:
        UsageError: no starts.

    Example:
        >>> import torch
        >>> starts = [{"w": torch.tensor([0.0])}, {"w": torch.tensor([2.0])}]
        >>> ratatouille(starts, lambda start, seed: {"w": start["w"] + 1})
        {'w': tensor([2.])}

    Reference:
        `Rame 2023 <https://arxiv.org/abs/2212.10445>`_.
    """
    if not starts:
        raise UsageError("Expected at least one run to average, got none.")
    return uniform_soup([fine_tune(one, seed=seed + place) for place, one in enumerate(starts)])


@dataclass(frozen=True, kw_only=True)
class SoupError:
    """Expected squared error of the mean prediction of M runs, in parts.

    Args:
        total: bias² + variance/M + (M − 1)/M · covariance.
        bias: squared distance of the expected prediction from the target.
        variance: of one run's prediction.
        covariance: of the predictions of two runs.
        runs: M.
    """

    total: float
    bias: float
    variance: float
    covariance: float
    runs: int


def soup_error(
    predictions: npt.ArrayLike, targets: npt.ArrayLike, *, runs: int | None = None
) -> SoupError:
    """Split the error of averaging runs into bias, variance and covariance.

    E(f̄ − y)² = bias² + variance/M + (M − 1)/M · covariance, where f̄ is the mean prediction of M
    runs; to first order that of their mean weights, and for linear models exactly. Runs that err
    independently have no covariance: only then more runs help without end.

    Args:
        predictions: (R, M, N), R repetitions of M runs on N inputs.
        targets: (N,).
        runs: M of the prediction; that of the array when left out.

    Returns:
        The parts, averaged over inputs. At the array's own M the total is the mean squared error
        of the means, exactly. Covariance is at most the variance, reached when the M runs agree.

    Raises:
        UsageError: shapes that do not fit, or fewer than two runs.

    Example:
        >>> soup_error([[[1.0], [3.0]], [[3.0], [1.0]]], [2.0]).total
        0.0

    Reference:
        `Rame 2022 <https://arxiv.org/abs/2205.09739>`_.
    """
    f, y = np.asarray(predictions, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    if f.ndim != 3 or f.shape[1] < 2 or y.shape != f.shape[2:]:
        raise UsageError(
            f"Expected predictions (R, M, N) of at least 2 runs and targets (N,), "
            f"got {f.shape} and {y.shape}."
        )
    members = f.shape[1]
    expected = f.mean((0, 1))
    apart = f - expected
    variance = (apart**2).mean((0, 1))
    # Products of different runs of one repetition: all products less the squares.
    pairs = apart.sum(1) ** 2 - (apart**2).sum(1)
    covariance = pairs.mean(0) / (members * (members - 1))
    count = members if runs is None else runs
    bias = (expected - y) ** 2
    total = bias + variance / count + (count - 1) / count * covariance
    return SoupError(
        total=float(total.mean()),
        bias=float(bias.mean()),
        variance=float(variance.mean()),
        covariance=float(covariance.mean()),
        runs=count,
    )


def ratio_error(wrong_a: npt.ArrayLike, wrong_b: npt.ArrayLike) -> float:
    """How often two models err differently, per time that they err together.

    Args:
        wrong_a: booleans (N,), whether the first model is wrong.
        wrong_b: the same of the second.

    Returns:
        Inputs that exactly one gets wrong over inputs that both get wrong, from 0 (the same
        errors); inf where no error is shared, NaN where there is none at all.

    Raises:
        UsageError: another length.

    Example:
        >>> ratio_error([True, True, False], [True, False, True])
        2.0

    Reference:
        `Rame 2022 <https://arxiv.org/abs/2205.09739>`_.
    """
    a, b = np.asarray(wrong_a, dtype=bool), np.asarray(wrong_b, dtype=bool)
    if a.shape != b.shape:
        raise UsageError(f"Expected the same inputs for both, got {a.shape} and {b.shape}.")
    alone, together = int((a ^ b).sum()), int((a & b).sum())
    if together == 0:
        return float("inf") if alone else float("nan")
    return alone / together
