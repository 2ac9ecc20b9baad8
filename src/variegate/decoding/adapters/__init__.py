"""Adapters: the same rules inside transformers, inside vLLM, and as an endpoint's parameters.

Each is thin: scores become log-probabilities, the rules run in order, and what they give goes
back. torch, transformers and vLLM are loaded with the first adapter that needs them.

- `transformers_processor`: a `LogitsProcessor` for ``generate``.
- `custom_generate`: a decoding loop for ``generate(custom_generate=...)``.
- `vllm_arguments`, and the classes ``VllmProcessor`` and ``VllmProcessorV1`` that vLLM loads by
  name: ``--logits-processors variegate.decoding.adapters:VllmProcessor``.
- `endpoint_parameters`: a request's fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from variegate.decoding.adapters._endpoint import endpoint_parameters
from variegate.decoding.adapters._vllm import vllm_arguments

if TYPE_CHECKING:
    from variegate.decoding.adapters._transformers import custom_generate, transformers_processor

__all__ = [
    "transformers_processor",
    "custom_generate",
    "vllm_arguments",
    "endpoint_parameters",
]


def __getattr__(name: str) -> Any:
    from variegate.errors import MissingExtra

    if name in ("transformers_processor", "custom_generate"):
        try:
            from variegate.decoding.adapters import _transformers
        except ModuleNotFoundError as error:
            if error.name not in ("torch", "transformers"):
                raise
            raise MissingExtra("Rules inside transformers", "torch") from error
        return getattr(_transformers, name)
    if name in ("VllmProcessor", "VllmProcessorV1"):
        from variegate.decoding.adapters._vllm import processor_class

        try:
            found = processor_class(name)
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] != "vllm":
                raise
            raise MissingExtra("Rules inside vLLM", "vllm") from error
        globals()[name] = found  # one class a process, however often it is asked for
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
