"""Models: what can speak.

A `Model` turns rendered prompts into completions, each with its own random stream, and scores
what it might have said. `transformers_model` opens a folder in Hugging Face format, `vllm_model`
the same in vLLM; `endpoint_model` asks a server that speaks the OpenAI-compatible protocol, and
`discover` finds out what it offers. `FakeModel` and `UniformModel` answer from given
probabilities, so that every number about them is known. `CachedModel` keeps the draws of any.

An `Arm` is a model with a format and the settings of a draw: one way of producing samples.
`collect` asks an arm n times for every prompt; with a run directory it keeps each batch as it
comes and never makes the same draw twice. `say` makes one draw of each of many conversations,
for methods that plan, ask back and judge. What a model gives access to is said in `TIERS`;
`require` refuses a method that needs more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from variegate.models._arm import Arm
from variegate.models._cached import CachedModel
from variegate.models._collect import collect
from variegate.models._discover import Offer, discover
from variegate.models._endpoint import EndpointModel, Usage, endpoint_model
from variegate.models._entropy_bounds import EntropyBounds, entropy_bounds
from variegate.models._fake import FakeModel, UniformModel
from variegate.models._pair_judge import pair_judge
from variegate.models._protocol import (
    FORMATS,
    Completion,
    Format,
    Model,
    Request,
    Rule,
    Sampling,
    Turn,
)
from variegate.models._safetensors import check_safetensors
from variegate.models._say import say
from variegate.models._tiers import TIERS, Tier, require
from variegate.models._vllm import VllmModel, vllm_model
from variegate.models._weights import checkpoint_files

if TYPE_CHECKING:
    from variegate.models._transformers import (
        TransformersModel,
        gradient_features,
        transformers_model,
    )

__all__ = [
    "Arm",
    "collect",
    "say",
    "pair_judge",
    "Turn",
    "Sampling",
    "Rule",
    "Format",
    "FORMATS",
    "Model",
    "Request",
    "Completion",
    "TIERS",
    "Tier",
    "require",
    "transformers_model",
    "TransformersModel",
    "gradient_features",
    "endpoint_model",
    "EndpointModel",
    "discover",
    "Offer",
    "Usage",
    "vllm_model",
    "VllmModel",
    "CachedModel",
    "entropy_bounds",
    "EntropyBounds",
    "checkpoint_files",
    "check_safetensors",
    "FakeModel",
    "UniformModel",
]


def __getattr__(name: str) -> Any:
    # Torch is loaded with the first checkpoint, not with the room.
    if name not in ("transformers_model", "TransformersModel", "gradient_features"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from variegate.errors import MissingExtra

    try:
        from variegate.models import _transformers
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "transformers"):
            raise
        raise MissingExtra("Opening a checkpoint", "torch") from error
    return getattr(_transformers, name)
