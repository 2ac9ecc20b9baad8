"""Rules as data: a name and settings, callable; and the list of those that are known."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from variegate.decoding._combine import contrast, kl_temperature, mixture, steer, uscd
from variegate.decoding._ranges import RANGES, check
from variegate.decoding._rows import Array
from variegate.decoding._suppress import suppress
from variegate.decoding._temperature import entropy_temperature, temperature
from variegate.decoding._top_h import top_h
from variegate.decoding._truncation import epsilon, eta, min_p, top_k, top_p, typical
from variegate.errors import UnknownName, UsageError

__all__ = ["Parameter", "RuleEntry", "TokenRule", "apply", "rule", "rules"]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One setting of a rule.

    Args:
        name: its keyword.
        range: the interval it must lie in, or a few words.
        default: its value when left out; meaningless where `required`.
        required: whether it must be given.
    """

    name: str
    range: str
    default: Any = None
    required: bool = False


@dataclass(frozen=True, kw_only=True)
class RuleEntry:
    """One line of the list of rules.

    Args:
        name: what `rule` calls it.
        summary: what it does, in one line.
        parameters: its settings, with defaults and ranges.
        contexts: how many distributions it combines; 0 for any number from 2.
        tier: the access it needs, a letter from A (text only) to F (two contexts): C where an
            endpoint has a parameter for it, E where it needs every logit.
        endpoint: that parameter's name, else None. ``top_k`` and ``min_p`` are known to vLLM,
            SGLang and llama.cpp, not to every endpoint.
        keeps_argmax: whether the most likely token always stays the most likely.
        function: the pure function.
    """

    name: str
    summary: str
    parameters: tuple[Parameter, ...]
    contexts: int = 1
    tier: str = "E"
    endpoint: str | None = None
    keeps_argmax: bool = True
    function: Callable[..., Array]


