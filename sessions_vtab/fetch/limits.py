"""When a request may be sent: the clock, and how many requests a minute there may be.

By kind of call, there is no limit until one is set, or until the service says so. Several processes
share the quota of a project, and none knows what the others send. So each halves its own rate when
the service refuses a request for its rate, and raises it again slowly: additive increase and
multiplicative decrease lead to equal shares (https://doi.org/10.1016/0169-7552(89)90019-6).
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping


class Clock:
    """Time, waiting and chance in one object, so that tests can do without them."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def chance(self) -> float:
        """A number in [0, 1)."""
        return random.random()  # noqa: S311  # Jitter need not be secret.

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Waits; returns at once with True when ``stop`` is set."""
        return stop.wait(seconds)


_MINUTE = 60.0
_SECOND = 1.0
_LEAST = {_MINUTE: 10.0, _SECOND: 120.0}
"""Requests per minute below which no refusal takes a process, by what the service counts over:
others may have used the quota up, and the next attempt should come before the user gives up."""
_RECOVERY = 0.1
"""What is given back per period, as a share of the rate at which the service refused: after five
periods the rate is what it was."""


class _Pace:
    """When requests of one kind were, and may be, sent. Not thread-safe by itself.

    Args:
        most: requests per minute that the user allows; None for any number.
        period: seconds over which the service counts requests, as far as is known.
    """

    def __init__(self, most: float | None, period: float) -> None:
        self._most = most
        self._period = period
        self._halved: float | None = None
        self._halved_at = 0.0
        self._step = 0.0
        self._sent: deque[float] = deque()

    def rate(self, now: float) -> float | None:
        """Requests per minute that may be sent; None for any number."""
        if self._halved is None:
            return self._most
        rate = self._halved + self._step * (now - self._halved_at) / self._period
        return rate if self._most is None else min(rate, self._most)

    def reserve(self, now: float) -> float:
        """The time at which the next request may go; it is noted as sent then."""
        at, rate = now, self.rate(now)
        if rate is not None and self._sent:
            at = max(at, self._sent[-1] + _MINUTE / rate)
            per_period = max(1, int(rate * self._period / _MINUTE))
            if len(self._sent) >= per_period:
                at = max(at, self._sent[-per_period] + self._period)
        self._sent.append(at)
        while self._sent[0] < now - self._period:
            self._sent.popleft()
        return at

    def halve(self, now: float, began: float) -> None:
        """The service refused a request that was sent at ``began``.

        Of the requests that were under way together all are refused: only what was sent after the
        rate was halved says that it is still too high.
        """
        if self._halved is not None and began < self._halved_at:
            return
        sent = sum(now - self._period < at <= now for at in self._sent)
        own = sent * _MINUTE / self._period
        allowed = self.rate(now)
        own = own if allowed is None else min(own, allowed)
        least = _LEAST[self._period]
        self._halved, self._halved_at = max(own / 2, least), now
        self._step = max(own, least) * _RECOVERY


class RateLimiter:
    """Paces the requests of one source.

    Args:
        limits: requests per minute by kind, in force at once.
        documented: quotas of the service per minute by kind. What is refused then is refused for
            the rest of a minute; of other kinds it is not known how the service counts, and a
            second is what their rate is measured over. The numbers themselves are not used: they
            are the whole project's.
        clock: time and waiting.
    """

    def __init__(self, limits: Mapping[str, int], documented: Iterable[str], clock: Clock) -> None:
        self._by_the_minute = frozenset((*limits, *documented))
        self._paces = {kind: _Pace(rate, _MINUTE) for kind, rate in limits.items()}
        self._lock = threading.Lock()
        self._clock = clock

    def admit(self, kind: str, stop: threading.Event) -> bool:
        """Waits until a request of a kind may be sent; False if ``stop`` was set meanwhile."""
        with self._lock:
            now = self._clock.now()
            wait = self._pace_of(kind).reserve(now) - now
        return not (wait > 0 and self._clock.wait(stop, wait))

    def admit_at_once(self, kind: str) -> bool:
        """Whether a request of a kind may be sent without waiting; then it counts as sent."""
        with self._lock:
            pace, now = self._pace_of(kind), self._clock.now()
            unlimited = pace.rate(now) is None
            if unlimited:
                pace.reserve(now)
            return unlimited

    def throttled(self, kind: str, began: float) -> None:
        """Notes that the service refused a request for its rate.

        Args:
            kind: of the request.
            began: when it was sent, by the clock.
        """
        with self._lock:
            self._pace_of(kind).halve(self._clock.now(), began)

    def _pace_of(self, kind: str) -> _Pace:
        pace = self._paces.get(kind)
        if pace is None:
            period = _MINUTE if kind in self._by_the_minute else _SECOND
            pace = self._paces[kind] = _Pace(None, period)
        return pace
