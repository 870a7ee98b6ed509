from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from types import SimpleNamespace
from typing import Any

import pytest

from sessions_vtab.backends.vertex import VertexBackend
from sessions_vtab.contract import times
from sessions_vtab.contract.backend import Action, OutcomeState, Source, Write
from sessions_vtab.contract.predicate import (
    TIMESTAMP,
    AllOf,
    Compare,
    Field,
    Member,
    Op,
)
from sessions_vtab.contract.scan import Scan
from sessions_vtab.contract.scoping import scoped
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.fetch import Client, Clock
from tests.fakes import FakeContext

LOCATION = "demo/us-central1/42"

_written: set[str] = set()
"""URLs of emulators whose data a test has changed."""


class NotingClock(Clock):
    """Notes how long it is asked to wait."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def wait(self, stop: Any, seconds: float) -> bool:
        self.waits.append(seconds)
        return super().wait(stop, seconds)


class Noted(VertexBackend):
    """Waits by a clock of its own."""

    def __init__(self, source: Source, clock: Clock) -> None:
        self.clock = clock
        super().__init__(source)

    def _client(self) -> Client:
        return Client(self.make_site(), clock=self.clock)


class Vertex:
    """One source on the emulator, used through the backend contract."""

    def __init__(self, emulator: Running, **source: Any) -> None:
        options = {"base_url": emulator.url, **source.pop("options", {})}
        given = Source("prod", "vertex", **{"location": LOCATION, **source}, options=options)
        self.clock = NotingClock()
        backend = Noted(given, self.clock)
        self.client = backend.client
        self.backend = scoped(backend, given)
        self.control = emulator.control
        self.url = emulator.url
        self.context = FakeContext()

    def path(self, table: str, name: str) -> Any:
        paths = self.backend.resources[table].capability.paths
        return next(path for path in paths if path.name == name)

    def scan_of(self, table: str, path: str, *where: Any, **rest: Any) -> Scan:
        columns = rest.pop("columns", self.names(table))
        return Scan(self.path(table, path), AllOf(where), columns=frozenset(columns), **rest)

    def names(self, table: str) -> tuple[str, ...]:
        names = self.backend.resources[table].table.names
        return tuple(name for name in names if name != "next_page_token")

    def pages(self, table: str, path: str, *where: Any, **rest: Any) -> Iterator[Any]:
        self.context = FakeContext()
        scan = self.scan_of(table, path, *where, **rest)
        return self.backend.resources[table].scan(scan, self.context)

    def rows(self, table: str, path: str, *where: Any, **rest: Any) -> list[SimpleNamespace]:
        """Returns rows with columns as attributes; no row may occur twice."""
        found = [row for page in self.pages(table, path, *where, **rest) for row in page]
        return self.as_objects(table, found)

    def as_objects(self, table: str, rows: Any) -> list[SimpleNamespace]:
        names = self.backend.resources[table].table.names
        return [SimpleNamespace(**dict(zip_longest(names, row))) for row in rows]

    def write(self, table: str, action: str, key: str | None = None, **values: Any) -> Write:
        self._number = getattr(self, "_number", 0) + 1
        ignore, returning = values.pop("ignore", False), values.pop("returning", True)
        return Write(self._number, 1, table, Action(action), key, values, ignore, returning)

    def send(self, *writes: Write) -> list[Any]:
        self.context = FakeContext()
        _written.add(self.url)
        outcomes = {
            outcome.write.number: outcome for outcome in self.backend.send(writes, self.context)
        }
        assert outcomes.keys() == {write.number for write in writes}
        return [outcomes[write.number] for write in writes]

    def insert(self, table: str, **values: Any) -> Any:
        return self.send(self.write(table, "insert", **values))[0]

    def call(self, function: str, **arguments: Any) -> list[tuple[Any, ...]]:
        self.context = FakeContext()
        _written.add(self.url)
        return list(self.backend.routines[function](arguments, self.context))

    def requests(self, method: str | None = None, contains: str = "") -> list[dict[str, Any]]:
        """The requests in the emulator's own log."""
        return self.control.requests(method, contains)

    def filters(self) -> list[str]:
        return [entry["query"].get("filter", "") for entry in self.requests()]


