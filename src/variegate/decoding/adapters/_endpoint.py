"""Rules as the parameters of an OpenAI-compatible endpoint."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from variegate.decoding._rule import TokenRule
from variegate.errors import UsageError

__all__ = ["endpoint_parameters"]


def endpoint_parameters(rules: Iterable[TokenRule]) -> dict[str, Any]:
    """Say rules in an endpoint's own parameters, where it has them.

    The server decides the order, not the order given here; most temper first, some last. Every
    endpoint knows temperature, top_p and logit_bias; top_k and min_p are known to vLLM, SGLang
    and llama.cpp.

    Args:
        rules: from `rule`.

    Returns:
        Fields of the request, e.g. ``{"temperature": 0.7, "logit_bias": {"42": -7.5}}``.

    Raises:
        UsageError: a rule that no endpoint parameter expresses, or two for one parameter.

    Example:
        >>> from variegate.decoding import rule
        >>> endpoint_parameters([rule("temperature", temperature=0.7), rule("min_p", min_p=0.05)])
        {'temperature': 0.7, 'min_p': 0.05}
    """
    found: dict[str, Any] = {}
    for one in rules:
        name = one.entry.endpoint
        if name is None:
            raise UsageError(
                f"No endpoint parameter expresses {one}; it needs access tier {one.entry.tier}.",
                hint="Run it with a checkpoint, or in vLLM with its logits processor.",
            )
        if name in found:
            raise UsageError(f"Two rules set the endpoint parameter {name!r}.")
        if name == "logit_bias":
            found[name] = {str(token): bias for token, bias in one.parameters["bias"]}
        else:
            (found[name],) = one.parameters.values()
    return found
