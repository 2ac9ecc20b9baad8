"""Group advantages: rewards compared with the other answers to the same prompt."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from variegate.errors import UnknownName, UsageError

__all__ = ["group_advantages"]

# trl's conventions: Bessel's correction, and this floor under the spread.
FLOOR = 1e-4


def group_advantages(
    rewards: Any, groups: Any, *, scale: Literal["group", "batch", "none"] = "group"
) -> Any:
    """Advantage of each answer over the mean of its group.

    A_i = (r_i - mean_g) / (sd + 1e-4), with the sd (n - 1 in the denominator) of the group, of
    the whole batch, or 1. A constant added to all rewards of a group changes nothing, so a
    bonus that all members share is no bonus.

    Dividing by the group's own spread blows any difference up to full size: in a group that is
    all right, a variety bonus of 0.01 weighs as much as one of 1. Use ``scale="none"`` where a
    bonus is added to the reward.

    Args:
        rewards: (B,) array or tensor; NaN where no reward applies.
        groups: (B,) label of the prompt of each answer, in any order.
        scale: ``"group"`` (GRPO), ``"batch"``, or ``"none"`` (Dr. GRPO).

    Returns:
        (B,) advantages, of the kind (array or tensor) and dtype that came in. They sum to 0 in
        every group; 0 for a group that is constant or of one, and for NaN rewards, which are
        left out of means and spreads.

    Raises:
        UsageError: shapes differ, or an infinite reward.
        UnknownName: another scale.

    Example:
        >>> import numpy as np
        >>> group_advantages([1, 0, 0, 1], [7, 7, 7, 7]).round(6).tolist()
        [0.865875, -0.865875, -0.865875, 0.865875]

    Reference: Shao 2024, https://arxiv.org/abs/2402.03300
    """
    if hasattr(rewards, "detach"):
        import torch

        array = rewards.detach().cpu().double().numpy()
        labels = groups.detach().cpu().numpy() if hasattr(groups, "detach") else groups
        found = group_advantages(array, labels, scale=scale)
        kind = rewards.dtype if rewards.is_floating_point() else torch.get_default_dtype()
        return torch.as_tensor(found, dtype=kind, device=rewards.device)
    if scale not in ("group", "batch", "none"):
        raise UnknownName("scale", scale, ["group", "batch", "none"])
    r = np.asarray(rewards, dtype=np.float64)
    labels = np.asarray(groups)
    if r.ndim != 1 or labels.shape != r.shape:
        raise UsageError(f"Expected (B,) rewards and groups, got {r.shape} and {labels.shape}.")
    if np.isinf(r).any():
        raise UsageError(f"Expected finite rewards or NaN, got {r[np.isinf(r)][:3].tolist()}.")
    _, code = np.unique(labels, return_inverse=True)
    applies = np.isfinite(r)
    filled = np.where(applies, r, 0.0)
    count = _sums(applies.astype(np.float64), code)
    centred = np.where(applies, filled - (_sums(filled, code) / np.maximum(count, 1))[code], 0.0)
    if scale == "none":
        return centred
    if scale == "group":
        spread = np.sqrt(_sums(centred**2, code) / np.maximum(count - 1, 1))[code]
    else:
        spread = np.asarray(np.std(r[applies], ddof=1) if applies.sum() > 1 else 0.0)
    return centred / (spread + FLOOR)


def _sums(values: NDArray[np.float64], code: NDArray[np.intp]) -> NDArray[np.float64]:
    total = np.bincount(code, weights=values, minlength=int(code.max(initial=-1)) + 1)
    return total.astype(np.float64)
