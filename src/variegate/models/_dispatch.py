"""Asking one server for many draws at once: what is sent when, and what each reply means."""

from __future__ import annotations

import asyncio
import logging
import queue
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from variegate.errors import DataError, ModelError, Refused
from variegate.models._http import Broken, Connections, Reply
from variegate.models._pace import Pace, wait_asked_for
from variegate.models._protocol import Completion, Request
from variegate.models._uniform import uniforms
from variegate.models._wire import Choice, parse_body, read_usage, words_of_error

__all__ = ["Dispatch", "Tally", "in_batches", "refused_by"]

BATCH, FLUSH = 64, 1.0  # draws, and seconds, after which what has come is handed on
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0  # seconds before asking again; doubles each time

_QUOTA = re.compile(r"quota|billing|credit|payment", re.IGNORECASE)
_FILTERED = re.compile(r"content[_ -]?(filter|policy|management)", re.IGNORECASE)
_TOO_LONG = re.compile(r"context[_ -]?length|context window|too long|too large", re.IGNORECASE)

_log = logging.getLogger("variegate.models")


@dataclass(kw_only=True)
class Tally:
    """What asking cost so far; `EndpointModel.usage` is a copy of it."""

    requests: int = 0
    again: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    uncounted: int = 0  # replies without a count of tokens
    missing: int = 0  # answers asked for in one request that did not come with it
    surplus: int = 0  # answers nobody asked for
    cuts: int = 0
    bounded: int = 0  # tokens with alternatives
    low: float = 0.0  # sums of the bounds of their entropies
    high: float = 0.0
    fingerprints: Counter[str] = field(default_factory=Counter)


@dataclass(kw_only=True)
class Ask:
    """One request to be made: draws of one rendered prompt."""

    draws: Sequence[Request]
    tries: int = 0


class Spoken(Protocol):
    """What `Dispatch` needs to know of the words that are spoken; see `EndpointModel`."""

    takes_n: bool

    @property
    def path(self) -> str:
        """Where requests go, below the base URL."""
        ...

    def body(self, ask: Ask) -> dict[str, Any]:
        """The body of a request."""
        ...

    def choices(self, body: Mapping[str, Any]) -> list[Choice]:
        """The answers of a reply; DataError where there are none."""
        ...

    def completions(
        self, ask: Ask, choices: Sequence[Choice], usage: tuple[int, int] | None
    ) -> list[Completion]:
        """Answers as completions of the draws they are for."""
        ...

    def gives_way(self, body: Mapping[str, Any], said: str) -> bool:
        """Whether a field of this body that the server refuses can be left out; then it now is."""
        ...

    def safe(self, words: str) -> str:
        """Words of a server without keys and escapes."""
        ...


