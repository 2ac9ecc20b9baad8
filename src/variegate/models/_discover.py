"""discover: ask an endpoint what it offers, in a few requests of one token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from variegate.errors import DataError, ModelError
from variegate.models._dispatch import in_batches, refused_by
from variegate.models._endpoint import EndpointModel
from variegate.models._http import Broken, Connections, Reply
from variegate.models._protocol import Completion, Sampling, Turn
from variegate.models._tiers import TIERS, Tier
from variegate.models._wire import PATHS, Api, body_of, parse_body, read_choices, render_turns

__all__ = ["Offer", "discover"]

_ASKED = "Say a word."


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What an endpoint offers, as far as it can be told from outside.

    Args:
        tiers: letters of `TIERS`. Whether an answer that is begun is gone on with cannot be told
            from outside: D stands here only where the completions call answers.
        top_logprobs: alternatives a token that come back when 20 are asked for; None where no
            log-probabilities do.
        takes_n: whether two answers come where two are asked for in one request.
        fingerprint: what the server calls the system behind it; "" where it does not say.
        models: the names it lists; None where it lists none.
        notes: what was found, in words.
    """

    tiers: frozenset[Tier]
    top_logprobs: int | None
    takes_n: bool
    fingerprint: str
    models: tuple[str, ...] | None
    notes: tuple[str, ...]


def discover(model: EndpointModel, *, pay: bool = True) -> Offer:
    """Ask an endpoint what it offers.

    The list of models is free: it shows whether URL and key are good and the name is known. What
    comes back with answers is found out by at most four requests of one token each.

    Args:
        model: from `endpoint_model`.
        pay: whether to make those four; else tiers are those the model was said to have.

    Returns:
        The offer; hand `top_logprobs` and `fingerprint` (as revision) to `endpoint_model`.

    Raises:
        Refused: wrong key, unknown model, nothing left.
        ModelError: no server there, or one that does not answer.

    Example:
        >>> from variegate.models import discover, endpoint_model
        >>> discover(endpoint_model("http://127.0.0.1:9/v1", "m", timeout=1))
        Traceback (most recent call last):
        variegate.errors.ModelError: 127.0.0.1:9 cannot be asked: connect call failed ...
    """
    found: list[Offer] = []
    headers = model._headers()

    async def work(_emit: Callable[[list[Completion]], None]) -> None:
        async with model._connections(headers) as connections:
            found.append(await _offer(_Probe(model, connections), pay=pay))

    for _batch in in_batches(work):
        pass
    return found[0]


class _Probe:
    """Single requests, without retries."""

    def __init__(self, model: EndpointModel, connections: Connections) -> None:
        self.model, self.connections = model, connections

    async def send(self, method: str, path: str, body: bytes = b"") -> Reply:
        where = self.model.address.authority
        try:
            reply = await self.connections.send(method, path, body)
        except Broken as error:
            raise ModelError(
                f"{where} cannot be asked: {error}.",
                hint="Check that a server runs there; the base URL often ends in /v1.",
            ) from None
        if reply.status in (401, 402, 403) or 300 <= reply.status < 400:
            raise refused_by(reply, self.model.safe)
        return reply

    async def one_token(
        self, api: Api, *, n: int = 1, top: int | None = None, must: bool = False
    ) -> Mapping[str, Any] | None:
        """A reply of one token; None where the server does not take the request."""
        rendered = render_turns([Turn(role="user", text=_ASKED)]) if api == "chat" else _ASKED
        body = body_of(
            api=api,
            model=self.model.name,
            rendered=rendered,
            sampling=Sampling(temperature=None, max_tokens=1),
            n=n,
            seed=None,
            top=top,
            prefill="no",
            limit=self.model.limit,
            extra=self.model.extra,
        )
        reply = await self.send("POST", PATHS[api], orjson.dumps(body))
        renamed = b"max_completion_tokens" in reply.body and self.model.limit == "max_tokens"
        if reply.status == 400 and renamed:
            self.model.limit = "max_completion_tokens"
            return await self.one_token(api, n=n, top=top, must=must)
        if must and reply.status >= 400:
            raise refused_by(reply, self.model.safe)
        if reply.status >= 300:
            return None
        try:
            return parse_body(reply.body)
        except DataError as error:
            raise ModelError(f"{self.model.address.authority} speaks otherwise: {error}") from error


async def _offer(probe: _Probe, *, pay: bool) -> Offer:
    model = probe.model
    notes = []
    models = _names((await probe.send("GET", "/models")).body)
    if models is None:
        notes.append("The server does not list its models.")
    elif model.name not in models:
        shown = ", ".join(models[:5]) + (", ..." if len(models) > 5 else "")
        notes.append(f"The server does not list {model.name!r}; it lists {shown or 'none'}.")
    known = Offer(
        tiers=model.tiers,
        top_logprobs=model.top_logprobs,
        takes_n=model.takes_n,
        fingerprint="",
        models=models,
        notes=tuple(model.safe(note) for note in notes),
    )
    return await _asked(probe, known) if pay else known


async def _asked(probe: _Probe, known: Offer) -> Offer:
    model, notes = probe.model, list(known.notes)
    plain = await probe.one_token(model.api, must=True)
    assert plain is not None
    two = await probe.one_token(model.api, n=2)
    takes_n = two is not None and len(two.get("choices") or ()) == 2
    if not takes_n:
        notes.append("n is ignored: every answer is asked for by itself.")
    top = await _alternatives(probe)
    if top is None:
        notes.append("No log-probabilities come back.")
    other: Api = "completions" if model.api == "chat" else "chat"
    if await probe.one_token(other) is not None:
        notes.append(f"api={other!r} answers too.")
    letters: set[Tier] = {"A", "C"}
    if top is not None:
        letters.add("B")
    if model.api == "completions" or model.prefill != "no":
        letters.add("D")
    fingerprint = plain.get("system_fingerprint")
    return replace(
        known,
        tiers=frozenset(tier for tier in TIERS if tier in letters),
        top_logprobs=top,
        takes_n=takes_n,
        fingerprint=fingerprint[:80] if isinstance(fingerprint, str) else "",
        notes=tuple(notes),
    )


async def _alternatives(probe: _Probe) -> int | None:
    """How many alternatives a token come back; fewer are asked for where 20 are refused."""
    for top in (20, 5, 0):
        body = await probe.one_token(probe.model.api, top=top)
        if body is None:
            continue
        try:
            choices = read_choices(
                body, api=probe.model.api, top=top, reasoning=probe.model.reasoning
            )
        except DataError:
            return None
        tokens = choices[0].tokens if choices else None
        return None if tokens is None else max(map(len, tokens.top), default=0)
    return None


def _names(raw: bytes) -> tuple[str, ...] | None:
    try:
        listed = parse_body(raw).get("data")
    except DataError:
        return None
    if not isinstance(listed, list):
        return None
    names = (item.get("id") for item in listed if isinstance(item, dict))
    return tuple(name for name in names if isinstance(name, str))
