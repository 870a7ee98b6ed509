"""deepset on the emulator: a connection, the requests that it makes, and many sessions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.contract.backend import Source
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings

KEY = "api_canary-of-the-deepset-tests"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Deepset:
    """One connection to a workspace whose time the test moves."""

    key = KEY

    def __init__(self, stack: ExitStack) -> None:
        self.now = NOW
        self.server: Running
        self.connection: Connection
        self._stack = stack

    def __call__(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Returns the rows; the log holds the requests of this statement."""
        self.server.control.reset_log()
        return self.connection.execute(sql, values).fetchall()

    def connect(self, **options: Any) -> Connection:
        source = Source("docs", "deepset", "ws", {"base_url": self.server.url}, **options)
        return self._stack.enter_context(closing(connect(sources=[source])))

    @property
    def sent(self) -> list[dict[str, Any]]:
        return self.server.control.requests()

    @property
    def methods(self) -> list[str]:
        return [one["method"] for one in self.sent]

    def open(self, **values: Any) -> str:
        values = {"write_mode": "KEEP", **values}
        marks = ", ".join("?" * len(values))
        sql = f"INSERT INTO upload_sessions({', '.join(values)}) VALUES ({marks})"
        return str(self(f"{sql} RETURNING session_id", *values.values())[0][0])

    def close(self, session_id: str) -> None:
        self("SELECT * FROM close_upload_session(?)", session_id)
        self.now += timedelta(seconds=1)

    def upload(self, session_id: str, name: str, meta: Any = None) -> None:
        text = None if meta is None else json.dumps(meta)
        self("SELECT * FROM upload_file(?, ?, 'text', ?)", session_id, name, text)

    def ingest(self, **files: Any) -> None:
        """Uploads files with their metadata through a session."""
        session_id = self.open()
        for name, meta in files.items():
            self.upload(session_id, name, meta)
        self.close(session_id)

    def fill(self, active: int, expired: int = 0) -> list[str]:
        """Puts closed sessions of the last days directly into the emulator; the newest is last."""
        self.open()
        state = self.server.control.dump()
        (model,) = state["deepset"]["sessions"].values()
        made = {}
        for number in range(expired + active):
            age = timedelta(days=2 if number < expired else 0, seconds=expired + active - number)
            start = self.now - age
            made[str(UUID(int=number + 1, version=4))] = {
                **model,
                "created_at": start.isoformat(),
                "expires_at": (start + timedelta(days=1)).isoformat(),
                "closed_at": start.isoformat(),
            }
        for session_id, session in made.items():
            session["session_id"] = session_id
        state["deepset"]["sessions"] = made
        self.server.control.load(state)
        return list(made)


@pytest.fixture(scope="module")
def _started() -> Iterator[Callable[[], Deepset]]:
    with ExitStack() as stack:
        current: list[Deepset] = []
        clock = lambda: current[-1].now if current else NOW  # noqa: E731
        server = stack.enter_context(running(EmulatorSettings(clock=clock)))

        def start() -> Deepset:
            current.append(Deepset(ExitStack()))
            current[-1].server = server
            server.control.reset()
            return current[-1]

        yield start


@pytest.fixture
def deepset(_started: Callable[[], Deepset], monkeypatch: pytest.MonkeyPatch) -> Iterator[Deepset]:
    monkeypatch.setenv("DEEPSET_API_KEY", KEY)
    started = _started()
    with started._stack:
        started.connection = started.connect()
        yield started


NO_SUCH = "11111111-1111-4111-8111-111111111111"


def with_files(deepset: Any, sessions: int, expired: int = 0, each: int = 1) -> set[Any]:
    """Closed sessions with files of three states; session id and name of each file."""
    ids = deepset.fill(sessions - expired, expired)
    state = deepset.server.control.dump()
    rows = set()
    for place, session_id in enumerate(ids):
        uploads = state["deepset"]["sessions"][session_id]["uploads"] = {}
        for number in range(each):
            status = ("PENDING", "FAILED", "FINISHED")[(place + number) % 3]
            name = f"f{number:03}.txt"
            uploads[name] = {
                "upload_id": str(UUID(int=place * 1_000 + number + 1, version=4)),
                "name": name,
                "content": "",
                "created_at": deepset.now.isoformat(),
                "ingestion_status": status,
            }
            rows.add((session_id, name, status))
        state["deepset"]["sessions"][session_id]["ingested"] = True
    deepset.server.control.load(state)
    return rows
