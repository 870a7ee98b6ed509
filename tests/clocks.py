"""Time that passes only by waiting for it, for the clients of every test."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sessions_vtab.fetch import Clock

__all__ = ["RealClock", "waits_pass_at_once"]


class RealClock(Clock):
    """The machine's, in every test."""

    now = Clock.now
    wait = Clock.wait


class _Passing:
    """The machine's clock, ahead of it by what was waited for."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        return time.monotonic() + self._ahead

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        until = self.now() + seconds
        with self._lock:  # Those that wait side by side wait together.
            self._ahead += max(0.0, until - self.now())
        return stop.is_set()


# One for all tests: a clock does not go back, and clients may live longer than a test.
_PASSING = _Passing()


@contextmanager
def waits_pass_at_once() -> Iterator[None]:
    """Pauses between attempts, and those of rate limits, take no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Clock, "now", lambda _: _PASSING.now())
        patch.setattr(Clock, "wait", lambda _, stop, seconds: _PASSING.wait(stop, seconds))
        yield
