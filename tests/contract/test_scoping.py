"""``scopes`` hold for a backend that knows nothing of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.contract.backend import Backend, Outcome, OutcomeState, Resource, Source
from sessions_vtab.contract.capability import EQUALITY, AccessPath, Capability, Filter, Writes
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.model import Column, ColumnType, Table
from sessions_vtab.errors import ConfigurationError, InvalidValueError, SessionsError

ROWS = {"a": [("n/a/s/1", "1", "a")], "b": [("n/b/s/2", "2", "b")], "c": [("n/c/s/3", "3", "c")]}
TABLE = Table(
    "sessions",
    (
        Column("name", ColumnType.TEXT, "Name."),
        Column("session_id", ColumnType.TEXT, "Id."),
        Column("namespace", ColumnType.TEXT, "Scope.", scope=True),
    ),
    "Sessions.",
    templates={"name": "n/{namespace}/s/{session_id}"},
)
COLUMNS = frozenset(("name", "session_id", "namespace"))


class _Sessions(Resource):
    table = TABLE
    capability = Capability(
        (
            AccessPath("get", ("name",), unique=True),
            AccessPath("list", filters=(Filter("namespace", EQUALITY),)),
        ),
        Writes(COLUMNS, update=frozenset(("session_id",)), delete=True),
    )

    def scan(self, scan: Any, context: Any) -> Iterator[Any]:
        Careless.asked.append(scan.path.name)
        yield from ROWS.values()

    def prefetch(self, scans: Any, context: Any) -> None:
        Careless.asked += [scan.path.name for scan in scans]


class Careless(Backend):
    """Asks and writes whatever it is told, and returns the rows of every scope."""

    name = "careless"
    scope = {"namespace": "a"}  # noqa: RUF012
    asked: list[str] = []  # noqa: RUF012

    @classmethod
    def open(cls, source: Source) -> Careless:
        backend = cls()
        backend.resources = {"sessions": _Sessions()}
        backend.routines = {"truncate_session": backend.truncate}
        return backend

    def describe(self) -> str:
        return "careless"

    def truncate(self, arguments: Any, context: Any) -> Any:
        Careless.asked.append("truncate")
        width = len(FUNCTIONS["truncate_session"].results)
        return [tuple([None] * width)]

    def send(self, writes: Any, context: Any) -> Any:
        for write in writes:
            Careless.asked.append(write.action.value)
            yield Outcome(write, OutcomeState.SENT, ("x", None, None), key="x")


@pytest.fixture
def db() -> Iterator[Connection]:
    Careless.asked.clear()
    source = {"backend": Careless, "scopes": {"namespace": ["b"]}}
    with closing(connect(sources={"t": source}, config=os.devnull)) as connection:
        yield connection


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM sessions WHERE namespace = 'c'",
        "SELECT session_id FROM sessions WHERE namespace IN ('a', 'c')",
        "SELECT session_id FROM sessions WHERE name = 'n/c/s/3'",
        "SELECT s.session_id FROM (SELECT 'c' AS n) AS w JOIN sessions s ON s.namespace = w.n",
        "INSERT INTO sessions(session_id, namespace) VALUES ('9', 'c')",
        "INSERT INTO sessions(name) VALUES ('n/c/s/9')",
        "SELECT * FROM truncate_session('n/c/s/3')",
    ],
)
def test_another_scope_is_refused_before_the_backend_is_asked(db: Connection, sql: str) -> None:
    with pytest.raises(InvalidValueError, match=r"namespace = 'c' is not allowed\..*only b"):
        db.execute(sql).fetchall()

    assert Careless.asked == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM sessions",
        "SELECT count(*) FROM sessions",
        "SELECT session_id FROM sessions WHERE namespace = 'b'",
        "UPDATE sessions SET session_id = '9'",
        "DELETE FROM sessions",
    ],
)
def test_a_row_of_another_scope_ends_the_statement(db: Connection, sql: str) -> None:
    with pytest.raises(InvalidValueError, match="namespace = 'c' is not allowed"):
        db.execute(sql).fetchall()

    assert {"update", "delete"}.isdisjoint(Careless.asked)


def test_one_row_that_is_not_allowed_keeps_the_others_from_being_sent(db: Connection) -> None:
    with pytest.raises(SessionsError, match="namespace = 'c' is not allowed"):
        db.execute(
            "INSERT INTO sessions(session_id, namespace) VALUES ('8', 'b'), ('9', 'c'), ('7', 'a')"
        )

    assert Careless.asked == []
    assert db.execute("SELECT DISTINCT outcome FROM writes").fetchall() == [("not sent",)]


def test_the_scope_of_the_location_and_those_that_are_listed_are_allowed(db: Connection) -> None:
    db.execute("INSERT INTO sessions(session_id, namespace) VALUES ('8', 'b'), ('9', 'a')")
    db.execute("SELECT * FROM truncate_session('n/b/s/1')").fetchall()

    assert Careless.asked == ["insert", "insert", "truncate"]


def test_a_scope_that_no_table_has_would_leave_another_one_free() -> None:
    source = {"backend": Careless, "scopes": {"namespce": ["b"]}}
    with pytest.raises(
        ConfigurationError, match=r"scopes.namespce: .*no scope column.*Did you mean namespace\?"
    ):
        connect(sources={"t": source}, config=os.devnull)
