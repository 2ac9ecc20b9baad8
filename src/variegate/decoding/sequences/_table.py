"""TableModel: a model whose next-token probabilities are given, so that trees can be listed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from variegate.decoding.sequences._shaped import shaped
from variegate.errors import UsageError
from variegate.models import Completion, Format, Request, Sampling, Tier, Turn
from variegate.models._stepping import Drawn, Ints, Stops, independent
from variegate.models._tiers import EVERY_TIER

__all__ = ["TableModel"]

Table = Callable[[str, tuple[int, ...]], Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class TableModel:
    """A model given by its next-token probabilities: the oracle for whole sequences.

    Token 0 ends a text; token i writes the word wi.

    Args:
        table: maps a prompt and the tokens written so far to the probabilities of the next
            token, (V,), always of one length.
        name, revision: its identity; other tables need another revision.

    Example:
        >>> from variegate.decoding.sequences import TableModel
        >>> from variegate.models import Sampling
        >>> coin = TableModel(table=lambda prompt, written: [0, 0.7, 0.3])
        >>> leaves = coin.leaves("", sampling=Sampling(max_tokens=2))
        >>> {ids: round(p, 2) for ids, p in leaves.items()}
        {(1, 1): 0.49, (1, 2): 0.21, (2, 1): 0.21, (2, 2): 0.09}
    """

    table: Table = field(compare=False)
    name: str = "table"
    revision: str = "0"
    tiers: ClassVar[frozenset[Tier]] = EVERY_TIER
    ends: ClassVar[tuple[int, ...]] = (0,)

    def formats(self) -> tuple[Format, ...]:
        """Raw only."""
        return ("raw",)

    def render(self, prompt: str | Sequence[Turn], *, format: Format) -> str:
        """The text itself; turns follow each other."""
        if format != "raw":
            raise UsageError(f"Expected the format 'raw', got {format!r}.")
        return prompt if isinstance(prompt, str) else "\n\n".join(turn.text for turn in prompt)

    def sample(
        self, requests: Sequence[Request], *, sampling: Sampling
    ) -> Iterator[list[Completion]]:
        """Yield independent draws."""
        return independent(self, requests, sampling=sampling)

    def score(
        self, rendered: str, continuations: Sequence[Any], *, sampling: Sampling
    ) -> npt.NDArray[np.float64]:
        """Log-probability of each continuation (text or ids) and of stopping after it."""
        leaves = self.leaves(rendered, sampling=sampling)
        ids = [tuple(self.encode(c)) if isinstance(c, str) else tuple(c) for c in continuations]
        found = [leaves.get((*row, 0), leaves.get(row, 0.0)) for row in ids]
        return np.array([math.log(p) if p else -np.inf for p in found])

    def leaves(self, prompt: str, *, sampling: Sampling) -> dict[tuple[int, ...], float]:
        """Every text that can be written, its end included, with its probability."""
        found: dict[tuple[int, ...], float] = {}
        open_: list[tuple[tuple[int, ...], float]] = [((), 1.0)]
        while open_:
            ids, p = open_.pop(0)
            if ids and (ids[-1] == 0 or len(ids) == sampling.max_tokens):
                found[ids] = p
                continue
            rows = TablePrefixes(self, [prompt], [ids]).distribution(sampling)
            share = np.exp(rows[0])
            open_ += [((*ids, t), p * float(share[t])) for t in np.flatnonzero(share).tolist()]
        return found

    def resolved(self, sampling: Sampling) -> Sampling:
        """The settings as they are: an open temperature is 1."""
        return sampling

    def vocabulary(self) -> Mapping[str, int]:
        """The end and the words w1, w2, ..."""
        size = len(self.table("", ()))
        return {"</s>" if token == 0 else f"w{token}": token for token in range(size)}

    def start(self, rendered: Sequence[str]) -> TablePrefixes:
        """One row a prompt."""
        return TablePrefixes(self, list(rendered), [() for _ in rendered])

    def width(self, rendered: str) -> int:
        """Words of a prompt."""
        return len(rendered.split())

    def fitting(self, width: int, *, sampling: Sampling) -> int:
        """A thousand rows, whatever they hold."""
        del width, sampling
        return 1000

    def encode(self, text: str) -> list[int]:
        """Words wi as tokens i."""
        return [int(word[1:]) for word in text.split()]

    def stops(self, words: tuple[str, ...]) -> Stops | None:
        """Whether the text of tokens holds one of these words."""
        return (lambda ids: any(word in _text(ids) for word in words)) if words else None

    def completed(
        self, request: Request, drawn: Drawn, *, sampling: Sampling, **about: Any
    ) -> Completion:
        """What a row wrote as the answer to a request."""
        text = _text(drawn.ids)
        cut = min((at for word in sampling.stop if (at := text.find(word)) >= 0), default=len(text))
        text = text[:cut].strip()
        return Completion(
            key=request.key,
            text=text,
            reasoning=None,
            finish="length" if not drawn.stopped else "stop" if text else "empty",
            token_ids=tuple(drawn.ids),
            token_logprobs=tuple(drawn.logprobs),
            token_entropies=tuple(drawn.entropies),
            prompt_tokens=drawn.read,
            completion_tokens=len(drawn.ids),
            **about,
        )


class TablePrefixes:
    """Rows of a table: prompts and what was written after them."""

    def __init__(
        self, model: TableModel, prompts: list[str], written: Sequence[tuple[int, ...]]
    ) -> None:
        self.model, self.prompts, self.written = model, prompts, list(written)

    @property
    def read(self) -> list[int]:
        return [self.model.width(prompt) for prompt in self.prompts]

    def distribution(self, sampling: Sampling) -> npt.NDArray[np.float64]:
        rows = [self.model.table(*row) for row in zip(self.prompts, self.written, strict=True)]
        with np.errstate(divide="ignore"):
            return np.asarray(shaped(np.log(np.array(rows, dtype=np.float64)), sampling))

    def advance(self, tokens: Ints) -> None:
        self.written = [
            (*row, token) for row, token in zip(self.written, tokens.tolist(), strict=True)
        ]

    def reorder(self, rows: Ints) -> None:
        self.prompts = [self.prompts[row] for row in rows]
        self.written = [self.written[row] for row in rows]


def _text(ids: Sequence[int]) -> str:
    return " ".join(f"w{token}" for token in ids if token)
