from __future__ import annotations

from collections.abc import Iterator

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.contract.backend import Source
from sessions_vtab.contract.capability import RANGE, AccessPath, Capability, Filter, Writes
from sessions_vtab.contract.predicate import Op
from sessions_vtab.contract.tables import EVENTS, SESSIONS
from sessions_vtab.testing import hostile
from sessions_vtab.testing.conformance import Suite


def _filled(source: Source, *, odd_labels: bool) -> Connection:
    connection = connect(sources=[source])
    tables = connection.sources[source.name].backend.resources
    if source.name == "narrow":
        for name, resource in tables.items():
            resource.capability = _narrow(name)
    fill(connection, source.name, hostile.session_rows(odd_labels=odd_labels))
    return connection


def fill(connection: Connection, source: str, sessions: hostile.Rows) -> None:
    """Inserts sessions, and the hostile events that are theirs."""
    names = {row["name"] for row in sessions}
    events = [row for row in hostile.event_rows() if row["session_name"] in names]
    tables = connection.sources[source].backend.resources
    for table, some in (("sessions", sessions), ("events", events)):
        columns = tables[table].capability.writes.insert
        with connection:
            hostile.load(connection.execute, source, table, some, columns)


def _narrow(table: str) -> Capability:
    """The capability of a typical service: a few filters, one order, nothing exact."""
    filters = (
        Filter("user_id", frozenset((Op.EQ,))),
        Filter("display_name", frozenset((Op.EQ, Op.LIKE))),
        Filter("labels", frozenset((Op.EQ,)), keyed=True),
        Filter("session_id", frozenset((Op.EQ, Op.IN))),
        Filter("create_time", RANGE),
        Filter("timestamp", RANGE | {Op.EQ}),
    )
    order = {"sessions": "create_time", "events": "timestamp"}[table]
    listing = AccessPath("list", filters=filters, orders=(order,), page_cap=7, cost=100.0)
    get = AccessPath("get", keys=("name",), unique=True, cost=5.0)
    writes = Writes(insert=frozenset(column.name for column in SESSIONS.visible + EVENTS.visible))
    return Capability((get, listing), writes)


# The embedded store has rules for label keys; the queued backend accepts any.
_SOURCES = {
    "memory": (Source("mem", "memory"), True),
    "narrow": (Source("narrow", "memory"), True),
    "local": (Source("loc", "local", ":memory:"), False),
}


@pytest.fixture(scope="module", params=_SOURCES)
def suite(request: pytest.FixtureRequest) -> Iterator[Suite]:
    source, odd_labels = _SOURCES[request.param]
    with _filled(source, odd_labels=odd_labels) as connection:
        suite = Suite(connection, source.name)
        yield suite
        suite.close()
    connection.close()


@pytest.fixture(params=_SOURCES)
def filled(request: pytest.FixtureRequest) -> Iterator[Connection]:
    source, odd_labels = _SOURCES[request.param]
    connection = _filled(source, odd_labels=odd_labels)
    yield connection
    connection.close()
