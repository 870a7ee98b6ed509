"""Time that passes only by waiting for it, for the clients of every test."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import pytest

from sessions_vtab.emulator import front
from sessions_vtab.fetch import Clock, sockets


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


def delays_use_up_timeouts(patch: pytest.MonkeyPatch) -> None:
    """The delays of an emulator take no time, yet count for the timeouts of those who wait.

    Nothing else does: on a busy machine no other request is late.
    """
    pass_time = time_of_attempts(patch)

    async def sleep(seconds: float) -> None:
        pass_time(seconds)
        await asyncio.sleep(0)

    sleep_by(patch, sleep)


def time_of_attempts(patch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Stops the clock by which an attempt ends, so that none ends before it has been sent.

    On a busy machine a thread may get no turn for longer than the timeouts of a test. What waits
    for the bytes of a socket still does so for its timeout at most.

    Returns:
        Lets so many seconds pass.
    """
    passed = 0.0

    def pass_time(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    patch.setattr(sockets, "time", SimpleNamespace(monotonic=lambda: passed))
    return pass_time


def delays_end_together(patch: pytest.MonkeyPatch, number: int) -> None:
    """Delayed requests of an emulator wait for each other: until so many are under way at once.

    Those that come later do not wait. Where so many never are, all go on after a while.
    """
    enough, waiting = asyncio.Event(), 0

    async def sleep(seconds: float) -> None:
        nonlocal waiting
        if not seconds:
            return
        waiting += 1
        if waiting >= number:
            enough.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(enough.wait(), 20)
        enough.set()

    sleep_by(patch, sleep)


def delays_last(patch: pytest.MonkeyPatch, after: int = 0) -> Callable[[], None]:
    """Delayed requests of an emulator are held back, all but the first few.

    Returns:
        Lets those that are held back go, and all others.
    """
    ended, loops, seen = asyncio.Event(), list[asyncio.AbstractEventLoop](), 0
    gone = threading.Event()

    async def sleep(seconds: float) -> None:
        nonlocal seen
        seen += bool(seconds)
        if seconds and seen > after:
            loops.append(asyncio.get_running_loop())
            if not gone.is_set():  # Asked after it can be told.
                await ended.wait()

    def go() -> None:
        gone.set()
        for loop in list(loops):
            loop.call_soon_threadsafe(ended.set)

    sleep_by(patch, sleep)
    return go


def sleep_by(patch: pytest.MonkeyPatch, sleep: Callable[[float], Awaitable[object]]) -> None:
    """Has requests of an emulator wait by ``sleep(seconds)`` instead of the clock."""
    patch.setattr(front, "asyncio", SimpleNamespace(**{**vars(asyncio), "sleep": sleep}))
