"""How two contexts make one distribution: by choosing one of them, or by combining them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol, runtime_checkable

import array_api_compat
import numpy as np
import numpy.typing as npt

from variegate.decoding._combine import contrast, kl_temperature, mixture, steer, uscd
from variegate.decoding._temperature import entropy
from variegate.errors import UnknownName, UsageError
from variegate.models._stepping import host
from variegate.models._uniform import uniforms

__all__ = ["Baco", "Blend", "Chance", "HandOff", "Nudge", "Router", "View", "blend"]

Flags = npt.NDArray[np.bool_]

BLENDS: dict[str, Callable[..., Any]] = {
    "mixture": mixture,
    "kl_temperature": kl_temperature,
    "steer": steer,
    "contrast": contrast,
    "uscd": uscd,
}

# Words that carry the sentence and not its subject.
_FUNCTION_WORDS = """
a an the this that these those some any no each every and or but nor so yet if because while
although though when where than as of in on at by for with from to into onto over under between
through about against during before after above below up down out off is are was were be been
being am do does did have has had having will would can could shall should may might must not i
you he she it we they me him her us them my your his its our their who whom which what there here
then just also very too
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())


class Words:
    """What the tokens of a vocabulary look like: which begin a word, which carry no content."""

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        size = max(vocabulary.values(), default=-1) + 1
        self.begins, self.punctuation, self.function = np.zeros((3, size), dtype=bool)
        spaces = ("Ġ", "▁", " ")  # how tokenizers write the space before a word
        spaced = any(token.startswith(spaces) for token in vocabulary)
        for token, place in vocabulary.items():
            word = token.lstrip("Ġ▁ ")
            self.begins[place] = not spaced or token.startswith(spaces) or not word[:1].isalnum()
            self.punctuation[place] = not any(char.isalnum() for char in word)
            self.function[place] = word.lower() in FUNCTION_WORDS


@dataclass(frozen=True, kw_only=True)
class View:
    """What a router sees, one row a text.

    Args:
        lps: log-probabilities of every context at temperature 1, (R, V) each.
        written: the tokens written so far.
        second: whether the second context wrote the last token; False at the start.
        words: what the tokens look like.
    """

    lps: Sequence[Any]
    written: Sequence[tuple[int, ...]]
    second: Flags
    words: Words

    @cached_property
    def likeliest(self) -> tuple[npt.NDArray[np.int64], ...]:
        """The likeliest token of every context, (R,) each."""
        return tuple(host(lp.argmax(-1)) for lp in self.lps)

    @cached_property
    def sure(self) -> npt.NDArray[np.float64]:
        """The largest probability of the first context, (R,)."""
        lp = self.lps[0]
        return np.exp(np.take_along_axis(host(lp), self.likeliest[0][:, None], axis=-1)[:, 0])

    @cached_property
    def boundary(self) -> Flags:
        """Whether a word begins here, as the context that wrote last sees it."""
        token = np.where(self.second, self.likeliest[1], self.likeliest[0])
        return self.words.begins[token] | np.array([not ids for ids in self.written], dtype=bool)


@runtime_checkable
class Router(Protocol):
    """A rule that says, token by token, which of two contexts writes the next one.

    A frozen dataclass; what it says depends on the text so far and on nothing else.
    """

    def second(self, view: View, /) -> Flags:
        """Whether the second context writes, (R,)."""
        ...


@dataclass(frozen=True, kw_only=True)
class HandOff:
    """The first context writes the first tokens, the second the rest.

    Args:
        after: tokens of the first context; 0 is the second alone.

    Example:
        >>> from variegate.decoding.sequences import HandOff
        >>> HandOff(after=8)
        HandOff(after=8)
    """

    after: int

    def __post_init__(self) -> None:
        if self.after < 0:
            raise UsageError(f"Expected after >= 0 tokens, got {self.after}.")

    def second(self, view: View, /) -> Flags:
        """Whether as many tokens are written."""
        return np.array([len(ids) >= self.after for ids in view.written], dtype=bool)


@dataclass(frozen=True, kw_only=True)
class Nudge:
    """The first context writes where it is sure, the second where it is not.

    The second takes over where the first gives its likeliest token less than `below`: 0 never
    (the first alone), above 1 always (the second alone). With `whole_words` it then finishes the
    word (nudging); without, every token is decided alone (a cascade by confidence, whose threshold
    `cascade_threshold` calibrates).

    Args:
        below: the probability, at least 0.
        whole_words: whether the second goes on to the end of the word.

    Reference: Fei 2024, https://arxiv.org/abs/2410.09300
    """

    below: float = 0.3
    whole_words: bool = True

    def __post_init__(self) -> None:
        if not self.below >= 0:
            raise UsageError(f"Expected below >= 0, got {self.below}.")

    def second(self, view: View, /) -> Flags:
        """Whether the first is unsure, or the second is within a word."""
        unsure: Flags = view.sure < self.below
        if self.whole_words and self.below > 0:
            unsure = unsure | (view.second & ~view.boundary)
        return unsure


