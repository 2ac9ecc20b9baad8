"""One threshold for all topics: how unequally it errs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate._numbers import numbers
from variegate.errors import UsageError

__all__ = ["ThresholdInconsistency", "threshold_inconsistency"]


@dataclass(frozen=True, kw_only=True)
class ThresholdInconsistency:
    """How far the errors of one threshold differ from topic to topic."""

    value: float  # variance of utility over topics, averaged over thresholds; 0 for equal topics
    worst: str  # the topic farthest from the mean
    false_merges: dict[str, NDArray[np.float64]]  # topic -> rate at every threshold
    misses: dict[str, NDArray[np.float64]]
    thresholds: NDArray[np.float64]


def threshold_inconsistency(
    similarity: ArrayLike, same: ArrayLike, topics: ArrayLike, *, thresholds: ArrayLike
) -> ThresholdInconsistency:
    """Measure how far one threshold of sameness errs differently from topic to topic (OPIS).

    The variance over topics of U_t(d) = 2 φ ψ/(φ + ψ), averaged over the thresholds d, with
    φ = 1 - false-merge rate and ψ = 1 - miss rate of the topic at d.

    Args:
        similarity: (m,) similarity of each labelled pair.
        same: (m,) whether the pair is the same.
        topics: (m,) the topic of the pair.
        thresholds: (t,) where to look; a range of false-merge rates of interest.

    Returns:
        A `ThresholdInconsistency`: 0 for topics alike, at most 1/4. Judges that are strict in one
        topic and lax in another make the number of distinct answers incomparable between them.

    Raises:
        UsageError: arrays of other length, fewer than two topics, or a topic without a pair of
            either kind.

    Example:
        >>> s = [0.9, 0.1, 0.9, 0.6]
        >>> found = threshold_inconsistency(
        ...     s, [1, 0, 1, 0], ["a", "a", "b", "b"], thresholds=[0.5]
        ... )
        >>> found.value, found.false_merges["b"].tolist()
        (0.25, [1.0])

    Reference:
        Zhang 2023, https://arxiv.org/abs/2307.04047
    """
    s, equal, names = np.asarray(similarity, float), np.asarray(same, bool), np.asarray(topics)
    d = np.atleast_1d(numbers(thresholds, "thresholds"))
    if not (s.ndim == 1 and s.shape == equal.shape == names.shape) or not len(d):
        raise UsageError(
            f"Expected a similarity, a truth and a topic a pair, got {s.shape}, {equal.shape} and "
            f"{names.shape}, and {len(d)} thresholds."
        )
    found = sorted({str(name) for name in names.tolist()})
    if len(found) < 2:
        raise UsageError(f"Expected two topics or more, got {len(found)}.")
    merges, misses, utility = {}, {}, []
    for topic in found:
        here = names.astype(str) == topic
        yes, no = s[here & equal], s[here & ~equal]
        if not (len(yes) and len(no)):
            raise UsageError(f"Expected pairs of both kinds in topic {topic!r}, got only one.")
        merges[topic] = (no[:, None] > d).mean(axis=0)
        misses[topic] = (yes[:, None] <= d).mean(axis=0)
        kept, caught = 1 - merges[topic], 1 - misses[topic]
        with np.errstate(invalid="ignore"):
            utility.append(np.nan_to_num(2 * kept * caught / (kept + caught)))
    table = np.array(utility)
    away = ((table - table.mean(axis=0)) ** 2).mean(axis=1)
    return ThresholdInconsistency(
        value=float(away.mean()),
        worst=found[int(away.argmax())],
        false_merges=merges,
        misses=misses,
        thresholds=d,
    )