class Dispatch:
    """All draws of one call, in flight at the pace the server takes.

    Args:
        spoken: the words of the protocol.
        connections: to the server.
        pace: how many at once; kept by the model, so that a next call does not start anew.
        tally: what is counted.
        emit: called with completions as they come.
        retries: how often a request is made again after an error that may pass.
        patience: seconds without a single success after which the server is given up.
    """

    def __init__(
        self,
        *,
        spoken: Spoken,
        connections: Connections,
        pace: Pace,
        tally: Tally,
        emit: Callable[[list[Completion]], None],
        retries: int,
        patience: float,
    ) -> None:
        self._spoken, self._connections, self._pace, self._tally = spoken, connections, pace, tally
        self._emit, self._retries, self._patience = emit, retries, patience
        self._queue: deque[Ask] = deque()
        self._flying: set[asyncio.Task[None]] = set()
        self._waiting = 0  # asks that are put off
        self._timer: asyncio.TimerHandle | None = None
        self._good = False  # anything succeeded
        self.failed: dict[str, str] = {}  # draw -> why it could not be had

    async def run(self, asks: Sequence[Ask]) -> None:
        """Make all requests; returns when every draw has come or failed.

        Raises:
            Refused: the server said no for good.
            ModelError: it did not answer for longer than `patience`.
        """
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._last_good = self._loop.time()
        self._queue.extend(asks)
        # The clock of this loop is not that of the call before.
        self._pace.forget_episode()
        self._dispatch()
        try:
            await self._over
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for task in self._flying:
                task.cancel()
            await asyncio.gather(*self._flying, return_exceptions=True)

    def _dispatch(self) -> None:
        """Send what may be sent now."""
        if self._over.done():
            return
        now = self._loop.time()
        if self._queue and now < self._pace.free_at:
            if self._timer is None:
                self._timer = self._loop.call_at(self._pace.free_at, self._on_timer)
        else:
            while self._queue and len(self._flying) < self._pace.limit:
                ask = self._queue.popleft()
                if len(ask.draws) > 1 and not self._spoken.takes_n:
                    self._queue.extendleft(Ask(draws=[draw]) for draw in reversed(ask.draws))
                    continue
                task = self._loop.create_task(self._make(ask))
                self._flying.add(task)
                task.add_done_callback(self._landed)
        if not (self._queue or self._flying or self._waiting):
            self._over.set_result(None)

    def _on_timer(self) -> None:
        self._timer = None
        self._dispatch()

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        error = None if task.cancelled() else task.exception()
        if self._over.done():
            return
        if error is not None:
            self._over.set_exception(error)
        else:
            self._dispatch()

    def _again(self, ask: Ask) -> None:
        self._waiting -= 1
        self._queue.append(ask)
        self._dispatch()

    async def _make(self, ask: Ask) -> None:
        sent = self._loop.time()
        self._tally.requests += 1
        body = self._spoken.body(ask)
        try:
            reply = await self._connections.send("POST", self._spoken.path, orjson.dumps(body))
            if 200 <= reply.status < 300:
                self._answered(ask, parse_body(reply.body))
                return
        except (Broken, DataError) as error:
            self._in_trouble(ask, str(error))
            return
        if reply.status == 429:
            self._too_many(ask, reply, sent)
        elif reply.status in (408, 409, 425) or reply.status >= 500:
            self._in_trouble(ask, f"status {reply.status}", wait_in(reply))
        else:
            self._denied(ask, body, reply)

    def _answered(self, ask: Ask, body: Mapping[str, Any]) -> None:
        choices = self._spoken.choices(body)
        usage = read_usage(body)
        if usage is not None:
            self._tally.prompt_tokens += usage[0]
            self._tally.completion_tokens += usage[1]
        else:
            self._tally.uncounted += 1
        fingerprint = body.get("system_fingerprint")
        if isinstance(fingerprint, str) and fingerprint:
            self._tally.fingerprints[fingerprint[:80]] += 1
        if not choices:
            self._in_trouble(ask, "no choices in the reply")
            return
        came = min(len(choices), len(ask.draws))
        self._tally.surplus += len(choices) - came
        if came < len(ask.draws):
            # The server ignores n or caps it: what did not come is asked for again.
            self._tally.missing += len(ask.draws) - came
            self._spoken.takes_n = self._spoken.takes_n and came > 1
            self._queue.appendleft(Ask(draws=ask.draws[came:]))
        self._good, self._last_good = True, self._loop.time()
        self._pace.succeeded()
        self._emit(self._spoken.completions(ask, choices[:came], usage))

    def _too_many(self, ask: Ask, reply: Reply, sent: float) -> None:
        code, words = words_of_error(reply.body)
        if _QUOTA.search(code) or ("exceeded your current quota" in words):
            raise refused_by(reply, self._spoken.safe)
        now = self._loop.time()
        asked = wait_in(reply)
        wait = self._backoff(ask) if asked is None else asked
        self._check_patience(now + wait, f"status 429, a wait of {wait:.0f} s asked for")
        self._pace.too_many(sent=sent, now=now, wait=wait)
        self._tally.cuts = self._pace.cuts
        self._tally.again += 1
        # A refusal for now is no failure of this draw, but its own wait grows all the same.
        self._queue.appendleft(Ask(draws=ask.draws, tries=ask.tries + (asked is None)))

    def _in_trouble(self, ask: Ask, why: str, asked: float | None = None) -> None:
        self._pace.in_trouble()
        if ask.tries >= self._retries:
            self._fail(ask, why)
            return
        wait = self._backoff(ask) if asked is None else asked
        self._check_patience(self._loop.time() + wait, why)
        self._tally.again += 1
        self._waiting += 1
        self._loop.call_later(wait, self._again, Ask(draws=ask.draws, tries=ask.tries + 1))

    def _denied(self, ask: Ask, body: Mapping[str, Any], reply: Reply) -> None:
        """A status that asking the same again will not change."""
        code, words = words_of_error(reply.body)
        if reply.status not in (400, 413, 422):
            raise refused_by(reply, self._spoken.safe)
        if _FILTERED.search(f"{code} {words}"):
            blocked = Choice(text="", reasoning=None, finish="filter", token_ids=(), tokens=None)
            self._good, self._last_good = True, self._loop.time()
            self._emit(self._spoken.completions(ask, [blocked] * len(ask.draws), (0, 0)))
        elif self._spoken.gives_way(body, f"{code} {words}"):
            self._tally.again += 1
            self._queue.appendleft(ask)
        elif self._good or reply.status == 413 or _TOO_LONG.search(f"{code} {words}"):
            self._fail(ask, f"status {reply.status}: {self._spoken.safe(words)}")
        else:
            # Nothing has ever worked: the settings are at fault, not this one prompt.
            raise refused_by(reply, self._spoken.safe)

    def _fail(self, ask: Ask, why: str) -> None:
        for draw in ask.draws:
            self.failed[draw.key] = why

    def _backoff(self, ask: Ask) -> float:
        """Seconds before asking again: doubling, and spread so that not all come back at once."""
        spread = float(uniforms([ask.draws[0].seed], steps=ask.tries + 1)[0, -1])
        return min(LONGEST_WAIT, FIRST_WAIT * 2.0**ask.tries) * (0.5 + spread)

    def _check_patience(self, until: float, why: str) -> None:
        without = until - self._last_good
        if without > self._patience:
            raise ModelError(
                f"The server would not have answered for {without:.0f} s "
                f"(the limit is {self._patience:g} s): {why}.",
                hint="The same command goes on later; patience= waits longer.",
            )


