"""What every model that can speak offers, whatever stands behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np
import numpy.typing as npt

from variegate.errors import UsageError
from variegate.models._tiers import Tier
from variegate.samples import Finish

__all__ = ["FORMATS", "Completion", "Format", "Model", "Request", "Rule", "Sampling", "Turn"]

Format = Literal["raw", "chat", "empty-reasoning"]
"""How a prompt reaches the model: as it is, by its template, or with an empty reasoning block."""

FORMATS: tuple[str, ...] = get_args(Format)
"""The words of `Format`, in order."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One turn of a conversation.

    A conversation that ends with a turn of the assistant is continued where that turn stops.
    """

    role: Literal["system", "user", "assistant"]
    text: str


@runtime_checkable
class Rule(Protocol):
    """A reshaping of the distribution of the next token, as data: name, parameters, a call.

    Rules are frozen dataclasses, so that their parameters become part of a draw's identity;
    `variegate.decoding.rule` makes them by name.
    """

    @property
    def name(self) -> str:
        """The name it is registered under."""
        ...

    def __call__(self, lp: Any, /) -> Any:
        """Map log-probabilities (..., V), numpy or torch, to renormalised ones."""
        ...


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """The settings of a draw; None means the provider's own default, never 0.

    Truncation is applied after the temperature, in the order top-k, top-p, min-p, then the rules
    in their order, and what is left is renormalised.

    Args:
        temperature: 1.0 draws from the model's own distribution, 0.0 is greedy.
        top_p, top_k, min_p: truncation; None for none.
        max_tokens: completion tokens at the most.
        stop: strings that end a completion (removed from it).
        rules: further reshapings, applied last (`variegate.decoding.rule`).

    Raises:
        UsageError: a setting outside its range.
    """

    temperature: float | None = 1.0
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        ranges = {
            "temperature": (self.temperature, 0 <= (self.temperature or 0) < float("inf"), ">= 0"),
            "top_p": (self.top_p, self.top_p is None or 0 < self.top_p <= 1, "in (0, 1]"),
            "top_k": (self.top_k, self.top_k is None or self.top_k >= 1, ">= 1"),
            "min_p": (self.min_p, self.min_p is None or 0 <= self.min_p <= 1, "in [0, 1]"),
            "max_tokens": (self.max_tokens, self.max_tokens >= 1, ">= 1"),
            "stop": (self.stop, type(self.stop) is tuple and all(self.stop), "a tuple of words"),
            "rules": (self.rules, all(map(callable, self.rules)), "a tuple of rules"),
        }
        for name, (value, fits, range_) in ranges.items():
            if not fits:
                raise UsageError(f"Expected {name} {range_}, got {value!r}.")

    def settings(self) -> dict[str, Any]:
        """Everything that makes a draw what it is; no rules leave no trace.

        Identities made before there were rules stay what they were.
        """
        found = {name: value for name, value in vars(self).items() if name != "rules"}
        if self.rules:
            found["rules"] = [{"name": rule.name, **asdict(rule)} for rule in self.rules]  # type: ignore[call-overload]
        return found


@dataclass(frozen=True, kw_only=True)
class Request:
    """One draw to be made: the rendered prompt and its own random stream.

    Args:
        key: identity of the draw (model, revision, rendered prompt, settings, index, seed).
        rendered: the prompt after the template, as the model reads it.
        index: which of the n draws this is.
        seed: the number from which, and from nothing else, this draw's randomness comes.
        group: a number that all draws of one prompt share, for samplers that draw them jointly.
    """

    key: str
    rendered: str
    index: int
    seed: int
    group: int = 0


@dataclass(frozen=True, kw_only=True)
class Completion:
    """What came back for one request.

    The token lists cover everything the model wrote: reasoning, answer, and the end-of-sequence
    token where it wrote one, so their sum is the log-probability of the whole draw.
    """

    key: str
    text: str  # the answer, reasoning removed
    reasoning: str | None
    finish: Finish
    token_ids: tuple[int, ...]
    token_logprobs: tuple[float, ...] | None  # nats, of the distribution sampled from
    token_entropies: tuple[float, ...] | None  # nats, of the distribution sampled from
    prompt_tokens: int
    completion_tokens: int
    iid: bool = True  # an independent draw, or one of a set drawn jointly
    weight: float | None = None  # makes weighted sums over such a set unbiased
    cost: float | None = None  # tokens read and written for it; None where the two above say it

    def __post_init__(self) -> None:
        # JSON may bring half a surrogate pair, which no file and no prompt can hold.
        for name in ("text", "reasoning"):
            said = getattr(self, name)
            try:
                (said or "").encode()
            except UnicodeEncodeError:
                whole = said.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
                object.__setattr__(self, name, whole)


class Model(Protocol):
    """Something that can speak: a checkpoint, an endpoint, a fake with known probabilities."""

    @property
    def name(self) -> str:
        """What it is called; part of the identity of every draw, with the revision."""
        ...

    @property
    def revision(self) -> str:
        """A content hash or a commit."""
        ...

    @property
    def tiers(self) -> frozenset[Tier]:
        """What it gives access to; see `TIERS`."""
        ...

    def formats(self) -> tuple[Format, ...]:
        """Which formats this model can be asked in (a base model knows only raw)."""
        ...

    def render(self, prompt: str | Sequence[Turn], *, format: Format) -> str:
        """Return the prompt as the model reads it; a last turn of the assistant is continued."""
        ...

    def sample(
        self, requests: Sequence[Request], *, sampling: Sampling
    ) -> Iterator[list[Completion]]:
        """Yield finished completions batch by batch; the order is free, every key comes once.

        Raises:
            ModelError: the batch in flight failed; what was yielded before stays good, and a
                new call with the remaining requests goes on.
        """
        ...

    def score(
        self, rendered: str, continuations: Sequence[str], *, sampling: Sampling
    ) -> npt.NDArray[np.float64]:
        """Return the log-probability (nats) of each continuation and of stopping after it.

        Probabilities are those of the distribution sampled from, so over a language that can be
        listed they sum to 1.
        """
        ...
