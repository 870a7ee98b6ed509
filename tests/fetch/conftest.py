from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from sessions_vtab.fetch import Client, Clock, Endpoint, Sender
from tests.fakes import FakeContext


class FakeClock(Clock):
    """Time that passes only by waiting."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.waits: list[float] = []
        self._lock = threading.Lock()

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return 1_700_000_000.0

    def chance(self) -> float:
        return 1.0

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        with self._lock:
            self.waits.append(round(seconds, 3))
            self.time += seconds
        return stop.is_set()


@pytest.fixture
def context() -> FakeContext:
    return FakeContext()


@pytest.fixture
def make_context() -> type[FakeContext]:
    return FakeContext


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def client_for(clock: FakeClock) -> Iterator[Callable[..., Client]]:
    """Makes clients whose requests are answered by a function."""
    made: list[Client] = []

    def make(
        handler: Callable[[httpx.Request], httpx.Response],
        site: Endpoint | None = None,
        real_time: bool = False,
        **settings: Any,
    ) -> Client:
        site = site or Endpoint("prod", "http://127.0.0.1:9", **settings)
        chosen = None if real_time else clock
        made.append(Client(site, clock=chosen, transport=httpx.MockTransport(handler)))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def line_for(client_for: Any, context: FakeContext) -> Callable[..., Sender]:
    """Makes lines, which send in the thread of the test."""

    def make(handler: Callable[[httpx.Request], httpx.Response], **settings: Any) -> Sender:
        return Sender(client_for(handler, **settings), context, threading.Event())

    return make
