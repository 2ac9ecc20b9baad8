"""Decide by majority when the vote is clear, abstain when chance could have made it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from variegate.errors import UsageError
from variegate.metrics import side_by_side

__all__ = ["Decision", "decide_or_abstain"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A majority answer with what speaks for it."""

    answer: Hashable | None  # None: abstain
    p_value: float  # of a tie between the two most frequent answers
    votes: dict[Hashable, int]


def decide_or_abstain(answers: Sequence[Hashable | None], *, level: float = 0.05) -> Decision:
    """Return the most frequent answer if it beats the second beyond chance, else nothing.

    The exact two-sided binomial test of n₁ of n₁ + n₂ votes against 1/2. When the two are equally
    likely in truth, the wrong one is returned with probability at most level/2.

    Args:
        answers: independent answers; None votes for nothing.
        level: of the test, above 0 and below 1.

    Returns:
        A `Decision`; with no votes it abstains at p = 1.

    Raises:
        UsageError: a level outside (0, 1).

    Example:
        >>> decide_or_abstain(["a"] * 5).answer is None
        True
        >>> decide_or_abstain(["a"] * 6).answer
        'a'

    Reference:
        Black 2021, https://arxiv.org/abs/2111.08230
    """
    if not 0 < level < 1:
        raise UsageError(f"Expected a level between 0 and 1, got {level}.")
    votes: dict[Hashable, int] = {}
    for answer in answers:
        if answer is not None:
            votes[answer] = votes.get(answer, 0) + 1
    ranked = sorted(votes, key=lambda answer: -votes[answer])
    if not ranked:
        return Decision(answer=None, p_value=1.0, votes=votes)
    second = votes[ranked[1]] if len(ranked) > 1 else 0
    p = side_by_side(votes[ranked[0]], second).p_value
    return Decision(answer=ranked[0] if p <= level else None, p_value=p, votes=votes)
