"""WhyLabs over the emulator: a connection, the requests that it makes, and one guest session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import Any

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.contract.backend import Source
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings

KEY = "canarycana." + "w" * 53


class Whylabs:
    """One connection, and one guest session."""

    key = KEY

    def __init__(self, server: Running, stack: ExitStack) -> None:
        self.server = server
        self._stack = stack
        self.connection = self.connect()
        self.session = str(
            self("INSERT INTO sessions(user_id) VALUES ('ann') RETURNING session_id")[0][0]
        )

    def connect(self, **options: Any) -> Connection:
        options = {"base_url": self.server.url, **options}
        source = Source("guest", "whylabs", "", options)
        return self._stack.enter_context(closing(connect(sources=[source])))

    def __call__(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """The answer; the log holds what went out for it."""
        self.server.control.reset_log()
        return self.connection.execute(sql, values).fetchall()

    @property
    def sent(self) -> list[dict[str, Any]]:
        return self.server.control.requests()


@pytest.fixture(scope="module")
def _server() -> Iterator[Running]:
    with running(EmulatorSettings(clock=lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))) as server:
        yield server


@pytest.fixture
def whylabs(_server: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[Whylabs]:
    monkeypatch.setenv("WHYLABS_API_KEY", KEY)
    _server.control.reset()
    with ExitStack() as stack:
        yield Whylabs(_server, stack)
