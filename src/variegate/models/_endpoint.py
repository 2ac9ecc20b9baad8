"""endpoint_model: whatever speaks the OpenAI-compatible protocol."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from variegate.errors import ModelError, Refused, UsageError
from variegate.models._dispatch import Ask, Dispatch, Tally, in_batches
from variegate.models._http import Address, Connections
from variegate.models._pace import Pace
from variegate.models._protocol import Completion, Format, Request, Sampling, Turn
from variegate.models._speaking import Speaking
from variegate.models._tiers import TIERS, Tier
from variegate.models._wire import (
    PATHS,
    Api,
    Prefill,
    render_turns,
    rule_fields,
)
from variegate.samples import clean_text, redact, settings_hash

__all__ = ["EndpointModel", "Usage", "endpoint_model"]

MOST_BYTES = 32 * 2**20  # of one reply: 100,000 tokens with 20 alternatives each


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What an endpoint was asked and what it cost, over the life of the model object.

    Args:
        prompt_tokens, completion_tokens: as the server counts them, every answer included that
            came, also those nobody asked for.
        price: in the currency of the prices given; None without prices.
        requests: made in all; `again`: those of them that repeated one before.
        missing: answers that one request asked for and did not bring (they were asked for again).
        surplus: answers nobody asked for.
        uncounted: replies without a count of tokens; their cost stands as 0.
        cuts: times that fewer requests at once were made because the server said "too many".
        entropy: mean entropy of a token in nats, low and high bound from its alternatives; None
            where there were none.
        fingerprints: what the server called the system behind it, with counts.
    """

    prompt_tokens: int
    completion_tokens: int
    price: float | None
    requests: int
    again: int
    missing: int
    surplus: int
    uncounted: int
    cuts: int
    entropy: tuple[float, float] | None
    fingerprints: Mapping[str, int]


