"""Checkpoints in Hugging Face format as models: loading, rendering, sampling, scoring."""

from variegate.models._transformers._gradients import gradient_features
from variegate.models._transformers._model import TransformersModel, transformers_model

__all__ = ["TransformersModel", "gradient_features", "transformers_model"]
