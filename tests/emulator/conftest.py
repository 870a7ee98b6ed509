"""Emulators on real sockets: one for the whole run, where each test has an engine of its own."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from sessions_vtab.emulator.control import Control
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ENGINES = itertools.count(1000)


@dataclass
class Clock:
    """A server time that tests move."""

    now: datetime = field(default_factory=lambda: datetime(2026, 3, 1, 12, 0, 0, 123456, UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **amount: float) -> None:
        self.now += timedelta(**amount)


def ok(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def last(item: dict[str, Any]) -> str:
    return str(item["name"].rpartition("/")[2])


class Api:
    """Calls of the Vertex API on one engine, with what the tests ask for most."""

    ok = staticmethod(ok)
    last = staticmethod(last)

    def __init__(self, server: Running, client: httpx.Client, engine: str) -> None:
        self.server = server
        # Over the socket, as from any process.
        self.control = Control(server.url, server.token)
        self.client = client
        self.engine = engine
        self.location = f"{server.url}/v1beta1/projects/acme/locations/us-central1"
        self.base = f"{self.location}/reasoningEngines/{engine}"

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        content = {} if body is None else {"json": body}
        return self.client.request(method, self.base + path, params=query, **content)

    def create(self, session_id: str = "", user: str = "ann", **fields: Any) -> str:
        query = {"sessionId": session_id} if session_id else {}
        answer = ok(self.call("POST", "/sessions", {"userId": user, **fields}, **query))
        return str(answer["name"].split("/")[-3])

    def get(self, session_id: str) -> dict[str, Any]:
        return ok(self.call("GET", f"/sessions/{session_id}"))

    def patch(self, session_id: str, body: Any, **query: Any) -> httpx.Response:
        return self.call("PATCH", f"/sessions/{session_id}", body, **query)

    def append(
        self, session_id: str, timestamp: str = "2026-01-01T00:00:00Z", **fields: Any
    ) -> Any:
        body = {"author": "user", "invocationId": "i1", "timestamp": timestamp, **fields}
        return self.call("POST", f"/sessions/{session_id}:appendEvent", body)

    def sessions(self, **query: Any) -> list[dict[str, Any]]:
        return self._all("/sessions", "sessions", query)

    def ids(self, **query: Any) -> list[str]:
        return [last(item) for item in self.sessions(**query)]

    def events(self, session_id: str, **query: Any) -> list[dict[str, Any]]:
        return self._all(f"/sessions/{session_id}/events", "sessionEvents", query)

    def _all(self, path: str, name: str, query: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            page = ok(self.call("GET", path, **query, **({"pageToken": token} if token else {})))
            assert page.get(name) or not token, "a token never leads to an empty page"
            found += page.get(name, [])
            token = page.get("nextPageToken", "")
            if not token:
                return found


@pytest.fixture(scope="session")
def server() -> Iterator[Running]:
    with running(EmulatorSettings()) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, verify=False, timeout=20) as client:
        yield client


@pytest.fixture
def api(server: Running, client: httpx.Client) -> Api:
    return Api(server, client, str(next(_ENGINES)))


@pytest.fixture(scope="session")
def second() -> Iterator[Running]:
    with running(EmulatorSettings(sessions=5, events=20)) as emulator:
        yield emulator


@pytest.fixture
def own(second: Running, client: httpx.Client) -> Api:
    """An emulator as after its start: empty, without faults, its log this test's alone."""
    second.control.delay(0)
    second.control.reset()
    return Api(second, client, "42")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def timed(client: httpx.Client) -> Iterator[tuple[Api, Clock]]:
    """An emulator with a clock of its own, shared by the tests of a module."""
    moving = Clock()
    with running(EmulatorSettings(clock=moving)) as emulator:
        yield Api(emulator, client, "42"), moving


@pytest.fixture
def start(client: httpx.Client) -> Iterator[Callable[..., Api]]:
    """Start an emulator with settings of its own: `start(strict_filters=True)`."""
    with ExitStack() as stack:

        def make(engine: str = "42", **settings: Any) -> Api:
            return Api(stack.enter_context(running(EmulatorSettings(**settings))), client, engine)

        yield make
