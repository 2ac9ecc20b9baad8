"""Objectives: what training rewards, as pure functions without a trainer around them.

- `group_advantages` and `policy_gradient_loss`: group-relative policy gradients.
- `dpo_loss`: direct preference optimisation under any of the divergences that allow it.
- `kl_penalty`: the estimators of a KL term, each with the gradient it really has.
- `optimum`: where an objective would converge to, in closed form, before any GPU is spent.

torch is imported inside the functions that take tensors. A divergence preserves, it does not
restore: between two answers with equal reward every one of them keeps the reference's ratio.
"""

from variegate.objectives._advantages import group_advantages
from variegate.objectives._dpo import dpo_loss
from variegate.objectives._optimum import Optimum, optimum
from variegate.objectives._policy_gradient import kl_penalty, policy_gradient_loss

__all__ = [
    "group_advantages",
    "policy_gradient_loss",
    "kl_penalty",
    "dpo_loss",
    "optimum",
    "Optimum",
]
