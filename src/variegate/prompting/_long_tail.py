"""LINK: true statements that are rarely said, found slot by slot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Sequence as Listed
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from variegate.errors import UnknownName, UsageError
from variegate.models import Tier
from variegate.prompting import _wordings as words
from variegate.prompting._asking import Asking
from variegate.prompting._calls import Answer, Call, Part, Reply, Talk
from variegate.prompting._reading import read_choice, read_lines

__all__ = ["LongTail", "rank_by_rarity"]

End = Literal["tail", "head"]


def rank_by_rarity(
    logprobs: ArrayLike, validity: ArrayLike, *, threshold: float = 0.75, end: End = "tail"
) -> NDArray[np.int64]:
    """Order what passes the gate by likelihood, the rarest first.

    Without the gate (threshold 0) the rarest is nonsense: what nobody says is mostly untrue.

    Args:
        logprobs: (N,) log-likelihood of each statement, nats; -inf is rarest.
        validity: (N,) probability of being true; NaN, an unreadable verdict, never passes.
        threshold: what passes is at least as valid.
        end: ``"tail"`` for the rarest first, ``"head"`` for the likeliest.

    Returns:
        Indices of what passes, in order; of equals the first one first.

    Example:
        >>> rank_by_rarity([-9, -1, -4], [0.1, 0.9, 0.9]).tolist()
        [2, 1]
        >>> rank_by_rarity([-9, -1, -4], [0.1, 0.9, 0.9], threshold=0).tolist()
        [0, 2, 1]

    Reference: `Li 2023 <https://arxiv.org/abs/2311.07237>`_.
    """
    if end not in get_args(End):
        raise UnknownName("end", end, get_args(End))
    lp = np.asarray(logprobs, dtype=np.float64)
    valid = np.asarray(validity, dtype=np.float64)
    if lp.shape != valid.shape or lp.ndim != 1 or np.isnan(lp).any():
        raise UsageError("Expected N log-likelihoods without NaN and N validities.")
    passing = np.flatnonzero(valid >= threshold)
    sign = 1 if end == "tail" else -1
    ordered: NDArray[np.int64] = passing[np.argsort(sign * lp[passing], kind="stable")]
    return ordered


@dataclass(frozen=True, kw_only=True)
class LongTail(Asking):
    """LINK: fill the slots of a statement one after another, verify, keep what is rarely said.

    The prompt is a statement with slots in braces, "In {country}, {animal} is on the coat of
    arms". For every slot the model names values; a statement whose open slots are put as their
    meaning must pass the verifier, and of those that pass the rarest `beam` go on. Rows are the
    n rarest (or likeliest) whole statements, with `logprob` their log-likelihood, `quality` their
    validity and `stratum` the end they are from. Values used before are not used again at their
    slot. A verdict that cannot be read never passes.

    Args:
        slots: name of each slot and what it stands for, in the order of filling.
        likelihood: from statements to their log-likelihoods in nats, best under a base model:
            ``lambda texts: base.score("", texts, sampling=Sampling())``.
        verifier: from a statement to the probability that it is true; None to ask the model for
            yes or no.
        values: asked for at each slot.
        beam: statements that go on.
        threshold: of validity.
        end: ``"tail"`` or ``"head"``.

    Reference: `Li 2023 <https://arxiv.org/abs/2311.07237>`_.
    """

    name: ClassVar[str] = "long-tail"
    tier: ClassVar[Tier] = "A"
    slots: Mapping[str, str]
    likelihood: Callable[[list[str]], ArrayLike]
    verifier: Callable[[str], float] | None = None
    values: int = 8
    beam: int = 4
    threshold: float = 0.75
    end: End = "tail"

    def __post_init__(self) -> None:
        if not self.slots or self.values < 1 or self.beam < 1:
            raise UsageError("Expected at least one slot, value and beam.")

    def talk(self, prompt: str, *, n: int, rng: np.random.Generator) -> Talk:
        del rng
        missing = [slot for slot in self.slots if f"{{{slot}}}" not in prompt]
        if missing:
            raise UsageError(
                f"Expected the slot {{{missing[0]}}} in the prompt {prompt!r}.",
                hint="The prompt is the statement, each slot in braces.",
            )
        beams: list[tuple[str, tuple[Reply, ...]]] = [(prompt, ())]
        asked: list[Reply] = []
        last = list(self.slots)[-1]
        kept: list[Answer] = []
        for slot, meaning in self.slots.items():
            replies = yield [
                Call(turns=words.fillers(self._shown(s, but=slot), slot, meaning, self.values))
                for s, _ in beams
            ]
            asked = list(replies)
            used: set[str] = set()
            filled: list[tuple[str, tuple[Reply, ...]]] = []
            for (statement, took), reply in zip(beams, replies, strict=True):
                for value in read_lines(reply.text)[: self.values]:
                    if value.casefold() not in used:
                        used.add(value.casefold())
                        filled.append((statement.replace(f"{{{slot}}}", value), (*took, reply)))
            valid, verdicts = yield from self._verified([self._shown(s) for s, _ in filled])
            if not filled:
                break
            lp = np.asarray(self.likelihood([self._shown(s) for s, _ in filled]), dtype=np.float64)
            order = rank_by_rarity(lp, valid, threshold=self.threshold, end=self.end)
            if slot != last:
                beams = [filled[i] for i in order[: self.beam]]
                if not beams:
                    break
                continue
            kept = [
                Answer(
                    text=filled[i][0],
                    finish="stop",
                    replies=(*filled[i][1], *((verdicts[i],) if verdicts else ())),
                    columns={"stratum": self.end, "logprob": float(lp[i]),
                             "quality": float(valid[i])},
                )
                for i in order[:n]
            ]  # fmt: skip
        return [*kept, *(Answer.unread(asked[-1]) for _ in range(n - len(kept)))]

    def _verified(self, statements: Listed[str]) -> Part[tuple[NDArray[np.float64], list[Reply]]]:
        if self.verifier is not None:
            return np.array([_chance(self.verifier(s)) for s in statements], dtype=np.float64), []
        replies: list[Reply] = []
        if statements:
            replies = yield [Call(turns=words.is_true(s), temperature=0.0) for s in statements]
        said = {"yes": 1.0, "no": 0.0, None: float("nan")}
        verdicts = [said[read_choice(reply.text, ("yes", "no"))] for reply in replies]
        return np.array(verdicts, dtype=np.float64), replies

    def _shown(self, statement: str, *, but: str | None = None) -> str:
        """The statement with its open slots put as what they stand for."""
        for slot, meaning in self.slots.items():
            if slot != but:
                statement = statement.replace(f"{{{slot}}}", meaning)
        return statement


def _chance(said: object) -> float:
    """A validity in [0, 1]; NaN for anything else, which never passes."""
    fits = isinstance(said, int | float) and 0 <= said <= 1
    return float(said) if fits else float("nan")  # type: ignore[arg-type]
