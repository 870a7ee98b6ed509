from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from sessions_vtab.fetch import (
    Client,
    Clock,
    Endpoint,
    Reader,
    RequestSpec,
    Sender,
)
from tests.clocks import RealClock
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
        endpoint: Endpoint | None = None,
        real_time: bool = False,
        **settings: Any,
    ) -> Client:
        endpoint = endpoint or Endpoint("prod", "http://127.0.0.1:9", **settings)
        chosen = RealClock() if real_time else clock
        made.append(Client(endpoint, clock=chosen, transport=httpx.MockTransport(handler)))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def sender_for(client_for: Any, context: FakeContext) -> Callable[..., Sender]:
    """Makes senders, which send in the thread of the test."""

    def make(handler: Callable[[httpx.Request], httpx.Response], **settings: Any) -> Sender:
        return Sender(client_for(handler, **settings), context, threading.Event())

    return make


LIST = RequestSpec("GET", "/list", (("pageSize", 2),), items="rows", listing=True)


class Service:
    """Lists of numbers, cut into pages; counts what it is asked, and answers while ``open``."""

    def __init__(self, count=10, delay=0.0):
        self.asked = Counter()
        self.order = []
        self.count = count
        self.delay = delay
        self.open = threading.Event()
        self.open.set()
        self.in_flight = self.most = 0
        self.lock = threading.Lock()

    def __call__(self, request):
        with self.lock:
            self.asked[str(request.url)] += 1
            self.order.append(request.url.path)
            self.in_flight += 1
            self.most = max(self.most, self.in_flight)
        assert self.open.wait(30)
        time.sleep(self.delay)
        with self.lock:
            self.in_flight -= 1
        query = request.url.params
        numbers = list(range(self.count))
        if query.get("orderBy") == "n desc":
            numbers.reverse()
        at, size = int(query.get("pageToken", 0)), int(query.get("pageSize", 100))
        body = {"rows": [{"n": n, "at": request.url.path} for n in numbers[at : at + size]]}
        if at + size < self.count:
            body["nextPageToken"] = str(at + size)
        return httpx.Response(200, json=body)

    @property
    def total(self):
        return sum(self.asked.values())


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def reader(client_for, context, service):
    return Reader(client_for(service, real_time=True), context)


def numbers(replies):
    return [row["n"] for reply in replies for row in reply.items()]


def idle(client):
    """Returns once nothing waits to be sent, and nothing is under way."""
    number = client.endpoint.concurrency
    together = threading.Barrier(number)
    for job in [client.pool.submit(together.wait) for _ in range(number)]:
        job.result(30)


def settle(client, service):
    """How often a service was asked, once nothing more is on its way to it."""
    asked = -1
    while asked != service.total:
        asked = service.total
        idle(client)
    return asked


def lists(count):
    return [
        RequestSpec("GET", f"/l{n}", (("pageSize", 4),), items="rows", listing=True)
        for n in range(count)
    ]
