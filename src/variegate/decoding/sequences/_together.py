"""together: several contexts over one vocabulary as one model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import array_api_compat
import numpy as np
import numpy.typing as npt

from variegate.decoding.sequences._blends import Blend, Router, View, Words, chosen
from variegate.decoding.sequences._shaped import RAW, shaped
from variegate.errors import UsageError
from variegate.models import Completion, Format, Request, Sampling, Tier, Turn, require
from variegate.models._stepping import Drawn, Ints, Prefixes, Stepping, Stops, host, independent
from variegate.models._tiers import EVERY_TIER

__all__ = ["Context", "Together", "together"]


@dataclass(frozen=True, kw_only=True)
class Context:
    """A model and what it reads in place of the prompt.

    Args:
        model: a model of tier E.
        format: how it is asked, whatever the arm says; None: as the arm says, and raw where the
            model does not know that (a base model has no template).
        system: a system turn in front; None for none.
        prompt: what is asked instead, with {prompt} where the prompt goes ("" for no prompt);
            None for the prompt itself.

    Example:
        >>> from variegate.decoding.sequences import Context, TableModel
        >>> coin = TableModel(table=lambda prompt, written: [0, 0.5, 0.5])
        >>> Context(model=coin, prompt="Not like this: {prompt}").render("Toss.", format="raw")
        'Not like this: Toss.'
    """

    model: Stepping
    format: Format | None = None
    system: str | None = None
    prompt: str | None = None

    def render(self, prompt: str | Sequence[Turn], *, format: Format) -> str:
        """What this context reads."""
        turns = [Turn(role="user", text=prompt)] if isinstance(prompt, str) else list(prompt)
        if self.prompt is not None:
            turns = [
                replace(turn, text=self.prompt.replace("{prompt}", turn.text))
                if turn.role == "user"
                else turn
                for turn in turns
            ]
        if self.system is not None:
            turns = [Turn(role="system", text=self.system), *turns]
        wanted = self.format or format
        known = wanted if wanted in self.model.formats() else "raw"
        plain = len(turns) == 1 and turns[0].role == "user"
        return self.model.render(turns[0].text if plain else turns, format=known)

    def settings(self) -> dict[str, Any]:
        """Everything that makes it what it is."""
        told = {"format": self.format, "system": self.system, "prompt": self.prompt}
        return {
            "model": self.model.name,
            "revision": self.model.revision,
            **{name: value for name, value in told.items() if value is not None},
        }


def together(*contexts: Context | Stepping, rule: Router | Blend) -> Together:
    """Make one model of several contexts: two models, or one model with several prompts.

    Every context reads its own prompt once and then the same tokens, each over its own cache. At
    each step the rule makes one distribution of theirs, taken at temperature 1; temperature and
    truncation of the draw come after. The log-probabilities of a draw are those of the blended
    distribution. A text ends where any context would end it.

    What comes out goes token by token too: draw from it, or put `arithmetic`, `stochastic_beam`
    and the others in front. Contexts of one model with one prompt leave it what it is.

    Args:
        contexts: two or more, models or `Context`; the first reads the answer and names it.
        rule: a router for two contexts (`HandOff`, `Nudge`, `Baco`, `Chance`), or a `blend`.

    Raises:
        UsageError: fewer than two contexts, a router over more than two, a model without tier E,
            or vocabularies that differ.

    Example:
        >>> from variegate.decoding.sequences import HandOff, TableModel, together
        >>> from variegate.models import Arm, Sampling, collect
        >>> from variegate.samples import Prompt
        >>> wide = TableModel(table=lambda prompt, written: [0, 0.5, 0.5], revision="wide")
        >>> narrow = TableModel(table=lambda prompt, written: [0, 1.0, 0.0], revision="narrow")
        >>> model = together(wide, narrow, rule=HandOff(after=1))
        >>> arm = Arm(name="hand-off", model=model, sampling=Sampling(max_tokens=3))
        >>> sorted(set(collect(arm, [Prompt(prompt="Toss.")], n=20).frame["text"]))
        ['w1 w1 w1', 'w2 w1 w1']
    """
    held = tuple(c if isinstance(c, Context) else Context(model=c) for c in contexts)
    return Together(contexts=held, rule=rule)


@dataclass(frozen=True, kw_only=True)
class Together:
    """Contexts that write one text; made by `together`."""

    contexts: tuple[Context, ...]
    rule: Router | Blend

    tiers: ClassVar[frozenset[Tier]] = EVERY_TIER - {"C"}

    def __post_init__(self) -> None:
        if len(self.contexts) < 2:
            raise UsageError(f"Expected two contexts or more, got {len(self.contexts)}.")
        if isinstance(self.rule, Router) and len(self.contexts) > 2:
            raise UsageError(
                f"A router chooses between two contexts, got {len(self.contexts)}.",
                hint="Blend three contexts with blend('steer', ...).",
            )
        for context in self.contexts:
            require(context.model, "E", "a model of several contexts")
        first, *others = (context.model for context in self.contexts)
        for other in others:
            if other is not first and (ours := first.vocabulary()) != (his := other.vocabulary()):
                shared = len(ours.items() & his.items())
                raise UsageError(
                    f"{first.name!r} and {other.name!r} do not share a vocabulary: "
                    f"{len(ours)} and {len(his)} tokens, {shared} of them the same.",
                    hint="Contexts advance by the same token: take models of one tokenizer.",
                )

    @property
    def name(self) -> str:
        """The models' names, each once."""
        return "+".join(dict.fromkeys(context.model.name for context in self.contexts))

    @property
    def revision(self) -> str:
        """Every context and the rule."""
        return json.dumps([*(c.settings() for c in self.contexts), repr(self.rule)])

    @property
    def first(self) -> Stepping:
        """The model of the first context: it reads what is written."""
        return self.contexts[0].model

    @property
    def ends(self) -> tuple[int, ...]:
        """Token ids that end a text for any context."""
        return tuple(sorted({end for context in self.contexts for end in context.model.ends}))

    @cached_property
    def words(self) -> Words:
        """What the tokens look like."""
        return Words(self.first.vocabulary())

    def formats(self) -> tuple[Format, ...]:
        """The formats that any context knows; the others read it in theirs."""
        known = (format for context in self.contexts for format in context.model.formats())
        return tuple(dict.fromkeys(known))

    def render(self, prompt: str | Sequence[Turn], *, format: Format) -> str:
        """What each context reads, as a JSON list."""
        read = [context.render(prompt, format=format) for context in self.contexts]
        return json.dumps(read, ensure_ascii=False)

    def sample(
        self, requests: Sequence[Request], *, sampling: Sampling
    ) -> Iterator[list[Completion]]:
        """Yield independent draws."""
        return independent(self, requests, sampling=sampling)

    def score(
        self, rendered: str, continuations: Sequence[Any], *, sampling: Sampling
    ) -> npt.NDArray[np.float64]:
        """Log-probability of each continuation (text or ids) and of stopping after it.

        One as long as `max_tokens` is cut there, so stopping is not added to it.
        """
        sampling = self.resolved(sampling)
        ids = [self.encode(c) if isinstance(c, str) else list(c) for c in continuations]
        total = np.zeros(len(ids))
        if not ids:
            return total
        prefixes = self.start([rendered])
        prefixes.reorder(np.zeros(len(ids), dtype=np.int64))
        limit, ends = sampling.max_tokens, list(self.ends)
        for step in range(min(limit, max(map(len, ids)) + 1)):
            lp = host(prefixes.distribution(sampling))
            for row, tokens in enumerate(ids):
                if step < len(tokens):
                    total[row] += lp[row, tokens[step]]
                elif step == len(tokens):
                    total[row] += np.logaddexp.reduce(lp[row, ends])
            prefixes.advance(np.array([(*row, *[0] * limit)[step] for row in ids]))
        return np.where([len(row) > limit for row in ids], -np.inf, total)

    def resolved(self, sampling: Sampling) -> Sampling:
        """The settings with temperature 1 where it was left open."""
        return sampling if sampling.temperature is not None else replace(sampling, temperature=1.0)

    def vocabulary(self) -> Mapping[str, int]:
        """The tokens that all contexts share."""
        return self.first.vocabulary()

    def start(self, rendered: Sequence[str]) -> TogetherPrefixes:
        """Let every context read its part of every prompt."""
        parts = zip(*map(_parts, rendered), strict=True)
        started = [
            context.model.start(list(part))
            for context, part in zip(self.contexts, parts, strict=True)
        ]
        return TogetherPrefixes(self.rule, self.words, started)

    def width(self, rendered: str) -> int:
        """Tokens of the prompt, over all contexts."""
        read = zip(self.contexts, _parts(rendered), strict=True)
        return sum(context.model.width(part) for context, part in read)

    def fitting(self, width: int, *, sampling: Sampling) -> int:
        """Rows that fit when every context holds its own."""
        rows = min(c.model.fitting(width, sampling=sampling) for c in self.contexts)
        return max(1, rows // len(self.contexts))

    def encode(self, text: str) -> list[int]:
        """Token ids of a continuation."""
        return self.first.encode(text)

    def stops(self, words: tuple[str, ...]) -> Stops | None:
        """Whether tokens hold one of these words."""
        return self.first.stops(words)

    def completed(
        self, request: Request, drawn: Drawn, *, sampling: Sampling, **about: Any
    ) -> Completion:
        """What a row wrote; it costs what every context read, and each token in every context."""
        ended = bool(drawn.ids) and drawn.ids[-1] in self.ends
        kept = replace(drawn, ids=drawn.ids[:-1] or drawn.ids) if ended else drawn
        own = replace(request, rendered=_parts(request.rendered)[0])
        cost = drawn.read + len(drawn.ids) * len(self.contexts)
        found = self.first.completed(own, drawn, sampling=sampling, **{"cost": cost, **about})
        if ended and drawn.ids[-1] not in self.first.ends and len(drawn.ids) > 1:
            # Another context's end is a word to the first one: read the text without it.
            plain = self.first.completed(own, kept, sampling=sampling)
            found = replace(found, text=plain.text, reasoning=plain.reasoning)
        return found


class TogetherPrefixes:
    """Rows of several contexts that are always written the same."""

    def __init__(self, rule: Router | Blend, words: Words, parts: Sequence[Prefixes]) -> None:
        self.rule, self.words, self.parts = rule, words, parts
        rows = len(parts[0].read)
        self.written: list[tuple[int, ...]] = [()] * rows
        self.second = np.zeros(rows, dtype=bool)
        self._blend()

    @property
    def read(self) -> list[int]:
        return [sum(row) for row in zip(*(part.read for part in self.parts), strict=True)]

    def _blend(self) -> None:
        lps = [part.distribution(RAW) for part in self.parts]
        sizes = sorted({int(lp.shape[-1]) for lp in lps})
        if len(sizes) > 1:
            raise UsageError(f"Contexts give {sizes} probabilities a token; expected one size.")
        if isinstance(self.rule, Blend):
            self.lp = self.rule(lps)
        else:
            self.second = self.rule.second(
                View(lps=lps, written=self.written, second=self.second, words=self.words)
            )
            self.lp = chosen(lps, self.second)

    def distribution(self, sampling: Sampling) -> Any:
        return shaped(self.lp, sampling)

    def advance(self, tokens: Ints) -> None:
        for part in self.parts:
            part.advance(tokens)
        self.written = [
            (*row, token) for row, token in zip(self.written, tokens.tolist(), strict=True)
        ]
        self._blend()

    def reorder(self, rows: Ints) -> None:
        for part in self.parts:
            part.reorder(rows)
        self.written = [self.written[row] for row in rows]
        self.second = self.second[rows]
        xp: Any = array_api_compat.array_namespace(self.lp)
        self.lp = self.lp[xp.asarray(rows, device=array_api_compat.device(self.lp))]


def _parts(rendered: str) -> list[str]:
    parts: list[str] = json.loads(rendered)
    return parts
