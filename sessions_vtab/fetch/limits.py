"""Requests a minute, by kind of call: none until asked for, or until the service says so."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping

from sessions_vtab.fetch.clock import Clock

__all__ = ["RateLimiter"]

_MINUTE = 60.0


class _Lane:
    """When requests of one kind were, and may be, sent. Not thread-safe by itself."""

    def __init__(self, rate: int | None) -> None:
        self.rate = rate
        self.sent: deque[float] = deque()

    def reserve(self, now: float) -> float:
        """The time at which the next request may go; it is noted as sent then."""
        at = now
        if self.rate is not None and self.sent:
            at = max(at, self.sent[-1] + _MINUTE / self.rate)
            if len(self.sent) >= self.rate:
                at = max(at, self.sent[-self.rate] + _MINUTE)
        self.sent.append(at)
        while self.sent[0] < now - _MINUTE:
            self.sent.popleft()
        return at


class RateLimiter:
    """Paces the requests of one source.

    Args:
        limits: requests a minute by kind, in force at once.
        documented: likewise, in force after ``throttled``: a default from the start would slow
            down everyone whose quota is larger.
        clock: time and waiting.
    """

    def __init__(
        self, limits: Mapping[str, int], documented: Mapping[str, int], clock: Clock
    ) -> None:
        self._documented = documented
        self._lanes = {kind: _Lane(rate) for kind, rate in limits.items()}
        self._lock = threading.Lock()
        self._clock = clock

    def admit(self, kind: str, stop: threading.Event) -> bool:
        """Waits until a request of a kind may be sent; False if ``stop`` was set meanwhile."""
        with self._lock:
            lane = self._lanes.setdefault(kind, _Lane(None))
            now = self._clock.now()
            wait = lane.reserve(now) - now
        return not (wait > 0 and self._clock.wait(stop, wait))

    def throttled(self, kind: str) -> None:
        """Notes that the service refused a request for its rate."""
        with self._lock:
            lane = self._lanes.setdefault(kind, _Lane(None))
            if lane.rate is None:
                lane.rate = self._documented.get(kind)
