"""Models: what can speak."""

from variegate.models._protocol import FORMATS, Completion, Format, Model, Request, Sampling

__all__ = ["Model", "Sampling", "Request", "Completion", "Format", "FORMATS"]
