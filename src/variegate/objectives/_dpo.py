"""Direct preference optimisation, under any divergence that allows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from variegate.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["dpo_loss"]

ALLOWED = ("alpha", "forward-kl", "hellinger", "js", "reverse-kl")

# exp(80) is the largest power of e that keeps squares of its neighbours finite in float32.
LARGEST = 80.0


def dpo_loss(
    chosen: Tensor,
    rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    *,
    beta: float = 0.1,
    divergence: str = "reverse-kl",
    alpha: float = 0.5,
) -> Tensor:
    """Preference loss -log σ(β (s_chosen - s_rejected)), averaged over the pairs.

    s is the slope f' of the divergence's generator at u = policy/reference, up to a constant:
    ln u for reverse KL (plain DPO), -1/u for forward KL, ln(u/(1 + u)) for JS,
    (1 - u^(-α))/α for alpha, 1 - 1/√u for Hellinger. The gradient with respect to ln u
    is β u f''(u) times the usual factor: under all but reverse KL it is largest where the
    chosen answer has *lost* mass, so those cover.

    Args:
        chosen: (B,) log-probability of the whole chosen answer under the policy.
        rejected: (B,) of the rejected answer.
        reference_chosen: (B,) the same under the reference; no gradient.
        reference_rejected: (B,) the same under the reference; no gradient.
        beta: weight of the divergence; large stays close to the reference.
        divergence: ``"reverse-kl"``, ``"forward-kl"``, ``"js"``, ``"alpha"``, ``"hellinger"``.
        alpha: for ``"alpha"``, from 0 (reverse KL) to 1 (forward KL).

    Returns:
        The scalar loss: ln 2 where policy and reference agree, for every divergence.

    Raises:
        UsageError: a divergence whose slope has no inverse that stays positive (χ², total
            variation): the reward it implies is not defined by the policy.
        UnknownName: no such divergence.

    Example:
        >>> import torch
        >>> zero = torch.zeros(3)
        >>> round(dpo_loss(zero, zero, zero, zero, divergence="js").item(), 6)
        0.693147

    References: Rafailov 2023, https://arxiv.org/abs/2305.18290; Wang 2023,
    https://arxiv.org/abs/2309.16240
    """
    from torch.nn.functional import logsigmoid

    margin = _score(chosen - reference_chosen.detach(), divergence, alpha) - _score(
        rejected - reference_rejected.detach(), divergence, alpha
    )
    return -logsigmoid(beta * margin).mean()


def _score(log_ratio: Tensor, divergence: str, alpha: float) -> Tensor:
    import torch
    from torch.nn.functional import logsigmoid

    match divergence:
        case "reverse-kl":
            return log_ratio
        case "js":
            return logsigmoid(log_ratio)
        case "forward-kl":
            return -torch.exp((-log_ratio).clamp(max=LARGEST))
        case "hellinger":
            return -torch.exp((-log_ratio / 2).clamp(max=LARGEST))
        case "alpha":
            if not 0 <= alpha <= 1:
                raise UsageError(f"Expected alpha from 0 to 1, got {alpha}.")
            if alpha == 0:
                return log_ratio
            return -torch.expm1((-alpha * log_ratio).clamp(max=LARGEST)) / alpha
        case "chi2" | "neyman-chi2" | "total-variation":
            raise UsageError(
                f"{divergence} does not define a preference loss.",
                hint=f"Use one of {', '.join(ALLOWED)}.",
            )
    raise UnknownName("divergence", divergence, ALLOWED)
