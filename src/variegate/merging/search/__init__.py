"""Searching among merges: which layers to take back, which coefficients to mix by.

Every candidate lives in one module in memory: weights are swapped in place and put back bit for
bit, and each is an arm that is sampled, judged and measured like any other.

- `restored` takes a block of layers from the base; `search_intervals` finds the block by the
  entropy of one constrained token (`random_character_prompts`), `proxy_agreement` checks that
  against sampled variety, `entropy_saliency` says in one backward pass where to look first.
- `swapped`, `blended` and `sweep` evaluate many points between models; `grid` lists them all,
  `knobs` says which tensors share a coefficient.
- `quadratic` stands in for a metric, `amortised_front` finds a front with few evaluations and
  verifies it, `nested_front` does so for many models.
- `evolve` breeds merges that compete for prompts, by `shared_fitness` and `attraction`.
- `preferred_region` turns a preference into weights; `module_range` and `masked_gradients` choose
  what is tuned at all.
"""

from variegate.merging.search._amortised import (
    AmortisedFront,
    NestedFront,
    amortised_front,
    nested_front,
)
from variegate.merging.search._constrained import Constrained, random_character_prompts
from variegate.merging.search._intervals import (
    IntervalSearch,
    proxy_agreement,
    search_intervals,
)
from variegate.merging.search._mask import Range, masked_gradients, module_range
from variegate.merging.search._niche import Evolved, attraction, evolve, shared_fitness
from variegate.merging.search._preference import Region, preferred_region
from variegate.merging.search._restore import restored
from variegate.merging.search._saliency import Saliency, entropy_saliency
from variegate.merging.search._surrogate import Surrogate, quadratic
from variegate.merging.search._swap import swapped
from variegate.merging.search._sweep import Knobs, Sweep, blended, grid, knobs, sweep

__all__ = [
    # a block of layers back from the base
    "restored",
    "search_intervals",
    "IntervalSearch",
    "Constrained",
    "random_character_prompts",
    "proxy_agreement",
    "entropy_saliency",
    "Saliency",
    # points between models, in one live module
    "swapped",
    "blended",
    "sweep",
    "Sweep",
    "grid",
    "knobs",
    "Knobs",
    # fronts with few evaluations
    "quadratic",
    "Surrogate",
    "amortised_front",
    "AmortisedFront",
    "nested_front",
    "NestedFront",
    # evolution in niches
    "evolve",
    "Evolved",
    "shared_fitness",
    "attraction",
    # preferences, and tuning that spares
    "preferred_region",
    "Region",
    "module_range",
    "Range",
    "masked_gradients",
]
