"""Merging: checkpoints in, a checkpoint out, to buy back in the weights what training took.

The kernels take dicts of tensors by name and compute in float32, whatever the storage type; where
a weight of 1 or 0 asks for one of the inputs, they copy it bit for bit.

- `linear`, `slerp`, `task_arithmetic`: paths between models and sums of what training added.
- `ties`, `dare`: what training added, without noise and without quarrels.
- `fisher`, `estimate_fisher`: averages in which each entry counts where its model cares.
- `uniform_soup`, `greedy_soup`, `diwa`, `ratatouille`: averages over runs, with `soup_error`, the
  account of why they help.
- `balanced`: averages of ends that are equally sure; `crossover`: children of two models;
  `low_rank`, `sparse_projection`: small task vectors.
- `merge`: a recipe in, a checkpoint out, piece by piece, whatever the size.
- `layer_of`, `module_of`, `resolve`: settings that depend on where in the model a tensor sits.
- `search`: which layers to take back from the base, which coefficients to mix by; its names are
  here too.

torch is loaded with the first name that needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from variegate.merging._balance import (
        FalseFalseTrue,
        balance_temperature,
        balanced,
        false_false_true,
    )
    from variegate.merging._crossover import crossover
    from variegate.merging._dare import dare
    from variegate.merging._estimate_fisher import estimate_fisher
    from variegate.merging._fisher import fisher
    from variegate.merging._inspect import Inspection, inspect_checkpoint
    from variegate.merging._linear import linear, task_arithmetic
    from variegate.merging._low_rank import (
        LowRank,
        adapter_overlap,
        low_rank,
        sparse_projection,
    )
    from variegate.merging._merge import merge
    from variegate.merging._mergekit import from_mergekit, to_mergekit
    from variegate.merging._places import layer_of, module_of, resolve
    from variegate.merging._plan import Output, Plan
    from variegate.merging._recipe import Recipe, Slice, Source
    from variegate.merging._slerp import slerp
    from variegate.merging._soup import (
        FineTune,
        Soup,
        SoupError,
        diwa,
        greedy_soup,
        ratatouille,
        ratio_error,
        soup_error,
        uniform_soup,
    )
    from variegate.merging._ties import ties
    from variegate.merging.search import (
        AmortisedFront,
        Constrained,
        Evolved,
        IntervalSearch,
        Knobs,
        NestedFront,
        Range,
        Region,
        Saliency,
        Surrogate,
        Sweep,
        amortised_front,
        attraction,
        blended,
        entropy_saliency,
        evolve,
        grid,
        knobs,
        masked_gradients,
        module_range,
        nested_front,
        preferred_region,
        proxy_agreement,
        quadratic,
        random_character_prompts,
        restored,
        search_intervals,
        shared_fitness,
        swapped,
        sweep,
    )

_HOMES = {
    "_balance": ("FalseFalseTrue", "balance_temperature", "balanced", "false_false_true"),
    "_crossover": ("crossover",),
    "_dare": ("dare",),
    "_estimate_fisher": ("estimate_fisher",),
    "_fisher": ("fisher",),
    "_inspect": ("Inspection", "inspect_checkpoint"),
    "_linear": ("linear", "task_arithmetic"),
    "_low_rank": ("LowRank", "adapter_overlap", "low_rank", "sparse_projection"),
    "_merge": ("merge",),
    "_mergekit": ("from_mergekit", "to_mergekit"),
    "_places": ("layer_of", "module_of", "resolve"),
    "_plan": ("Output", "Plan"),
    "_recipe": ("Recipe", "Slice", "Source"),
    "_slerp": ("slerp",),
    "_soup": (
        "FineTune", "Soup", "SoupError", "diwa", "greedy_soup", "ratatouille", "ratio_error",
        "soup_error", "uniform_soup",
    ),
    "_ties": ("ties",),
    "search": (
        "restored", "search_intervals", "IntervalSearch", "Constrained",
        "random_character_prompts", "proxy_agreement", "entropy_saliency", "Saliency", "swapped",
        "blended", "sweep", "Sweep", "grid", "knobs", "Knobs", "quadratic", "Surrogate",
        "amortised_front", "AmortisedFront", "nested_front", "NestedFront", "evolve", "Evolved",
        "shared_fitness", "attraction", "preferred_region", "Region", "module_range", "Range",
        "masked_gradients",
    ),
}  # fmt: skip

__all__ = [
    "linear",
    "slerp",
    "task_arithmetic",
    "ties",
    "dare",
    "fisher",
    "estimate_fisher",
    "uniform_soup",
    "greedy_soup",
    "Soup",
    "diwa",
    "ratatouille",
    "FineTune",
    "soup_error",
    "SoupError",
    "ratio_error",
    "balanced",
    "balance_temperature",
    "false_false_true",
    "FalseFalseTrue",
    "crossover",
    "low_rank",
    "LowRank",
    "sparse_projection",
    "adapter_overlap",
    "merge",
    "Recipe",
    "Source",
    "Slice",
    "Plan",
    "Output",
    "from_mergekit",
    "to_mergekit",
    "inspect_checkpoint",
    "Inspection",
    "resolve",
    "layer_of",
    "module_of",
    "restored",
    "search_intervals",
    "IntervalSearch",
    "Constrained",
    "random_character_prompts",
    "proxy_agreement",
    "entropy_saliency",
    "Saliency",
    "swapped",
    "blended",
    "sweep",
    "Sweep",
    "grid",
    "knobs",
    "Knobs",
    "quadratic",
    "Surrogate",
    "amortised_front",
    "AmortisedFront",
    "nested_front",
    "NestedFront",
    "evolve",
    "Evolved",
    "shared_fitness",
    "attraction",
    "preferred_region",
    "Region",
    "module_range",
    "Range",
    "masked_gradients",
]


def __getattr__(name: str) -> Any:
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from variegate.errors import MissingExtra

    try:
        return getattr(importlib.import_module(f"{__name__}.{home}"), name)
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "safetensors", "yaml"):
            raise
        raise MissingExtra("Merging", "merge") from error
