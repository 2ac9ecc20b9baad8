"""Models: what can speak.

A `Model` turns rendered prompts into completions, each with its own random stream, and scores
what it might have said. `transformers_model` opens a folder in Hugging Face format; `FakeModel`
and `UniformModel` answer from given probabilities, so that every number about them is known.

An `Arm` is a model with a format and the settings of a draw: one way of producing samples.
`collect` asks an arm n times for every prompt; with a run directory it keeps each batch as it
comes and never makes the same draw twice.
"""

from variegate.models._arm import Arm
from variegate.models._collect import collect
from variegate.models._fake import FakeModel, UniformModel
from variegate.models._protocol import FORMATS, Completion, Format, Model, Request, Sampling
from variegate.models._safetensors import check_safetensors

__all__ = [
    "Arm",
    "collect",
    "Sampling",
    "Format",
    "FORMATS",
    "Model",
    "Request",
    "Completion",
    "check_safetensors",
    "FakeModel",
    "UniformModel",
]
