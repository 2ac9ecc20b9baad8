"""Which layers hold the entropy back: every layer's derivative from one backward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from variegate.errors import UsageError
from variegate.merging._places import layer_of
from variegate.merging.search._constrained import Constrained, logits_of, questions, spread
from variegate.models import Format, TransformersModel

__all__ = ["Saliency", "entropy_saliency"]


@dataclass(frozen=True, kw_only=True)
class Saliency:
    """How fast mean answer entropy grows as each layer goes from post-trained to base.

    Args:
        layers: (L,) dH/dλ of every layer, nats; λ = 0 is post-trained, 1 the base.
        rest: the same of embedding, final norm and head together.
        tensors: the same of every tensor; they sum to `layers` and `rest`.
        entropy: H at λ = 0, nats.
    """

    layers: NDArray[np.float64]
    rest: float
    tensors: Mapping[str, float]
    entropy: float


def entropy_saliency(
    base: TransformersModel,
    post: TransformersModel,
    prompts: Sequence[Constrained],
    *,
    format: Format = "chat",
) -> Saliency:
    """Derivative of mean answer entropy with respect to each layer's mixing coefficient.

    With θ_l(λ_l) = θ_post + λ_l (θ_base − θ_post), dH/dλ_l at 0 is the inner product of the
    gradient of H with θ_base − θ_post over the tensors of layer l: one backward pass gives all.

    Args:
        base: what the model was trained from.
        post: the post-trained model.
        prompts: with their valid items; H is the entropy among them, as in `search_intervals`.
        format: how the model is asked.

    Returns:
        Large and positive where a little of the base brings much entropy. It sees the first step
        only: whole layers from the base may do something else, and validity is not in it.
        An embedding or a head of another shape cannot be mixed and is in nothing.

    Raises:
        UsageError: other names or shapes in a layer, items of several tokens.

    Example:
        >>> from variegate.lab import lab_lineage
        >>> from variegate.models import transformers_model
        >>> folder = lab_lineage().parent / "checkpoints"
        >>> base, post = (transformers_model(folder / name) for name in ("base", "instruct-rl"))
        >>> asked = [Constrained(prompt="tell me one drink :", valid=("tea", "milk", "water"))]
        >>> entropy_saliency(base, post, asked).layers.shape
        (4,)
    """
    asked = questions(post, prompts, format=format)
    parameters, others = dict(post.model.named_parameters()), dict(base.model.named_parameters())
    wrong = [n for n, p in parameters.items() if n not in others or others[n].shape != p.shape]
    if any(layer_of(name) is not None for name in wrong):
        raise UsageError(f"Expected the same tensors in both models, {wrong[:3]} differ.")
    before = {p: p.requires_grad for p in parameters.values()}
    mixed = {name: p for name, p in parameters.items() if name not in wrong}
    try:
        post.model.requires_grad_(True)
        with torch.enable_grad():
            logits = logits_of(post.model, asked)
            each = [spread(row, one)[1] for row, one in zip(logits, asked, strict=True)]
            entropy = torch.stack(each).mean()
            gradients = torch.autograd.grad(
                entropy, list(mixed.values()), allow_unused=True, materialize_grads=True
            )
    finally:
        for parameter, needed in before.items():
            parameter.requires_grad_(needed)
    tensors = {
        name: float((gradient.double() * (others[name] - parameter).detach().double()).sum())
        for (name, parameter), gradient in zip(mixed.items(), gradients, strict=True)
    }
    depth = 1 + max((layer_of(name) or 0 for name in tensors), default=0)
    layers, rest = np.zeros(depth), 0.0
    for name, value in tensors.items():
        place = layer_of(name)
        if place is None:
            rest += value
        else:
            layers[place] += value
    return Saliency(layers=layers, rest=rest, tensors=tensors, entropy=entropy.item())
