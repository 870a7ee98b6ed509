from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings

ENGINE = "projects/demo/locations/us-central1/reasoningEngines/42"


class Database:
    """A connection with one source, ``prod``, and the log of the emulator behind it."""

    def __init__(self, emulator: Running, options: str = "", **rest: Any) -> None:
        self.control = emulator.control
        url = f"prod=vertex://demo/us-central1/42?base_url={emulator.url}{options}"
        self.connection: Connection = connect(url, **rest)

    def ask(self, sql: str, bindings: Any = ()) -> list[Any]:
        """Returns the rows; the log holds only the requests of this statement."""
        self.control.reset_log()
        return self.connection.execute(sql, bindings).fetchall()

    @property
    def log(self) -> list[dict[str, Any]]:
        return self.control.requests()

    @property
    def total(self) -> int:
        return self.control.log()["total"]

    @property
    def in_flight(self) -> int:
        """The maximum number of concurrent requests."""
        return self.control.log()["max_in_flight"]

    def calls(self) -> list[str]:
        """Method and last part of the path of each request."""
        return [f"{entry['method']} {entry['path'].rpartition('/')[2]}" for entry in self.log]

    def queries(self) -> list[dict[str, str]]:
        return [entry["query"] for entry in self.log]

    def stored(self) -> dict[str, list[dict[str, Any]]]:
        """Events by session id, as stored in the emulator."""
        engines = self.control.dump()["vertex"]["engines"]
        return {one["id"]: one["events"] for engine in engines for one in engine["sessions"]}

    def texts(self, session: str) -> list[str]:
        """The texts of a session's events, in order, as stored in the emulator."""
        return [event["content"]["parts"][0]["text"] for event in self.stored()[session]]

    def writes(self) -> list[tuple[str, str]]:
        """Key and outcome of each row in ``writes``."""
        found = self.connection.execute('SELECT "key", outcome FROM writes')
        return [(str(key or "").rpartition("/")[2], outcome) for key, outcome in found]

    def insert(self, sessions: int, user: str = "ann") -> None:
        """Adds sessions ``{user}-0`` and so on by SQL."""
        self.connection.executemany(
            "INSERT INTO sessions(session_id, user_id) VALUES (?, ?)",
            [(f"{user}-{number}", user) for number in range(sessions)],
        )

    def fill(self, sessions: int, events: int = 0, user: str = "ann") -> list[str]:
        """Sessions ``{user}-0`` and so on, each with events ``0`` and so on, without requests."""
        made = [_session(f"{user}-{number}", user, number, events) for number in range(sessions)]
        self._add(made)
        return [one["id"] for one in made]

    def people(self, users: list[str]) -> None:
        """A session ``p-0`` and so on for each user, which is also its display name."""
        made = [_session(f"p-{number}", user, number, 0) for number, user in enumerate(users)]
        self._add([{**one, "displayName": one["user"]} for one in made])

    def _add(self, sessions: list[dict[str, Any]]) -> None:
        self.connection.execute("SELECT 1 FROM sessions LIMIT 1").fetchall()  # Creates the engine.
        state = self.control.dump()["vertex"]
        state["engines"][0]["users"] |= {one["user"]: {} for one in sessions}
        state["engines"][0]["sessions"] += sessions
        self.control.load({"vertex": state})
        self.control.reset_log()


def _session(session_id: str, user: str, place: int, events: int) -> dict[str, Any]:
    created = f"2026-01-01T{place // 3600:02d}:{place // 60 % 60:02d}:{place % 60:02d}Z"
    return {
        "id": session_id,
        "user": user,
        "createTime": created,
        "updateTime": created,
        "expireTime": "2099-01-01T00:00:00Z",
        "displayName": f"n{place % 5}",
        "labels": {},
        "state": {},
        "events": [_event(number) for number in range(events)],
    }


def _event(number: int) -> dict[str, Any]:
    return {
        "id": str(1000 + number),
        "author": "user",
        "invocationId": f"e-{number}",
        "timestamp": f"2026-01-02T00:{number // 60:02d}:{number % 60:02d}Z",
        "content": {"role": "user", "parts": [{"text": str(number)}]},
        "actions": {},
        "eventMetadata": {},
    }


@pytest.fixture(scope="session")
def seeded() -> Iterator[Running]:
    """1 200 sessions of 30 users with 20 000 events; no test writes to it."""
    with running(EmulatorSettings(seed=7)) as started:
        yield started


@pytest.fixture(scope="session")
def scratch() -> Iterator[Running]:
    with running() as started:
        yield started


@pytest.fixture(scope="module")
def big(seeded: Running) -> Iterator[Database]:
    """Reads the large data set."""
    database = Database(seeded)
    yield database
    database.connection.close()


@pytest.fixture(scope="module")
def started() -> Iterator[Database]:
    """An emulator for the tests of one module."""
    with running() as emulator:
        database = Database(emulator)
        yield database
        database.connection.close()


@pytest.fixture
def open_(scratch: Running) -> Iterator[Callable[..., Database]]:
    """Opens connections to an emulator without data or faults."""
    scratch.control.reset(empty=True)
    scratch.control.delay(0)
    opened: list[Database] = []

    def make(options: str = "", **rest: Any) -> Database:
        opened.append(Database(scratch, options, **rest))
        return opened[-1]

    yield make
    scratch.control.clear_faults()
    scratch.control.delay(0)
    for one in opened:
        one.connection.close()


@pytest.fixture
def db(open_: Callable[..., Database]) -> Database:
    return open_()


# Content of the emulator's seed 7: 1 200 sessions are 12 pages.
PAGES = 12


MEETING = 1
"""Pages that a list read from both ends may take in addition: equal times on either side of the
last page boundary can only be told apart by reading on."""


@pytest.fixture(scope="module")
def ids(big):
    return [row[0] for row in big.ask("SELECT session_id FROM sessions ORDER BY create_time")]
