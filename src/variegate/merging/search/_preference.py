"""From a preference over tasks to a region of weights, without another training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import torch

from variegate.errors import UsageError
from variegate.merging._linear import linear
from variegate.merging._method import Weights

__all__ = ["Region", "preferred_region"]


@dataclass(frozen=True, kw_only=True)
class Region:
    """Where the weights that serve a preference lie: entry by entry, low to high.

    Args:
        mean: the middle of the region, itself a model.
        low: lower ends.
        high: upper ends.
        mass: probability of each entry's interval under its posterior, 1 − α.
    """

    mean: Mapping[str, torch.Tensor]
    low: Mapping[str, torch.Tensor]
    high: Mapping[str, torch.Tensor]
    mass: float
    _sigma: Mapping[str, torch.Tensor]

    def draw(self, *, seed: int) -> dict[str, torch.Tensor]:
        """A model from the region: each entry by its own normal, cut to its interval."""
        generator, normal = torch.Generator().manual_seed(seed), torch.distributions.Normal(0, 1)
        drawn = {}
        for name, mean in self.mean.items():
            u = torch.rand(mean.shape, generator=generator, dtype=torch.float64)
            z = normal.icdf(0.5 + (u - 0.5) * self.mass)
            inside = (mean.double() + z * self._sigma[name].double()).to(mean.dtype)
            drawn[name] = inside.clamp(self.low[name], self.high[name])
        return drawn


def preferred_region(
    means: Sequence[Weights],
    sigmas: Sequence[Weights],
    *,
    preference: Sequence[float],
    alpha: float = 0.01,
) -> Region:
    """Mix the posteriors of several tasks by a preference, and keep what is likely.

    μ = Σ wᵢ μᵢ, σ = Σ wᵢ σᵢ, and of each entry the interval μ ± z σ of mass 1 − α, with z the
    (1 − α/2) quantile of a standard normal. Any trade-off costs a weighted sum and no training.

    Args:
        means: of the weights for each task, dicts of tensors with the same names and shapes.
        sigmas: standard deviations, of the same shapes, at least 0.
        preference: w, one a task, at least 0 with sum 1.
        alpha: what is cut off, in (0, 1].

    Returns:
        The region. A preference of 1 for one task gives that task's mean bit for bit and its own
        intervals. The mass is that of each entry, not of all entries together.

    Raises:
        UsageError: preferences that are negative or do not sum to 1, alpha outside (0, 1],
            negative sigmas, other names or shapes.

    Example:
        >>> means = [{"w": torch.tensor([0.0])}, {"w": torch.tensor([2.0])}]
        >>> sigmas = [{"w": torch.tensor([1.0])}, {"w": torch.tensor([1.0])}]
        >>> region = preferred_region(means, sigmas, preference=[0.5, 0.5], alpha=0.05)
        >>> region.mean["w"].item(), round(region.high["w"].item(), 2)
        (1.0, 2.96)

    Reference:
        `Lu 2023 <https://arxiv.org/abs/2310.02995>`_; the code that came with it takes the
        quantiles of mass α for those of 1 − α.
    """
    if not 0 < alpha <= 1:
        raise UsageError(f"Expected alpha in (0, 1], got {alpha}.")
    if any(w < 0 for w in preference) or abs(sum(preference) - 1) > 1e-9:
        raise UsageError(f"Expected preferences that sum to 1, got {list(preference)}.")
    if not len(means) == len(sigmas) == len(preference):
        raise UsageError(
            f"Expected a mean, a sigma and a preference a task, got {len(means)}, {len(sigmas)} "
            f"and {len(preference)}."
        )
    if any(bool((tensor < 0).any()) for one in sigmas for tensor in one.values()):
        raise UsageError("Expected standard deviations of at least 0.")
    mean = linear(means, weights=preference)
    sigma = linear(sigmas, weights=preference)
    z = NormalDist().inv_cdf(1 - alpha / 2)
    return Region(
        mean=mean,
        low={name: value - z * sigma[name] for name, value in mean.items()},
        high={name: value + z * sigma[name] for name, value in mean.items()},
        mass=1 - alpha,
        _sigma=sigma,
    )