@pytest.fixture(scope="session")
def emulator() -> Iterator[Running]:
    settings = EmulatorSettings(seed=1, sessions=320, events=3000, engines=("42", "77"))
    with running(settings) as started:
        yield started


@pytest.fixture(scope="session")
def strict_emulator() -> Iterator[Running]:
    settings = EmulatorSettings(seed=1, sessions=320, events=3000, strict_filters=True)
    with running(settings) as started:
        yield started


@pytest.fixture
def sources(request: pytest.FixtureRequest) -> Iterator[Callable[..., Vertex]]:
    """Creates sources on an emulator with fresh data and an empty log."""
    made: list[Vertex] = []

    def make(strict: bool = False, **source: Any) -> Vertex:
        emulator = request.getfixturevalue("strict_emulator" if strict else "emulator")
        if "no_seed" in request.fixturenames:
            if not made:
                emulator.control.reset(empty=True)
            _written.add(emulator.url)
        elif not made and emulator.url in _written:
            emulator.control.reset()
            _written.discard(emulator.url)
        emulator.control.reset_log()
        made.append(Vertex(emulator, **source))
        return made[-1]

    yield make
    for vertex in made:
        vertex.client.close()
        vertex.control.clear_faults()


@pytest.fixture
def no_seed() -> None:
    """For tests that need no data but their own: the emulator begins without any, which is fast."""


@pytest.fixture
def vertex(sources: Callable[..., Vertex]) -> Vertex:
    return sources()


@pytest.fixture
def one_engine() -> Iterator[Vertex]:
    """A service in which no other engine exists."""
    with running(EmulatorSettings(engines=("42",))) as started:
        vertex = Vertex(started)
        yield vertex
        vertex.client.close()


@pytest.fixture
def now() -> Callable[[], str]:
    return lambda: times.to_text(times.now())


@pytest.fixture
def opened() -> Iterator[Callable[..., VertexBackend]]:
    """Opens sources; no request is made."""
    made: list[VertexBackend] = []

    def open_(location: str = LOCATION, **options: Any) -> VertexBackend:
        made.append(VertexBackend.open(Source("prod", "vertex", location, options)))
        return made[-1]

    yield open_
    for backend in made:
        backend.close()


@pytest.fixture
def as_mapping() -> Callable[[Any], Mapping[str, Any]]:
    return vars


SENT, FAILED, UNKNOWN, NOT_SENT = (
    OutcomeState.SENT,
    OutcomeState.FAILED,
    OutcomeState.UNKNOWN,
    OutcomeState.NOT_SENT,
)


def session(vertex, session_id):
    found = vertex.rows("sessions", "get", Compare(Field("session_id"), Op.EQ, session_id))
    return found[0] if found else None


def row_of(vertex, outcome, table="sessions"):
    return vertex.as_objects(table, [outcome.row])[0]


def methods(vertex):
    return [entry["method"] for entry in vertex.requests()]


@pytest.fixture
def made(vertex):
    """An existing session, and an empty log."""
    outcome = vertex.insert(
        "sessions",
        user_id="zoe",
        session_id="made",
        display_name="Made",
        labels='{"env":"prod"}',
        state='{"a":1,"user:seen":2,"app:v":3}',
    )
    assert outcome.state is SENT
    vertex.control.reset_log()
    return outcome.key


def eq(field, value):
    return Compare(Field(field) if isinstance(field, str) else field, Op.EQ, value)


def time(field, op, value):
    return Compare(Field(field), op, value, TIMESTAMP)


def among(field, *values):
    return Member(Field(field), tuple(values))


@pytest.fixture
def everything(vertex):
    # Read page by page, because from both ends a request may remain when all rows are there.
    rows = vertex.rows("sessions", "list", parameters={"page_size": 100})
    vertex.control.reset_log()
    return rows
