"""An emulator whose clock tests move, and connections to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

import sessions_vtab
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings


@dataclass
class Clock:
    """The service's time: it moves a second with each look, so that no two changes are at once."""

    now: datetime = field(default_factory=lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture(scope="package")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="package")
def served(clock: Clock) -> Iterator[Running]:
    with running(EmulatorSettings(clock=clock)) as emulator:
        yield emulator


@pytest.fixture
def emulator(served: Running) -> Running:
    """Without data, and with an empty log."""
    served.control.reset(empty=True)
    return served


@pytest.fixture
def url(emulator: Running) -> str:
    return f"prod=vertex://demo/us-central1/42?base_url={emulator.url}"


@pytest.fixture
def db(url: str) -> Iterator[sessions_vtab.Connection]:
    """Six sessions with three events each."""
    connection = sessions_vtab.connect(url)
    for number in range(6):
        connection.execute(
            "INSERT INTO sessions(session_id, user_id) VALUES (?, 'ann')", (f"s-{number}",)
        )
        for turn in range(3):
            append(connection, f"s-{number}", f"turn {turn}")
    yield connection
    connection.close()


def append(db: sessions_vtab.Connection, session: str, text: str, time: str | None = None) -> None:
    db.execute(
        "INSERT INTO events(session_id, author, invocation_id, content, timestamp)"
        " VALUES (?, 'user', ?, ?, ?)",
        (session, text, f'{{"parts":[{{"text":"{text}"}}]}}', time or "2026-03-01 12:00:00"),
    )
