"""Top-H: the longest prefix whose entropy stays within a share of the whole."""

from __future__ import annotations

from typing import Literal

from variegate.decoding._ranges import check
from variegate.decoding._rows import SLACK, Array, Rows, cut, entropies, heads

__all__ = ["top_h"]

_EXAMINED = 100  # tokens that the shortcut looks at


def top_h(lp: Array, *, alpha: float, compat: Literal["transformers"] | None = None) -> Array:
    """Keep the longest prefix of most likely tokens with H(q) ≤ α H(p), q the kept, renormalised.

    With σ = Σ p and C = −Σ p ln p over the prefix, H(q) = C/σ + ln σ. It grows with every token,
    so the bound cuts once. Among equals the lowest ids come first. What is kept depends on the
    temperature, which comes before.

    What others ship under the name compares C, not H(q), with α H of the 100 most likely tokens;
    it does not keep the bound: of 100 equal tokens, α = 0.4 keeps 6 by the rule and about 40 by
    the shortcut. ``compat="transformers"`` gives the shortcut, to repeat others' figures.

    Args:
        lp: log-probabilities in nats, (..., V), numpy or torch.
        alpha: share of the entropy in (0, 1], usually 0.3 to 0.5; 1 changes nothing and gives
            back `lp` itself (the shortcut still drops what is beyond 100), towards 0 greedy.
        compat: None for the rule, ``"transformers"`` for the shortcut.

    Returns:
        Log-probabilities, (..., V), float64: -inf for dropped tokens, the rest renormalised. A
        uniform distribution over n tokens keeps ⌊n^α⌋.

    Raises:
        UsageError: alpha outside (0, 1], or an unknown compat.
        DataError: NaN, +inf, a value above 0, or a row without any token.

    Example:
        >>> import numpy as np
        >>> lp = np.log([0.5, 0.3, 0.15, 0.05])
        >>> np.exp(top_h(lp, alpha=0.6)).round(3)
        array([0.625, 0.375, 0.   , 0.   ])
        >>> np.exp(top_h(lp, alpha=0.6, compat="transformers")).round(3)
        array([1., 0., 0., 0.])

    Reference: Baghaei Potraghloo 2025, https://arxiv.org/abs/2509.02510
    """
    check("top_h", alpha=alpha, compat=compat)
    rows = Rows(lp)
    if rows.empty:
        return lp
    if compat:
        return _shortcut(rows, alpha)
    if alpha == 1:
        return lp
    xp = rows.xp
    most = alpha * entropies(rows) + SLACK
    for head in heads(rows):
        mass, terms = _sums(rows, head.ordered)
        inner = terms / mass + xp.log(mass)
        if head.complete or bool(xp.all(inner[:, -1:] > most)):
            break
    return cut(rows, head, xp.count_nonzero(inner <= most, axis=-1))


def _sums(rows: Rows, ordered: Array) -> tuple[Array, Array]:
    """Running Σ p and −Σ p ln p."""
    xp = rows.xp
    p = xp.exp(ordered)
    terms = -p * xp.clip(ordered, -800.0, None)
    return xp.cumulative_sum(p, axis=-1), xp.cumulative_sum(terms, axis=-1)


def _shortcut(rows: Rows, alpha: float) -> Array:
    xp = rows.xp
    head = next(heads(rows, _EXAMINED))
    first = head.ordered[:, :_EXAMINED]
    first = first - xp.log(xp.sum(xp.exp(first), axis=-1, keepdims=True))
    terms = _sums(rows, first)[1]
    return cut(rows, head, xp.count_nonzero(terms <= alpha * terms[:, -1:], axis=-1))
