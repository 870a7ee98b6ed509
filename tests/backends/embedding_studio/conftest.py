"""An Embedding Studio on a real socket, and a connection to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.emulator.serve import Running, running

PREFIX = "/api/v1/clickstream/"


class Studio:
    """A source on the emulator, with helpers that many tests use."""

    def __init__(self, server: Running) -> None:
        self.server = server
        self.control = server.control
        self.connection: Connection = connect(f"embedding_studio://?base_url={server.url}")

    def __call__(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        return self.connection.execute(sql, values).fetchall()

    def sent(self) -> list[tuple[str, str, dict[str, Any], Any]]:
        """Method, path, query and body of the requests since the last call."""
        found = [
            (one["method"], one["path"].removeprefix(PREFIX), one["query"], one["body"])
            for one in self.control.requests()
        ]
        self.control.reset_log()
        return found

    def paths(self) -> list[str]:
        """Method and path of the requests since the last call."""
        return [f"{method} {path}" for method, path, _, _ in self.sent()]

    def add(self, session_id: str, events: int = 0, **fields: Any) -> None:
        """Registers a session directly in the service, with events e1, e2, .."""
        body = {"session_id": session_id, "search_query": "q", "search_results": [], **fields}
        self._post("session", body)
        if events:
            rows = [{"event_id": f"e{n}", "object_id": "o"} for n in range(1, events + 1)]
            self._post("session/events", {"session_id": session_id, "events": rows})
        self.control.reset_log()

    def fill(self, sessions: int) -> None:
        """Sessions x0, x1, .. without events in the collecting batch, without a request each."""
        self.add("x0")
        state = self.state()
        (first,), (batch,) = state["sessions"].values(), state["batches"]
        for number in range(1, sessions):
            place = first["session_number"] + number
            made = {**first, "session_id": f"x{number}", "session_number": place}
            state["sessions"][made["session_id"]] = made
        batch["session_counter"] += sessions - 1
        self.control.load({"embedding_studio": state})
        self.control.reset_log()

    def release(self, release_id: str = "r") -> str:
        """Releases the collecting batch directly in the service."""
        body = self._post("internal/batch/release", {"release_id": release_id})
        self.control.reset_log()
        return str(body["batch_id"])

    def state(self) -> dict[str, Any]:
        """The stored data of the service."""
        state: dict[str, Any] = self.control.dump()["embedding_studio"]
        return state

    def _post(self, path: str, body: Any) -> Any:
        with httpx.Client(trust_env=False, verify=False) as client:
            answer = client.post(self.server.url + PREFIX + path, json=body)
        answer.raise_for_status()
        return answer.json()


@pytest.fixture(scope="session")
def server() -> Iterator[Running]:
    with running() as emulator:
        yield emulator


@pytest.fixture
def source(server: Running) -> Iterator[Callable[[], Studio]]:
    """Opens connections to an emulator in its initial state."""
    server.control.reset(empty=True)
    opened: list[Studio] = []

    def open_() -> Studio:
        opened.append(Studio(server))
        return opened[-1]

    yield open_
    for one in opened:
        one.connection.close()


@pytest.fixture
def sql(source: Callable[[], Studio]) -> Studio:
    """A connection to an empty service."""
    return source()