@dataclass(frozen=True, kw_only=True)
class TokenRule:
    """A rule with its settings, all of them, so that it can be part of a draw's identity.

    Called with one distribution, or with as many as the rule combines. `rule` makes it.

    Args:
        name: a name from `rules`.
        settings: (parameter, value) pairs in the order of the parameters.
    """

    name: str
    settings: tuple[tuple[str, Any], ...]

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings by name."""
        return dict(self.settings)

    @property
    def entry(self) -> RuleEntry:
        """Its line in the list of rules."""
        return _find(self.name)

    def __call__(self, lp: Array, /, *others: Array | None) -> Array:
        """Map log-probabilities (..., V) to renormalised ones.

        Raises:
            UsageError: more or fewer distributions than the rule combines.
        """
        entry, given = self.entry, 1 + len(others)
        if given != entry.contexts and (entry.contexts or given < 2):
            raise UsageError(
                f"Rule {self.name!r} combines {entry.contexts or 'two or more'} distributions, "
                f"got {given}.",
                hint="Rules of several contexts run in a decoder of several contexts.",
            )
        return entry.function(lp, *others, **self.parameters)

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value!r}' for name, value in self.settings)})"


def rule(name: str, **settings: Any) -> TokenRule:
    """Make a rule by name: data that can be called, compared and written down.

    Args:
        name: a name from `rules`.
        settings: its parameters; what is left out takes its default, which is written down too.

    Raises:
        UnknownName: no rule of this name.
        UsageError: a parameter it does not have, one that is missing, or a value out of range.

    Example:
        >>> import numpy as np
        >>> sharp = rule("top_h", alpha=0.4)
        >>> str(sharp)
        'top_h(alpha=0.4, compat=None)'
        >>> np.exp(sharp(np.log([0.5, 0.3, 0.15, 0.05])))
        array([1., 0., 0., 0.])
    """
    entry = _find(name)
    known = {parameter.name: parameter for parameter in entry.parameters}
    unknown = sorted(set(settings) - set(known))
    missing = [p.name for p in entry.parameters if p.required and p.name not in settings]
    if unknown or missing:
        raise UsageError(
            f"Rule {name!r} takes {', '.join(known)}; "
            + (f"got {unknown[0]!r}." if unknown else f"{missing[0]!r} is missing.")
        )
    check(name, **settings)
    pairs = ((p.name, settings.get(p.name, p.default)) for p in entry.parameters)
    return TokenRule(name=name, settings=tuple((key, _frozen(value)) for key, value in pairs))


def rules() -> tuple[RuleEntry, ...]:
    """List every rule: parameters, defaults, ranges, the access it needs, its endpoint name.

    Example:
        >>> [entry.name for entry in rules() if entry.tier == "C"]
        ['temperature', 'top_k', 'top_p', 'min_p', 'suppress']
    """
    return tuple(_ENTRIES.values())


def apply(lp: Array, rules: Iterable[Callable[[Array], Array]]) -> Array:
    """Apply rules in their order, each to what the one before has left.

    Args:
        lp: log-probabilities in nats, (..., V), numpy or torch.
        rules: of one context each; none gives back `lp` itself.

    Returns:
        Log-probabilities, (..., V), renormalised.

    Example:
        >>> import numpy as np
        >>> lp = np.log([0.5, 0.3, 0.15, 0.05])
        >>> flat, two = rule("temperature", temperature=2.0), rule("top_k", top_k=2)
        >>> np.exp(apply(lp, [flat, two])).round(4)
        array([0.5635, 0.4365, 0.    , 0.    ])
    """
    for one in rules:
        lp = one(lp)
    return lp


def _find(name: str) -> RuleEntry:
    if name not in _ENTRIES:
        raise UnknownName("rule", name, _ENTRIES)
    return _ENTRIES[name]


def _frozen(value: Any) -> Any:
    """Settings as plain values that can be hashed and written as JSON."""
    if isinstance(value, Mapping):
        value = sorted(value.items())
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, Iterable) and not hasattr(value, "dtype"):
        return tuple(_frozen(one) for one in value)
    if hasattr(value, "tolist"):
        value = value.tolist()
        return tuple(map(_frozen, value)) if isinstance(value, list) else value
    return value


def _entry(function: Callable[..., Array], summary: str, **more: Any) -> RuleEntry:
    ranges = RANGES[function.__name__]
    signature = inspect.signature(function).parameters
    parameters = (
        Parameter(name=name, range=range_, required=True)
        if signature[name].default is inspect.Parameter.empty
        else Parameter(name=name, range=range_, default=signature[name].default)
        for name, range_ in ranges.items()
    )
    return RuleEntry(
        name=function.__name__,
        summary=summary,
        parameters=tuple(parameters),
        function=function,
        **more,
    )


_ENTRIES: dict[str, RuleEntry] = {
    entry.name: entry
    for entry in (
        _entry(temperature, "flatten or sharpen", tier="C", endpoint="temperature"),
        _entry(top_k, "the k most likely tokens", tier="C", endpoint="top_k"),
        _entry(top_p, "the nucleus of a given mass", tier="C", endpoint="top_p"),
        _entry(min_p, "tokens not much less likely than the first", tier="C", endpoint="min_p"),
        _entry(typical, "tokens of nearly average surprise", keeps_argmax=False),
        _entry(epsilon, "tokens above a probability"),
        _entry(eta, "tokens above a probability that falls with the entropy"),
        _entry(top_h, "the longest prefix within a share of the entropy"),
        _entry(entropy_temperature, "a temperature that follows the entropy"),
        _entry(
            suppress,
            "said often already, said less now",
            tier="C",
            endpoint="logit_bias",
            keeps_argmax=False,
        ),
        _entry(kl_temperature, "cooler where a source matters", contexts=2, tier="F"),
        _entry(contrast, "expert against amateur", contexts=2, tier="F", keeps_argmax=False),
        _entry(
            steer,
            "tuned against base and against earlier examples",
            contexts=3,
            tier="F",
            keeps_argmax=False,
        ),
        _entry(
            uscd,
            "against lame prompts, where unsure",
            contexts=0,
            tier="F",
            keeps_argmax=False,
        ),
        _entry(mixture, "a mixture of contexts", contexts=0, tier="F", keeps_argmax=False),
    )
}
