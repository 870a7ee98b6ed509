"""A store used through the backend contract, like the engine: ``Local`` is one connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from sessions_vtab.backends.local import LocalBackend
from sessions_vtab.contract import times
from sessions_vtab.contract.backend import Action, OutcomeState, Write
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.predicate import AllOf
from sessions_vtab.contract.scan import Order, Scan
from sessions_vtab.contract.values import accept

START = times.parse("2026-01-01 09:00:00")


class Clock:
    """A clock that a test moves, and that advances by a microsecond with each reading."""

    def __init__(self) -> None:
        self.instant = START

    def __call__(self) -> int:
        self.instant += 1000
        return self.instant

    def forward(self, seconds: float) -> None:
        self.instant += int(seconds * 1e9)


class Context:
    """Statements that are never interrupted: another one whenever its number is read."""

    stop = False

    def __init__(self) -> None:
        self._numbers = count(1)

    @property
    def statement(self) -> int:
        return next(self._numbers)

    def interrupted(self) -> bool:
        return self.stop

    def spend(self, requests: int = 1) -> None:
        raise AssertionError("the local store makes no requests")

    def record(self, request) -> None:
        raise AssertionError("the local store makes no requests")


class Local:
    """One connection to a store; each write is a transaction unless ``begin`` was called."""

    def __init__(self, path: str | Path, clock: Clock | None = None, **options) -> None:
        self.clock = clock or Clock()
        self.path = str(path)
        self.backend = LocalBackend(self.path, clock=self.clock, **options)
        self.context = Context()
        self.numbers = count(1)

    # Writing.

    def insert(self, table: str, *, ignore: bool = False, **values):
        """Returns the outcome of an INSERT, with values made canonical as by the engine."""
        return self._apply(table, Action.INSERT, None, values, ignore=ignore)

    def update(self, table: str, key: str, **values):
        return self._apply(table, Action.UPDATE, key, values)

    def delete(self, table: str, key: str):
        return self._apply(table, Action.DELETE, key, {})

    def create(self, session_id: str = "s", **values) -> dict:
        """Creates a session and returns it as a dict."""
        return self.as_dict("sessions", self.insert("sessions", session_id=session_id, **values))

    def append(self, session_id: str = "s", author: str = "user", **values) -> dict:
        """Appends an event and returns it as a dict."""
        outcome = self.insert("events", session_id=session_id, author=author, **values)
        return self.as_dict("events", outcome)

    def as_dict(self, table: str, outcome) -> dict:
        assert outcome.state is OutcomeState.SENT
        return dict(zip(self.table(table).names, outcome.row, strict=True))

    def _apply(self, table, action, key, values, *, ignore=False):
        own = not self.backend._store.began
        values = {
            name: value if value is None else accept(self.table(table).column(name), value, name)
            for name, value in values.items()
        }
        write = Write(next(self.numbers), 1, table, action, key, values, ignore)
        if own:
            self.begin()
        try:
            outcome = self.backend.apply(write, self.context)
        except BaseException:
            if own:
                self.rollback()
            raise
        if own:
            self.commit()
        return outcome

    # Transactions.

    def begin(self) -> None:
        self.backend.transaction.begin()

    def commit(self) -> None:
        self.backend.transaction.commit()

    def rollback(self) -> None:
        self.backend.transaction.rollback()

    # Reading.

    def table(self, name: str):
        return self.backend.resources[name].table

    def pages(
        self,
        table: str,
        *terms,
        order=(),
        columns=None,
        path="list",
        offset=0,
        shape=None,
        **parameters,
    ):
        resource = self.backend.resources[table]
        (found,) = [one for one in resource.capability.paths if one.name == path]
        orders = tuple(
            Order(name.removeprefix("-"), name.startswith("-"))
            for name in ((order,) if isinstance(order, str) else order)
        )
        names = frozenset(columns if columns is not None else resource.table.names)
        scan = Scan(found, AllOf(terms), orders, names, parameters, None, offset, shape)
        return resource.scan(scan, self.context)

    def rows(self, table: str, *terms, columns=None, **options) -> list[tuple]:
        """Returns the rows of a scan; with ``columns``, only those, in that order."""
        positions = self.table(table).positions
        wanted = range(len(positions)) if columns is None else [positions[name] for name in columns]
        pages = self.pages(table, *terms, columns=columns, **options)
        return [tuple(row[place] for place in wanted) for page in pages for row in page]

    def values(self, table: str, column: str, *terms, **options) -> list:
        """Returns one column of a scan."""
        return [row[0] for row in self.rows(table, *terms, columns=(column,), **options)]

    def one(self, table: str, *terms, **options) -> dict:
        """Returns the only row of a scan as a dict."""
        (row,) = self.rows(table, *terms, **options)
        return dict(zip(self.table(table).names, row, strict=True))

    # Functions.

    def call(self, function: str, *arguments, **named) -> list[dict]:
        """Returns the rows of a function as dicts, with arguments made canonical as by the engine."""
        declared = FUNCTIONS[function]
        given = dict(zip((one.name for one in declared.parameters), arguments, strict=False))
        given |= named
        canonical = {
            name: accept(declared.parameter(name), value, name)
            for name, value in given.items()
            if value is not None
        }
        names = [column.name for column in declared.results]
        rows = self.backend.routines[function](canonical, self.context)
        return [dict(zip(names, row, strict=True)) for row in rows]

    # The file as another tool sees it.

    def sql(self, text: str, *bindings) -> list[tuple]:
        return self.backend._store.connection.execute(text, bindings).fetchall()

    def state(self, session_id: str = "s"):
        (text,) = [
            row[1]
            for row in self.rows("sessions", columns=("session_id", "state"))
            if row[0] == session_id
        ]
        return None if text is None else json.loads(text)

    def close(self) -> None:
        self.backend.close()


@pytest.fixture(scope="session")
def local_class() -> type[Local]:
    """The class, for fixtures and tests that open their own stores."""
    return Local


@pytest.fixture(params=["file", "memory"])
def local(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Local]:
    """An empty store, in a file and in memory."""
    store = Local(":memory:" if request.param == "memory" else tmp_path / "sessions.db")
    yield store
    store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
def open_store(path: Path) -> Iterator[type]:
    """Opens connections to the same file, and closes all of them at the end."""
    opened: list[Local] = []

    def opener(**options) -> Local:
        opened.append(Local(path, **options))
        return opened[-1]

    yield opener
    for one in opened:
        one.close()