@dataclass(frozen=True, kw_only=True)
class Baco:
    """The first (base) context writes where it is unsure: the variety lies there.

    The second (aligned) context writes the rest, and what carries no content. The opposite of
    nudging. Contexts change at the beginning of a word only. The token that decides on content is
    the second context's likeliest (the paper leaves it open).

    Args:
        by: "p": the base writes where its largest probability is below the threshold; "h": where
            its entropy (nats) is above it; None: everywhere.
        threshold: of `by`.
        content: "punctuation" or "function" words that the second always writes; None for neither.

    Reference: Wang 2025, https://arxiv.org/abs/2511.05650
    """

    by: Literal["p", "h"] | None = "p"
    threshold: float = 0.5
    content: Literal["punctuation", "function"] | None = "punctuation"

    def __post_init__(self) -> None:
        if self.by not in ("p", "h", None):
            raise UsageError(f"Expected by 'p', 'h' or None, got {self.by!r}.")
        if self.content not in ("punctuation", "function", None):
            raise UsageError(f"Expected 'punctuation', 'function' or None, got {self.content!r}.")

    def second(self, view: View, /) -> Flags:
        """Whether the base is sure or the next token carries no content, at a boundary."""
        if self.by == "p":
            chosen: Flags = ~(view.sure < self.threshold)
        elif self.by == "h":
            chosen = ~(host(entropy(view.lps[0])) > self.threshold)
        else:
            chosen = np.zeros(len(view.written), dtype=bool)
        if self.content is not None:
            kinds = view.words.punctuation
            kinds = kinds if self.content == "punctuation" else view.words.function
            chosen = chosen | kinds[view.likeliest[1]]
        return np.where(view.boundary, chosen, view.second)


@dataclass(frozen=True, kw_only=True)
class Chance:
    """At the beginning of every word a coin says who writes: the control for other routers.

    Args:
        share: probability of the first context, in [0, 1].
        seed: of the coins; they depend on it and on the text so far.
    """

    share: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise UsageError(f"Expected a share in [0, 1], got {self.share}.")

    def second(self, view: View, /) -> Flags:
        """Whether the coin fell so, or fell so when this word began."""
        names = [_name(self.seed, ids) for ids in view.written]
        coin = uniforms(np.array(names, dtype=np.uint64), steps=1)[:, 0] >= self.share
        return np.where(view.boundary, coin, view.second)


@dataclass(frozen=True, kw_only=True)
class Blend:
    """A rule of `variegate.decoding` that combines contexts; made by `blend`."""

    rule: str
    settings: tuple[tuple[str, Any], ...] = ()

    def __call__(self, lps: Sequence[Any]) -> Any:
        """One distribution from those of all contexts, (R, V) each."""
        settings: dict[str, Any] = dict(self.settings)
        if self.rule == "steer" and len(lps) == 2:
            # The one other context is the base, or where there is no contrast the negative prompt.
            lps = (*lps, None) if settings.get("gamma") else (lps[0], None, lps[1])
        return BLENDS[self.rule](*lps, **settings)


def blend(rule: str, **settings: Any) -> Blend:
    """Return a rule that combines contexts, as data for `together`.

    Args:
        rule: "mixture" (weights), "kl_temperature" (sigma, temperature; the second context is the
            one without the source), "contrast" (beta, plausibility), "uscd" (theta, ratio,
            weights; all others are lame prompts) or "steer" (gamma, eta, plausibility,
            normalised; tuned, base, negative prompt).
        settings: of the function of that name in `variegate.decoding`.

    Raises:
        UnknownName: no such rule.

    Example:
        >>> from variegate.decoding.sequences import blend
        >>> blend("mixture", weights=(0.5, 0.5)).rule
        'mixture'
    """
    if rule not in BLENDS:
        raise UnknownName("blend", rule, BLENDS)
    plain = {n: tuple(v) if isinstance(v, list) else v for n, v in settings.items()}
    return Blend(rule=rule, settings=tuple(sorted(plain.items())))


def chosen(lps: Sequence[Any], second: Flags) -> Any:
    """The distribution of the context that writes, row by row."""
    xp: Any = array_api_compat.array_namespace(lps[0])
    if not second.any():
        return lps[0]
    if second.all():
        return lps[1]
    mask = xp.asarray(second, device=array_api_compat.device(lps[0]))[:, None]
    return xp.where(mask, lps[1], lps[0])


def _name(seed: int, ids: Sequence[int]) -> int:
    name = seed
    for token in ids:
        name = (name * 0x5851F42D4C957F2D + token + 1) % 2**64
    return name % 2**64
