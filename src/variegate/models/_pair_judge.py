"""A model as judge: text in, reply out, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from variegate.judging import PairJudge, pair_prompt
from variegate.models._protocol import Model, Sampling
from variegate.models._say import say

__all__ = ["pair_judge"]


@dataclass(frozen=True, kw_only=True)
class _ModelJudge:
    model: Model
    sampling: Sampling
    seed: int

    def many(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        asked = [pair_prompt(a, b, seed=self.seed) for a, b in pairs]
        said = say(self.model, asked, sampling=self.sampling, seed=self.seed)
        return [completion.text for completion in said]


def pair_judge(model: Model, *, max_tokens: int = 8, seed: int = 0) -> PairJudge:
    """Make a judge of pairs out of a model, for `variegate.judging.same_by_judge`.

    It is asked greedily, with the outputs fenced as data; a reply that does not come, or is no
    verdict, leaves its pair unscored.

    Args:
        model: what judges; an endpoint gets all pairs at once.
        max_tokens: of a reply. A model that reasons first needs room for it.
        seed: of the fences and draws.

    Example:
        >>> from variegate.judging import same_by_judge
        >>> from variegate.models import UniformModel, pair_judge
        >>> found = same_by_judge(["a", "b"], pair_judge(UniformModel(branching=3, length=1)))
        >>> found.n_pairs, found.unscored
        (1, 1)
    """
    sampling = Sampling(temperature=0.0, max_tokens=max_tokens)
    return _ModelJudge(model=model, sampling=sampling, seed=seed)
