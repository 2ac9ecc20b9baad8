"""Divergences: how far one distribution is from another. Natural logarithms throughout.

- Between probability vectors, batched over leading axes: `kl` and its relatives.
- `generator(name)`: one convex function f gives the penalty, its slope, the inverse of its
  slope and its conjugate; objectives are built on this table.
- From samples: `kl_samples`, with the law of what its gradient does; `psi` between two
  histograms, with its error and its test.
- Between two sets of points: `sinkhorn`, `mmd`, `energy_distance`, `cauchy_schwarz`; and, for
  whatever else compares all points with all, `squared_distances` block by block.

Directions are always those of the arguments: ``kl(p, q)`` is E_p ln p/q. In training, p is the
policy and q the reference, so *reverse* KL is KL(policy ‖ reference) and *forward* KL is
KL(reference ‖ policy).
"""

from variegate.divergences._between import (
    alpha,
    chi2,
    fisher_rao,
    hellinger,
    jeffreys,
    js,
    kl,
    renyi,
    total_variation,
)
from variegate.divergences._distances import squared_distances, two_sets
from variegate.divergences._generators import Generator, generator, generator_names
from variegate.divergences._samples import kl_samples
from variegate.divergences._sinkhorn import sinkhorn
from variegate.divergences._stability import StabilityIndex, psi
from variegate.divergences._two_sets import cauchy_schwarz, energy_distance, mmd

__all__ = [
    "kl",
    "js",
    "jeffreys",
    "total_variation",
    "hellinger",
    "chi2",
    "alpha",
    "renyi",
    "fisher_rao",
    "Generator",
    "generator",
    "generator_names",
    "kl_samples",
    "psi",
    "StabilityIndex",
    "sinkhorn",
    "mmd",
    "energy_distance",
    "cauchy_schwarz",
    "two_sets",
    "squared_distances",
]
