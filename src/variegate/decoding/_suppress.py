"""Logit suppression: what was said often already becomes less likely."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from variegate.decoding._rows import Array, Rows
from variegate.decoding._temperature import tempered
from variegate.errors import UsageError

__all__ = ["suppress", "suppression"]


def suppression(
    counts: Mapping[int, int],
    *,
    strength: float = 7.5,
    most: int = 100,
    exclude: Collection[int] = (),
) -> dict[int, float]:
    """Biases against the tokens said most often: max(−B, −B · share in percent).

    A token with one percent or more of everything said so far is at the floor −B already. Ask
    in batches and count again after each.

    Args:
        counts: how often each token id was generated so far; a ``collections.Counter`` serves.
        strength: B ≥ 0, in nats; 0 gives biases of 0.
        most: how many tokens get a bias; endpoints limit it (the paper names 100).
        exclude: token ids that are left alone (end of text, punctuation, format); they still
            count in the total.

    Returns:
        Token id to bias in [−B, 0], most frequent first, equals by id; empty without history.
        It is what an endpoint takes as ``logit_bias``.

    Raises:
        UsageError: a negative count, strength or number.

    Example:
        >>> suppression({7: 5, 8: 1, 9: 20, 3: 974}, exclude=[3])
        {9: -7.5, 7: -3.75, 8: -0.75}

    Reference: Chung 2023, https://arxiv.org/abs/2306.04140, section 4.1.2
    """
    if any(count < 0 for count in counts.values()) or strength < 0 or most < 0:
        raise UsageError(
            f"Expected counts, strength and most of at least 0, got strength {strength}, "
            f"most {most}, smallest count {min(counts.values(), default=0)}."
        )
    total = sum(counts.values())
    left_alone = frozenset(exclude)
    said = [(count, token) for token, count in counts.items() if count and token not in left_alone]
    said.sort(key=lambda one: (-one[0], one[1]))
    return {int(token): -strength * min(1.0, 100 * count / total) for count, token in said[:most]}


def suppress(lp: Array, *, bias: Mapping[int, float] | Iterable[tuple[int, float]]) -> Array:
    """Add a bias to the log-probability of some tokens and renormalise.

    Before the temperature it acts as an endpoint's ``logit_bias`` does; after it, on the
    tempered distribution.

    Args:
        lp: log-probabilities in nats, (..., V), numpy or torch.
        bias: token id to nats in [−100, 100], as `suppression` makes it; none changes nothing
            and gives back `lp` itself.

    Returns:
        Log-probabilities, (..., V), float64, renormalised.

    Raises:
        UsageError: a token outside the vocabulary, a bias that is no number or beyond 100.
        DataError: NaN, +inf, a value above 0, or a row without any token.

    Example:
        >>> import numpy as np
        >>> lp = np.log([0.5, 0.25, 0.25])
        >>> np.exp(suppress(lp, bias={0: np.log(0.5)})).round(4)
        array([0.3333, 0.3333, 0.3333])

    Reference: Chung 2023, https://arxiv.org/abs/2306.04140
    """
    pairs = dict(bias)
    rows = Rows(lp)
    vocabulary = rows.shape[-1]
    for token, value in pairs.items():
        if not 0 <= token < vocabulary or not abs(value) <= 100:
            raise UsageError(
                f"Expected biases in [-100, 100] on tokens below {vocabulary}, "
                f"got {value!r} on token {token!r}."
            )
    if rows.empty or not any(pairs.values()):
        return lp
    xp = rows.xp
    shifts = xp.zeros((1, vocabulary), dtype=xp.float64, device=rows.lp.device)
    for token, value in pairs.items():
        shifts[0, token] = float(value)
    rows.lp = rows.lp + shifts
    rows.peak = xp.max(rows.lp, axis=-1, keepdims=True)
    return tempered(rows, 1.0)
