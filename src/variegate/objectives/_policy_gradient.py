"""The clipped token loss of group-relative policy gradients, and KL penalties beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from variegate.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["kl_penalty", "policy_gradient_loss"]


def policy_gradient_loss(
    logp: Tensor,
    old_logp: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    clip: float = 0.2,
    clip_high: float | None = None,
    aggregate: Literal["tokens", "answers", "length"] = "tokens",
    max_length: int | None = None,
    penalty: Tensor | None = None,
) -> Tensor:
    """Clipped policy-gradient loss over the tokens of a batch of answers.

    Token loss -min(ρA, clip(ρ, 1 - clip, 1 + clip_high) A) with ρ = exp(logp - old_logp).

    How token losses become one number decides what length costs:

    ===========  ==============================  ============================================
    aggregate    formula                         known as
    ===========  ==============================  ============================================
    ``tokens``   Σ / number of tokens            DAPO: every token weighs the same
    ``answers``  mean over answers of means      GRPO: a long wrong answer is punished less
    ``length``   Σ / (B · max_length)            Dr. GRPO: no dependence on the length written
    ===========  ==============================  ============================================

    Args:
        logp: (B, T) log-probability of each token under the policy, with gradient.
        old_logp: (B, T) the same under the policy that sampled; no gradient.
        advantages: (B,) or (B, T).
        mask: (B, T) 1 for tokens of the answer.
        clip: how far the ratio may fall below 1 before the gradient stops.
        clip_high: how far above; None is the same as `clip`.
        aggregate: as in the table.
        max_length: tokens an answer may have, for ``"length"``; T by default.
        penalty: (B, T) terms added to the token losses, e.g. β times `kl_penalty`.

    Returns:
        The scalar loss. At ρ = 1 its gradient is -A ∇logp and its value -A, averaged.

    Raises:
        UsageError: shapes differ.
        UnknownName: another way to aggregate.

    Example:
        >>> import torch
        >>> logp = torch.zeros(2, 3, requires_grad=True)
        >>> loss = policy_gradient_loss(
        ...     logp, torch.zeros(2, 3), torch.tensor([1.0, -1.0]), torch.ones(2, 3)
        ... )
        >>> loss.backward()
        >>> logp.grad[0, 0].item()
        -0.1666...

    References: Shao 2024, https://arxiv.org/abs/2402.03300; Liu 2025,
    https://arxiv.org/abs/2503.20783; Yu 2025, https://arxiv.org/abs/2503.14476
    """
    import torch

    if logp.shape != old_logp.shape or logp.shape != mask.shape or logp.ndim != 2:
        raise UsageError(
            "Expected logp, old_logp and mask of one shape (B, T), got "
            f"{tuple(logp.shape)}, {tuple(old_logp.shape)} and {tuple(mask.shape)}."
        )
    weight = advantages.unsqueeze(1) if advantages.ndim == 1 else advantages
    mask = mask.to(logp.dtype)
    # Padding may hold anything, infinities too; it must not reach the exponential.
    ratio = torch.exp(torch.where(mask > 0, logp - old_logp.detach(), torch.zeros_like(logp)))
    clipped = ratio.clamp(1 - clip, 1 + (clip if clip_high is None else clip_high))
    tokens = -torch.minimum(ratio * weight, clipped * weight)
    if penalty is not None:
        tokens = tokens + torch.where(mask > 0, penalty, torch.zeros_like(penalty))
    tokens = tokens * mask
    match aggregate:
        case "tokens":
            return tokens.sum() / mask.sum().clamp(min=1)
        case "answers":
            return (tokens.sum(1) / mask.sum(1).clamp(min=1)).mean()
        case "length":
            return tokens.sum() / (logp.shape[0] * (max_length or logp.shape[1]))
    raise UnknownName("aggregate", aggregate, ["tokens", "answers", "length"])


def kl_penalty(
    logp: Tensor, reference_logp: Tensor, *, estimator: Literal["k1", "k2", "k3", "k3+"] = "k3"
) -> Tensor:
    """Differentiable terms that estimate KL(policy ‖ reference) at sampled tokens.

    What is minimised is the gradient, not the value. On answers sampled from the policy, with
    d = logp - reference_logp:

    ========  ======================  ===========================  =======================
    name      term                    expected value               expected gradient
    ========  ======================  ===========================  =======================
    ``k1``    d                       KL(policy ‖ reference)       0
    ``k2``    d²/2                    close to it                  of KL(policy ‖ reference)
    ``k3``    e^(-d) - 1 + d          KL(policy ‖ reference)       of KL(reference ‖ policy)
    ``k3+``   k3, gradient of k2      KL(policy ‖ reference)       of KL(policy ‖ reference)
    ========  ======================  ===========================  =======================

    Args:
        logp: (...) log-probability of the sampled tokens under the policy, with gradient.
        reference_logp: (...) the same under the reference; no gradient.
        estimator: as in the table.

    Returns:
        (...) terms in nats.

    Raises:
        UnknownName: another estimator.

    Example:
        >>> import torch
        >>> kl_penalty(torch.tensor([-1.0]), torch.tensor([-2.0]), estimator="k2").item()
        0.5

    Reference: Schulman 2020, http://joschu.net/blog/kl-approx.html
    """
    import torch

    d = logp - reference_logp.detach()
    match estimator:
        case "k1":
            return d
        case "k2":
            return d**2 / 2
        case "k3":
            return torch.expm1(-d) + d
        case "k3+":
            # The value of k3 with the gradient of k2: what is added has value 0.
            pulled = d**2 / 2
            return (torch.expm1(-d) + d).detach() + pulled - pulled.detach()
    raise UnknownName("estimator", estimator, ["k1", "k2", "k3", "k3+"])
