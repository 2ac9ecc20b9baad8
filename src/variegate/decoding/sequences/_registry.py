"""Samplers of sets and ways of writing together, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from variegate.decoding.sequences._arithmetic import arithmetic
from variegate.decoding.sequences._blends import (
    Baco,
    Blend,
    Chance,
    HandOff,
    Nudge,
    Router,
    blend,
)
from variegate.decoding.sequences._diverse_beam import diverse_beam
from variegate.decoding.sequences._lookahead import lookahead_tree
from variegate.decoding.sequences._stochastic_beam import stochastic_beam
from variegate.errors import UnknownName, UsageError

__all__ = ["SAMPLERS", "sampler", "way_together"]

_SAMPLERS: dict[str, Callable[..., Any]] = {
    "arithmetic": arithmetic,
    "stochastic_beam": stochastic_beam,
    "diverse_beam": diverse_beam,
    "lookahead_tree": lookahead_tree,
}
SAMPLERS: tuple[str, ...] = tuple(_SAMPLERS)
"""The names `sampler` knows."""

_ROUTERS: dict[str, Callable[..., Router]] = {
    "hand_off": HandOff,
    "nudge": Nudge,
    "baco": Baco,
    "chance": Chance,
}
_BLENDS = ("mixture", "contrast", "kl_temperature", "uscd", "steer")


def sampler(name: str, model: Any, *, n: int, **settings: Any) -> Any:
    """Put a sampler of sets in front of a model, by name.

    Args:
        name: ``arithmetic``, ``stochastic_beam``, ``diverse_beam`` or ``lookahead_tree``.
        model: a model of tier E.
        n: outputs of a set.
        **settings: of the sampler.

    Raises:
        UnknownName: another name.
        UsageError: a setting it does not have.

    Example:
        >>> from variegate.decoding.sequences import TableModel, sampler
        >>> coin = TableModel(table=lambda prompt, written: [0, 0.5, 0.5])
        >>> sampler("arithmetic", coin, n=4).n
        4
    """
    if name not in _SAMPLERS:
        raise UnknownName("sampler", name, _SAMPLERS)
    return _made(name, _SAMPLERS[name], model, n=n, **settings)


def way_together(name: str, **settings: Any) -> Router | Blend:
    """Make a router or a blend of several contexts by name.

    Args:
        name: ``hand_off``, ``nudge``, ``baco``, ``chance``, or a blend: ``mixture``,
            ``contrast``, ``kl_temperature``, ``uscd``, ``steer``.
        **settings: of it; lists, as a TOML file has them, become tuples.

    Raises:
        UnknownName: another name.
        UsageError: a setting it does not have.

    Example:
        >>> from variegate.decoding.sequences import way_together
        >>> way_together("hand_off", after=2)
        HandOff(after=2)
    """
    settled = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
    if name in _ROUTERS:
        made: Router = _made(name, _ROUTERS[name], **settled)
        return made
    if name in _BLENDS:
        blended: Blend = _made(name, blend, name, **settled)
        return blended
    raise UnknownName("way of writing together", name, [*_ROUTERS, *_BLENDS])


def _made(name: str, maker: Callable[..., Any], *given: Any, **settings: Any) -> Any:
    try:
        return maker(*given, **settings)
    except TypeError as error:
        raise UsageError(f"{name}: {error}.") from None
