"""Metrics by name: what each counts, what it needs, and where its function is."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from variegate.errors import UnknownName, UsageError

__all__ = ["Metric", "default_names", "is_ours", "metric", "metric_names", "resolve"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One line of the table of metrics.

    Others add theirs through the entry points ``variegate.metrics``: the name is the metric's,
    the object a `Metric` whose `function` takes `arguments` in order and returns a number (or an
    `Estimate`, at the level of the set).

    Args:
        name: what `measure` calls it.
        title: a few words for the head of a column.
        summary: what it counts and what its ends mean, in one sentence.
        level: ``"prompt"``: one value a prompt, averaged; ``"set"``: one value for all prompts.
        needs: what the samples must hold: texts, features, classes, correct, quality, logprob,
            token_logprobs, token_entropies.
        low, high: bounds; None where there is none.
        direction: whether more of it is ``"more"`` or ``"less"`` various, or ``"neither"``.
        role: what it is about: variety, quality or length.
        n_dependence: how it depends on the number of outputs a prompt.
        at_any_n: where it does depend, the entry that asks nearly the same and has the same
            expectation for every n; None where there is none.
        source: ``Lastname YEAR``; `url`: where to read it.
        function: ``"module:attribute"``, resolved on first use.
        arguments: what the function is called with, of a prompt's outputs: texts, features,
            class_counts, class_correct, correct, quality, token_entropies, token_logprobs, n, c,
            cut_texts and cut_features (cut to one length), prompt_features, confidence and
            outcome (of outputs with a log-probability that are judged), quality_labels (classes
            of outputs with a quality), answers_known (over all arms). `needs` where empty.
        options: further keyword arguments; a value ``"$k"`` stands for the setting `k`.
        fast: None; ``"axes"`` where the function takes leading axes; or the
            ``"module:attribute"`` of a twin that takes the n-grams of all prompts at once.
        least: outputs a prompt needs at the least.
    """

    name: str
    title: str
    summary: str
    level: Literal["prompt", "set"] = "prompt"
    needs: tuple[str, ...]
    low: float | None
    high: float | str | None
    direction: Literal["more", "less", "neither"] = "more"
    role: Literal["variety", "quality", "length"] = "variety"
    n_dependence: str
    at_any_n: str | None = None
    source: str
    url: str
    function: str
    arguments: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    fast: str | None = None
    least: int = 1


def metric(name: str) -> Metric:
    """Find a metric by name.

    Raises:
        UnknownName: nobody registered it.
        UsageError: another package did, but it cannot be loaded.

    Example:
        >>> metric("vendi").title
        'Effective number of different outputs'
    """
    known = _builtin()
    if name in known:
        return known[name]
    registered = _registered()
    if name not in registered:
        raise UnknownName("metric", name, metric_names())
    try:
        found = registered[name].load()
    except Exception as error:
        raise UsageError(
            f"The metric {name!r} ({registered[name].value}) cannot be loaded: {error}.",
            hint="It comes from another package: update or remove that package.",
        ) from error
    if not isinstance(found, Metric):
        raise UsageError(
            f"Expected a Metric at {registered[name].value}, got {type(found).__name__}."
        )
    return found


def metric_names() -> tuple[str, ...]:
    """Names that `metric` knows: the built-in ones in order of meaning, then others'.

    Example:
        >>> metric_names()[:3]
        ('vendi', 'pairwise', 'gini_simpson')
    """
    return (*_builtin(), *sorted(set(_registered()) - set(_builtin())))


def resolve(function: str) -> Callable[..., Any]:
    """Import the function that a string ``"module:attribute"`` names."""
    module, _, attribute = function.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return found


def is_ours(name: str) -> bool:
    """Whether a metric is built in, and so tested here."""
    return name in _builtin()


@cache
def _builtin() -> dict[str, Metric]:
    from variegate.metrics._entries import ENTRIES
    from variegate.metrics._on_request import ON_REQUEST

    return {entry.name: entry for entry in (*ENTRIES, *ON_REQUEST)}


@cache
def _registered() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group="variegate.metrics")}


def default_names() -> tuple[str, ...]:
    """Names that `measure` takes when it is not told; the other names run on request.

    Example:
        >>> default_names()[:2]
        ('vendi', 'pairwise')
    """
    from variegate.metrics._entries import ENTRIES

    return tuple(entry.name for entry in ENTRIES if entry.level == "prompt")
