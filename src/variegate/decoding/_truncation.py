"""Truncation by a threshold, a count or a mass."""

from __future__ import annotations

import math

import numpy as np

from variegate.decoding._ranges import check
from variegate.decoding._rows import SLACK, Array, Head, Rows, cut, entropies, heads, keep, reach

__all__ = ["epsilon", "eta", "min_p", "top_k", "top_p", "typical"]


def top_k(lp: Array, *, top_k: int) -> Array:
    """Keep the k most likely tokens.

    Equals stand or fall together: every token as likely as the k-th stays, so more than k can.
    Temperature does not change what is kept.

    Args:
        lp: log-probabilities in nats, (..., V), numpy or torch.
        top_k: k ≥ 1; V or more changes nothing and gives back `lp` itself, 1 is greedy.

    Returns:
        Log-probabilities, (..., V), float64: -inf for dropped tokens, the rest renormalised.

    Raises:
        UsageError: k below 1 or not whole.
        DataError: NaN, +inf, a value above 0, or a row without any token.

    Example:
        >>> import numpy as np
        >>> np.exp(top_k(np.log([0.5, 0.3, 0.15, 0.05]), top_k=2)).round(3)
        array([0.625, 0.375, 0.   , 0.   ])
    """
    check("top_k", top_k=top_k)
    rows = Rows(lp)
    if rows.empty or top_k >= rows.shape[-1]:
        return lp
    xp = rows.xp
    head = next(heads(rows, int(top_k)))
    # A row with fewer than k tokens keeps them all.
    place = xp.minimum(head.counts, xp.full_like(head.counts, int(top_k)))[:, None] - 1
    least = xp.take_along_axis(head.ordered, place, axis=-1)
    return cut(rows, head, xp.count_nonzero(head.ordered >= least, axis=-1))


def top_p(lp: Array, *, top_p: float) -> Array:
    """Keep the fewest most likely tokens that together have probability top_p (the nucleus).

    The token that crosses the mass stays; among equals the lowest ids come first. What is kept
    depends on the temperature, which comes before.

    Args:
        lp: log-probabilities in nats, (..., V), numpy or torch.
        top_p: mass in (0, 1]; 1 changes nothing and gives back `lp` itself, towards 0 greedy.

    Returns:
        Log-probabilities, (..., V), float64: -inf for dropped tokens, the rest renormalised.

    Raises:
        UsageError: top_p outside (0, 1].
        DataError: NaN, +inf, a value above 0, or a row without any token.

    Example:
        >>> import numpy as np
        >>> np.exp(top_p(np.log([0.5, 0.3, 0.15, 0.05]), top_p=0.7)).round(3)
        array([0.625, 0.375, 0.   , 0.   ])

    Reference: Holtzman 2019, https://arxiv.org/abs/1904.09751
    """
    check("top_p", top_p=top_p)
    rows = Rows(lp)
    if rows.empty or top_p == 1:
        return lp
    xp = rows.xp
    if rows.wide:
        return keep(rows, xp.stack([_nucleus(row, top_p) for row in rows.lp]))
    for head in heads(rows):
        p = xp.exp(head.ordered)
        mass = xp.cumulative_sum(p, axis=-1)
        if head.complete or bool(xp.all(mass[:, -1] >= top_p)):
            break
    return cut(rows, head, xp.count_nonzero(mass - p < top_p - SLACK, axis=-1))


def min_p(lp: Array, *, min_p: float) -> Array:
    """Keep tokens at least min_p times as likely as the most likely one.

    Not a mass: 0.05 to 0.1 is usual, and 0.9 leaves hardly more than the first token. Equals
    stand or fall together. What is kept depends on the temperature, which comes before.

    Args:
        lp: log-probabilities in nats, (..., V), numpy or torch.
        min_p: ratio in [0, 1]; 0 changes nothing and gives back `lp` itself, 1 keeps the most
            likely token and its equals.

    Returns:
        Log-probabilities, (..., V), float64: -inf for dropped tokens, the rest renormalised.

    Raises:
        UsageError: min_p outside [0, 1].
        DataError: NaN, +inf, a value above 0, or a row without any token.

    Example:
        >>> import numpy as np
        >>> np.exp(min_p(np.log([0.5, 0.3, 0.15, 0.05]), min_p=0.2)).round(4)
        array([0.5263, 0.3158, 0.1579, 0.    ])

    Reference: Nguyen 2024, https://arxiv.org/abs/2407.01082; its advantage is disputed by
    Schaeffer 2025, https://arxiv.org/abs/2506.13681.
    """
    check("min_p", min_p=min_p)
    rows = Rows(lp)
    if rows.empty or min_p == 0:
        return lp
    return keep(rows, rows.lp >= rows.peak + (math.log(min_p) - SLACK))


def epsilon(lp: Array, *, epsilon: float) -> Array:
    """Keep tokens of probability at least epsilon.

    Where no token reaches it, the most likely one stays, with its equals. What is kept depends
    on the temperature, which comes before.

    Args:
        lp: log-probabilities in nats, (..., V), numpy or torch.
        epsilon: probability in [0, 1), usually 3e-4 to 9e-4; 0 changes nothing and gives back
            `lp` itself.

    Returns:
        Log-probabilities, (..., V), float64: -inf for dropped tokens, the rest renormalised.

    Raises:
        UsageError: epsilon outside [0, 1).
        DataError: NaN, +inf, a value above 0, or a row without any token.

    Example:
        >>> import numpy as np
        >>> np.exp(epsilon(np.log([0.5, 0.3, 0.2]), epsilon=0.25)).round(3)
        array([0.625, 0.375, 0.   ])

    Reference: Hewitt 2022, https://arxiv.org/abs/2210.15191
    """
    check("epsilon", epsilon=epsilon)
    rows = Rows(lp)
    if rows.empty or epsilon == 0:
        return lp
    return keep(rows, rows.lp >= rows.xp.clip(rows.peak, None, math.log(epsilon)) - SLACK)


