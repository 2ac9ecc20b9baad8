"""Ways of asking by name."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from variegate.errors import UnknownName, UsageError
from variegate.models import Tier
from variegate.prompting._approaches import ByApproach
from variegate.prompting._asking import Asking
from variegate.prompting._direct import Alternatives, Direct
from variegate.prompting._diverge import ViewByView
from variegate.prompting._facts import WithFacts
from variegate.prompting._long_tail import LongTail
from variegate.prompting._personas import LanguageOfThought, Openings, Roles
from variegate.prompting._plan_search import PlanSearch
from variegate.prompting._stratified import Stratified
from variegate.prompting._verbalized import AnswerList, VerbalizedSampling
from variegate.prompting.stepwise import ParticleSearch, TreeSearch

__all__ = ["asking", "asking_tiers"]

_KNOWN: dict[str, type[Asking]] = {
    way.name: way
    for way in (
        Direct,
        AnswerList,
        Alternatives,
        VerbalizedSampling,
        Stratified,
        ByApproach,
        PlanSearch,
        Roles,
        Openings,
        LanguageOfThought,
        WithFacts,
        ViewByView,
        LongTail,
        ParticleSearch,
        TreeSearch,
    )
}


def asking(name: str, **params: Any) -> Asking:
    """Make a way of asking by its name.

    Args:
        name: one of `asking_tiers`.
        **params: its settings; lists, as a TOML file has them, become tuples.

    Returns:
        An object with `.name`, `.tier`, `.settings()` and `.collect(arm, prompts, n=...)`.

    Raises:
        UnknownName: nothing has that name, or no setting of it has one of these.
        UsageError: a setting that cannot be, or one that is missing.

    Example:
        >>> asking("verbalized", per_call=4).settings()["per_call"]
        4
        >>> asking("verbalised")
        Traceback (most recent call last):
        variegate.errors.UnknownName: Unknown way of asking 'verbalised'.
    """
    if name not in _KNOWN:
        raise UnknownName("way of asking", name, _KNOWN)
    way = _KNOWN[name]
    own = [f.name for f in fields(way)]  # type: ignore[arg-type]
    for given in params:
        if given not in own:
            raise UnknownName(f"setting of {name!r}", given, own)
    settled = {k: tuple(v) if isinstance(v, list) else v for k, v in params.items()}
    try:
        return way(**settled)
    except TypeError as error:
        raise UsageError(f"{name}: {error}.", hint=f"Its settings: {', '.join(own)}.") from None


def asking_tiers() -> dict[str, Tier]:
    """Every way of asking with the tier it needs of a model.

    Example:
        >>> asking_tiers()["direct"], asking_tiers()["openings"]
        ('A', 'D')
    """
    return {name: way.tier for name, way in _KNOWN.items()}
