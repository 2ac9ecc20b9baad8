"""The identity of a draw: what must be equal for two outputs to be the same one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from variegate.samples._json import canonical_json

__all__ = ["sample_id", "sample_ids", "settings_hash"]


def sample_id(
    *,
    model: str,
    revision: str,
    rendered: str,
    sampling: Mapping[str, Any] | object,
    index: int,
    seed: int | None,
) -> str:
    """Name one draw by everything that it depends on: a SHA-256.

    The index is part of it, so n requests for one prompt are n draws whatever is cached; so is
    every sampling setting, where None (the provider's own default) is not 0.

    Args:
        model: name of the model.
        revision: commit or content hash of its weights.
        rendered: the prompt as the model reads it, template included.
        sampling: every sampling setting, as a mapping or a dataclass.
        index: which of the n draws of this prompt it is.
        seed: seed of the run, None where there is none.

    Returns:
        64 hex digits.

    Example:
        >>> draw = dict(model="m", revision="1", rendered="Hi", sampling={"temperature": None})
        >>> len({sample_id(**draw, index=index, seed=0) for index in range(30)})
        30
    """
    asked = _asked(model, revision, rendered, sampling, seed)
    return _nth(asked, index)


def sample_ids(
    *,
    model: str,
    revision: str,
    rendered: str,
    sampling: Mapping[str, Any] | object,
    n: int,
    seed: int | None,
) -> list[str]:
    """Name the first n draws of one prompt: `sample_id` of every index below n, at once.

    Example:
        >>> draw = dict(model="m", revision="1", rendered="Hi", sampling={}, seed=0)
        >>> sample_ids(**draw, n=2) == [sample_id(**draw, index=0), sample_id(**draw, index=1)]
        True
    """
    asked = _asked(model, revision, rendered, sampling, seed)
    return [_nth(asked, index) for index in range(n)]


def _asked(
    model: str, revision: str, rendered: str, sampling: Mapping[str, Any] | object, seed: int | None
) -> bytes:
    """Everything of a draw but its index."""
    told = getattr(sampling, "settings", None)
    if callable(told):  # what leaves no trace when it is not used, is not named either
        sampling = told()
    return canonical_json(
        {
            "model": model,
            "revision": revision,
            "rendered": rendered,
            "sampling": sampling,
            "seed": seed,
        }
    )


def _nth(asked: bytes, index: int) -> str:
    # JSON ends with a brace, so the index cannot run into what stands before it.
    return hashlib.sha256(asked + str(index).encode()).hexdigest()


def settings_hash(settings: Mapping[str, Any]) -> str:
    """Hash settings: equal hashes mean that a run may be continued.

    Example:
        >>> settings_hash({"n": 16, "seed": 0}) == settings_hash({"seed": 0.0, "n": 16})
        True
        >>> settings_hash({"temperature": None}) == settings_hash({"temperature": 0})
        False
    """
    return hashlib.sha256(canonical_json(settings)).hexdigest()