def eta(lp: Array, *, epsilon: float) -> Array:
    """Keep tokens of probability at least min(ε, √ε · e^−H): the threshold falls with entropy.

    Where no token reaches it, the most likely one stays, with its equals. What is kept depends
    on the temperature, which comes before.

    Args:
        lp: log-probabilities in nats, (..., V), numpy or torch.
        epsilon: ε in [0, 1), usually 3e-4 to 2e-3; 0 changes nothing and gives back `lp` itself.

    Returns:
        Log-probabilities, (..., V), float64: -inf for dropped tokens, the rest renormalised.

    Raises:
        UsageError: epsilon outside [0, 1).
        DataError: NaN, +inf, a value above 0, or a row without any token.

    Example:
        >>> import numpy as np
        >>> lp = np.log([0.5, 0.3, 0.15, 0.05])
        >>> np.exp(eta(lp, epsilon=0.2)).round(4)  # the threshold is 0.1427
        array([0.5263, 0.3158, 0.1579, 0.    ])

    Reference: Hewitt 2022, https://arxiv.org/abs/2210.15191
    """
    check("eta", epsilon=epsilon)
    rows = Rows(lp)
    if rows.empty or epsilon == 0:
        return lp
    xp, log = rows.xp, math.log(epsilon)
    least = xp.clip(0.5 * log - entropies(rows), None, log)
    return keep(rows, rows.lp >= xp.minimum(least, rows.peak) - SLACK)


def typical(lp: Array, *, tau: float) -> Array:
    """Keep the tokens whose surprise is nearest the entropy, until their mass reaches tau.

    Tokens are ordered by |−ln p − H|; the one that crosses tau stays, and so do its equals. The
    most likely token can go. What is kept depends on the temperature, which comes before.

    Args:
        lp: log-probabilities in nats, (..., V), numpy or torch.
        tau: mass in (0, 1]; 1 changes nothing and gives back `lp` itself.

    Returns:
        Log-probabilities, (..., V), float64: -inf for dropped tokens, the rest renormalised. A
        uniform distribution keeps every token.

    Raises:
        UsageError: tau outside (0, 1].
        DataError: NaN, +inf, a value above 0, or a row without any token.

    Example:
        >>> import numpy as np
        >>> np.exp(typical(np.log([0.5, 0.3, 0.15, 0.05]), tau=0.25)).round(3)
        array([0., 1., 0., 0.])

    Reference: Meister 2022, https://arxiv.org/abs/2202.00666
    """
    check("typical", tau=tau)
    rows = Rows(lp)
    if rows.empty or tau == 1:
        return lp
    xp = rows.xp
    surprise = entropies(rows)
    if rows.wide:
        pairs = zip(rows.lp, surprise[:, 0], strict=True)
        return keep(rows, xp.stack([_nearest(row, h, tau) for row, h in pairs]))
    for head in heads(rows):
        far = _farthest(rows, head, surprise, tau)
        # A token outside is less likely than the bound: farther away than anything kept.
        if head.complete or bool(xp.all(far <= -head.bound - surprise)):
            break
    return keep(rows, xp.abs(rows.lp + surprise) <= far + SLACK)


def _nucleus(row: Array, top_p: float) -> Array:
    """The nucleus of one row, a mask (V,)."""
    key = -row
    last, room = reach(row, key, top_p, _enough(row, top_p))
    kept, equal = key <= last, key == last
    if np.count_nonzero(equal) > room:
        kept &= ~equal | (np.cumsum(equal) <= room)
    return kept


def _nearest(row: Array, surprise: float, tau: float) -> Array:
    """The tokens of one row whose surprise is nearest its entropy, a mask (V,)."""
    distance = np.abs(row + surprise)
    # Tokens of surprise 0 up to what is enough are at most this far away.
    high = max(surprise + 1e-6, _enough(row, tau) - surprise)
    far, _ = reach(row, distance, tau, high)
    return distance <= far + SLACK


def _enough(row: Array, mass: float) -> float:
    """Surprise up to which tokens hold a mass: all beyond it together have less than the rest."""
    return math.log(len(row)) - math.log1p(-mass) + 1e-6


def _farthest(rows: Rows, head: Head, surprise: Array, tau: float) -> Array:
    """Distance at which the nearest tokens of the head hold tau; inf where they do not."""
    xp = rows.xp
    distance = xp.abs(head.ordered + surprise)
    order = xp.argsort(distance, axis=-1)
    mass = xp.cumulative_sum(xp.exp(xp.take_along_axis(head.ordered, order, axis=-1)), axis=-1)
    place = xp.count_nonzero(mass < tau - SLACK, axis=-1)[:, None]
    inside = xp.minimum(place, head.counts[:, None] - 1)
    found = xp.take_along_axis(xp.take_along_axis(distance, order, axis=-1), inside, axis=-1)
    return found if head.complete else xp.where(place < head.counts[:, None], found, xp.inf)