def wait_in(reply: Reply) -> float | None:
    """Seconds that a reply asks to wait."""
    return wait_asked_for(reply.headers, now=time.time())


def refused_by(reply: Reply, safe: Callable[[str], str]) -> Refused:
    """Say in one line what a server refuses for good, and what to do."""
    code, words = words_of_error(reply.body)
    said = safe(words)
    status = reply.status
    if 300 <= status < 400:
        return Refused(
            f"The server redirects elsewhere (status {status}); that is not followed.",
            hint="Give the final base URL: a key is sent to no other host.",
        )
    hints = {
        401: "Set the variable named by key_env to a key that this server accepts.",
        403: "The key is known but may not use this model.",
        402: "The account has nothing left; top it up, and the same command goes on.",
        404: "Check the base URL (it often ends in /v1) and the name of the model.",
    }
    hint = hints.get(status, "Check what the server accepts, and leave out what it does not.")
    if status == 429 or _QUOTA.search(code):
        hint = hints[402]
    return Refused(f"The server refuses (status {status}): {said or 'no reason given'}", hint=hint)


def in_batches(
    work: Callable[[Callable[[list[Completion]], None]], Coroutine[Any, Any, None]],
) -> Iterator[list[Completion]]:
    """Run a coroutine in a thread of its own and yield what it emits, some at a time.

    The loop has its own thread because the caller may have one running (a notebook), and because
    replies must be read while the caller writes files. When the caller stops, the work does.
    """
    inbox: queue.SimpleQueue[list[Completion] | BaseException | None] = queue.SimpleQueue()
    started = threading.Event()
    handle: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        handle.append((asyncio.get_running_loop(), task))
        started.set()
        await work(inbox.put)

    def run() -> None:
        try:
            asyncio.run(main())
            inbox.put(None)
        except BaseException as error:  # handed to the thread that asked
            inbox.put(error)
        finally:
            started.set()

    thread = threading.Thread(target=run, name="variegate-endpoint", daemon=True)
    thread.start()
    try:
        yield from _gather(inbox)
    finally:
        started.wait()
        if handle and thread.is_alive():
            loop, task = handle[0]
            try:
                loop.call_soon_threadsafe(task.cancel)
            except RuntimeError:
                _log.debug("The loop had already ended.")
        thread.join()


def _gather(
    inbox: queue.SimpleQueue[list[Completion] | BaseException | None],
) -> Iterator[list[Completion]]:
    batch: list[Completion] = []
    due = 0.0
    while True:
        try:
            item = inbox.get(timeout=max(0.0, due - time.monotonic()) if batch else None)
        except queue.Empty:
            yield batch
            batch = []
            continue
        if isinstance(item, list):
            if not batch:
                due = time.monotonic() + FLUSH
            batch += item
            if len(batch) >= BATCH:
                yield batch
                batch = []
            continue
        if batch:  # what has come is kept, whatever ended the rest
            yield batch
        if item is not None:
            raise item
        return