@dataclass(kw_only=True, eq=False)
class EndpointModel:
    """A model behind an OpenAI-compatible endpoint; `endpoint_model` makes it."""

    name: str
    revision: str
    tiers: frozenset[Tier]
    api: Api
    address: Address
    key_env: str | None
    in_flight: int
    per_request: int
    top_logprobs: int | None
    vocabulary: int | None
    entropies: Literal["low", "high"] | None
    prefill: Prefill
    seeds: bool
    timeout: float
    retries: int
    patience: float
    extra: Mapping[str, Any]
    prices: tuple[float, float] | None
    reasoning: tuple[str, str]
    limit: str = field(default="max_tokens", init=False)  # the server's name for it
    takes_n: bool = field(default=True, init=False)
    tally: Tally = field(default_factory=Tally, init=False, repr=False)
    _pace: Pace = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._pace = Pace(most=self.in_flight)

    def formats(self) -> tuple[Format, ...]:
        """Chat, or raw for the completions call: the server applies the template, or none."""
        return ("chat",) if self.api == "chat" else ("raw",)

    def render(self, prompt: str | Sequence[Turn], *, format: Format) -> str:
        """Return the messages as JSON (chat) or the text (raw).

        Raises:
            UsageError: another format, or a begun answer that this server cannot go on with.
        """
        if format not in self.formats():
            raise UsageError(
                f"This endpoint cannot be asked in the format {format!r}; "
                f"it knows {', '.join(self.formats())}.",
                hint="api='completions' asks raw, api='chat' by the server's template.",
            )
        turns = [Turn(role="user", text=prompt)] if isinstance(prompt, str) else list(prompt)
        if self.api == "completions":
            return "\n\n".join(turn.text for turn in turns)
        if turns and turns[-1].role == "assistant" and self.prefill == "no":
            raise UsageError(
                f"Going on with an answer needs tier D ({TIERS['D']}); {self.name!r} was not said "
                "to give it.",
                hint="prefill='flag' (vLLM, SGLang) or 'plain' says how this server does it.",
            )
        return render_turns(turns)

    def sample(
        self, requests: Sequence[Request], *, sampling: Sampling
    ) -> Iterator[list[Completion]]:
        """Yield completions as they come, at most 64 or what one second brought at a time.

        Raises:
            Refused: the server said no for good; what came before was yielded.
            ModelError: draws that failed after all retries, or a server that stayed away; a new
                call with the remaining requests goes on.
            UsageError: a rule or a setting that the protocol has no field for.
        """
        rule_fields(sampling)
        headers = self._headers()
        asks = [
            Ask(draws=draws[start : start + self.per_request])
            for _, group in groupby(requests, key=lambda request: request.rendered)
            for draws in [list(group)]
            for start in range(0, len(draws), self.per_request)
        ]
        failed: dict[str, str] = {}

        async def work(emit: Callable[[list[Completion]], None]) -> None:
            async with self._connections(headers) as connections:
                dispatch = Dispatch(
                    spoken=Speaking(model=self, sampling=sampling),
                    connections=connections,
                    pace=self._pace,
                    tally=self.tally,
                    emit=emit,
                    retries=self.retries,
                    patience=self.patience,
                )
                await dispatch.run(asks)
                failed.update(dispatch.failed)

        if asks:
            yield from in_batches(work)
        if failed:
            reason = next(iter(failed.values()))
            raise ModelError(
                f"{len(failed)} of {len(requests)} draws could not be had; the first: {reason}.",
                hint="Completed draws are kept; the same command asks for the rest.",
            )

    def score(
        self, rendered: str, continuations: Sequence[str], *, sampling: Sampling
    ) -> npt.NDArray[np.float64]:
        """Refuse: the protocol gives no log-probability of a text that is handed to it."""
        del rendered, continuations, sampling
        raise UsageError(
            "An endpoint cannot score given texts.",
            hint="Open the checkpoint with transformers_model.",
        )

    def usage(self) -> Usage:
        """What was asked and what it cost so far."""
        tally = self.tally
        price = None
        if self.prices is not None:
            read, written = self.prices
            price = (tally.prompt_tokens * read + tally.completion_tokens * written) / 1e6
        bounded = tally.bounded
        return Usage(
            prompt_tokens=tally.prompt_tokens,
            completion_tokens=tally.completion_tokens,
            price=price,
            requests=tally.requests,
            again=tally.again,
            missing=tally.missing,
            surplus=tally.surplus,
            uncounted=tally.uncounted,
            cuts=tally.cuts,
            entropy=(tally.low / bounded, tally.high / bounded) if bounded else None,
            fingerprints=dict(tally.fingerprints),
        )

    def cautions(self, sampling: Sampling) -> list[str]:
        """What must be known before numbers about these draws are read."""
        found = []
        shaped = sampling.temperature != 1 or any(
            value is not None for value in (sampling.top_p, sampling.top_k, sampling.min_p)
        )
        if self.top_logprobs is not None and (shaped or sampling.rules):
            found.append(
                "Log-probabilities are as the server gives them: whether before or after "
                f"temperature {sampling.temperature} and truncation, it does not say."
            )
        if self.seeds and self.per_request == 1:
            found.append("Seeds are sent; whether the server keeps to them, it does not say.")
        if len(self.tally.fingerprints) > 1:
            found.append(
                f"The server named {len(self.tally.fingerprints)} different systems behind it: "
                "draws of one arm may come from different weights."
            )
        if self.tally.uncounted:
            found.append(
                f"{self.tally.uncounted} replies came without a count of tokens; their cost "
                "stands as 0."
            )
        return found

    def _connections(self, headers: Mapping[str, str]) -> Connections:
        return Connections(
            self.address, headers=headers, timeout=self.timeout, most_bytes=MOST_BYTES
        )

    def _key(self) -> str | None:
        """The key, read afresh at every call and kept nowhere."""
        return (os.environ.get(self.key_env, "").strip() or None) if self.key_env else None

    def _headers(self) -> dict[str, str]:
        key = self._key()
        if key is None:
            if self.key_env and not self.address.local:
                raise Refused(
                    f"Expected a key in the environment variable {self.key_env}, found none.",
                    hint=f"export {self.key_env}=...; key_env=None for a server without keys.",
                )
            return {}
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise UsageError(f"The value of {self.key_env} is no key: it holds odd characters.")
        return {"Authorization": f"Bearer {key}"}

    def safe(self, words: str) -> str:
        """Words of the server in one clean line, without the key."""
        key = self._key()
        return clean_text(str(redact(words, secrets=(key,) if key else ())))[:300]


