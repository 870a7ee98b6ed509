"""An EleanorAI on a real socket, and a connection to one of its namespaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.emulator.serve import Running, running

PREFIX = "/api/v1/sessions/"


class Eleanor:
    """A source on the emulator, with what the tests ask for most."""

    def __init__(self, server: Running, namespace: str = "demo", **options: str) -> None:
        query = urlencode({"base_url": server.url, **options}, quote_via=quote)
        self.server = server
        self.control = server.control
        self.namespace = namespace
        self.connection: Connection = connect(f"eleanor://{quote(namespace, safe='')}?{query}")

    def __call__(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        return self.connection.execute(sql, values).fetchall()

    def sent(self) -> list[tuple[str, str, Any]]:
        """Method, path below the sessions and body of the requests since the last call."""
        found = [
            (one["method"], one["raw_path"].removeprefix(PREFIX), one["body"])
            for one in self.control.requests()
        ]
        self.control.reset_log()
        return found

    def add(self, name: str, **body: Any) -> dict[str, Any]:
        """A session made past the source."""
        made = self._call("POST", PREFIX + quote(self.namespace, safe=""), {"name": name, **body})
        self.control.reset_log()
        session: dict[str, Any] = made["session"]
        return session

    def remove(self, name: str) -> None:
        """A session deleted past the source."""
        self._call("DELETE", f"{PREFIX}{quote(self.namespace, safe='')}/{quote(name, safe='')}")
        self.control.reset_log()

    def admin(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """What only the emulator can do."""
        return self._call(method, f"/_emulator/eleanor/{self.namespace}/{path}", body)

    def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        headers = {"X-Emulator-Token": self.server.token}
        with httpx.Client(trust_env=False, verify=False) as client:
            answer = client.request(method, self.server.url + path, json=body, headers=headers)
        answer.raise_for_status()
        result: dict[str, Any] = answer.json()
        return result


@pytest.fixture(scope="session")
def server() -> Iterator[Running]:
    with running() as emulator:
        yield emulator


@pytest.fixture
def source(server: Running) -> Iterator[Callable[..., Eleanor]]:
    """Opens sources on an emulator as after its start."""
    server.control.reset(empty=True)
    opened: list[Eleanor] = []

    def open_(namespace: str = "demo", **options: str) -> Eleanor:
        opened.append(Eleanor(server, namespace, **options))
        return opened[-1]

    yield open_
    for one in opened:
        one.connection.close()


@pytest.fixture
def sql(source: Callable[..., Eleanor]) -> Eleanor:
    """A source on the empty namespace ``demo``."""
    return source()
