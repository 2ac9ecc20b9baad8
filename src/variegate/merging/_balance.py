"""Averages of two models that are equally sure of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from variegate.errors import UsageError
from variegate.merging._linear import linear
from variegate.merging._method import Weights

__all__ = ["FalseFalseTrue", "balance_temperature", "balanced", "false_false_true"]

STEPS = 80


def balance_temperature(logits: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Find the temperature at which one model is as confident as another.

    Confidence is the mean over inputs of the largest probability.

    Args:
        logits: (N, V) of the model to temper.
        reference: (M, V) of the one whose confidence is wanted, on the same kind of inputs.

    Returns:
        T > 0, so that softmax(logits / T) has the reference's confidence: above 1 where the model
        is surer than the reference, 1 exactly where both are equally sure.

    Raises:
        UsageError: no inputs, or a confidence that no temperature reaches.

    Example:
        >>> round(balance_temperature([[4.0, 0.0]], [[2.0, 0.0]]), 6)
        2.0
    """
    own, wanted = np.asarray(logits, np.float64), _confidence(np.asarray(reference, np.float64), 1)
    if own.ndim != 2 or not own.size:
        raise UsageError(f"Expected logits (N, V), got {own.shape}.")
    if _confidence(own, 1) == wanted:
        return 1.0
    low, high = -20.0, 20.0  # of log T; confidence falls with T
    if not _confidence(own, np.exp(high)) < wanted < _confidence(own, np.exp(low)):
        raise UsageError(f"No temperature gives these logits a confidence of {wanted:.3f}.")
    for _ in range(STEPS):
        middle = (low + high) / 2
        if _confidence(own, float(np.exp(middle))) > wanted:
            low = middle
        else:
            high = middle
    return float(np.exp((low + high) / 2))


def balanced(
    a: Weights, b: Weights, *, t: float, temperature: float, head: Sequence[str]
) -> dict[str, torch.Tensor]:
    """Average two models, the surer one tempered: (1 − t) a + t b', where b' has its head over T.

    An over-confident end dominates an average. Where the output is linear in the last module,
    dividing its weights by T divides the logits by T and changes nothing else. The published
    method tempers during fine-tuning (label smoothing and mixup); that needs a training run, this
    needs a few logits. Of a deep network only the head is tempered, which does little more to the
    average than sampling at another temperature.

    Args:
        a: a dict of tensors, the calmer end.
        b: the other end, with the same names and shapes.
        t: share of b, in [0, 1].
        temperature: T of b, see `balance_temperature`.
        head: names of the tensors in which the logits are linear: the head with its bias. With a
            head tied to the embedding name the final norm instead, unless it adds something. An
            end whose whole residual stream is loud needs all that writes into it (tied embedding,
            o_proj, down_proj), where every block norms what it reads.

    Returns:
        The tensors. T = 1 is the plain average (WiSE-FT) bit for bit; t = 0 gives a.

    Raises:
        UsageError: other names or shapes, a head that is not there, T not above 0.

    Example:
        >>> import torch
        >>> a, b = {"head": torch.tensor([1.0])}, {"head": torch.tensor([4.0])}
        >>> balanced(a, b, t=0.5, temperature=2.0, head=["head"])
        {'head': tensor([1.5000])}

    Reference:
        `Lin 2024 <https://arxiv.org/abs/2309.17230>`_.
    """
    if not temperature > 0:
        raise UsageError(f"Expected a temperature above 0, got {temperature}.")
    missing = [name for name in head if name not in b]
    if missing or not head:
        raise UsageError(f"Expected the names of the head, got {list(head)}.")
    calmed = {n: v.float() / temperature if n in head else v for n, v in b.items()}
    merged = linear([a, b if temperature == 1 else calmed], weights=[1 - t, t])
    return {name: value.to(a[name].dtype) for name, value in merged.items()}


@dataclass(frozen=True, kw_only=True)
class FalseFalseTrue:
    """Inputs that both ends get wrong and their average gets right.

    Args:
        rate: share of all inputs.
        count: how many.
        both_wrong: inputs that both ends get wrong.
        n: all inputs.
    """

    rate: float
    count: int
    both_wrong: int
    n: int


def false_false_true(
    right_a: npt.ArrayLike, right_b: npt.ArrayLike, right_merged: npt.ArrayLike
) -> FalseFalseTrue:
    """Count what an average gets right though both of its ends get it wrong.

    Args:
        right_a: booleans (N,), whether the first end is right.
        right_b: the same of the second.
        right_merged: the same of the average.

    Returns:
        The counts; a rate in [0, 1], NaN without inputs.

    Raises:
        UsageError: other lengths.

    Example:
        >>> false_false_true([False, False, True], [False, False, False], [True, False, True]).count
        1

    Reference:
        `Lin 2024 <https://arxiv.org/abs/2309.17230>`_.
    """
    a, b, merged = (np.asarray(one, dtype=bool) for one in (right_a, right_b, right_merged))
    if not a.shape == b.shape == merged.shape:
        raise UsageError(f"Expected one shape, got {a.shape}, {b.shape} and {merged.shape}.")
    both = ~a & ~b
    count = int((both & merged).sum())
    return FalseFalseTrue(
        rate=count / a.size if a.size else float("nan"),
        count=count,
        both_wrong=int(both.sum()),
        n=int(a.size),
    )


def _confidence(logits: npt.NDArray[np.float64], temperature: float) -> float:
    scaled = (logits - logits.max(-1, keepdims=True)) / temperature
    return float((1 / np.exp(scaled).sum(-1)).mean())