def endpoint_model(
    base_url: str,
    model: str,
    *,
    api: Api = "chat",
    key_env: str | None = "OPENAI_API_KEY",
    tiers: str | None = None,
    top_logprobs: int | None = None,
    vocabulary: int | None = None,
    entropies: Literal["low", "high"] | None = None,
    prefill: Prefill = "no",
    in_flight: int = 16,
    per_request: int = 1,
    seeds: bool = True,
    timeout: float = 300.0,
    retries: int = 4,
    patience: float = 600.0,
    revision: str = "",
    extra: Mapping[str, Any] | None = None,
    prices: tuple[float, float] | None = None,
    reasoning: tuple[str, str] = ("<think>", "</think>"),
) -> EndpointModel:
    """Name a model behind an OpenAI-compatible endpoint; nothing is asked yet.

    Requests go out asynchronously, `in_flight` at once at the most: "too many" (429) halves that
    number once an episode and waits as long as the server asks, trouble (5xx, resets, timeouts)
    keeps it from growing and is asked again later. A draw that fails after all retries is left
    out, and `collect` marks it. Redirects are not followed, replies above 32 MiB are not read.

    Args:
        base_url: up to and without ``/chat/completions``, e.g. ``https://host/v1``.
        model: its name on the server.
        api: "chat" (the server applies the template) or "completions" (raw text, which the model
            goes on with).
        key_env: the environment variable that holds the key; it is read at every call and stands
            nowhere else. A server on this machine may do without; None for any that does.
        tiers: what it gives, such as "ABC"; by default what the other settings imply: A and C, B
            with `top_logprobs`, D with `prefill` or the completions call. `discover` asks.
        top_logprobs: alternatives a token to ask for, 0 to 20; None for no log-probabilities.
        vocabulary: tokens the model knows; without it nothing bounds its entropy from above.
        entropies: which bound of the entropy stands in `token_entropies`. None leaves them
            unknown, so that no metric takes a bound for a value; `usage` has the mean of both.
        prefill: how the server is told to go on with an answer that is begun: "flag" sends
            ``continue_final_message`` (vLLM, SGLang), "plain" only the turn, "no" refuses.
        in_flight: requests at once.
        per_request: draws asked for in one request (``n``). The prompt is then read and paid for
            once, but a draw's seed no longer is its own.
        seeds: whether to send them; left out from then on where the server refuses them.
        timeout: seconds of one request in all.
        retries: how often one is made again after an error that may pass.
        patience: seconds without any success after which the server is given up.
        revision: what is known about the weights behind the name, such as a date or the
            fingerprint that `discover` found.
        extra: further fields of every request, such as ``{"reasoning_effort": "low"}``.
        prices: of a million tokens read and written, for `Usage.price`.
        reasoning: the tags around reasoning in servers that do not take it out.

    Returns:
        A model. Its revision is a hash of the URL and of what shapes the requests, and
        `revision`; the weights behind an endpoint can change without a word all the same.

    Raises:
        UsageError: no http or https URL, one with a login in it, or a setting out of range.

    Example:
        >>> from variegate.models import endpoint_model
        >>> model = endpoint_model("http://127.0.0.1:8000/v1", "smollm2", top_logprobs=20)
        >>> sorted(model.tiers), model.formats()
        (['A', 'B', 'C'], ('chat',))
    """
    address = Address.parse(base_url)
    numbers = {
        "in_flight": (in_flight, in_flight >= 1, ">= 1"),
        "per_request": (per_request, per_request >= 1, ">= 1"),
        "top_logprobs": (top_logprobs, top_logprobs is None or 0 <= top_logprobs <= 20, "0 to 20"),
        "vocabulary": (vocabulary, vocabulary is None or vocabulary >= 20, ">= 20"),
        "timeout": (timeout, 0 < timeout < float("inf"), "> 0"),
        "retries": (retries, retries >= 0, ">= 0"),
        "patience": (patience, 0 < patience < float("inf"), "> 0"),
        "api": (api, api in PATHS, " or ".join(PATHS)),
        "entropies": (entropies, entropies in (None, "low", "high"), "low or high"),
        "prefill": (prefill, prefill in ("no", "plain", "flag"), "no, plain or flag"),
    }
    for name, (value, fits, range_) in numbers.items():
        if not fits:
            raise UsageError(f"Expected {name} {range_}, got {value!r}.")
    if (entropies and not top_logprobs) or (entropies == "high" and vocabulary is None):
        raise UsageError(
            f"The {entropies} bound of entropies needs top_logprobs"
            f"{' and the vocabulary' if entropies == 'high' else ''}.",
            hint="Ask for top_logprobs=20; the vocabulary stands in the model's card.",
        )
    implied = "AC" + "B" * (top_logprobs is not None) + "D" * (prefill != "no" or api != "chat")
    if unknown := sorted(set(tiers or "") - set("ABCD")):
        raise UsageError(f"An endpoint gives tiers A to D, got {unknown[0]!r}.")
    shape = {
        "url": hashlib.sha256(base_url.rstrip("/").encode()).hexdigest(),
        "api": api,
        "top_logprobs": top_logprobs,
        "prefill": prefill,
        "extra": dict(extra or {}),
    }
    return EndpointModel(
        name=model,
        revision=settings_hash(shape)[:12] + (f"-{revision}" if revision else ""),
        tiers=frozenset(tier for tier in TIERS if tier in (tiers or implied)),
        api=api,
        address=address,
        key_env=key_env,
        in_flight=in_flight,
        per_request=per_request,
        top_logprobs=top_logprobs,
        vocabulary=vocabulary,
        entropies=entropies,
        prefill=prefill,
        seeds=seeds,
        timeout=timeout,
        retries=retries,
        patience=patience,
        extra=dict(extra or {}),
        prices=prices,
        reasoning=reasoning,
    )
