"""How fast to ask a server: as many requests at once as it takes, found out by its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

__all__ = ["Pace", "wait_asked_for"]

CUT = 0.5  # what an episode of "too many" leaves of the requests at once


@dataclass(kw_only=True)
class Pace:
    """Requests in flight at the most: cut once an episode, grown again while all goes well.

    An episode of "too many" (429) is everything that answers requests sent before the cut: the
    rest of a storm that was already under way says nothing about the smaller number, so it cuts
    no further. A server in trouble (5xx, timeouts) keeps the number where it is until as many
    requests as are in flight have succeeded. Otherwise every success adds 1/limit, which is one
    more request at once each round.

    Args:
        most: requests at once at the most, and to begin with.

    Example:
        >>> pace = Pace(most=8)
        >>> for _ in range(8):
        ...     pace.too_many(sent=0.0, now=1.0, wait=2.0)
        >>> pace.limit, pace.cuts, pace.free_at
        (4, 1, 3.0)
    """

    most: int
    cuts: int = field(default=0, init=False)
    free_at: float = field(default=0.0, init=False)  # nothing is sent before
    _limit: float = field(default=0.0, init=False)
    _cut_at: float = field(default=float("-inf"), init=False)
    _paused: float = field(default=0.0, init=False)  # successes until it may grow again

    def __post_init__(self) -> None:
        self._limit = float(self.most)

    @property
    def limit(self) -> int:
        """Requests that may be in flight now."""
        return int(self._limit)

    def succeeded(self) -> None:
        """A reply came in full."""
        if self._paused > 0:
            self._paused -= 1
        else:
            self._limit = min(float(self.most), self._limit + 1 / self._limit)

    def too_many(self, *, sent: float, now: float, wait: float) -> None:
        """The server said 429 to a request of the time `sent` and asks to wait."""
        self.free_at = max(self.free_at, now + wait)
        if sent >= self._cut_at:
            self._limit = max(1.0, float(int(self._limit * CUT)))
            self._cut_at, self.cuts = self.free_at, self.cuts + 1

    def forget_episode(self) -> None:
        """Start a new clock: nothing that is in flight was sent before."""
        self.free_at, self._cut_at = 0.0, float("-inf")

    def in_trouble(self) -> None:
        """The server failed, or no whole reply came."""
        self._paused = self._limit


def wait_asked_for(headers: Mapping[str, str], *, now: float) -> float | None:
    """Return the seconds a reply asks to wait; None where it does not say, or not readably.

    Args:
        headers: of the reply, names in lower case.
        now: seconds since 1970, for servers that name a date.

    Example:
        >>> wait_asked_for({"retry-after": "2"}, now=0.0)
        2.0
        >>> wait_asked_for({"retry-after": "Thu, 01 Jan 1970 00:01:00 GMT"}, now=50.0)
        10.0
    """
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            try:
                seconds = parsedate_to_datetime(value).timestamp() - now
            except (ValueError, TypeError, OverflowError):
                continue
        if seconds == seconds and seconds != float("inf"):
            return max(0.0, seconds)
    return None
